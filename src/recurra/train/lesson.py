"""The contract of what a model learns from."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

from torch import Tensor, nn

Batch = TypeVar("Batch")


class Lesson(ABC, Generic[Batch]):
    """A model, the batches it learns from, its loss, and its validation.

    Where several processes train together, each has a lesson of its own, which gives the rows that
    are its part (`this_part`) of every batch: as many batches in each. A part that would be empty
    is any rows with a weight of 0. What is validated is whole in the first process.

    Attributes:
        model: learns in place.
        steps: batches an epoch.
        ahead: batches that a thread prepares while a step runs, where that takes its time; 0 for
            none.
    """

    model: nn.Module
    steps: int
    ahead: int = 0

    @abstractmethod
    def batches(self, epoch: int, begin: int) -> Iterable[Batch]:
        """The batches of an epoch, the same however often it is asked.

        Args:
            epoch: counted from 1.
            begin: number of the first batch wanted, counted from 0; those before are done.
        """

    @abstractmethod
    def loss(self, batch: Batch) -> Tensor:
        """The mean loss of a batch, a scalar with its graph."""

    @abstractmethod
    def validate(self) -> float:
        """The validation loss of the model as it stands."""

    def weight(self, batch: Batch) -> float:
        """How many targets the mean in `loss` is over, where batches differ in that."""
        return 1.0

    def pace(self, epoch: int) -> Mapping[str, float]:
        """How fast parts of the model learn in an epoch, as factors on the rate; 0 freezes.

        A part is named as a module is, and the longest name counts; what none has learns at the
        rate. The same parts are named in every epoch (`train/pace.py`).

        Args:
            epoch: counted from 1.
        """
        return {}

    def state(self) -> Mapping[str, Tensor]:
        """What is carried from batch to batch, such as hidden states; a checkpoint keeps it."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on with what `state` gave."""

    def forget(self) -> None:
        """Begin anew what is carried: a step was left out, and its numbers may not be finite."""

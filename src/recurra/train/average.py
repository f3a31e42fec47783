"""A running mean of the weights, which answers in their place.

    a_n = d a_{n-1} + (1 - d) w_n        d = min(average, (1 + n) / (10 + n))

or, for NT-ASGD, the plain mean of all weights since validation stood still for `PATIENCE` epochs.

Sources: Polyak and Juditsky, 1992; Merity et al., "Regularizing and Optimizing LSTM Language
Models", 2018, algorithm 1.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from recurra.train.plan import Recipe

PATIENCE = 5


class Average:
    """The mean of a model's parameters.

    Args:
        model: whose parameters.
        recipe: which mean, if any.
    """

    def __init__(self, model: nn.Module, recipe: Recipe) -> None:
        self._weights = [p.detach() for p in model.parameters() if p.requires_grad]
        self._decay = recipe.average
        self._triggered = recipe.optimizer == "nt-asgd"
        self._mean: list[Tensor] = []
        self.count = 0
        if self._decay is not None:
            self._begin()

    def watch(self, losses: Sequence[float]) -> None:
        """Begin the mean of NT-ASGD once the validation losses say so."""
        waits = self._triggered and not self._mean and len(losses) > PATIENCE
        if waits and losses[-1] > min(losses[:-PATIENCE]):
            self._begin()

    def update(self) -> None:
        """The weights have made a step."""
        if not self._mean:
            return
        self.count += 1
        n = self.count
        share = 1 / n if self._decay is None else 1 - min(self._decay, (1 + n) / (10 + n))
        torch._foreach_lerp_(self._mean, self._weights, share)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The model with the mean as its weights, if there is one."""
        if not self._mean:
            yield
            return
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    def state(self) -> dict[str, Tensor]:
        """The mean by the parameters' numbers; empty where none has begun."""
        return {str(number): value for number, value in enumerate(self._mean)}

    def restore(self, state: Mapping[str, Tensor], count: int) -> None:
        """Go on with a mean of so many steps.

        Raises:
            ValueError: it is that of another model.
        """
        mean = [state[str(number)].clone() for number in range(len(state))]
        shapes = [value.shape for value in mean]
        if mean and shapes != [weight.shape for weight in self._weights]:
            raise ValueError("a mean of other weights")
        self._mean, self.count = mean, count

    def _begin(self) -> None:
        self._mean = [weight.clone() for weight in self._weights]

    def _exchange(self) -> None:
        for weight, mean in zip(self._weights, self._mean, strict=True):
            kept = weight.clone()
            weight.copy_(mean)
            mean.copy_(kept)

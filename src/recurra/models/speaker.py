"""The contract between a network that speaks and whoever decides what it says."""

from abc import ABC, abstractmethod

from jaxtyping import Float, Int
from torch import Tensor


class Speaker(ABC):
    """A decoder at work on N rows, each a sentence that is being said.

    One sequence may stand in several rows. A row's answers do not depend on the rows beside it.

    Attributes:
        rows: N.
        size: how many tokens there are to say. Those of the vocabulary come first; behind them, of
            a network that copies, may stand some that mean another thing for each source.
    """

    rows: int
    size: int

    @abstractmethod
    def step(self, tokens: Int[Tensor, " N"]) -> Float[Tensor, "N V"]:
        """log p of each token that may follow.

        Args:
            tokens: what was said last; the begin of a sentence in the first step.
        """

    @abstractmethod
    def keep(self, rows: Int[Tensor, " M"]) -> None:
        """Go on with these rows in this order: row i is then what row `rows[i]` was.

        A row may come several times, or not at all; M need not be N.
        """

    @property
    @abstractmethod
    def shares(self) -> Float[Tensor, "N S"]:
        """The shares of the source's places in the last step's answer."""

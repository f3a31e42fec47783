"""What a network that rewrites sequences reads, and what it is to say."""

from typing import NamedTuple

from jaxtyping import Int
from torch import Tensor


class Source(NamedTuple):
    """A batch of sequences to be read.

    `copied` says, for a network that copies, which token of the target's each place is. Numbers at
    V and above stand for tokens that the target's vocabulary of V does not have: they mean another
    thing in each row.
    """

    ids: Int[Tensor, "B S"]
    lengths: Int[Tensor, " B"]
    copied: Int[Tensor, "B S"] | None = None


class Target(NamedTuple):
    """What is to be said: `ids` begin behind the token that begins a sentence, and end with the one
    that ends it. Places past a row's length are -1.
    """

    ids: Int[Tensor, "B T"]
    lengths: Int[Tensor, " B"]

"""How a field may be searched, said in its annotation behind its meaning.

    dropout: Annotated[float, "share of features dropped", Range(0.0, 0.5)] = 0.1

Only fields that leave the meaning of the validation loss alone may say so: trials are compared by
it.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Range:
    """Any number from `low` to `high`; by factors rather than by differences where `log` is set."""

    low: int | float
    high: int | float
    log: bool = False


@dataclass(frozen=True)
class Choices:
    """One of a few values, the default among them."""

    values: tuple[str | int | float, ...]


@dataclass(frozen=True)
class Multiples:
    """What `fit` finds where the field is None, times one of `factors`; 1 is among them.

    Args:
        factors: what is tried; one that does not fit the data is left out.
        unless: a field that, when on, lets this one change what is validated on.
    """

    factors: tuple[float, ...]
    unless: str | None = None


Search = Range | Choices | Multiples

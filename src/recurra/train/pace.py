"""Parts of a model that learn at rates of their own, or not yet.

    rate of a part = its factor * rate of the step        0 freezes it

A part is named as a module is, "layers.0"; a parameter belongs to the longest name that its own
begins with. What is frozen has no gradient, so that nothing moves it by a bit, weight decay and
momentum neither, and no optimizer gathers anything of it.

Source: Howard and Ruder, "Universal Language Model Fine-tuning for Text Classification", 2018,
arXiv:1801.06146, sections 3.2 (discriminative rates) and 3.3 (gradual unfreezing).
"""

import math
from collections.abc import Iterable, Mapping, Sequence

from torch import nn

from recurra.errors import OptionError

# What each layer's rate is divided by for the one below it.
FALL = 2.6


def unfrozen(layers: Sequence[str], epoch: int, *, fall: float = FALL) -> dict[str, float]:
    """The pace at which layers wake from the top, one an epoch, each slower than the one above it.

    Args:
        layers: their modules' names, from top to bottom.
        epoch: counted from 1, in which the topmost learns alone.
        fall: of the rate from a layer to the one below it.
    """
    woken = enumerate(layers)
    return {layer: fall**-depth if depth < epoch else 0.0 for depth, layer in woken}


def part_of(name: str, parts: Iterable[str]) -> str:
    """The part that a parameter of this name belongs to; "" where none has it."""
    return max((part for part in parts if _within(name, part)), key=len, default="")


def check_parts(parts: Iterable[str], model: nn.Module) -> None:
    """Every part is one of the model.

    Raises:
        OptionError: one is not.
    """
    names = [name for name, _ in model.named_parameters()]
    for part in parts:
        if not any(_within(name, part) for name in names):
            there = ", ".join(dict.fromkeys(name.partition(".")[0] for name in names))
            raise OptionError(
                f"training: the pace names {part!r}, where the model has no parameter; it has "
                f"{there}"
            )


def check_pace(pace: Mapping[str, float], parts: Iterable[str], epoch: int) -> None:
    """A pace names the same parts in every epoch, by factors that a rate can have.

    Args:
        parts: named in the first epoch.
        epoch: that `pace` is for.

    Raises:
        OptionError: it does not.
    """
    for part, factor in pace.items():
        if not 0 <= factor < math.inf:
            raise OptionError(
                f"training: the pace of {part!r} in epoch {epoch} is {factor}; it is a factor on "
                "the learning rate, at least 0, which freezes"
            )
    if set(pace) != (first := set(parts)):
        raise OptionError(
            f"training: the pace of epoch {epoch} names {_told(pace)}, that of the first epoch "
            f"{_told(first)}; it names the same parts in every epoch"
        )


def _within(name: str, part: str) -> bool:
    return not part or name == part or name.startswith(f"{part}.")


def _told(parts: Iterable[str]) -> str:
    return ", ".join(sorted(parts)) or "nothing"

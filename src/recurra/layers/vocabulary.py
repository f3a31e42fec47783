"""The loss over a vocabulary: what the right number of each row was worth, in nats.

    s = h wᵀ + b        nats = log(sum over v of exp(s_v)) - s_target

and with smoothing e, (1 - e) of that and e of its mean over all v in the place of the target.
A target below 0 counts nothing. On the CPU the scores of a few rows alone are held at a time, and
neither threads nor other rows change a bit; elsewhere torch holds those of all.

Source of the smoothing: Szegedy et al., "Rethinking the Inception Architecture for Computer
Vision", 2016, arXiv:1512.00567, section 7.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from recurra.engine import each_nats, nats, plain_nats
from recurra.errors import OptionError, ShapeError


def vocabulary_nats(
    h: Float[Tensor, "*rows H"],
    w: Float[Tensor, "V H"],
    b: Float[Tensor, " V"] | None,
    targets: Int[Tensor, "*rows"],
    *,
    smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """The nats of all targets together, with gradients for h, w and b.

    Args:
        smoothing: the share of each target that is spread over all numbers, 0 … below 1.

    Raises:
        ShapeError: shapes do not fit together, or a target is not below V.
        OptionError: smoothing does not fit.
    """
    if not 0 <= smoothing < 1:
        raise OptionError(f"nats: smoothing is {smoothing}, a number from 0 to below 1 fits")
    h, targets = _admit(h, w, targets)
    found = nats(h, w, b, targets, smoothing)
    return plain_nats(h, w, b, targets, smoothing) if found is None else found


def vocabulary_each(
    h: Float[Tensor, "*rows H"],
    w: Float[Tensor, "V H"],
    b: Float[Tensor, " V"] | None,
    targets: Int[Tensor, "*rows"],
) -> Float[Tensor, "*rows"]:
    """The nats of each target; where a gradient may be asked for, torch holds all scores.

    Raises:
        ShapeError: shapes do not fit together, or a target is not below V.
    """
    shape = targets.shape
    h, targets = _admit(h, w, targets)
    found = each_nats(h, w, b, targets)
    if found is None:
        found = plain_nats(h, w, b, targets, reduction="none")
    return found.view(shape)


def _admit(h: Tensor, w: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Rows (N, H) and their targets (N,) int64."""
    if h.shape[-1] != w.shape[1] or h.shape[:-1] != targets.shape:
        came = f"h {tuple(h.shape)} beside targets {tuple(targets.shape)}"
        raise ShapeError(f"nats: {came}, h (…, {w.shape[1]}) and one target a row fit")
    check_targets(targets, len(w))
    return h.reshape(targets.numel(), h.shape[-1]), targets.reshape(-1).long()


def check_targets(targets: Tensor, vocab_size: int) -> None:
    """Refuse a target that is no number of the vocabulary.

    Raises:
        ShapeError: naming the largest.
    """
    # Under a compiler nobody may look at a value, and a GPU would be waited for.
    if torch.compiler.is_compiling() or not targets.is_cpu or not targets.numel():
        return
    largest = int(targets.max())
    if largest >= vocab_size:
        raise ShapeError(f"nats: a target is {largest}, numbers below {vocab_size} fit")

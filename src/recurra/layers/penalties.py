"""What a loss may add to keep the outputs of a network small and slow.

    activation_penalty             mean of y_t²                   over true steps
    temporal_activation_penalty    mean of (y_t - y_{t-1})²       over pairs of true steps

Source: Merity, McCann and Socher, "Revisiting Activation Regularization for Language RNNs", 2017,
arXiv:1708.01009, sections 3.1 and 3.2, which adds 2 and 1 times these. There the first is of
outputs after dropout, and the second of outputs before it.
"""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor


def activation_penalty(
    y: Float[Tensor, "B T *H"], lengths: Int64[Tensor, " B"] | None = None
) -> Float[Tensor, ""]:
    """The mean square of outputs; 0 where there is none.

    Args:
        lengths: true steps per row; all T when not given.
    """
    return _mean_square(y, _true(y, lengths))


def temporal_activation_penalty(
    y: Float[Tensor, "B T *H"],
    lengths: Int64[Tensor, " B"] | None = None,
    reset: Bool[Tensor, "B T"] | None = None,
) -> Float[Tensor, ""]:
    """The mean square of what outputs change from one step to the next; 0 where there is no pair.

    Args:
        lengths: true steps per row; all T when not given.
        reset: where a sequence begins: the change to that step is none.
    """
    pairs = _true(y, lengths)[:, 1:]
    if reset is not None:
        pairs = pairs & ~reset[:, 1:]
    return _mean_square(y[:, 1:] - y[:, :-1], pairs)


def _true(y: Tensor, lengths: Tensor | None) -> Tensor:
    """Which steps are (B, T)."""
    t = torch.arange(y.shape[1], device=y.device)
    return (t < (len(t) if lengths is None else lengths[:, None])).expand(y.shape[:2])


def _mean_square(u: Tensor, there: Tensor) -> Tensor:
    columns = u[0, 0].numel() if u.numel() else 1
    dead = ~there.view(*there.shape, *(1,) * (u.ndim - 2))
    return u.masked_fill(dead, 0).square().sum() / (there.sum() * columns).clamp(min=1)

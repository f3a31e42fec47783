"""The sum over all alignments of labels with frames, by its definition in plain torch.

    a(0, 0) = 0
    a(t, u) = log(exp(a(t-1, u) + none(t-1, u)) + exp(a(t, u-1) + next(t, u-1)))
    nats    = -(a(T-1, U) + none(T-1, U))

`none` and `next` are the log p of a blank and of the next label at a place (t, u), by a softmax of
its scores. All places with one t + u are computed at once.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

# In the place of minus infinity, whose differences are no numbers.
NEVER = -1e30


def plain_joiner_nats(
    f: Float[Tensor, "B T J"],
    g: Float[Tensor, "B U+1 J"],
    w: Float[Tensor, "V J"],
    b: Float[Tensor, " V"] | None,
    targets: Int64[Tensor, "B U"],
    frames: Int64[Tensor, " B"],
    labels: Int64[Tensor, " B"],
    blank: int = 0,
) -> Float[Tensor, " B"]:
    """The nats of each row, by scores w tanh(f + g) + b, all of which are held."""
    f = torch.where(_past(f.shape[1], frames)[..., None], 0, f)
    g = torch.where(_past(g.shape[1], labels + 1)[..., None], 0, g)
    scores = F.linear(torch.tanh(f[:, :, None] + g[:, None]), w, b)
    return sum_over_alignments(scores, targets, frames, labels, blank)


def plain_lattice_nats(
    scores: Float[Tensor, "B T U+1 V"],
    targets: Int64[Tensor, "B U"],
    frames: Int64[Tensor, " B"],
    labels: Int64[Tensor, " B"],
    blank: int = 0,
) -> Float[Tensor, " B"]:
    """The nats of each row of given scores; what stands in the padding is not looked at."""
    _, T, places, _ = scores.shape
    past = _past(T, frames)[..., None] | _past(places, labels + 1)[:, None]
    cleared = torch.where(past[..., None], 0, scores)
    return sum_over_alignments(cleared, targets, frames, labels, blank)


def sum_over_alignments(
    scores: Tensor, targets: Tensor, frames: Tensor, labels: Tensor, blank: int = 0
) -> Tensor:
    """The same of scores that are finite in the padding; those of fewer digits become float32."""
    B, T, places, _ = scores.shape
    dtype = torch.promote_types(scores.dtype, torch.float32)
    if T == 0:
        return scores.sum(dim=(1, 2, 3), dtype=dtype)
    found = scores.log_softmax(-1, dtype=dtype)
    none, steps = found[..., blank], found[:, :, :-1]
    true = targets.masked_fill(_past(places - 1, labels), 0)
    next_ = steps.gather(3, true[:, None, :, None].expand(B, T, places - 1, 1))[..., 0]
    sums = torch.stack(_diagonals(none, F.pad(next_, (0, 1))))  # (T + U, B, U+1)
    rows = torch.arange(B, device=scores.device)
    last = (frames - 1).clamp(min=0)
    total = sums[last + labels, rows, labels] + none[rows, last, labels]
    nats = torch.where(total > NEVER / 2, -total, torch.inf - total)
    return torch.where(frames > 0, nats, 0)


def _diagonals(none: Tensor, next_: Tensor) -> list[Tensor]:
    """a(d - u, u) of every d from 0 to T + U - 1, each (B, U+1)."""
    a = torch.full_like(none[:, 0], NEVER)
    a[:, 0] = 0
    found = [a]
    for blank, label in zip(_skew(none)[:-1], _skew(next_)[:-1], strict=True):
        left = F.pad((a + label)[:, :-1], (1, 0), value=NEVER)
        # logaddexp has no second derivative where one of the two is far below the other.
        a = torch.stack([a + blank, left]).logsumexp(0)
        found.append(a)
    return found


def _skew(x: Tensor) -> tuple[Tensor, ...]:
    """x[:, d - u, u] of every d from 0 to T + U - 1; `NEVER` where there is none."""
    B, T, places = x.shape
    wide = F.pad(x.transpose(1, 2), (0, places), value=NEVER).flatten(1)
    D = T + places - 1
    return wide[:, : places * D].view(B, places, D).unbind(-1)


def _past(count: int, lengths: Tensor) -> Tensor:
    """Where (B, count) lies past a row's length."""
    return torch.arange(count, device=lengths.device) >= lengths[:, None]

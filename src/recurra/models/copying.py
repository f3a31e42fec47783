"""Words of a source said again: a decoder that generates or points.

    g    = sigmoid(w · [c; s; x] + b)
    P(w) = g softmax(V)_w + (1 - g) Σ_{j: copied_j = w} a_j

over the V tokens of the vocabulary, and behind them those that stand in a source alone.

Source: See, Liu and Manning, "Get To The Point: Summarization with Pointer-Generator Networks",
2017, arXiv:1704.04368, equations 8 and 9.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F


def mixture(
    scores: Float[Tensor, "N V"],
    gate: Float[Tensor, " N"],
    shares: Float[Tensor, "N S"],
    copied: Int[Tensor, "N S"],
    size: int,
) -> Float[Tensor, "N W"]:
    """log P of each of W tokens; -inf of those that can be neither generated nor copied.

    Args:
        gate: before the sigmoid.
        copied: which token each place is; of places without a share, any number.
        size: W, V and all that is copied at least.
    """
    p = scores.new_zeros(len(scores), size)
    p[:, : scores.shape[1]] = torch.sigmoid(gate)[:, None] * torch.softmax(scores, 1)
    pointed = torch.sigmoid(-gate)[:, None] * shares
    return p.scatter_add_(1, copied.clamp(0, size - 1), pointed).log_()


def mixed_nats(
    scores: Float[Tensor, "B T V"],
    gate: Float[Tensor, "B T"],
    shares: Float[Tensor, "B T S"],
    copied: Int[Tensor, "B S"],
    targets: Int[Tensor, "B T"],
    smoothing: float = 0.0,
) -> Float[Tensor, "B T"]:
    """-log P of each target, with gradients; 0 where a target is below 0.

    Args:
        smoothing: the share of each target that is spread over the vocabulary, as generated.
    """
    logs = torch.log_softmax(scores, -1)
    V, tiny = logs.shape[2], torch.finfo(logs.dtype).tiny
    known = (targets >= 0) & (targets < V)
    own = logs.gather(2, targets.where(known, 0)[..., None])[..., 0]
    own = F.logsigmoid(gate) + own
    pointed = (shares * (copied[:, None] == targets[..., None])).sum(-1)
    # A share of 0 is taken for one that is next to nothing, so that no gradient is NaN.
    other = F.logsigmoid(-gate) + pointed.clamp(min=tiny).log()
    nats = -torch.where(known, torch.logaddexp(own, other), other)
    if smoothing:
        nats = (1 - smoothing) * nats - smoothing * logs.mean(-1)
    return nats.masked_fill(targets < 0, 0.0)

"""Adaptive softmax: rare numbers in clusters, each with a narrower projection.

    log p(v | h) = log softmax(W_0 h)_v                                     for the frequent
    log p(v | h) = log softmax(W_0 h)_c + log softmax(U_c P_c h)_v          for v in cluster c

Source: Grave, Joulin, Cissé, Grangier and Jégou, "Efficient softmax approximation for GPUs", 2017,
arXiv:1609.04309, section 4.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.cell import Context
from recurra.cells.check import positive
from recurra.engine import dense
from recurra.errors import OptionError
from recurra.layers.head import Head
from recurra.layers.vocabulary import check_targets, vocabulary_each, vocabulary_nats


class Adaptive(Head):
    """Log-probabilities of a large vocabulary, at a price that follows how often a number comes.

    Numbers must be sorted by how often they come, 0 the most frequent; in another order the loss is
    as true, and neither fast nor good. Its weights are those of torch's
    `AdaptiveLogSoftmaxWithLoss` by name.

    Args:
        input_size: features per time step, H.
        vocab_size: numbers, V.
        cutoffs: where each cluster begins, rising, below V: those before the first are frequent.
        shrink: cluster c, counted from 1, is projected to H / shrink^c features, at least 1.
    """

    def __init__(
        self, input_size: int, vocab_size: int, cutoffs: Sequence[int], *, shrink: float = 4.0
    ) -> None:
        super().__init__()
        positive("Adaptive", input_size=input_size, vocab_size=vocab_size)
        _check(cutoffs, vocab_size, shrink)
        self.input_size, self.output_size = input_size, vocab_size
        self.frequent = cutoffs[0]
        self.ends = (*cutoffs, vocab_size)
        clusters = len(cutoffs)
        self.head = nn.Linear(input_size, self.frequent + clusters, bias=False)
        self.tail = nn.ModuleList()
        for c in range(clusters):
            width = max(1, int(input_size // shrink ** (c + 1)))
            self.tail.append(
                nn.Sequential(
                    nn.Linear(input_size, width, bias=False),
                    nn.Linear(width, self.ends[c + 1] - self.ends[c], bias=False),
                )
            )

    def step(
        self, x: Float[Tensor, "B ... H"], state: tuple[()], context: Context = None
    ) -> tuple[Float[Tensor, "B ... V"], tuple[()]]:
        first = F.log_softmax(self.head(x), dim=-1)
        parts = [first[..., : self.frequent]]
        for c, cluster in enumerate(self.tail):
            chosen = self.frequent + c
            within = F.log_softmax(cluster(x), dim=-1)
            parts.append(first[..., chosen : chosen + 1] + within)
        return torch.cat(parts, dim=-1), ()

    def nats(
        self, h: Float[Tensor, "*rows H"], targets: Int[Tensor, "*rows"], smoothing: float = 0.0
    ) -> Float[Tensor, ""]:
        """As `Head.nats`; a share for every number would ask for every score, so smoothing is 0."""
        if smoothing != 0:
            raise OptionError(f"Adaptive: smoothing is {smoothing}, 0 fits, or another head")
        check_targets(targets, self.output_size)
        found = vocabulary_nats(h, self.head.weight, None, self._first(targets))
        for c, rows in self._clusters(targets):
            low, w = self._within(c, h[rows])
            found = found + vocabulary_nats(low, w, None, targets[rows] - self.ends[c])
        return found

    def each(
        self, h: Float[Tensor, "*rows H"], targets: Int[Tensor, "*rows"]
    ) -> Float[Tensor, "*rows"]:
        check_targets(targets, self.output_size)
        found = vocabulary_each(h, self.head.weight, None, self._first(targets))
        for c, rows in self._clusters(targets):
            low, w = self._within(c, h[rows])
            within = vocabulary_each(low, w, None, targets[rows] - self.ends[c])
            found = found.index_put(tuple(rows.nonzero().T), within, accumulate=True)
        return found

    def _first(self, targets: Tensor) -> Tensor:
        """Targets of the first softmax: a rare number stands for its cluster."""
        first = targets
        for c, begin in enumerate(self.ends[:-1]):
            first = torch.where(targets >= begin, self.frequent + c, first)
        return first

    def _clusters(self, targets: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Each cluster that has a target, and where."""
        for c in range(len(self.tail)):
            rows = (targets >= self.ends[c]) & (targets < self.ends[c + 1])
            if bool(rows.any()):
                yield c, rows

    def _within(self, c: int, h: Tensor) -> tuple[Tensor, Tensor]:
        """What the softmax of a cluster reads, and its matrix."""
        down, up = (each.get_parameter("weight") for each in self.tail[c].children())
        return dense(h, down), up


def _check(cutoffs: Sequence[int], vocab_size: int, shrink: float) -> None:
    edges = [0, *cutoffs, vocab_size]
    if len(edges) < 3 or any(a >= b for a, b in pairwise(edges)):
        came = ", ".join(map(str, cutoffs)) or "empty"
        raise OptionError(
            f"Adaptive: cutoffs are {came}, rising numbers from 1 to {vocab_size - 1} fit"
        )
    if shrink < 1:
        raise OptionError(f"Adaptive: shrink is {shrink}, at least 1 fits")

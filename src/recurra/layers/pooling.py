"""A sequence of any length as one vector.

    mean         1/n sum_t y_t                  over the true steps t = 1 … n
    max          max_t y_t                      each feature by itself
    attention    sum_t a_t y_t                  a = softmax_t(v . tanh(W y_t + b))
    last         y_n; of what was read backwards y_1, the last that was read

What stands in the padding, NaN too, has no influence and gets no gradient. A row without steps
gives 0.

Chunk after chunk the same is had from a memory: sums, the largest so far, and sums weighed by
exp(score - the largest score), which are scaled anew when a larger one comes.

Source: attention: Yang et al., "Hierarchical Attention Networks for Document Classification", 2016,
NAACL, equations 5 to 7; its memory: Milakov and Gimelshein, "Online normalizer calculation for
softmax", 2018, arXiv:1805.02867, algorithm 3.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from recurra.cells.check import positive
from recurra.errors import OptionError, UnsupportedError

POOLINGS = ("mean", "max", "attention", "last")


class Pooled(NamedTuple):
    """What is known of the steps so far: how many, and what each kind keeps of them."""

    steps: Int64[Tensor, "B 1"]
    sum: Float[Tensor, "B H"]
    most: Float[Tensor, "B H"]
    last: Float[Tensor, "B H"]
    weighed: Float[Tensor, "B H"]
    weight: Float[Tensor, "B 1"]
    score: Float[Tensor, "B 1"]


class Pooling(nn.Module):
    """One or more summaries of the outputs over time, side by side.

    Args:
        input_size: features per step, H.
        kinds: names in POOLINGS, in the order of the result.
        ahead: how many features, the first ones, were read forwards, the others backwards; all H
            when not given.

    Raises:
        OptionError: a kind is unknown, named twice, or there is none.
    """

    def __init__(
        self, input_size: int, kinds: Sequence[str] = POOLINGS, ahead: int | None = None
    ) -> None:
        super().__init__()
        positive("Pooling", input_size=input_size)
        odd = [kind for kind in kinds if kind not in POOLINGS]
        if odd or not kinds or len(set(kinds)) < len(kinds):
            raise OptionError(
                f"Pooling: kinds is {', '.join(kinds) or 'empty'}; it is one or more of "
                f"{', '.join(POOLINGS)}, each once"
            )
        self.kinds = tuple(kinds)
        self.input_size, self.output_size = input_size, input_size * len(kinds)
        self.ahead = input_size if ahead is None else ahead
        if "attention" in kinds:
            self.project = nn.Linear(input_size, input_size)
            self.query = nn.Linear(input_size, 1, bias=False)

    def forward(
        self, y: Float[Tensor, "B T H"], lengths: Int64[Tensor, " B"] | None = None
    ) -> Float[Tensor, "B D"]:
        """Summarise the true steps of each row; all T of them when `lengths` is not given."""
        there = _true(y, lengths)
        y = y.masked_fill(~there, 0)
        made = {
            "mean": self._mean,
            "max": self._max,
            "attention": self._attention,
            "last": self._last,
        }
        return torch.cat([made[kind](y, there) for kind in self.kinds], dim=1)

    def begin(self, like: Float[Tensor, "B ..."]) -> Pooled:
        """The memory of B rows of which nothing was seen, of the type and place of a tensor.

        Raises:
            UnsupportedError: some features were read backwards, from an end that is yet to come.
        """
        if self.ahead < self.input_size:
            raise UnsupportedError(
                "Pooling: what was read backwards cannot be pooled chunk by chunk; use a network "
                "that reads forwards alone"
            )
        steps = torch.zeros(len(like), 1, dtype=torch.int64, device=like.device)
        zeros, zero = like.new_zeros(len(like), self.input_size), like.new_zeros(len(like), 1)
        low = -torch.inf
        return Pooled(steps, zeros, zeros + low, zeros, zeros, zero, zero + low)

    def feed(
        self, memory: Pooled, y: Float[Tensor, "B T H"], lengths: Int64[Tensor, " B"] | None = None
    ) -> Pooled:
        """The memory after a chunk."""
        there = _true(y, lengths)
        y = y.masked_fill(~there, 0)
        count = there.sum(dim=1)
        most = torch.cat([memory.most[:, None], y.masked_fill(~there, -torch.inf)], dim=1)
        memory = memory._replace(
            steps=memory.steps + count,
            sum=memory.sum + y.sum(dim=1),
            most=most.amax(dim=1),
            last=torch.where(count > 0, self._last(y, there), memory.last),
        )
        return self._weighed(memory, y, there) if "attention" in self.kinds else memory

    def finish(self, memory: Pooled) -> Float[Tensor, "B D"]:
        """The summaries of all that was fed: those of `forward`, to rounding."""
        some = memory.steps > 0
        made = {
            "mean": memory.sum / memory.steps.clamp(min=1),
            "max": memory.most.where(some, 0),
            "attention": (memory.weighed / memory.weight).where(some, 0),
            "last": memory.last,
        }
        return torch.cat([made[kind] for kind in self.kinds], dim=1)

    def _mean(self, y: Tensor, there: Tensor) -> Tensor:
        return y.sum(dim=1) / there.sum(dim=1).clamp(min=1)

    def _max(self, y: Tensor, there: Tensor) -> Tensor:
        if y.shape[1] == 0:
            return y.sum(dim=1)
        most = y.masked_fill(~there, -torch.inf).amax(dim=1)
        return most.where(there.any(dim=1), 0)

    def _attention(self, y: Tensor, there: Tensor) -> Tensor:
        # A row without steps would divide by 0: all its steps are 0, whatever they weigh.
        scored = there | ~there.any(dim=1, keepdim=True)
        scores = self._scores(y).masked_fill(~scored, -torch.inf)
        return (torch.softmax(scores, dim=1) * y).sum(dim=1)

    def _last(self, y: Tensor, there: Tensor) -> Tensor:
        if y.shape[1] == 0:
            return y.sum(dim=1)
        end = (there.sum(dim=1, keepdim=True) - 1).clamp(min=0)
        last = y.take_along_dim(end, dim=1)[:, 0]
        return torch.cat([last[:, : self.ahead], y[:, 0, self.ahead :]], dim=1)

    def _scores(self, y: Tensor) -> Tensor:
        scores: Tensor = self.query(torch.tanh(self.project(y)))
        return scores

    def _weighed(self, memory: Pooled, y: Tensor, there: Tensor) -> Pooled:
        scores = self._scores(y).masked_fill(~there, -torch.inf)
        score = torch.cat([memory.score[:, None], scores], dim=1).amax(dim=1)
        # Of a row of which nothing was seen the largest score is -inf, and so are all others.
        level = score.masked_fill(score == -torch.inf, 0)
        shrink, each = (memory.score - level).exp(), (scores - level[:, None]).exp()
        return memory._replace(
            weighed=shrink * memory.weighed + (each * y).sum(dim=1),
            weight=shrink * memory.weight + each.sum(dim=1),
            score=score,
        )


def _true(y: Float[Tensor, "B T H"], lengths: Tensor | None) -> Bool[Tensor, "B T 1"]:
    t = torch.arange(y.shape[1], device=y.device)
    there = (t < (len(t) if lengths is None else lengths[:, None])).expand(y.shape[:2])
    return there.unsqueeze(-1)

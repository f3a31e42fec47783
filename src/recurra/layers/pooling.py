"""A sequence of any length as one vector.

    mean         1/n sum_t y_t                  over the true steps t = 1 … n
    max          max_t y_t                      each feature by itself
    attention    sum_t a_t y_t                  a = softmax_t(v . tanh(W y_t + b))

What stands in the padding, NaN too, has no influence and gets no gradient. A row without steps
gives 0.

Source: attention: Yang et al., "Hierarchical Attention Networks for Document Classification", 2016,
NAACL, equations 5 to 7.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from recurra.cells.check import positive
from recurra.errors import OptionError

POOLINGS = ("mean", "max", "attention")


class Pooling(nn.Module):
    """One or more summaries of the outputs over time, side by side.

    Args:
        input_size: features per step, H.
        kinds: names in POOLINGS, in the order of the result.

    Raises:
        OptionError: a kind is unknown, named twice, or there is none.
    """

    def __init__(self, input_size: int, kinds: Sequence[str] = POOLINGS) -> None:
        super().__init__()
        positive("Pooling", input_size=input_size)
        odd = [kind for kind in kinds if kind not in POOLINGS]
        if odd or not kinds or len(set(kinds)) < len(kinds):
            raise OptionError(
                f"Pooling: kinds is {', '.join(kinds) or 'empty'}; it is one or more of "
                f"{', '.join(POOLINGS)}, each once"
            )
        self.kinds = tuple(kinds)
        self.output_size = input_size * len(kinds)
        if "attention" in kinds:
            self.project = nn.Linear(input_size, input_size)
            self.query = nn.Linear(input_size, 1, bias=False)

    def forward(
        self, y: Float[Tensor, "B T H"], lengths: Int64[Tensor, " B"] | None = None
    ) -> Float[Tensor, "B D"]:
        """Summarise the true steps of each row; all T of them when `lengths` is not given."""
        there = _true(y, lengths)
        y = y.masked_fill(~there, 0)
        made = {"mean": self._mean, "max": self._max, "attention": self._attention}
        return torch.cat([made[kind](y, there) for kind in self.kinds], dim=1)

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
        scores = self.query(torch.tanh(self.project(y))).masked_fill(~scored, -torch.inf)
        return (torch.softmax(scores, dim=1) * y).sum(dim=1)


def _true(y: Float[Tensor, "B T H"], lengths: Tensor | None) -> Bool[Tensor, "B T 1"]:
    t = torch.arange(y.shape[1], device=y.device)
    there = (t < (len(t) if lengths is None else lengths[:, None])).expand(y.shape[:2])
    return there.unsqueeze(-1)

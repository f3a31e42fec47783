"""A linear-chain conditional random field: the score of a whole sequence of tags.

    s(y) = start[y_1] + Σ_t x_t[y_t] + Σ_t transition[y_{t-1}, y_t] + end[y_T]
    log p(y) = s(y) - log Σ_y' exp s(y')

The sum over all sequences is a recurrence over time, and so is the best one of them:

    a_1 = start + x_1        a_t[j] = x_t[j] + log Σ_i exp(a_{t-1}[i] + transition[i, j])
    v_1 = start + x_1        v_t[j] = x_t[j] + max_i (v_{t-1}[i] + transition[i, j])

Source: Lafferty, McCallum and Pereira, "Conditional Random Fields", 2001, ICML, section 3; over the
outputs of a recurrent network: Lample et al., "Neural Architectures for Named Entity Recognition",
2016, arXiv:1603.01360, section 2.2.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from recurra.cells.check import positive
from recurra.engine import clear, run
from recurra.errors import ShapeError

# In the place of minus infinity, whose differences are no numbers.
FORBIDDEN = -1e4


class Paths(NamedTuple):
    """The log of a sum over all paths, or the score of the best, per tag that they end in."""

    score: Float[Tensor, "B K"]


class CRF(nn.Module):
    """Scores of tags beside each other, on top of the scores of each tag at each step.

    Args:
        tags: how many there are, K.
        forbidden: (K, K) where the tag of the column never follows that of the row.
        never_first: (K,) tags that no sequence begins with.
        never_last: (K,) tags that none ends with.

    Raises:
        ShapeError: a mask does not fit the tags.
    """

    forbidden: Tensor
    never_first: Tensor
    never_last: Tensor

    def __init__(
        self,
        tags: int,
        *,
        forbidden: Bool[Tensor, "K K"] | None = None,
        never_first: Bool[Tensor, " K"] | None = None,
        never_last: Bool[Tensor, " K"] | None = None,
    ) -> None:
        super().__init__()
        positive("CRF", tags=tags)
        self.tags = tags
        self.start, self.end = nn.Parameter(torch.zeros(tags)), nn.Parameter(torch.zeros(tags))
        self.transition = nn.Parameter(torch.zeros(tags, tags))
        masks = {"forbidden": forbidden, "never_first": never_first, "never_last": never_last}
        for name, mask in masks.items():
            shape = (tags, tags) if name == "forbidden" else (tags,)
            mask = torch.zeros(shape, dtype=torch.bool) if mask is None else mask
            if mask.shape != shape:
                raise ShapeError(f"CRF: {name} has shape {tuple(mask.shape)}, {shape} fits")
            self.register_buffer(name, mask, persistent=False)

    def log_likelihood(
        self,
        scores: Float[Tensor, "B T K"],
        tags: Int[Tensor, "B T"],
        lengths: Int[Tensor, " B"] | None = None,
    ) -> Float[Tensor, " B"]:
        """log p of each row's tags; 0 of a row without steps.

        Args:
            scores: of each tag at each step.
            tags: numbers below K; what stands past a row's length is not looked at.
            lengths: true steps of each row; all when not given.
        """
        scores, lengths = self._cleared(scores, lengths)
        return self._of_path(scores, tags, lengths) - self._of_all(scores, lengths)

    def best(
        self, scores: Float[Tensor, "B T K"], lengths: Int[Tensor, " B"] | None = None
    ) -> Int[Tensor, "B T"]:
        """Each row's most likely tags, by Viterbi's algorithm; 0 past its length."""
        scores, lengths = self._cleared(scores.detach(), lengths)
        B, T, _ = scores.shape
        path = lengths.new_zeros(B, T)
        if T == 0:
            return path
        with torch.no_grad():
            first = self._first(scores)
            rest, last = run(
                self._extend_best, scores[:, 1:], Paths(first), lengths=(lengths - 1).clamp(min=0)
            )
            into = self._between().T
            values = torch.cat([first[:, None], rest], dim=1)
            ends = (last.score + self._ends()).argmax(dim=1)
            now = ends
            for t in range(T - 1, -1, -1):
                before = (values[:, t] + into[now]).argmax(dim=1)
                now = torch.where(t < lengths - 1, before, ends)
                path[:, t] = now
        return path.masked_fill(_dead(path, lengths), 0)

    def marginals(
        self, scores: Float[Tensor, "B T K"], lengths: Int[Tensor, " B"] | None = None
    ) -> Float[Tensor, "B T K"]:
        """The probability of each tag at each step, over all sequences; 0 past a row's length."""
        with torch.enable_grad():
            scores = scores.detach().clone().requires_grad_()
            total = self._of_all(*self._cleared(scores, lengths)).sum()
            # Of the log of a sum of exponentials, the gradient is each one's share.
            return torch.autograd.grad(total, scores)[0]

    def _of_all(self, scores: Tensor, lengths: Tensor) -> Tensor:
        """The log of the sum over all sequences."""
        if scores.shape[1] == 0:
            return scores.sum(dim=(1, 2))
        _, last = run(
            self._extend,
            scores[:, 1:],
            Paths(self._first(scores)),
            lengths=(lengths - 1).clamp(min=0),
        )
        return (last.score + self._ends()).logsumexp(dim=1).where(lengths > 0, 0)

    def _of_path(self, scores: Tensor, tags: Tensor, lengths: Tensor) -> Tensor:
        """The score of one sequence a row."""
        if scores.shape[1] == 0:
            return scores.sum(dim=(1, 2))
        dead = _dead(tags, lengths)
        tags = tags.masked_fill(dead, 0)
        steps = scores.gather(2, tags[..., None])[..., 0]
        steps = steps + torch.cat(
            [self._starts()[tags[:, :1]], self._between()[tags[:, :-1], tags[:, 1:]]], dim=1
        )
        last = tags.gather(1, (lengths - 1).clamp(min=0)[:, None])[:, 0]
        total: Tensor = clear(dead, steps).sum(dim=1) + self._ends()[last].where(lengths > 0, 0)
        return total

    def _extend(self, x: Tensor, state: Paths, context: None = None) -> tuple[Tensor, Paths]:
        """All paths, one step on."""
        longer = state.score[:, None, :] + self._between().T  # (B, K, K), from the last
        most = longer.detach().amax(dim=2)
        score = x + most + (longer - most[..., None]).exp().sum(dim=2).log()
        return score, Paths(score)

    def _extend_best(self, x: Tensor, state: Paths, context: None = None) -> tuple[Tensor, Paths]:
        """The best path to each tag, one step on."""
        score = x + (state.score[:, None, :] + self._between().T).amax(dim=2)
        return score, Paths(score)

    def _cleared(self, scores: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        """Scores as the parameters' type, 0 in the padding; and the lengths."""
        B, T, _ = scores.shape
        scores = scores.to(self.start.dtype)
        if lengths is None:
            return scores, torch.full((B,), T, device=scores.device)
        return clear(_dead(scores[..., 0], lengths), scores), lengths

    def _first(self, scores: Tensor) -> Tensor:
        return self._starts() + scores[:, 0]

    def _starts(self) -> Tensor:
        return self.start.masked_fill(self.never_first, FORBIDDEN)

    def _ends(self) -> Tensor:
        return self.end.masked_fill(self.never_last, FORBIDDEN)

    def _between(self) -> Tensor:
        return self.transition.masked_fill(self.forbidden, FORBIDDEN)


def _dead(rows: Tensor, lengths: Tensor) -> Tensor:
    """Where (B, T) lies past a row's length."""
    return torch.arange(rows.shape[1], device=rows.device) >= lengths[:, None]

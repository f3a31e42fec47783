"""How far an influence is carried through a cell's own time, by backward passes over its graph.

    carried_k     |∂(v · s_e) / ∂s_{e-k}|                  s the whole state, v random signs
    influence_k   |∂(δ_t · y_t) / ∂x_{t-k}|²               δ_t what the loss asks of y_t itself

Both begin at single steps. The gradient of a loss over all steps does not: at each of them fresh
gradient comes in, which hides what is lost on the way.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recurra.train.diagnose.watch import Moment, Track

# Below this share of the largest a step's gradient counts as none.
NOTHING = 1e-8
# Steps from which an influence is followed back, over all rows; all lie in a row's last quarter.
TARGETS, LATE = 16, 0.75
# Points of a curve between which slopes are taken.
POINTS = 200
SHARE = 0.95


@dataclass(frozen=True)
class Flow:
    """What was measured of one cell.

    Args:
        gradient: norm of the loss's gradient for the whole state, step by step.
        carried: norm of what reaches the state so many steps before the last, over that at it.
        factor: what `carried` is multiplied with in a step, by its median slope.
        influence: share of the influence that lies at most so many steps back.
    """

    gradient: list[float]
    carried: list[float]
    factor: float | None
    influence: list[float] | None


class Graph:
    """The steps of one cell in the graph of a loss.

    Args:
        track: of the cell; its longest pass is looked at.
    """

    def __init__(self, track: Track) -> None:
        self.moments: list[Moment] = track.longest()
        last, xs = self.moments[-1].state, self._inputs()
        # A clock, or where noise stands, is carried over without end and says nothing of x.
        self.parts = [k for k, leaf in enumerate(last) if _depends(leaf, xs)]

    @property
    def rows(self) -> int:
        """How many are looked at."""
        return len(self.moments[0].own)

    def sought(self) -> list[Tensor]:
        """The tensors whose gradients `take` wants: outputs, then states."""
        return [*self._outputs(), *self._states()]

    def take(self, found: Sequence[Tensor | None]) -> None:
        """The loss's gradient for each tensor of `sought`."""
        T, count = len(self.moments), len(self.parts)
        filled = _filled(found, self.sought())
        self._wanted = torch.stack(filled[:T])  # (T, B, …)
        self._asked = [torch.stack(filled[T + k :: count]) for k in range(count)]

    def flow(self) -> Flow:
        """Follow influences back, after `take`."""
        carried = self._carried()
        return Flow(
            self._reaching().square().sum(1).sqrt().tolist(),
            carried,
            factor(carried),
            self.influence(self),
        )

    def influence(self, first: "Graph") -> list[float] | None:
        """As `Flow.influence`, of what another cell read, as many steps long, on this one's output.

        None where the loss reads nothing of it.
        """
        T, inputs = len(self.moments), first._inputs()
        outputs, parts = self._outputs(), [self._wanted]
        asked = self._wanted.flatten(2).norm(dim=2)  # (T, B)
        if not asked.any():
            # Nothing reads the outputs: what is read is the last state.
            outputs, parts = self._states(), self._asked
            asked = self._reaching() * _at(self._ends(), T)
        if not asked.any() or not inputs:
            return None
        total = torch.zeros(T, dtype=torch.float64, device=asked.device)
        for number in range(max(1, TARGETS // self.rows)):
            targets = _targets(asked, number)
            starts = _at(targets, T)
            seeds = [part[t] * _beside(starts[t], part[t]) for t in range(T) for part in parts]
            squares = _whole(_back(outputs, seeds, inputs, T)).square()
            lags = _by_lag(squares, targets).nan_to_num(0.0)
            whole = lags.sum(0)
            total += (lags / whole)[:, (whole > 0) & whole.isfinite()].sum(1)
        return (total.cumsum(0) / total.sum()).tolist() if total.any() else None

    def _outputs(self) -> list[Tensor]:
        return [moment.own if moment.y is None else moment.y for moment in self.moments]

    def _states(self) -> list[Tensor]:
        return [moment.state[k] for moment in self.moments for k in self.parts]

    def _inputs(self) -> list[Tensor]:
        return [leaf for moment in self.moments for leaf in moment.x]

    def _reaching(self) -> Tensor:
        """The norm (T, B) of the loss's gradient for the state."""
        return _whole(self._asked) if self.parts else self._wanted.new_zeros(self._wanted.shape[:2])

    def _ends(self) -> Tensor:
        """The last step of each row (B,) that a gradient reaches; the last of all without one."""
        T, reaching = len(self.moments), self._reaching()
        steps = torch.arange(T, device=reaching.device)[:, None]
        last = torch.where(reaching > 0, steps, -1).amax(0)
        return last.where(last >= 0, torch.full_like(last, T - 1))

    def _carried(self) -> list[float]:
        """Norms by the number of steps back, in the geometric mean over rows."""
        T, states, ends = len(self.moments), self._states(), self._ends()
        if not states:
            return []
        random = torch.Generator().manual_seed(0)
        starts = _at(ends, T)  # (T, B)
        seeds = []
        for number, leaf in enumerate(states):
            signs = torch.randint(2, leaf.shape, generator=random).to(leaf) * 2 - 1
            seeds.append(signs * _beside(starts[number // len(self.parts)], signs))
        lags = _by_lag(_whole(_back(states, seeds, states, T)), ends)  # NaN past a row's steps
        return _mean_log(lags / lags[0])


def _back(
    outputs: Sequence[Tensor], seeds: Sequence[Tensor], inputs: Sequence[Tensor], T: int
) -> list[Tensor]:
    """Gradients (T, B, …) for each tensor of a step; the inputs stand step after step."""
    pairs = [(o, s) for o, s in zip(outputs, seeds, strict=True) if o.requires_grad]
    found = torch.autograd.grad(
        [output for output, _ in pairs],
        inputs,
        [seed for _, seed in pairs],
        retain_graph=True,
        allow_unused=True,
    )
    filled, per = _filled(found, inputs), len(inputs) // T
    return [torch.stack(filled[k::per]) for k in range(per)]


def factor(carried: Sequence[float]) -> float | None:
    """e to the median slope of the logarithms, between all pairs of points (Theil and Sen).

    None where there are too few steps to say.
    """
    if len(carried) < 4:
        return None
    values = np.asarray(carried)
    if not np.isfinite(values).all():
        return math.inf
    at = np.flatnonzero(values > np.finfo(np.float32).tiny)
    if len(at) < 2:
        return 0.0
    at = at[np.linspace(0, len(at) - 1, min(len(at), POINTS)).round().astype(int)]
    logs = np.log(values[at])
    one, two = np.triu_indices(len(at), 1)
    return float(np.exp(np.median((logs[two] - logs[one]) / (at[two] - at[one]))))


def horizon(influence: Sequence[float] | None) -> int | None:
    """The fewest steps back within which 95 % of the influence lies."""
    if influence is None:
        return None
    return next(k for k, share in enumerate(influence) if share >= SHARE)


def _targets(asked: Tensor, number: int) -> Tensor:
    """For each row (B,) one of its late steps that the loss asks something of; -1 for none.

    Args:
        asked: (T, B), how much.
    """
    B, found = asked.shape[1], []
    for row, column in enumerate((asked > NOTHING * asked.amax(0)).T):
        steps = column.nonzero().flatten().tolist()
        late = [t for t in steps if t >= LATE * steps[-1]]
        # Multiples of the golden ratio fall evenly.
        place = (number * B + row) * 0.6180339887 % 1
        found.append(late[int(place * len(late))] if late else -1)
    return torch.tensor(found, device=asked.device)


def _at(steps: Tensor, T: int) -> Tensor:
    """(T, B): true at the step of each row."""
    return torch.arange(T, device=steps.device)[:, None] == steps


def _by_lag(values: Tensor, ends: Tensor) -> Tensor:
    """(T, B) by steps to (T, B) by how far they lie before a row's end; NaN where nothing does."""
    T = len(values)
    at = ends - torch.arange(T, device=values.device)[:, None]
    found = values.gather(0, at.clamp(min=0))
    return found.masked_fill(at < 0, math.nan)


def _mean_log(lags: Tensor) -> list[float]:
    """The geometric mean over the rows that have so many steps; 0 where all of them are 0."""
    found = []
    for row in lags.double():
        true = row[~row.isnan()]
        some = true[true > 0]
        if len(true):
            found.append(some.log().mean().exp().item() if len(some) else 0.0)
    return found


def _whole(parts: Sequence[Tensor]) -> Tensor:
    """The norm (T, B) over all parts of a step and row."""
    squares = [part.flatten(2).double().square().sum(2) for part in parts]
    return torch.stack(squares).sum(0).sqrt()


def _filled(found: Sequence[Tensor | None], like: Sequence[Tensor]) -> list[Tensor]:
    pairs = zip(found, like, strict=True)
    return [torch.zeros_like(each) if grad is None else grad for grad, each in pairs]


def _beside(mask: Tensor, leaf: Tensor) -> Tensor:
    """A mask (B,) beside (B, …)."""
    return mask.view(-1, *[1] * (leaf.ndim - 1))


def _depends(leaf: Tensor, xs: Sequence[Tensor]) -> bool:
    if not leaf.requires_grad or not xs:
        return leaf.requires_grad
    found = torch.autograd.grad(leaf.sum(), xs, retain_graph=True, allow_unused=True)
    return any(each is not None for each in found)

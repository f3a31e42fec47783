"""A cell with a matrix a head: what comes before the matrices, the matrices, and what comes after.

Step by step all three are one step. Over all steps at once, and natively, they are three runs: the
first makes what the matrices are given, the second is the engine's own loop over matrices, and the
third reads what they say. Each keeps what lies between its operations in the cache.
"""

from abc import abstractmethod
from typing import Any, TypeAlias

import torch
from torch import Tensor

from recurra.cells.cell import State
from recurra.cells.matrix import MatrixInputs
from recurra.cells.over import STEP, Linear, Ways, Whole

Beside: TypeAlias = tuple[Tensor, ...]
# Every part of a state but the matrices.
Rest: TypeAlias = tuple[Tensor, ...]


class MatrixCell(Linear[State]):
    """A cell whose state begins with its matrices (B, N, K, V).

    A subclass writes `before` and `after` in the place of `step`. After a reset its state is zero.
    """

    fast_step = False

    @abstractmethod
    def before(self, x: Any, rest: Rest, ways: Ways) -> tuple[MatrixInputs, Beside, Rest]:
        """What the matrices are given, what `after` is given beside, and the rest of the state."""

    @abstractmethod
    def after(self, o: Tensor, beside: Beside) -> Tensor:
        """The output, from what the matrices say: o (…, N, V)."""

    def over(self, x: Any, state: State, ways: Ways) -> tuple[Tensor, State]:
        S, *rest = state
        if isinstance(ways, Whole) and ways.native:
            o, beside, last, kept = self._natively(x, S, tuple(rest), ways)
            y, _ = ways.run(self.back, (o, *beside), ())
        else:
            inputs, beside, kept = self.before(x, tuple(rest), ways)
            o, last = ways.matrix(inputs, S)
            y = self.after(o, beside)
        return y, type(state)(last, *kept)

    def front(self, x: Any, rest: Rest, context: None = None) -> tuple[Tensor, Rest]:
        """`before` as a step, with everything that it gives side by side in one tensor."""
        inputs, beside, rest = self.before(x, rest, STEP)
        return torch.cat([each.flatten(1) for each in _listed(inputs, beside)], 1), rest

    def back(self, x: Any, state: tuple[()], context: None = None) -> tuple[Tensor, tuple[()]]:
        """`after` as a step."""
        o, *beside = x
        return self.after(o, tuple(beside)), ()

    def _natively(
        self, x: Any, S: Tensor, rest: Rest, ways: Whole
    ) -> tuple[Tensor, Beside, Tensor, Rest]:
        """o, what stands beside, and the last state."""
        with torch.no_grad():
            alone = tuple(each[:1].detach() for each in rest)
            inputs, beside, _ = self.before(x[:1, 0].detach(), alone, STEP)
        shapes = [each.shape[1:] for each in _listed(inputs, beside)]
        flat, kept = ways.run(self.front, x, rest)
        split = torch.split(flat, [shape.numel() for shape in shapes], -1)
        parts = [
            part.reshape(*part.shape[:2], *shape) for part, shape in zip(split, shapes, strict=True)
        ]
        count = len(parts) - len(beside)
        o, last = ways.matrix(_refilled(inputs, parts[:count]), S)
        return o, tuple(parts[count:]), last, kept


def _listed(inputs: MatrixInputs, beside: Beside) -> list[Tensor]:
    """Every tensor once."""
    a = None if inputs.a is inputs.c else inputs.a
    given = (inputs.decay, a, inputs.b, inputs.c, inputs.d, inputs.q, *beside)
    return [each for each in given if each is not None]


def _refilled(inputs: MatrixInputs, parts: list[Tensor]) -> MatrixInputs:
    """The same with other tensors, in the order of `_listed`."""
    each = iter(parts)
    decay = next(each)
    a = None if inputs.a is None or inputs.a is inputs.c else next(each)
    b = None if inputs.b is None else next(each)
    c, d, q = each
    return MatrixInputs(decay, c if inputs.a is inputs.c else a, b, c, d, q)

"""Dropout whose masks last a sequence: of inputs and outputs, of the state, of a weight.

    LockedDropout       y_t = m_y * cell(m_x * x_t)               m (B, F)
    RecurrentDropout    y_t, s_t = cell(x_t, m_h * h_{t-1})       m (B, H)
    WeightDrop          y_t, s_t = cell(x_t, s_{t-1}; m_W * W)    m (G H, H), or (G H, 1) for rows

Each value of a mask is 0 with probability rate and 1 / (1 - rate) else; there are no masks in
evaluation. They are drawn once a sequence, by `sample_context`.

Where h enters a cell by a product with a matrix alone, as in an Elman network or an LSTM,
RecurrentDropout is Gal's and Ghahramani's, with one mask for all gates. Where it is also carried
over, as in a GRU, or is c of an LSTM, what is dropped is gone for good: that is RNNDrop.

Source: Gal and Ghahramani, "A Theoretically Grounded Application of Dropout in Recurrent Neural
Networks", 2016, arXiv:1512.05287, section 4.2; RNNDrop: Moon et al., "RNNDROP: A Novel Dropout for
RNNs in ASR", 2015, ASRU, equation 8; WeightDrop: Merity, Keskar and Socher, "Regularizing and
Optimizing LSTM Language Models", 2017, arXiv:1708.02182, section 2, after Wan et al.,
"Regularization of Neural Networks using DropConnect", 2013, ICML. One mask on a weight serves all
rows of a batch, as published.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.func import functional_call

from recurra.cells.cell import Cell, Context, Inputs
from recurra.cells.over import Step, Whole
from recurra.engine import Shared
from recurra.errors import OptionError, UnsupportedError
from recurra.layers.around import Around, Move, check_rate, keep_mask, like


class LockedContext(NamedTuple):
    """The cell's, and the masks (B, F) and (B, H); None drops nothing."""

    cell: Any
    x: Tensor | None
    y: Tensor | None


class LockedDropout(Around):
    """Drops the same features of a cell's input, and of its output, at every step.

    Args:
        cell: takes features.
        input_rate: probability that a feature of x is dropped.
        output_rate: probability that one of y is.

    Raises:
        OptionError: a rate is no probability below 1.
        UnsupportedError: the cell takes images, or whole numbers of which some are to be dropped.
    """

    def __init__(
        self, cell: Cell[Any], *, input_rate: float = 0.0, output_rate: float = 0.0
    ) -> None:
        super().__init__(cell)
        check_rate("LockedDropout", "input_rate", input_rate)
        check_rate("LockedDropout", "output_rate", output_rate)
        if cell.x_shape is not None or (cell.ids and input_rate):
            raise UnsupportedError("LockedDropout: the cell takes no features, which are dropped")
        self.input_rate, self.output_rate = input_rate, output_rate

    def initial_state(self, batch_size: int) -> Any:
        return self.cell.initial_state(batch_size)

    def sample_context(self, batch_size: int) -> Context:
        inner = self.cell.sample_context(batch_size)
        if not self.training:
            return inner
        sizes = (self.input_size, self.output_size)
        rates = (self.input_rate, self.output_rate)
        masks = [
            keep_mask(like(self.cell), (batch_size, size), rate) if rate else None
            for size, rate in zip(sizes, rates, strict=True)
        ]
        return LockedContext(inner, *masks)

    def over(
        self, x: Inputs, state: Any, context: Context, move: Move, ways: Step | Whole
    ) -> tuple[Tensor, Any]:
        if not isinstance(context, LockedContext):
            return move(x, state, context)
        x = x if context.x is None else x * _beside(context.x, ways)
        y, state = move(x, state, context.cell)
        return y if context.y is None else y * _beside(context.y, ways), state


class RecurrentContext(NamedTuple):
    """The cell's, and a mask for each of the parts."""

    cell: Any
    masks: tuple[Tensor, ...]


class RecurrentDropout(Around):
    """Drops the same units of a cell's state at every step, as far as the next step reads it.

    Args:
        cell: its state is a NamedTuple.
        rate: probability that a unit is dropped.
        parts: names of the state's parts that are.

    Raises:
        OptionError: the rate is no probability below 1, or the state has no such part.
    """

    def __init__(self, cell: Cell[Any], rate: float, parts: Sequence[str] = ("h",)) -> None:
        super().__init__(cell)
        check_rate("RecurrentDropout", "rate", rate)
        fields = getattr(cell.initial_state(1), "_fields", ())
        for name in parts:
            if name not in fields:
                has = ", ".join(fields) or "no names"
                raise OptionError(f"RecurrentDropout: the state has no {name}, it has {has}")
        self.rate, self.parts = rate, tuple(parts)

    def initial_state(self, batch_size: int) -> Any:
        return self.cell.initial_state(batch_size)

    def sample_context(self, batch_size: int) -> Context:
        inner = self.cell.sample_context(batch_size)
        if not self.training:
            return inner
        state = self.cell.initial_state(batch_size)._asdict()
        masks = [keep_mask(state[name], tuple(state[name].shape), self.rate) for name in self.parts]
        return RecurrentContext(inner, tuple(masks))

    def over(
        self, x: Inputs, state: Any, context: Context, move: Move, ways: Step | Whole
    ) -> tuple[Tensor, Any]:
        if not isinstance(context, RecurrentContext):
            return move(x, state, context)
        held = state._asdict()
        seen = {name: held[name] * m for name, m in zip(self.parts, context.masks, strict=True)}
        return move(x, state._replace(**seen), context.cell)

    @property
    def has_parallel(self) -> bool:
        return False


class WeightDropContext(NamedTuple):
    """The cell's, and a mask for each of the weights."""

    cell: Any
    masks: tuple[Shared, ...]


class WeightDrop(Around):
    """Drops numbers of a cell's weights, the same for all steps and rows.

    Args:
        cell: any cell.
        rate: probability that a number is dropped.
        weights: names of the cell's parameters that lose some, as `named_parameters` has them.
        rows: whole rows of a weight are dropped, which are units of the gates.

    Raises:
        OptionError: the rate is no probability below 1, or the cell has no such parameter.
    """

    def __init__(
        self,
        cell: Cell[Any],
        rate: float,
        weights: Sequence[str] = ("weight_hh",),
        *,
        rows: bool = False,
    ) -> None:
        super().__init__(cell)
        check_rate("WeightDrop", "rate", rate)
        named = dict(cell.named_parameters())
        for name in weights:
            if name not in named:
                has = ", ".join(named)
                raise OptionError(f"WeightDrop: the cell has no parameter {name}, it has {has}")
        self.rate, self.weights, self.rows = rate, tuple(weights), rows

    def initial_state(self, batch_size: int) -> Any:
        return self.cell.initial_state(batch_size)

    def sample_context(self, batch_size: int) -> Context:
        inner = self.cell.sample_context(batch_size)
        if not self.training:
            return inner
        return WeightDropContext(inner, tuple(Shared(self._mask(name)) for name in self.weights))

    def over(
        self, x: Inputs, state: Any, context: Context, move: Move, ways: Step | Whole
    ) -> tuple[Tensor, Any]:
        if not isinstance(context, WeightDropContext):
            return move(x, state, context)
        named = {
            f"cell.{name}": _weight(self.cell, name) * mask.value
            for name, mask in zip(self.weights, context.masks, strict=True)
        }
        made: tuple[Tensor, Any] = functional_call(
            _Moved(self.cell, move), named, (x, state, context.cell)
        )
        return made

    def _mask(self, name: str) -> Tensor:
        weight = _weight(self.cell, name).detach()
        shape = (len(weight), *(1,) * (weight.ndim - 1)) if self.rows else tuple(weight.shape)
        return keep_mask(weight, shape, self.rate)


def _weight(cell: nn.Module, name: str) -> Tensor:
    """What stands under the name of a parameter, where a trace puts other tensors."""
    *path, last = name.split(".")
    found: Tensor = getattr(cell.get_submodule(".".join(path)), last)
    return found


class _Moved(nn.Module):
    """A cell whose call is its move: so other weights can stand in the place of its own."""

    def __init__(self, cell: Cell[Any], move: Move) -> None:
        super().__init__()
        self.cell, self.move = cell, move

    def forward(self, x: Inputs, state: Any, context: Context) -> tuple[Tensor, Any]:
        return self.move(x, state, context)


def _beside(mask: Tensor, ways: Step | Whole) -> Tensor:
    """A mask (B, H) beside (B, H) or (B, T, H)."""
    return mask[:, None] if isinstance(ways, Whole) else mask

"""What reads features of steps: convolutions in front, layers over time, attention on top.

    x   = mean over N steps of relu(conv(x)), relu(conv(…)), …        or of x itself
    y   = recurrent layers over x, from one end or both
    y   = y + attention(y)

A row keeps its own length all the way: after N steps became one, ceil(n / N).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, cast

from jaxtyping import Float, Int64
from torch import Tensor, nn

from recurra.cells import Cell, Observed, Timed
from recurra.engine import Tree
from recurra.errors import OptionError
from recurra.layers import Bidirectional, Convolution, Layer, SelfAttention
from recurra.layers.around import check_rate, keep_mask
from recurra.models.step_features import Features
from recurra.models.steps import fewer, gaps_backwards, padding, shortened, some, summed

MakeCell = Callable[[int, int], Cell[Any]]


class TwoWays(NamedTuple):
    """Steps as a cell reads them forwards, and the gaps that it crosses backwards."""

    ahead: Timed | Observed
    back: Float[Tensor, "B *T"]


class Facing(Cell[Any]):
    """A cell for uneven time in one of two directions; its x is `TwoWays`.

    Args:
        cell: takes `Timed` or `Observed`.
        back: whether it is run from the end.
    """

    takes = (TwoWays,)

    def __init__(self, cell: Cell[Any], back: bool) -> None:
        super().__init__()
        self.cell, self.back = cell, back
        self.input_size, self.output_size = cell.input_size, cell.output_size

    def initial_state(self, batch_size: int) -> Any:
        return self.cell.initial_state(batch_size)

    def sample_context(self, batch_size: int) -> Any:
        return self.cell.sample_context(batch_size)

    def step(self, x: TwoWays, state: Any, context: Any = None) -> tuple[Tensor, Any]:
        own = x.ahead._replace(gap=x.back) if self.back else x.ahead
        return self.cell.step(own, state, context)


class SequenceEncoder(nn.Module):
    """Reads features of steps.

    Args:
        input_size: features of a step, D.
        cell: makes a cell, from the size of its input and of its output.
        hidden_size: units of each direction, and features of a convolution, H.
        num_layers: recurrent layers on top of one another.
        one_way: reads forwards alone.
        widths: places that an output of each convolution in front sees, odd.
        downsample: steps that become one, behind the first convolution; N.
        heads: of the self-attention on top; 0 for none.
        dropout: share of features dropped between layers, at all steps of a row the same.
        gaps: whether the features bring gaps, which the cells take.

    Attributes:
        front_size: features of what recurrent layers read.
        output_size: features of what they give.
        ahead: how many of these, the first ones, are read forwards.

    Raises:
        OptionError: an option does not fit.
    """

    def __init__(
        self,
        input_size: int,
        cell: MakeCell,
        *,
        hidden_size: int,
        num_layers: int = 1,
        one_way: bool = False,
        widths: Sequence[int] = (),
        downsample: int = 1,
        heads: int = 0,
        dropout: float = 0.0,
        gaps: bool = False,
    ) -> None:
        super().__init__()
        if num_layers < 1 or downsample < 1:
            raise OptionError(
                f"SequenceEncoder: num_layers is {num_layers} and downsample {downsample}; "
                "1 or more fit"
            )
        check_rate("SequenceEncoder", "dropout", dropout)
        self.rate, self.downsample, self.one_way = dropout, downsample, one_way
        sizes = [input_size, *[hidden_size] * len(widths)]
        self.convolutions = nn.ModuleList(
            Convolution(size, hidden_size, width)
            for size, width in zip(sizes, widths, strict=False)
        )
        self.front_size, self.ahead = sizes[-1], hidden_size
        self.output_size = hidden_size if one_way else 2 * hidden_size
        below = [self.front_size, *[self.output_size] * (num_layers - 1)]
        self.layers = nn.ModuleList(
            cell(size, hidden_size) if one_way else _both(cell, size, hidden_size, gaps)
            for size in below
        )
        self.attention = SelfAttention(self.output_size, heads, dropout) if heads else None

    @property
    def streams(self) -> bool:
        """Whether an output needs nothing that comes later."""
        ahead = self.one_way and self.attention is None
        return ahead and not len(self.convolutions) and self.downsample == 1

    def front(
        self, features: Features, lengths: Int64[Tensor, " B"]
    ) -> tuple[Features, Int64[Tensor, " B"]]:
        """What the recurrent layers read, and how many steps of it."""
        if not len(self.convolutions):
            return _fewer(features, lengths, self.downsample)
        x, gap = features.x, features.gap
        for number, layer in enumerate(cast(Iterable[Convolution], self.convolutions)):
            x = self._kept(layer.sequence(x, lengths=lengths)[0])
            if number == 0:
                (x, _, gap), lengths = _fewer(Features(x, None, gap), lengths, self.downsample)
        return Features(x, None, gap), lengths

    def forward(
        self,
        features: Features,
        lengths: Int64[Tensor, " B"],
        states: Sequence[Tree] | None = None,
    ) -> tuple[Float[Tensor, "B T H"], tuple[Tree, ...]]:
        """The outputs over what `front` gave, and each layer's last state.

        Args:
            states: of each layer, where a chunk before ended.
        """
        y, last = features.x, []
        for number, layer in enumerate(self._each()):
            y = y if number == 0 else self._kept(y)
            seen = features.seen if number == 0 else None
            x = self._given(Features(y, seen, features.gap), lengths)
            state = None if states is None else states[number]
            y, after = layer.sequence(x, state, lengths=lengths)
            last.append(after)
        if self.attention is not None:
            y, _ = self.attention.sequence(y, lengths=lengths)
        return y, tuple(last)

    def begin(self, rows: int) -> tuple[Tree, ...]:
        """The states of sequences that begin."""
        return tuple(layer.initial_state(rows) for layer in self._each())

    def _each(self) -> Iterator[Layer]:
        return iter(cast(Iterable[Layer], self.layers))

    def _given(self, features: Features, lengths: Tensor) -> Tree:
        """x as the cells take it."""
        x, seen, gap = features
        if gap is None:
            return x
        ahead = Timed(x, gap) if seen is None else Observed(x, seen, gap)
        return ahead if self.one_way else TwoWays(ahead, gaps_backwards(gap, lengths))

    def _kept(self, y: Tensor) -> Tensor:
        """Some features dropped in training, at all steps of a row."""
        if not self.training or not self.rate:
            return y
        return y * keep_mask(y.detach(), (y.shape[0], y.shape[2]), self.rate)[:, None]


def _both(make: MakeCell, size: int, hidden_size: int, gaps: bool) -> Bidirectional:
    ahead, back = make(size, hidden_size), make(size, hidden_size)
    if gaps:
        return Bidirectional(Facing(ahead, back=False), Facing(back, back=True))
    return Bidirectional(ahead, back)


def _fewer(
    features: Features, lengths: Int64[Tensor, " B"], by: int
) -> tuple[Features, Int64[Tensor, " B"]]:
    """Every `by` steps as one: means of what was seen, and the sum of gaps."""
    x, seen, gap = features
    if by == 1:
        return features, lengths
    there = ~padding(x.shape[1], lengths)[..., None].expand(x.shape)
    there = there if seen is None else seen & there
    told = None if seen is None else some(there, by)
    gap = None if gap is None else summed(gap, by)
    return Features(fewer(x, there, by), told, gap), shortened(lengths, by)

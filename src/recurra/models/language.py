"""A network that says what comes next in a text.

    e_t = E x_t                              a row of the table for each token
    h_t, s_t = cells(e_t, s_{t-1})           one on top of the other
    y_t = head(h_t)                          scores for each token that may follow

What is learned from is the mean nats of what follows, and penalties on the last layer's outputs:

    loss = mean of -log softmax(y_t)[x_{t+1}] + a mean of (m h_t)² + b mean of (h_t - h_{t-1})²

m is the mask of the output's dropout; each mask is drawn once a window.

Source: Merity, Keskar and Socher, "Regularizing and Optimizing LSTM Language Models", 2017,
arXiv:1708.02182, section 4 (noise and penalties).
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias, cast

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from recurra.cells import Cell
from recurra.errors import OptionError
from recurra.layers import (
    Adaptive,
    Embedding,
    Head,
    LockedDropout,
    Scores,
    Stack,
    Tied,
    WeightDrop,
    activation_penalty,
    temporal_activation_penalty,
)
from recurra.layers.around import check_rate, keep_mask

# One a layer, from the table to the head.
State: TypeAlias = tuple[Any, ...]
# What a tied table begins with lies within; as a head's it would else begin with bold answers.
TIED_BOUND = 0.1


class Noise(NamedTuple):
    """What keeps a network from learning a text by heart; nothing of it outside of training.

    Args:
        embedding: probability that a token is dropped wherever it stands in a window.
        first: that a feature of the first layer's input is, over all steps of a window.
        between: likewise of what goes from layer to layer.
        last: likewise of what the head reads.
        weight: that a number of a recurrent matrix is.
        activation: factor of the penalty on the last layer's outputs, dropped ones as 0.
        temporal: factor of that on their changes from step to step, nothing dropped.
    """

    embedding: float = 0.0
    first: float = 0.0
    between: float = 0.0
    last: float = 0.0
    weight: float = 0.0
    activation: float = 0.0
    temporal: float = 0.0


NO_NOISE = Noise()


class LanguageNetwork(nn.Module):
    """Scores for the next token, and its own loss; a `Predictor` for truncated BPTT.

    Args:
        vocab_size: tokens, V.
        cells: from the one that reads the table's rows to the one that the head reads. The first
            one's `input_size` is the table's width.
        tied: the head's matrix is the table; where widths differ, a projection stands before it.
        cutoffs: for an adaptive softmax, where its clusters begin; a softmax over all when empty.
        noise: while training.

    Raises:
        OptionError: noise or cutoffs do not fit, a cell has no recurrent matrix to drop from, or
            an adaptive softmax is to be tied.
    """

    head: Head

    def __init__(
        self,
        vocab_size: int,
        cells: Sequence[Cell[Any]],
        *,
        tied: bool = False,
        cutoffs: Sequence[int] = (),
        noise: Noise = NO_NOISE,
    ) -> None:
        super().__init__()
        for name in ("first", "between", "last", "weight"):
            check_rate("LanguageNetwork", name, getattr(noise, name))
        for name in ("activation", "temporal"):
            if not getattr(noise, name) >= 0:
                raise OptionError(
                    f"LanguageNetwork: {name} is {getattr(noise, name)}, it is at least 0"
                )
        if tied and cutoffs:
            raise OptionError("LanguageNetwork: an adaptive softmax has no table to be tied to")
        self.noise = noise
        table = Embedding(vocab_size, cells[0].input_size, dropout=noise.embedding)
        self.body = Stack([table, *_noisy(cells, noise)])
        if tied:
            nn.init.uniform_(table.weight, -TIED_BOUND, TIED_BOUND)
            self.head = Tied(table, self.body.output_size)
        elif cutoffs:
            self.head = Adaptive(self.body.output_size, vocab_size, cutoffs)
        else:
            self.head = Scores(self.body.output_size, vocab_size)

    def initial_state(self, batch_size: int) -> State:
        """The state of new streams, as `as_cell` has it."""
        return (*self.body.initial_state(batch_size), self.head.initial_state(batch_size))

    def forward(
        self,
        x: Int[Tensor, "B T"],
        state: State,
        *,
        reset: Bool[Tensor, "B T"] | None = None,
        checkpoint: int | None = None,
    ) -> tuple[Float[Tensor, "B T V"], State]:
        """Scores for the token after each of x, and the state after the last one."""
        h, after = self._read(x, state, reset, checkpoint)
        return self.head.sequence(self._dropped(h))[0], after

    def loss(
        self,
        x: Int[Tensor, "B T"],
        targets: Int[Tensor, "B T"],
        state: State,
        *,
        reset: Bool[Tensor, "B T"] | None = None,
        checkpoint: int | None = None,
        smoothing: float = 0.0,
    ) -> tuple[Float[Tensor, ""], State]:
        """Mean nats a target, with the penalties while training, and the state after the last."""
        h, after = self._read(x, state, reset, checkpoint)
        dropped = self._dropped(h)
        found = self.head.nats(dropped, targets, smoothing) / targets.numel()
        if self.training and self.noise.activation:
            found = found + self.noise.activation * activation_penalty(dropped)
        if self.training and self.noise.temporal:
            slowness = temporal_activation_penalty(h, reset=reset)
            found = found + self.noise.temporal * slowness
        return found, after

    def nats(
        self,
        x: Int[Tensor, "B T"],
        targets: Int[Tensor, "B T"],
        state: State,
        *,
        reset: Bool[Tensor, "B T"] | None = None,
    ) -> tuple[Float[Tensor, "B T"], State]:
        """-log p of each target, and the state after the last."""
        h, after = self._read(x, state, reset, None)
        return self.head.each(h, targets), after

    def as_cell(self) -> Stack:
        """The same weights from token to scores, without noise: for a `Stream`, in evaluation."""
        table, *layers = cast(Iterable[Cell[Any]], self.body.layers)
        return Stack([table, *map(_plain, layers), self.head]).train(self.training)

    def _read(
        self, x: Tensor, state: State, reset: Tensor | None, checkpoint: int | None
    ) -> tuple[Tensor, State]:
        """The last layer's outputs (B, T, H), and the state after the last step."""
        h, after = self.body.sequence(x, state[:-1], reset=reset, checkpoint=checkpoint)
        return h, (*after, state[-1])

    def _dropped(self, h: Tensor) -> Tensor:
        if not self.training or not self.noise.last:
            return h
        mask = keep_mask(h.detach(), (len(h), h.shape[2]), self.noise.last)
        return h * mask[:, None]


def _noisy(cells: Sequence[Cell[Any]], noise: Noise) -> list[Cell[Any]]:
    """The cells inside of what drops their inputs, outputs and weights."""
    layers = []
    for number, cell in enumerate(cells):
        if noise.weight:
            _check_recurrent(cell)
            cell = WeightDrop(cell, noise.weight)
        first = noise.first if number == 0 else 0.0
        above = noise.between if number < len(cells) - 1 else 0.0
        if first or above:
            cell = LockedDropout(cell, input_rate=first, output_rate=above)
        layers.append(cell)
    return layers


def _check_recurrent(cell: Cell[Any]) -> None:
    if "weight_hh" not in dict(cell.named_parameters()):
        raise OptionError(
            f"--weight-dropout: {type(cell).__name__} has no recurrent matrix weight_hh; lstm, gru "
            "and elman have one"
        )


def _plain(layer: Cell[Any]) -> Cell[Any]:
    """What stands inside of what drops."""
    while isinstance(layer, LockedDropout | WeightDrop):
        layer = layer.cell
    return layer

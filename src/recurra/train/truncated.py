"""Truncated back-propagation through time: long streams, learned from in short windows.

    y_w, s_w = model(x_w, sg(s_{w-1}))        w = 1 … windows,  sg: no gradient passes

The state goes on from window to window, the gradient ends at the window's first step. With a window
over all steps it is the gradient of back-propagation through all time.

Source: Williams and Peng, "An efficient gradient-based algorithm for on-line training of recurrent
network trajectories", 1990.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.engine import Tree, leaves, refill, tree_map
from recurra.errors import OptionError
from recurra.train.lesson import Lesson
from recurra.train.ranks import Part, this_part
from recurra.train.streams import (
    Streams,
    Tokens,
    Window,
    check_window,
    cuts,
    variable_cuts,
)


@runtime_checkable
class Network(Protocol):
    """A module over token streams, whose state goes in and comes out."""

    def initial_state(self, batch_size: int) -> Tree:
        """The state of new streams: nested tuples of tensors (B, …)."""

    def __call__(
        self, x: Tensor, state: Tree, *, reset: Tensor | None, checkpoint: int | None = None
    ) -> tuple[Tensor, Tree]:
        """Scores (B, T, V) for the token after each of x (B, T), and the state after the last.

        Args:
            reset: (B, T) bool, where the state becomes the initial one before the step.
            checkpoint: as `Cell.sequence` has it; only given where a lesson has one.
        """


@runtime_checkable
class Predictor(Network, Protocol):
    """A network that computes its own loss, and so need not hold scores for a large vocabulary."""

    def loss(
        self,
        x: Tensor,
        targets: Tensor,
        state: Tree,
        *,
        reset: Tensor | None,
        checkpoint: int | None = None,
        smoothing: float = 0.0,
    ) -> tuple[Tensor, Tree]:
        """What is learned from: mean nats a target, penalties added, and the state after the last.

        Args:
            targets: (B, T), the token after each of x.
            smoothing: share of a target that is spread over all tokens.
        """

    def nats(
        self, x: Tensor, targets: Tensor, state: Tree, *, reset: Tensor | None
    ) -> tuple[Tensor, Tree]:
        """-log p of each target (B, T), and the state after the last."""


class Truncated(Lesson[Window]):
    """Next-token prediction over parallel streams, by truncated BPTT.

    At the beginning of an epoch and at that of a document the state is the initial one; else it
    is that of the step before, over the ends of windows. It belongs to `loss`: batches may be
    prepared ahead. Asked about the same window twice in a row, `loss` begins with the same state.

    Args:
        model: a module that is a `Network`, or a `Predictor`; learns in place.
        tokens: what is learned from.
        streams: rows a batch, B; of equal length, and what is left over at the end of `tokens` is
            not learned from.
        window: steps a batch, T.
        valid: what is measured on, whole; `tokens` themselves when not given.
        separator: token that ends a document.
        variable: draw windows' lengths anew for each epoch, by AWD-LSTM's law: mostly about
            `window` steps, one in twenty about half; `steps` of them fill an epoch exactly. There
            the rate is in proportion to the length. Here the loss is, over the mean length: the
            same thing for SGD without clipping, while Adam knows no scale of its gradients.
        checkpoint: keep every so many-th state alone for the backward, and compute again what lies
            between.
        label_smoothing: share of a target that is spread over all tokens while learning.
        seed: of the variable lengths.

    Raises:
        DataError: a text is too short, or no row of whole numbers.
        OptionError: streams, window or checkpoint does not fit.
    """

    def __init__(
        self,
        model: Network,
        tokens: Tokens,
        *,
        streams: int,
        window: int,
        valid: Tokens | None = None,
        separator: int | None = None,
        variable: bool = False,
        checkpoint: int | None = None,
        label_smoothing: float = 0.0,
        seed: int = 0,
    ) -> None:
        self._part = this_part()
        if streams < self._part.of:
            raise OptionError(f"--streams is {streams}; it is at least {self._part.of}")
        if not 0 <= label_smoothing < 1:
            raise OptionError(f"--label-smoothing is {label_smoothing}; it lies in 0 … 1")
        check_window(window, variable)
        self.model = cast(nn.Module, model)
        self._network, self._checkpoint = model, checkpoint
        self._window, self._variable, self._seed = window, variable, seed
        self._smoothing = label_smoothing
        self._streams = Streams(tokens, streams, separator)
        held_out = tokens if valid is None else valid
        # As many rows as there are whole windows for: each begins without a past.
        rows = max(1, min(streams, (len(held_out) - 1) // window))
        self._valid = Streams(held_out, rows, separator)
        self.steps = len(self._cuts(1)) - 1
        self._carried: Tree = None
        self._given: Tree = None
        self._last: Window | None = None

    def batches(self, epoch: int, begin: int) -> Iterator[Window]:
        ends = self._cuts(epoch)
        for number in range(begin, self.steps):
            yield _rows(self._streams.window(int(ends[number]), int(ends[number + 1])), self._part)

    def loss(self, batch: Window) -> Tensor:
        """The mean over the window's targets, in nats; a variable one is weighted by its length."""
        if batch is not self._last:
            self._given, self._last = None if batch.first else self._carried, batch
        loss, state = self._learned(batch, self._given)
        self._carried = tree_map(Tensor.detach, state)
        if self._variable:
            loss = loss * (batch.inputs.shape[1] * self.steps / self._streams.length)
        return loss

    def weight(self, batch: Window) -> float:
        # A variable window's length is in its loss already.
        return 1.0 if self._variable else float(batch.inputs.numel())

    def validate(self) -> float:
        """Nats a token over the whole validation text, each token once, the state carried."""
        ends = cuts(self._valid.length, self._window).tolist()
        total, state = 0.0, None
        with torch.no_grad():
            for begin, end in pairwise(ends):
                window = self._valid.window(begin, end)
                nats, state = self._measured(window, state)
                total += nats
            # The rest goes on where the last row ended.
            if (rest := self._valid.rest()) is not None:
                total += self._measured(rest, tree_map(lambda leaf: leaf[-1:], state))[0]
        return total / self._valid.targets

    def state(self) -> Mapping[str, Tensor]:
        return {str(number): leaf for number, leaf in enumerate(leaves(self._carried))}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self.forget()
        if state:
            rows = len(range(self._streams.rows)[self._part.rank :: self._part.of])
            initial = self._network.initial_state(rows)
            places = enumerate(leaves(initial))
            self._carried = refill(initial, [_like(place, state[str(n)]) for n, place in places])

    def forget(self) -> None:
        self._carried = self._given = self._last = None

    def _cuts(self, epoch: int) -> Any:
        if not self._variable:
            return cuts(self._streams.length, self._window)
        random = np.random.default_rng([self._seed, epoch])
        return variable_cuts(self._streams.length, self._window, random)

    def _learned(self, window: Window, state: Tree) -> tuple[Tensor, Tree]:
        """The mean loss of a window with its graph, and the state after it."""
        state, window = self._placed(window, state)
        # Only where a lesson has one, for a network need not know it.
        more = {} if self._checkpoint is None else {"checkpoint": self._checkpoint}
        if isinstance(self._network, Predictor):
            return self._network.loss(
                window.inputs,
                window.targets,
                state,
                reset=window.reset,
                smoothing=self._smoothing,
                **more,
            )
        scores, state = self._network(window.inputs, state, reset=window.reset, **more)
        return _nats(scores, window, "mean", self._smoothing), state

    def _measured(self, window: Window, state: Tree) -> tuple[float, Tree]:
        """The nats of all targets of a window, and the state after it."""
        state, window = self._placed(window, state)
        if isinstance(self._network, Predictor):
            nats, state = self._network.nats(
                window.inputs, window.targets, state, reset=window.reset
            )
            return nats.sum(dtype=torch.float64).item(), state
        scores, state = self._network(window.inputs, state, reset=window.reset)
        return _nats(scores, window, "sum").item(), state

    def _placed(self, window: Window, state: Tree) -> tuple[Tree, Window]:
        """The state before a window, and the window, where the model is."""
        if state is None:
            state = self._network.initial_state(len(window.inputs))
        place = (leaves(state) or list(self.model.parameters()))[0].device
        x, targets, reset, first = window
        reset = None if reset is None else reset.to(place)
        return state, Window(x.to(place), targets.to(place), reset, first)


def _rows(window: Window, part: Part) -> Window:
    """The streams that one of several processes learns from."""
    if part.of == 1:
        return window
    mine = slice(part.rank, None, part.of)
    reset = None if window.reset is None else window.reset[mine]
    return Window(window.inputs[mine], window.targets[mine], reset, window.first)


def _nats(scores: Tensor, window: Window, reduction: str, smoothing: float = 0.0) -> Tensor:
    return F.cross_entropy(
        scores.flatten(0, 1),
        window.targets.flatten(),
        reduction=reduction,
        label_smoothing=smoothing,
    )


def _like(place: Tensor, value: Tensor) -> Tensor:
    """A carried tensor where the model has its own.

    Raises:
        ValueError: it is another model's, or of other streams.
    """
    if place.shape != value.shape:
        raise ValueError(f"a carried state is {tuple(value.shape)}, not {tuple(place.shape)}")
    return value.to(place.device, copy=True)

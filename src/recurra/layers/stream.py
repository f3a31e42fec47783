"""A model that answers as data come, one step or a few at a time.

    stream = Stream(cell)
    y_t = stream.push(x_t)

What it answers is what `sequence` gives for all steps at once, bit for bit at equal batch.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor

from recurra.cells.cell import Context, Inputs
from recurra.engine import Flow, leaves, refill, taken
from recurra.errors import OptionError, ShapeError, UnsupportedError
from recurra.layers.coming import Form
from recurra.layers.runners import Native, runner_of
from recurra.layers.snapshot import Owner, owner_of, read, write
from recurra.layers.stages import cell_of

# The type of x, the like of y, and what a push calls on which flow for how many steps. The flow is
# held: its memory stays while a push is under way, whatever other threads do to the stream.
Known = tuple[torch.dtype, Tensor, Callable[..., int], Flow, int]
Rows = int | Iterable[int] | Tensor
MOST_ROWS = 1 << 24
# Shapes of x that a stream remembers, and the numbers of an answer up to which it does.
MOST_KNOWN, MOST_KNOWN_NUMBERS = 8, 1 << 16


class Stream:
    """A model at work, and the state that it is in. One thread at a time may use it.

    Weights are copied when it is made: what the model learns later, a new stream knows. A push of
    one step takes no lock, and where `out` is given it allocates nothing, so it may be called from
    an audio callback.

    Args:
        model: a cell, a `Stack`, a `Recurrent` around either, or a layer of `recurra.nn`; it must
            run forward.
        rows: how many sequences go on side by side, B.
        state: where they begin; the model's initial state when not given.
        context: what is fixed for the sequences, with B rows; B is fixed with it.
        weights: torch.bfloat16 rounds the matrices of products to it, as in `Cell.sequence`.
        example: x of one step, (B, …), of a cell that takes a NamedTuple of tensors.

    Raises:
        UnsupportedError: the model has no step, or is not made of this project's parts.
        OptionError: an option does not fit, or the model would draw noise, as in training.
        ShapeError: state, context or example do not fit.
    """

    def __init__(
        self,
        model: Any,
        rows: int = 1,
        *,
        state: Any = None,
        context: Context = None,
        weights: torch.dtype | None = None,
        example: Inputs = None,
    ) -> None:
        cell = cell_of(model)
        _check(cell, rows, context, weights)
        initial = cell.initial_state(1)
        self._tree = initial
        self._initial = [each.detach().clone() for each in leaves(initial)]
        self._form = Form.of(cell, example)
        self._fixed = context is not None
        self._runner = runner_of(cell, context, weights, self._form.zeros(max(rows, 1)))
        self._owner: Owner = owner_of(cell, self._initial, weights)
        self._rows, self._lock = -1, threading.RLock()
        self._set_rows(rows, self._begun(rows, state))

    @property
    def rows(self) -> int:
        """How many sequences go on side by side."""
        return self._rows

    @property
    def state(self) -> Any:
        """A copy of the state, as `sequence` takes and gives it."""
        return refill(self._tree, [each.clone() for each in self._runner.states])

    def push(self, x: Any, out: Any = None) -> Any:
        """Go on by one step or by a chunk of them, and answer.

        Ctrl-C ends a chunk of seconds between two of its steps, and nobody knows which: `reset` or
        `restore` then.

        Args:
            x: one step (B, F) or a chunk (B, T, F), and (F,) for one row alone; of whole numbers,
                for a model that begins with an `Embedding`, (B,), (B, T) or a number. A tensor of
                the model's type, or a numpy array of any, or a NamedTuple of tensors.
            out: where the answer goes; without gaps, of the answer's shape and type.

        Returns:
            y: (B, H), (B, T, H) or (H,) as x came, `out` where it was given; of numpy for numpy.

        Raises:
            ShapeError: x or out does not fit; nothing was done.
            IndexError: a whole number outside the table; nothing was done.
        """
        known = self._known.get(x.shape) if type(x) is Tensor else None
        if known is not None:
            dtype, blank, function, flow, steps = known
            if x.dtype is dtype and x.is_contiguous() and x.is_cpu:
                y = torch.empty_like(blank) if out is None else out
                fits = out is None or _alike(out, blank)
                if fits and not function(flow.address, x.data_ptr(), y.data_ptr(), steps):
                    return y
        return self._push(x, out)

    def reset(self, rows: Rows | None = None) -> None:
        """Begin anew: the initial state in some rows, in all when none are named."""
        with self._alone():
            where = slice(None) if rows is None else self._index(rows)
            for state, initial in zip(self._runner.states, self._initial, strict=True):
                state[where] = initial

    def add(self, rows: int = 1, state: Any = None) -> range:
        """Let more sequences begin, while the others go on; their numbers, behind the others'.

        Args:
            state: where they begin; the model's initial state when not given.
        """
        self._check_free("add")
        if rows < 1:
            raise OptionError(f"Stream.add: rows is {rows}, it must be at least 1")
        more = self._begun(rows, state)
        with self._alone():
            old = self._rows
            both = zip(self._runner.states, more, strict=True)
            self._set_rows(old + rows, [torch.cat(each) for each in both])
        return range(old, old + rows)

    def drop(self, rows: Rows) -> None:
        """End some sequences, while the others go on; these move up and keep their order."""
        self._check_free("drop")
        with self._alone():
            keep = torch.ones(self._rows, dtype=torch.bool)
            keep[self._index(rows)] = False
            self._set_rows(int(keep.sum()), [each[keep] for each in self._runner.states])

    def snapshot(self) -> bytes:
        """The state of all rows, for `restore` of a stream of the same model, in any process."""
        with self._alone():
            return write(self._owner, self._runner.states, self._rows)

    def restore(self, data: bytes | bytearray | memoryview, *, same_weights: bool = True) -> None:
        """Go on where a snapshot was taken, with the rows that it has.

        Args:
            same_weights: whether the model must have the weights that it had.

        Raises:
            SnapshotError: the bytes are no snapshot, damaged, or of another model. The stream
                goes on as before.
        """
        rows, states = read(self._owner, data, same_weights=same_weights)
        with self._alone():
            if rows != self._rows:
                self._check_free("restore")
            self._set_rows(rows, states)

    def __reduce__(self) -> NoReturn:
        raise UnsupportedError(
            "Stream: a stream is neither copied nor pickled; snapshot() gives its state as bytes"
        )

    def __repr__(self) -> str:
        how = "natively" if isinstance(self._runner, Native) else "in plain torch"
        return f"Stream({self._owner.name}, {self._rows} rows, {how})"

    def _push(self, x: Any, out: Any) -> Any:
        """As `push`, whatever comes."""
        with self._alone():
            return self._admitted(x, out)

    def _admitted(self, x: Any, out: Any) -> Any:
        if isinstance(x, np.ndarray | np.generic):
            place = None if out is None else torch.from_numpy(out)
            made = self.push(self._form.from_numpy(np.asarray(x)), place)
            return made.numpy() if out is None else out
        came, (parts, lead) = x, self._form.admit(x, self._rows)
        like = leaves(parts)[0]
        shape = (*lead, *self._runner.y_shape)
        blank = torch.empty(shape, dtype=self._runner.dtype, device=like.device)
        y = blank if out is None else out
        if not _alike(y, blank):
            raise ShapeError(f"Stream: out must be {shape} of {_name(blank)}, without gaps")
        if y.numel():
            B, T = like.shape[:2]
            self._runner.run(parts, y.detach().view(B, T, *self._runner.y_shape))
            self._know(came, blank, T)
        return y

    def _know(self, x: Any, y: Tensor, steps: int) -> None:
        """Remember what becomes of an x that came, so that the next one like it need not be asked.

        Without that a push takes ten times as long.
        """
        flow = self._runner.flow if isinstance(self._runner, Native) else None
        small = type(x) is Tensor and y.numel() <= MOST_KNOWN_NUMBERS
        if flow is None or self._form.alone is None or not small:
            return
        if len(self._known) == MOST_KNOWN:
            self._known.clear()
        like = torch.empty_like(y)
        function = flow.function(steps)
        self._known[x.shape] = (self._form.alone.dtype, like, function, flow, steps)

    def _begun(self, rows: int, state: Any) -> list[Tensor]:
        """The state of new rows."""
        if state is None:
            return [each.expand(rows, *each.shape[1:]) for each in self._initial]
        found = [each.detach() for each in leaves(state)]
        fits = [(rows, *each.shape[1:]) for each in self._initial]
        came = [tuple(each.shape) for each in found]
        if came != fits:
            raise ShapeError(f"Stream: the state has parts {came}, {fits} fit")
        for one, fit in zip(found, self._initial, strict=True):
            if one.dtype != fit.dtype:
                raise ShapeError(f"Stream: the state is {_name(one)}, the model's is {_name(fit)}")
        return found

    def _set_rows(self, rows: int, states: Sequence[Tensor]) -> None:
        if self._rows != rows:
            states = [each.clone() for each in states]
            self._runner.resize(rows)
        self._rows = rows
        for state, value in zip(self._runner.states, states, strict=True):
            state.copy_(value)
        self._known: dict[torch.Size, Known] = {}

    def _index(self, rows: Rows) -> Tensor:
        """As an index of states."""
        found = torch.as_tensor([rows] if isinstance(rows, int) else rows)
        if found.dtype == torch.bool and found.shape == (self._rows,):
            return found
        found = found.to(torch.int64).reshape(-1)
        if found.numel() and not 0 <= int(found.min()) <= int(found.max()) < self._rows:
            raise OptionError(
                f"Stream: rows are {found.tolist()}, the stream has rows 0 … {self._rows - 1}"
            )
        return found

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other thread changes what is looked at here.

        Raises:
            UnsupportedError: one is about to; nothing was done.
        """
        if not self._lock.acquire(blocking=False):
            raise UnsupportedError("another thread is at work on this stream; give each its own")
        try:
            yield
        finally:
            self._lock.release()

    def _check_free(self, what: str) -> None:
        if self._fixed:
            raise OptionError(
                f"Stream.{what}: the number of rows is fixed with the context; make a new stream"
            )


def _check(cell: Any, rows: int, context: Context, weights: torch.dtype | None) -> None:
    if not 0 <= rows <= MOST_ROWS:
        raise OptionError(f"Stream: rows is {rows}, it must lie in 0 … {MOST_ROWS}")
    if weights not in (None, torch.bfloat16):
        raise OptionError(f"Stream: weights is {weights}, torch.bfloat16 fits, or None")
    if any(len(each) != rows for each in leaves(taken(context)[1])):
        raise ShapeError(f"Stream: the context has other rows than the stream, which has {rows}")
    if context is None and cell.sample_context(max(rows, 1)) is not None:
        raise OptionError(
            "Stream: the model draws noise, as it does in training; model.eval() ends that"
        )


def _alike(out: Any, blank: Tensor) -> bool:
    """Whether it can take the place of an answer."""
    return (
        type(out) is Tensor
        and out.shape == blank.shape
        and out.dtype is blank.dtype
        and out.is_contiguous()
        and out.is_cpu == blank.is_cpu
    )


def _name(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")

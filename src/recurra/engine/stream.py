"""Steps one behind the other that go on as data come; weights and states are the library's.

Each stage is a plan of inference, as a sequence runs it, so a stream gives the numbers of the
sequences of its stages, bit for bit. What a call makes ready each time is made ready once.
"""

import ctypes
from collections.abc import Callable, Sequence
from ctypes import POINTER, c_int, c_int64, c_void_p
from dataclasses import dataclass, field
from functools import cache
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recurra.engine import native
from recurra.engine.autograd import machine
from recurra.engine.machine import TYPES, Machine
from recurra.engine.place import NotNativeError
from recurra.engine.plain import Step
from recurra.engine.program import Packing
from recurra.engine.rows import Rows
from recurra.engine.run import call_of
from recurra.engine.traced import Counts
from recurra.engine.tree import Tree, dtype_of, leaves
from recurra.errors import OptionError, UnsupportedError

# A push of fewer multiplications keeps Python's lock: another thread may hold it for milliseconds.
BRIEF = 1 << 22
# And between so many at a time Python is asked, so that Ctrl-C ends a long one.
LONG = 1 << 29
NO_SUCH_ROW, BUSY = 1, 2


@dataclass
class Stage:
    """What runs at one place of a stream.

    Args:
        program: None: a lookup.
        arguments: as of a job; those of x, y and states are empty.
        inputs: of each part of x that is read, the number of its argument, and its width.
        parts: which parts of x these are.
        states: of each state, the numbers of the first and the last one's arguments, and its width.
        output: the number of y's argument.
        copies: parameters; None once nobody reads them any more.
        alive: what must not go as long as the stage runs.
    """

    program: native.Program | None
    arguments: list[int]
    inputs: list[int]
    states: list[int]
    output: int
    y_shape: tuple[int, ...]
    dtype: torch.dtype
    parts: list[int] = field(default_factory=lambda: [0])
    state_shapes: list[tuple[int, ...]] = field(default_factory=list)
    table_rows: int = 0
    weights: int = 0
    copies: list[Tensor | None] = field(default_factory=list)
    packed_alone: list[int] = field(default_factory=list)
    alive: Any = None

    def described(self) -> "_StageJob":
        """As the library reads it."""
        numbers = [
            (c_int64 * len(each))(*each) for each in (self.arguments, self.inputs, self.states)
        ]
        address = self.program.address if self.program else None
        arguments, inputs, states = numbers
        made = _StageJob(
            address,
            ctypes.cast(arguments, c_void_p),
            len(arguments) // 4,
            inputs,
            len(inputs) // 2,
            states,
            len(states) // 3,
            self.output,
            prod(self.y_shape),
            self.table_rows,
        )
        made.numbers = numbers
        return made

    def packed(self) -> None:
        """Let go of the matrices, which the library has packed."""
        for index in self.packed_alone:
            self.copies[index] = None


def lookup(table: Tensor) -> Stage:
    """The stage that takes rows of a table; it must be the first one.

    Args:
        table: (V, E); copied.
    """
    own = _copy(table)
    V, E = own.shape
    arguments = [own.data_ptr(), E, 0, 0]
    return Stage(None, arguments, [0, 1], [], 0, (E,), own.dtype, table_rows=V, copies=[own])


def stage(
    step: Step, x: Tree, state: Tree, context: Tree = None, weights: torch.dtype | None = None
) -> Stage:
    """The stage that runs a step; its parameters are copied.

    Args:
        x: an example (B, T, …).
        state: an example.
        context: what every step sees; its rows are those of the stream.
        weights: as in `run`.

    Raises:
        NotNativeError: it has no native form, or the library is not there.
        OptionError: weights do not fit the step.
    """
    if native.library() is None:
        raise NotNativeError("the native library is not there")
    dtype = dtype_of(state, x)
    if weights is not None and dtype != torch.float32:
        raise OptionError(f"stream: weights is {weights} beside {dtype}, float32 fits there")
    B, T = leaves(x)[0].shape[:2]
    packing = Packing.FULL if weights is None else Packing.HALF
    found = call_of(step, x, state, context, Rows(B, T), packing=packing)
    if found is None:
        raise NotNativeError("a step that is no method of a module on the CPU")
    call, tensors = found
    made = machine(call.traced, call.traced.dtype, None, call.packing)
    return _stage(made, B, T, [_copy(each) for each in tensors], call.traced.counts)


def _stage(made: Machine, B: int, T: int, tensors: list[Tensor], counts: Counts) -> Stage:
    P, X, S, _ = counts
    x, state = tensors[P : P + X], tensors[P + X : P + X + S]
    way = made.ways[False]
    y, last = torch.empty(B, T, *made.y_shape, dtype=made.dtype), [*map(torch.empty_like, state)]
    words, _, alive = way.fill(T, tensors, (), (y, *last))

    def number(kind: str, index: int) -> int:
        """Of an argument; -1 where nothing reads it."""
        tensor = way.index[kind, index]
        return way.tensors.index(tensor) if tensor in way.tensors else -1

    # The stream says where x, y and states are.
    given = {*range(P, P + X + S), way.index["y", 0], *(way.index["last", k] for k in range(S))}
    for at, tensor in enumerate(way.tensors):
        if tensor in given:
            words[4 * at] = 0
    parts = [k for k in range(X) if number("x", k) >= 0]
    if not parts:
        raise NotNativeError("a step that does not read x")
    if 0 in (*made.y_shape, *(each.numel() for each in (*x, *state))):
        raise NotNativeError("a part without numbers")
    matrices = {each.argument for each in made.plain.matrices}
    read = {tensor for at, tensor in enumerate(way.tensors) if at not in matrices}
    return Stage(
        made.program,
        list(words),
        [each for k in parts for each in (number("x", k), prod(x[k].shape[2:]))],
        [
            each
            for k, one in enumerate(state)
            for each in (number("first", k), number("last", k), prod(one.shape[1:]))
        ],
        number("y", 0),
        tuple(made.y_shape),
        made.dtype,
        parts,
        [tuple(one.shape[1:]) for one in state],
        weights=sum(each.numel() for each in tensors[:P]),
        copies=list(tensors),
        # What torch computes of parameters may be a view of any of them.
        packed_alone=[] if way.values else sorted(set(range(P)) - read),
        alive=(made, alive),
    )


def _copy(tensor: Tensor) -> Tensor:
    return tensor.detach().clone(memory_format=torch.contiguous_format)


class Flow:
    """Stages at work for so many rows. One thread at a time.

    Args:
        stages: each takes what the one before it gives.
        rows: B.
        like: a flow of the same stages for other rows, whose packed weights serve once more.

    Attributes:
        states: (B, …) each, of all stages from the first to the last: zeros at first, the library's
            own memory, to be read and written between pushes.

    Raises:
        UnsupportedError: the stages do not fit together.
    """

    def __init__(self, stages: Sequence[Stage], rows: int, like: "Flow | None" = None) -> None:
        self._lib = native.needed()
        self._stages, self._rows = stages, rows
        described = [each.described() for each in stages]
        line = ctypes.create_string_buffer(native.LINE)
        address = self._lib.recurra_stream_new(
            (_StageJob * len(stages))(*described),
            len(stages),
            rows,
            like.address if like else None,
            line,
            native.LINE,
        )
        if not address:
            raise UnsupportedError(line.value.decode(errors="replace"))
        self.address: int = address
        self._handle = _Handle(address, stages)
        for each in stages:
            each.packed()
        self.dtype = stages[-1].dtype
        self.states = [
            self._state(at, k, shape)
            for at, each in enumerate(stages)
            for k, shape in enumerate(each.state_shapes)
        ]
        self._work = rows * sum(each.weights for each in stages)
        self._patient, self._brief = self._lib.recurra_push, _brief()

    def function(self, steps: int) -> Callable[..., int]:
        """What goes on by so many steps: `(address, address of x, address of y, steps)`.

        It answers 0, or something else where it did nothing; `run` says what. x is (B, steps, …)
        without gaps, of whole numbers for a lookup; y likewise, and written.
        """
        return self._brief if self._work * steps < BRIEF else self._patient

    def run(self, x: Sequence[Tensor], y: Tensor) -> None:
        """Go on.

        Args:
            x: its parts, (B, T, …) without gaps; truth values become numbers.
            y: likewise; written.

        Raises:
            IndexError: a number is in no table; nothing was done.
            UnsupportedError: another thread pushes; nothing was done.
        """
        steps = y.shape[1]
        x = [each.to(self.dtype) if each.dtype == torch.bool else each for each in x]
        read = [x[k].data_ptr() for k in self._stages[0].parts]
        several = (c_void_p * len(read))(*read)
        first: Any = read[0] if len(read) == 1 else several
        status = self._go(first, y.data_ptr(), steps)
        if status == NO_SUCH_ROW:
            V = self._stages[0].table_rows
            raise IndexError(f"x holds a number outside 0 … {V - 1}, which the table has rows for")
        if status == BUSY:
            raise UnsupportedError("another thread is at work on this stream; give each its own")

    def _go(self, x: Any, y: int, steps: int) -> int:
        once = max(1, LONG // max(self._work, 1))
        if steps <= once:
            return self.function(steps)(self.address, x, y, steps)
        for begin in range(0, steps, once):
            end = min(begin + once, steps)
            status: int = self._lib.recurra_push_some(self.address, x, y, steps, begin, end)
            if status:
                return status
        return 0

    def _state(self, at: int, k: int, shape: tuple[int, ...]) -> Tensor:
        address = self._lib.recurra_stream_state(self.address, at, k)
        memory = _Memory(self._handle, address, (self._rows, *shape), self.dtype)
        return torch.from_numpy(np.asarray(memory))


class _Handle:
    """A stream of the library's; states hold it and not the flow, so that nothing goes in rings."""

    def __init__(self, address: int, alive: object) -> None:
        self.address = address
        self._alive = alive
        self._free = native.needed().recurra_stream_free

    def __del__(self) -> None:
        self._free(self.address)


class _Memory:
    """A state as numpy takes it."""

    def __init__(
        self, handle: _Handle, address: int, shape: tuple[int, ...], dtype: torch.dtype
    ) -> None:
        self._handle = handle
        self.__array_interface__ = {
            "data": (address, False),
            "shape": shape,
            "typestr": TYPES[dtype],
            "version": 3,
        }


class _StageJob(ctypes.Structure):
    _fields_ = [
        ("program", c_void_p),
        ("arguments", c_void_p),
        ("count", c_int64),
        ("inputs", POINTER(c_int64)),
        ("input_count", c_int64),
        ("states", POINTER(c_int64)),
        ("state_count", c_int64),
        ("output", c_int64),
        ("width", c_int64),
        ("table_rows", c_int64),
    ]


@cache
def _brief() -> Callable[..., int]:
    """`recurra_push` for short work: it keeps Python's lock."""
    push: Any = ctypes.PyDLL(str(native.PATH)).recurra_push
    push.restype, push.argtypes = c_int, [c_void_p, c_void_p, c_void_p, c_int64]
    found: Callable[..., int] = push
    return found

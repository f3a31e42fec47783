"""What a step does, recorded operation by operation.

The step runs twice on small batches of different size, forward and backward, below autograd, where
only plain operations arrive. What differs between the two is the batch. Nothing is imported and
nothing is compiled: it takes milliseconds.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from recurra.engine.applied import Applied
from recurra.engine.tree import Tree, leaves, tree_map
from recurra.errors import StepError

BATCHES = (3, 5)
# Where these take running statistics.
RUNNING = {F.batch_norm: (1, 2), torch.batch_norm: (3, 4)}
RUNNING |= {F.instance_norm: (1, 2), torch.instance_norm: (3, 4)}

Step: TypeAlias = Callable[[list[Tensor], Tree, Tree, Tree], tuple[Tensor, Tree]]


class UnknownOperationError(Exception):
    """No rule says what this operation does to a row."""


@dataclass(frozen=True)
class Batch:
    """A size that is a multiple of the batch."""

    times: int

    def __repr__(self) -> str:
        return "B" if self.times == 1 else f"{self.times}B"


@dataclass(frozen=True)
class Ref:
    """A tensor of the recording, by number."""

    number: int


@dataclass
class Record:
    """One operation as it was called."""

    name: str
    arguments: list[Any]  # Ref, numbers, lists of both
    named: dict[str, Any]
    results: list[int]
    line: str
    call: Any  # torch's own operation

    def option(self, place: int, name: str, default: Any = None) -> Any:
        """An argument that may be given by place or by name."""
        if len(self.arguments) > place:
            return self.arguments[place]
        return self.named.get(name, default)


@dataclass
class Recording:
    """Everything that one run of the step did."""

    records: list[Record] = field(default_factory=list)
    leaves: dict[str, list[int]] = field(default_factory=dict)
    outputs: dict[str, list[int | None]] = field(default_factory=dict)
    shapes: dict[int, tuple[int, ...]] = field(default_factory=dict)
    numbers: dict[int, float] = field(default_factory=dict)
    forward: int = 0  # so many records are the step's own, the others its gradient's
    written: str = ""  # the line that first wrote into a buffer


class Recorder(TorchDispatchMode):
    """Writes down every operation, and knows every tensor by its memory."""

    def __init__(self) -> None:
        TorchDispatchMode.__init__(self)
        self.recording = Recording()
        self.known: dict[tuple[Any, ...], int] = {}
        self.fresh = False
        self.alive: list[Tensor] = []
        self.weights: dict[int, bool] = {}  # memory of parameters and buffers: whether it is a copy

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Else torch wraps the method below, and the first trace imports its compiler: a second.
        return False

    def declare(self, tensor: Tensor) -> int:
        """A new number for a tensor."""
        number = len(self.recording.shapes)
        self.known[_memory(tensor)] = number
        self.recording.shapes[number] = tuple(tensor.shape)
        self.alive.append(tensor)
        return number

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        named = kwargs or {}
        name = str(func).removeprefix("aten.")
        line = _line()
        if name.startswith("_local_scalar_dense"):
            raise StepError(f"{line}: the step looks at a value (`if`, `float()` or `.item()`)")
        # `torch.tensor(2.0)` in a step: a number that arrives through this operation alone.
        self.fresh = name.startswith("lift_fresh")
        arguments = [self._see(each) for each in args]
        keywords = {key: self._see(value) for key, value in named.items()}
        in_place = func._schema.name.endswith("_") and not func._schema.name.endswith("__")
        if in_place:
            self._note_written(args[0], line)
        result = func(*args, **named)
        if in_place:
            self._forget_views(args[0], line)
        made = list(result) if isinstance(result, tuple | list) else [result]
        results = [self.declare(each) for each in made if _is_tensor(each)]
        self.recording.records.append(Record(name, arguments, keywords, results, line, func))
        return result

    def number(self, tensor: Tensor) -> int:
        """The number of a tensor that was seen before; else it was captured from outside."""
        memory = _memory(tensor)
        if memory in self.known:
            return self.known[memory]
        if any(memory[0] == other[0] for other in self.known):
            raise StepError(
                f"{_line()}: the step reads a view of a tensor that it changed in place"
            )
        if tensor.requires_grad:
            raise StepError(
                f"{_line()}: the step uses a tensor {tuple(tensor.shape)} that requires a gradient "
                "and is no parameter of the cell; register it as one"
            )
        if tensor.ndim or not self.fresh:
            raise UnknownOperationError(f"{_line()}: a tensor from outside the step")
        number = self.declare(tensor)
        self.recording.numbers[number] = float(tensor.detach())
        return number

    def _see(self, argument: Any) -> Any:
        if _is_tensor(argument):
            return Ref(self.number(argument))
        if isinstance(argument, list | tuple):
            return [self._see(each) for each in argument]
        return argument

    def _note_written(self, changed: Tensor, line: str) -> None:
        """An operation in place on what outlives the step."""
        copied = self.weights.get(_memory(changed)[0])
        if copied is False:
            raise UnknownOperationError(f"{line}: writing into a parameter")
        if copied:
            self.recording.written = self.recording.written or line

    def _forget_views(self, changed: Tensor, line: str) -> None:
        """An operation in place: other views of the same memory now hold something else."""
        memory = _memory(changed)
        whole = changed.untyped_storage().nbytes() == changed.numel() * changed.element_size()
        if not whole:
            raise UnknownOperationError(f"{line}: writing into a part of a tensor")
        for other in [key for key in self.known if key[0] == memory[0]]:
            del self.known[other]


class _Statistics(TorchFunctionMode):
    """Hides running statistics from autograd, which has no gradient for them and would say so."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        given, named = list(args), dict(kwargs or {})
        for place in RUNNING.get(func, ()):
            if place < len(given) and _is_tensor(given[place]):
                given[place] = given[place].detach()
        return func(*given, **named)


def record(
    step: Step,
    batch: int,
    parameters: list[Tensor],
    x: Tree,
    state: Tree,
    context: Tree,
) -> Recording:
    """Run a step once on a batch of this size, and differentiate it by everything that floats.

    Args:
        step: `(parameters, x, state, context) -> (y, state)`.
        x, state, context: trees of one row each, (1, …), or of any batch; only shapes matter.
    """
    recorder = Recorder()
    recording = recorder.recording

    def leaf(tensor: Tensor) -> Tensor:
        made = torch.zeros(batch, *tensor.shape[1:], dtype=tensor.dtype, device=tensor.device)
        return made.requires_grad_(made.is_floating_point())

    # In inference mode torch would leave `linear` and its kind as they are.
    normal = torch.inference_mode(False)
    with normal, torch.enable_grad(), torch.autocast("cpu", enabled=False):
        weights = [_weight(each) for each in parameters]
        given = {_memory(each)[0] for each in parameters}
        recorder.weights = {_memory(each)[0]: _memory(each)[0] not in given for each in weights}
        x, state, context = (tree_map(leaf, tree) for tree in (x, state, context))
        named = {
            "parameter": weights,
            "x": leaves(x),
            "state": leaves(state),
            "context": leaves(context),
        }
        for kind, tensors in named.items():
            recording.leaves[kind] = [recorder.declare(each) for each in tensors]
        with recorder, _Statistics():
            y, after = step(weights, x, state, context)
        recording.forward = len(recording.records)
        _check_result(y, after, state, batch)
        outputs = [y, *leaves(after)]
        recording.outputs["y"] = [recorder.number(y)]
        recording.outputs["state"] = [recorder.number(each) for each in leaves(after)]
        _differentiate(recorder, outputs, named)
    return recording


def _weight(tensor: Tensor) -> Tensor:
    """A parameter, or a copy of a buffer: a step may write into that, and nothing is left of it."""
    made = torch.zeros_like(tensor) if tensor.is_inference() else tensor.detach()
    made.requires_grad_(made.is_floating_point())
    return made if isinstance(tensor, nn.Parameter) else made.clone()


class _Seed(torch.autograd.Function):
    """A number whose gradient by some tensors is given."""

    apply: ClassVar[Applied]

    @staticmethod
    def forward(ctx: Any, cotangents: list[Tensor], *outputs: Tensor) -> Tensor:
        ctx.cotangents = cotangents
        return outputs[0].new_zeros(())

    @staticmethod
    def backward(ctx: Any, _: Tensor) -> tuple[Tensor | None, ...]:
        return (None, *ctx.cotangents)


def _differentiate(
    recorder: Recorder, outputs: list[Tensor], named: dict[str, list[Tensor]]
) -> None:
    recording = recorder.recording
    cotangents = [torch.zeros_like(each) for each in outputs]
    numbers = [recorder.declare(each) for each in cotangents]
    recording.leaves["dy"], recording.leaves["dstate"] = numbers[:1], numbers[1:]
    reached = [k for k, each in enumerate(outputs) if each.requires_grad]
    places = [(kind, each) for kind, tensors in named.items() for each in tensors]
    wanted = [each for _, each in places if each.requires_grad]
    gradients: list[Tensor | None] = [None] * len(wanted)
    if reached and wanted:
        # With cotangents of its own, `grad` would import torch's symbolic shapes: .3 s.
        seed: Tensor = _Seed.apply([cotangents[k] for k in reached], *(outputs[k] for k in reached))
        recorder.declare(seed)
        with recorder:
            gradients = list(torch.autograd.grad(seed, wanted, allow_unused=True))
    found = iter(gradients)
    for kind, tensors in named.items():
        each_one = [next(found) if tensor.requires_grad else None for tensor in tensors]
        recording.outputs["d" + kind] = [
            None if each is None else recorder.number(each) for each in each_one
        ]


def _check_result(y: Any, after: Tree, before: Tree, batch: int) -> None:
    if not isinstance(y, Tensor):
        raise StepError(f"the step gave a {type(y).__name__} for y, a tensor (B, …) fits")
    came, fits = leaves(after), leaves(before)
    if [each.shape for each in came] != [each.shape for each in fits]:
        shown = [tuple(each.shape[1:]) for each in came]
        wanted = [tuple(each.shape[1:]) for each in fits]
        raise StepError(f"the step gave a state of {shown} a row, it took {wanted}")
    if y.ndim < 1 or y.shape[0] != batch:
        raise StepError(f"the step gave y {tuple(y.shape)} for a batch of {batch}")


def _is_tensor(argument: Any) -> bool:
    return isinstance(argument, Tensor)


def _memory(tensor: Tensor) -> tuple[Any, ...]:
    """What makes two tensors the same value: where they lie, and how."""
    storage = tensor.untyped_storage()._cdata
    return storage, tensor.storage_offset(), tuple(tensor.shape), tensor.stride(), tensor.dtype


def _line() -> str:
    """The innermost line that is neither torch's nor the engine's."""
    frame = sys._getframe(2)
    while frame is not None and frame.f_code is not _differentiate.__code__:
        name = frame.f_code.co_filename
        if "/torch/" not in name and "/recurra/engine/" not in name:
            return f"{name}:{frame.f_lineno}"
        if frame.f_back is None:
            break
        frame = frame.f_back
    return "backward"

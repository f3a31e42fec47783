"""Several processes that teach one model, each on its part of every batch.

`torchrun` or Ray starts them, and says in the environment which is which. Each computes the loss of
its own rows. Their gradients are averaged over all processes by torch's DistributedDataParallel, so
all take the same step and hold the same weights. What decides the course of a training is summed
over all, or taken from the first, so all take the same turns: a process that left a loop alone
would leave the others waiting.

    loss = sum_r w_r loss_r / sum_r w_r        w_r: targets in the part of process r

DistributedDataParallel takes the plain mean of the gradients of n processes, so process r gives it
n w_r / sum_r w_r times its loss.
"""

import os
import warnings
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from itertools import count
from typing import Any, NamedTuple

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from recurra.errors import (
    LostProcessError,
    OptionError,
    RecurraError,
    TerminatedError,
    TrainingError,
)
from recurra.train.lesson import Batch, Lesson

# What torchrun and Ray set for every process that they start.
NAMES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
# Numbers go between processors by the one, gradients on GPUs by the other.
BACKENDS = {"cpu": "gloo", "cuda": "cpu:gloo,cuda:nccl"}


class Part(NamedTuple):
    """Number `rank`, from 0, of `of` parts."""

    rank: int
    of: int


# The tensors that processes sent each other last. A thread of torch's gives them up after Python
# may have; were it the last to, it would wait for Python's lock, and whoever ends the group waits
# for that thread with the lock in hand.
_SENT: deque[Tensor] = deque(maxlen=32)

# The group that was left last, so that it ends when its threads have long had nothing to do.
_LEFT: list[Any] = []

# A later group of the same processes must not meet what an earlier one has left.
_NUMBERS = count()

WHOLE = Part(0, 1)


def this_part() -> Part:
    """Which part of every batch is this process's; the whole where nobody started others.

    Raises:
        OptionError: the environment says nonsense.
    """
    if any(name not in os.environ for name in NAMES):
        return WHOLE
    rank, of = os.environ["RANK"], os.environ["WORLD_SIZE"]
    if not (rank.isdecimal() and of.isdecimal() and int(rank) < int(of)):
        raise OptionError(
            f"training: RANK is {rank!r} and WORLD_SIZE {of!r}; torchrun sets numbers, the rank "
            "below the size; unset both to train in one process"
        )
    return Part(int(rank), int(of))


class Ranks(ABC):
    """The processes that train together, as one of them sees them.

    Every method but `apart` must be called by all, in the same order.

    Attributes:
        part: this process's.
    """

    part: Part

    @abstractmethod
    def loss_of(self, lesson: Lesson[Batch]) -> Callable[[Batch], Tensor]:
        """The lesson's loss; its backward averages the gradients over all processes."""

    @abstractmethod
    def apart(self) -> AbstractContextManager[Any]:
        """Inside, gradients are gathered in each process, and go out with the next backward."""

    @abstractmethod
    def total(self, value: float) -> float:
        """The sum over all."""

    @abstractmethod
    def largest(self, *values: float) -> tuple[float, ...]:
        """The largest of each over all."""

    @abstractmethod
    def first(self, answer: Callable[[], float]) -> float:
        """What the first process answers; the others are not asked."""

    @abstractmethod
    def gather(self, tensors: Mapping[str, Tensor]) -> list[Mapping[str, Tensor]]:
        """Everyone's tensors in the first process, by rank; nothing in the others."""


class Alone(Ranks):
    """One process: nothing to agree on."""

    part = WHOLE

    def loss_of(self, lesson: Lesson[Batch]) -> Callable[[Batch], Tensor]:
        return lesson.loss

    def apart(self) -> AbstractContextManager[Any]:
        return nullcontext()

    def total(self, value: float) -> float:
        return value

    def largest(self, *values: float) -> tuple[float, ...]:
        return values

    def first(self, answer: Callable[[], float]) -> float:
        return float(answer())

    def gather(self, tensors: Mapping[str, Tensor]) -> list[Mapping[str, Tensor]]:
        return [tensors]


ALONE = Alone()


class _Loss(nn.Module):
    """A lesson as a module whose forward is its loss."""

    def __init__(self, lesson: Lesson[Any]) -> None:
        super().__init__()
        self.model = lesson.model
        self._loss = lesson.loss

    def forward(self, batch: Any) -> Tensor:
        return self._loss(batch)


class Group(Ranks):
    """One of several processes, which torch's process group joins.

    Args:
        part: this process's.
    """

    def __init__(self, part: Part) -> None:
        self.part = part
        self._apart: Callable[[], AbstractContextManager[Any]] = nullcontext

    def loss_of(self, lesson: Lesson[Batch]) -> Callable[[Batch], Tensor]:
        # A weight may be met by no row of a batch, and then by the rows of another process.
        module = nn.parallel.DistributedDataParallel(
            _Loss(lesson), find_unused_parameters=True, broadcast_buffers=False
        )
        self._apart = module.no_sync
        return module

    def apart(self) -> AbstractContextManager[Any]:
        return self._apart()

    def total(self, value: float) -> float:
        number = _sent(torch.tensor(value, dtype=torch.float64))
        torch.distributed.all_reduce(number)
        return number.item()

    def largest(self, *values: float) -> tuple[float, ...]:
        numbers = _sent(torch.tensor(values, dtype=torch.float64))
        torch.distributed.all_reduce(numbers, torch.distributed.ReduceOp.MAX)
        return tuple(numbers.tolist())

    def first(self, answer: Callable[[], float]) -> float:
        said = float(answer()) if self.part.rank == 0 else 0.0
        number = _sent(torch.tensor(said, dtype=torch.float64))
        torch.distributed.broadcast(number, 0)
        return number.item()

    def gather(self, tensors: Mapping[str, Tensor]) -> list[Mapping[str, Tensor]]:
        own = save({name: value.contiguous() for name, value in tensors.items()})
        (most,) = self.largest(len(own))
        # The format says itself how long it is, but takes no byte more.
        sizes, contents = [torch.tensor([len(own)])], [torch.zeros(int(most), dtype=torch.uint8)]
        contents[0][: len(own)] = torch.frombuffer(bytearray(own), dtype=torch.uint8)
        found = [self._gathered(part[0]) for part in (sizes, contents)]
        return [
            load(content[: int(size)].numpy().tobytes())
            for size, content in zip(*found, strict=True)
        ]

    def _gathered(self, tensor: Tensor) -> list[Tensor]:
        first = self.part.rank == 0
        found = [_sent(torch.empty_like(tensor)) for _ in range(self.part.of)] if first else []
        torch.distributed.gather(_sent(tensor), found if first else None)
        return found


def _sent(tensor: Tensor) -> Tensor:
    _SENT.append(tensor)
    return tensor


@contextmanager
def joined(model: nn.Module) -> Iterator[Ranks]:
    """The processes that train a model together; this one alone where nobody started others.

    Weights begin as those of the first; noise is drawn by each for itself.

    Raises:
        LostProcessError: another process has ended in the midst of it.
    """
    part = this_part()
    if part.of == 1:
        yield ALONE
        return
    if part.rank:
        torch.manual_seed(torch.initial_seed() + part.rank)
    with _group(model), warnings.catch_warnings():
        # That every weight was met is no reason to change anything; nor is a new name.
        warnings.filterwarnings("ignore", message="find_unused_parameters")
        warnings.filterwarnings("ignore", message="`broadcast_buffers` is deprecated")
        yield Group(part)


@contextmanager
def _group(model: nn.Module) -> Iterator[None]:
    """Torch's process group, made unless it is there, and ended where all end together."""
    theirs = torch.distributed.is_initialized()
    try:
        if not theirs:
            _meet(model)
        yield
    except (TerminatedError, TrainingError):
        _leave(theirs)
        raise
    except RuntimeError as error:
        if isinstance(error, RecurraError) or not _left(error):
            raise
        raise LostProcessError(
            "training: another of its processes has ended or cannot be reached; what that one "
            "said is the reason; go on with --resume"
        ) from error
    _leave(theirs)


def _meet(model: nn.Module) -> None:
    rank, of = this_part()
    torch.distributed.init_process_group(
        _backend(model), store=_meeting_place(next(_NUMBERS)), rank=rank, world_size=of
    )


def _leave(theirs: bool) -> None:
    """Leave the group once everyone has what was sent last."""
    # Not torch's barrier: the tensor that it sends is its own, and nobody can hold it.
    torch.distributed.all_reduce(_sent(torch.zeros(1)))
    if not theirs:
        _LEFT[:] = [torch.distributed.group.WORLD]
        torch.distributed.destroy_process_group()


def _meeting_place(number: int) -> Any:
    """Where the processes find each other for the training of this number."""
    from torch.distributed import distributed_c10d

    return distributed_c10d.PrefixStore(f"recurra/{number}", _store())


@cache
def _store() -> Any:
    from torch.distributed.rendezvous import rendezvous

    store, _, _ = next(rendezvous("env://"))
    return store


def _backend(model: nn.Module) -> str:
    kind = next(model.parameters()).device.type
    if kind == "cuda":
        torch.cuda.set_device(next(model.parameters()).device)
    return BACKENDS[kind]


def _left(error: RuntimeError) -> bool:
    """Whether it came from a connection, not from a computation."""
    distributed = isinstance(error, torch.distributed.DistError)
    return distributed or "gloo" in str(error) or "Connection closed" in str(error)

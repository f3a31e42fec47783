"""The native engine: one shared library beside this file, loaded on first use, called by ctypes.

RECURRA_NATIVE=0 runs without it, RECURRA_NATIVE=1 refuses to run without it; otherwise it serves
where it is there. RECURRA_SIMD forces a level: generic, avx2, avx512, amx. RECURRA_THREADS=own
works on threads of the library's own, not on torch's. RECURRA_LIBRARY names another build of it.
"""

import ctypes
import os
import threading
import warnings
from array import array
from collections.abc import Callable, Generator, Sequence
from ctypes import POINTER, c_char_p, c_int, c_int64, c_void_p
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from recurra.engine.operations import OPERATIONS
from recurra.engine.program import Program as Plan
from recurra.errors import MissingPackageError, OptionError, ShapeError, UnsupportedError

ABI = 8
PATH = Path(os.environ.get("RECURRA_LIBRARY") or Path(__file__).with_name("_native.so"))

_POLL = ctypes.CFUNCTYPE(c_int)
LINE = 512


@cache
def library() -> ctypes.CDLL | None:
    """The library; None where it does not serve.

    Raises:
        MissingPackageError: RECURRA_NATIVE=1, and it is not there or not of this version.
        OptionError: RECURRA_NATIVE or RECURRA_SIMD has a value that does not fit.
    """
    wish = os.environ.get("RECURRA_NATIVE", "")
    if wish not in ("", "0", "1"):
        raise OptionError(f"RECURRA_NATIVE: got {wish!r}; 0 or 1 fits, or nothing")
    if wish == "0":
        return None
    if not PATH.exists():
        if wish == "1":
            raise MissingPackageError(
                f"RECURRA_NATIVE=1: {PATH} is not there; `make native` builds it"
            )
        return None
    try:
        return _load()
    except (OSError, AttributeError) as error:
        line = f"{PATH} does not load ({error}); `make native` builds it anew"
        if wish == "1":
            raise MissingPackageError(f"RECURRA_NATIVE=1: {line}") from error
        warnings.warn(f"{line}, RECURRA_NATIVE=0 runs without it", RuntimeWarning, stacklevel=2)
        return None


def level() -> str | None:
    """The SIMD level that runs; None without the library."""
    lib = library()
    return None if lib is None else lib.recurra_level().decode()


def tiles() -> bool:
    """Whether products in bfloat16 run on tiles here, many times as fast as in float32."""
    return level() == "amx"


@cache
def team() -> int | None:
    """Where torch's own threads are set to work; None where the library's own ones work.

    After an operation of torch's its threads spin for milliseconds on the cores that it used. The
    runtime that torch is linked with is asked for its threads by name; it may be any that knows the
    name.

    Raises:
        OptionError: RECURRA_THREADS has a value that does not fit.
    """
    wish = os.environ.get("RECURRA_THREADS", "")
    if wish not in ("", "own", "torch"):
        raise OptionError(f"RECURRA_THREADS: got {wish!r}; own or torch fits, or nothing")
    if wish == "own":
        return None
    path = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    try:
        return ctypes.cast(ctypes.CDLL(str(path)).GOMP_parallel, c_void_p).value
    except (OSError, AttributeError) as error:
        if wish == "torch":
            raise OptionError(f"RECURRA_THREADS=torch: {error}; nothing fits here") from error
        return None


_forked = False


def _in_child() -> None:
    global _forked
    _forked = True


# A child has none of its parent's threads, and torch's runtime does not know.
os.register_at_fork(after_in_child=_in_child)


def _load() -> ctypes.CDLL:
    lib = ctypes.CDLL(str(PATH))
    lib.recurra_abi.restype = c_int
    if (abi := lib.recurra_abi()) != ABI:
        raise OSError(f"interface {abi}, this version needs {ABI}")
    lib.recurra_operations.restype = c_char_p
    if lib.recurra_operations().decode() != _table():
        raise OSError("its operations are not those of operations.py")
    lib.recurra_level.restype = c_char_p
    lib.recurra_program_new.restype = c_void_p
    lib.recurra_program_new.argtypes = [POINTER(c_int64), c_int64, c_char_p, c_int64]
    lib.recurra_program_free.restype = None
    lib.recurra_program_free.argtypes = [c_void_p]
    lib.recurra_kept_bytes.restype = c_int64
    lib.recurra_kept_bytes.argtypes = [c_void_p, c_int64, c_int64]
    lib.recurra_block_take.restype = c_void_p
    lib.recurra_block_take.argtypes = [c_int64]
    lib.recurra_block_give.restype = None
    lib.recurra_block_give.argtypes = [c_void_p, c_int64]
    lib.recurra_stream_new.restype = c_void_p
    lib.recurra_stream_new.argtypes = [c_void_p, c_int64, c_int64, c_void_p, c_char_p, c_int64]
    lib.recurra_stream_free.restype = None
    lib.recurra_stream_free.argtypes = [c_void_p]
    lib.recurra_stream_state.restype = c_void_p
    lib.recurra_stream_state.argtypes = [c_void_p, c_int64, c_int64]
    lib.recurra_push.restype = c_int
    lib.recurra_push.argtypes = [c_void_p, c_void_p, c_void_p, c_int64]
    lib.recurra_push_some.restype = c_int
    lib.recurra_push_some.argtypes = [*lib.recurra_push.argtypes, c_int64, c_int64]
    lib.recurra_run.restype = c_int
    lib.recurra_run.argtypes = [c_void_p, c_int64, c_int64, c_void_p, c_void_p, c_char_p, c_int64]
    lib.recurra_matrix_kept.restype = c_int64
    lib.recurra_matrix_kept.argtypes = [c_void_p]
    lib.recurra_matrix.restype = c_int
    lib.recurra_matrix.argtypes = [c_void_p, c_int64, c_void_p, c_void_p, c_char_p, c_int64]
    rows = (lib.recurra_product, lib.recurra_sums, lib.recurra_nats)
    for call in (*rows, lib.recurra_lattice, lib.recurra_transducer):
        call.restype, call.argtypes = c_int, lib.recurra_matrix.argtypes
    if lib.recurra_level() is None:
        line = ctypes.create_string_buffer(LINE)
        lib.recurra_program_new(None, 0, line, LINE)
        raise OptionError(line.value.decode(errors="replace"))
    return lib


def _table() -> str:
    return "".join(f"{name} {operation.reads}\n" for name, operation in OPERATIONS.items())


def needed() -> ctypes.CDLL:
    """The library.

    Raises:
        MissingPackageError: it does not serve here.
    """
    lib = library()
    if lib is None:
        raise MissingPackageError(f"native: {PATH} does not serve here; see RECURRA_NATIVE")
    return lib


class Program:
    """A plan that the library has read and checked.

    Raises:
        UnsupportedError: the plan does not fit together; the message says where.
    """

    def __init__(self, plan: Plan) -> None:
        self._lib = needed()
        self.address = 0
        self.arguments = plan.arguments
        words = plan.words()
        line = ctypes.create_string_buffer(LINE)
        found = self._lib.recurra_program_new(
            (c_int64 * len(words))(*words), len(words), line, LINE
        )
        if not found:
            raise UnsupportedError(line.value.decode(errors="replace"))
        self.address = found

    def __del__(self) -> None:
        if getattr(self, "address", 0):
            self._lib.recurra_program_free(self.address)

    def kept_bytes(self, B: int, N: int) -> int:
        """What a job of B rows and N steps in all keeps for its backward."""
        found: int = self._lib.recurra_kept_bytes(self.address, B, N)
        if found < 0:
            raise ShapeError(f"native: {B} rows and {N} steps are more than memory can hold")
        return found


class Block:
    """Memory from the library's cache, given back when this object goes.

    Attributes:
        address: 64-byte aligned; 0 for no bytes.
    """

    def __init__(self, size: int) -> None:
        self._lib = needed()
        self.size = size
        self.address: int = self._lib.recurra_block_take(size) or 0
        if size > 0 and not self.address:
            raise MemoryError(f"native: no memory for {size} bytes")

    def __del__(self) -> None:
        if getattr(self, "address", 0):
            self._lib.recurra_block_give(self.address, self.size)


@dataclass(slots=True)
class Job:
    """One run of a program, forward or backward. Whoever makes it keeps the memory alive.

    Args:
        arguments: four numbers each: address and three strides, in elements; see `csrc/api.h`.
        order: address of B int64, the batch index of each row; 0: as they come.
        lengths: address of B int64, the steps of each row, falling; 0: all T.
        kept: address of `Program.kept_bytes` bytes.
    """

    program: Program
    arguments: Sequence[int]
    B: int
    T: int
    order: int = 0
    lengths: int = 0
    reverse: bool = False
    backward: bool = False
    kept: int = 0

    def words(self, arguments: "array[int]") -> tuple[int, ...]:
        """The job as the library reads it.

        Args:
            arguments: its numbers, where they stay until it has run.
        """
        program = self.program
        if len(arguments) != 4 * program.arguments:
            raise ShapeError(
                f"native: {len(arguments)} numbers for the arguments, the program has "
                f"{program.arguments} arguments of 4"
            )
        flags = self.reverse | self.backward << 32
        address, _ = arguments.buffer_info()
        head = (program.address, address, program.arguments)
        return (*head, self.B, self.T, self.order, self.lengths, flags, self.kept)


class Call:
    """Jobs made ready to run, once or often.

    Attributes:
        arguments: a job's numbers each; may be changed between calls.
    """

    def __init__(self, jobs: Sequence[Job], threads: int) -> None:
        self.threads = threads
        self.arguments = [array("q", job.arguments) for job in jobs]
        self._programs = [job.program for job in jobs]
        self._jobs = _words(jobs, self.arguments)

    def __call__(self) -> None:
        """Run.

        Raises:
            ShapeError: an argument that is needed is null, or lengths or order do not fit.
        """
        _run(needed().recurra_run, self._jobs, len(self.arguments), self.threads)


def run(jobs: Sequence[Job], threads: int) -> None:
    """Run jobs at once on up to `threads` threads. Results do not depend on how many.

    Raises:
        ShapeError: an argument that is needed is null, or lengths or order do not fit.
    """
    arguments = [
        job.arguments if isinstance(job.arguments, array) else array("q", job.arguments)
        for job in jobs
    ]
    _run(needed().recurra_run, _words(jobs, arguments), len(jobs), threads)


def matrix_kept(job: "array[int]") -> int:
    """Bytes that the forward of a matrix recurrence keeps for its backward.

    Args:
        job: the words of a `MatrixJob` of `csrc/matrix_run.h`.
    """
    found: int = needed().recurra_matrix_kept(job.buffer_info()[0])
    if found < 0:
        raise ShapeError("native: so many states are more than memory can hold")
    return found


def matrix(job: "array[int]", threads: int) -> None:
    """Run a matrix recurrence on up to `threads` threads. Results do not depend on how many.

    Raises:
        ShapeError: an argument that is needed is null, or lengths do not fit.
    """
    _run(needed().recurra_matrix, job, threads)


def product(job: "array[int]", threads: int) -> None:
    """Run a `ProductJob` of `csrc/dense.h` on up to `threads` threads, which change no bit.

    Raises:
        ShapeError: sizes do not fit, or what is needed is null.
    """
    _run(needed().recurra_product, job, threads)


def sums(job: "array[int]", threads: int) -> None:
    """Run a `SumsJob` of `csrc/dense.h`, likewise."""
    _run(needed().recurra_sums, job, threads)


def nats(job: "array[int]", threads: int) -> None:
    """Run a `NatsJob` of `csrc/nats.h`, likewise."""
    _run(needed().recurra_nats, job, threads)


def lattice(job: "array[int]", threads: int) -> None:
    """Run a `LatticeJob` of `csrc/lattice.h`, likewise."""
    _run(needed().recurra_lattice, job, threads)


def transducer(job: "array[int]", threads: int) -> None:
    """Run a `TransducerJob` of `csrc/transducer.h`, likewise."""
    _run(needed().recurra_transducer, job, threads)


def _words(jobs: Sequence[Job], arguments: Sequence["array[int]"]) -> "array[int]":
    words = array("q")
    for job, numbers in zip(jobs, arguments, strict=True):
        words.extend(job.words(numbers))
    return words


def _run(call: Callable[..., int], job: "array[int]", *given: int) -> None:
    line, poll = _line(), _polling.begin()
    try:
        status = call(job.buffer_info()[0], *given, None if _forked else team(), poll, line, LINE)
    finally:
        if poll is not None:
            _polling.end()
    if status:
        raise ShapeError(line.value.decode(errors="replace"))


_lines = threading.local()


def _line() -> "ctypes.Array[ctypes.c_char]":
    """Where the library writes its complaint: one a thread."""
    found: ctypes.Array[ctypes.c_char] | None = getattr(_lines, "buffer", None)
    if found is None:
        found = _lines.buffer = ctypes.create_string_buffer(LINE)
    return found


class _Polling:
    """Lets signal handlers run in the main thread while a call works, so that Ctrl-C stops it."""

    def __init__(self) -> None:
        self._main = threading.main_thread().ident
        self._busy = False
        self._caught: BaseException | None = None
        # A handler runs, and may raise, as soon as Python code is entered: in a function that is
        # before its first `try`, in a generator where it waits.
        answers = self._answers()
        next(answers)
        self._callback = _POLL(answers.__next__)

    def begin(self) -> Callable[[], int] | None:
        if self._busy or threading.get_ident() != self._main:
            return None
        self._busy = True
        return self._callback

    def end(self) -> None:
        self._busy = False
        caught, self._caught = self._caught, None
        if caught is not None:
            raise caught

    def _answers(self) -> Generator[int, None, None]:
        answer = 0
        while True:
            try:
                yield answer
                answer = 0
            except GeneratorExit:
                return
            except BaseException as error:
                self._caught = error
                answer = 1


_polling = _Polling()

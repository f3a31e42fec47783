"""The native engine under harm and haste: bad programs, forks, threads, signals, levels."""

import os
import random
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.engine.programs import Runner, Writer, elman, randn
from torch import Tensor

from recurra.engine import native
from recurra.engine.program import Buffer, Code, Kind, Operand, Phase
from recurra.errors import MissingPackageError, OptionError, ShapeError, UnsupportedError


def train(threads: int) -> list[Tensor]:
    """Results and gradients of a ragged batch."""
    B, T, F, H = 11, 9, 5, 19
    lengths = torch.tensor([4, 9, 0, 9, 1, 7, 3, 9, 2, 5, 8])
    shapes = {
        "dy": (B, T, H),
        "dlast": (B, H),
        "dx": (B, T, F),
        "dfirst": (B, H),
        "dw_x": (F, H),
        "dw_h": (H, H),
        "dbias": (H,),
    }
    gradients = {name: torch.zeros(shape) for name, shape in shapes.items()}
    weights = [randn(*s, dtype=torch.float32) for s in ((F, H), (H, H), (H,))]
    writer, y, last = elman(
        randn(B, T, F, dtype=torch.float32), torch.zeros(B, H), *weights, gradients
    )
    y.zero_()
    runner = Runner(writer, B, T, lengths, threads=threads)
    runner.run()
    runner.run(backward=True)
    return [y, last, *gradients.values()]


def small() -> tuple[Writer, Runner]:
    x, first = randn(4, 5, 3, dtype=torch.float32), torch.zeros(4, 6)
    weights = [randn(*s, dtype=torch.float32) for s in ((3, 6), (6, 6), (6,))]
    writer, _, _ = elman(x, first, *weights)
    return writer, Runner(writer, 4, 5)


def test_a_call_says_what_is_missing():
    _, runner = small()
    good = runner.job()
    lengths = torch.tensor([5, 6, 4, 1])
    order = torch.tensor([0, 1, 1, 2])
    no_x = [0, 0, 0, 0, *good.arguments[4:]]
    for job, words in (
        (replace(good, arguments=no_x), "null"),
        (replace(good, kept=0), "null"),
        (replace(good, lengths=lengths.data_ptr()), "length"),
        (replace(good, order=order.data_ptr()), "order"),
        (replace(good, B=-1), "B and T"),
    ):
        with pytest.raises(ShapeError, match=words):
            native.run([job], 1)
    with pytest.raises(ShapeError, match="more than memory"):
        runner.program.kept_bytes(1 << 31, 1 << 62)
    with pytest.raises(MemoryError, match="bytes"):
        native.Block(1 << 60)
    with pytest.raises(ShapeError, match="arguments"):
        native.run([replace(good, arguments=[0])], 1)


BAD = {
    "columns": lambda i: replace(i, d=7),
    "groups": lambda i: replace(i, n=2),
    "huge": lambda i: replace(i, n=1 << 40),
    "negative": lambda i: replace(i, d=-1),
    "columns apart": lambda i: replace(i, operands=(*i.operands[:-1], Operand(5, column=2))),
    "arity": lambda i: replace(i, operands=i.operands[:-1]),
    "code": lambda i: replace(i, code=999),
    "buffer": lambda i: replace(i, operands=(Operand(99), *i.operands[1:])),
    "offset": lambda i: replace(i, operands=(*i.operands[:-1], Operand(5, offset=1))),
    "kind": lambda i: replace(i, operands=(Operand(4), *i.operands[1:])),
    "numbers": lambda i: replace(i, numbers=(7, 7, 7)),
}


@pytest.mark.parametrize("harm", BAD)
@pytest.mark.parametrize("phase", [Phase.F_BEGIN, Phase.F_BEFORE, Phase.F_STEP, Phase.F_AFTER])
def test_a_program_that_does_not_fit_is_refused(phase, harm):
    writer, _ = small()
    segment = writer.program.segments[phase]
    segment[-1] = BAD[harm](segment[-1])
    with pytest.raises(UnsupportedError, match=r"^program: "):
        native.Program(writer.program)


def test_overlaps_and_aliases_are_refused():
    def tried(*instruction, kind=Kind.CHUNK, alias=-1, width=8):
        w = Writer(torch.float32)
        a = w.buffer(kind, width)
        if alias >= 0:
            w.program.buffers.append(Buffer(kind, width + 1, alias=alias))
        w.matrix(torch.zeros(4, 4))
        w.say(Phase.F_STEP, *instruction)
        native.Program(w.program)
        return a

    tried("add", 1, 4, Operand(0), Operand(0), Operand(0, 4))
    tried("add", 2, 2, Operand(0, 0, 4), Operand(0, 2, 4), Operand(0, 2, 4))
    for bad in (
        ("add", 1, 4, Operand(0), Operand(0, 1), Operand(0, 4)),
        ("mul", 1, 4, Operand(0), Operand(0, 0, 0, 0), Operand(0)),
        ("sum", 1, 4, Operand(0), Operand(0)),
        ("fill", 2, 4, Operand(0, 0, 1)),
        ("fill", 1, 4, Operand(0, 0, 0, 0)),
    ):
        with pytest.raises(UnsupportedError, match=r"overlap|repeat"):
            tried(*bad)
    tried("sum", 2, 3, Operand(0, 6, 1), Operand(0, 0, 1, 2))
    for bad in (
        ("sum", 2, 3, Operand(0, 6, 1), Operand(0, 0, 2, 2)),
        ("sum", 2, 3, Operand(0, 6, 1), Operand(0, 0, 1, 4)),
        ("sum", 2, 3, Operand(0, 4, 1), Operand(0, 0, 1, 2)),
        ("dot", 2, 3, Operand(0, 6, 1), Operand(0, 0, 1, 2), Operand(0, 0, 3)),
        ("cumsum", 1, 3, Operand(0, 5), Operand(0, 0, 1, 2)),
        ("copy", 1, 2, Operand(0, 6), Operand(0, 0, 1, 2)),
    ):
        with pytest.raises(UnsupportedError, match=r"apart|overlap|columns up to"):
            tried(*bad)
    with pytest.raises(UnsupportedError, match="alias"):
        tried("fill", 1, 4, Operand(0), kind=Kind.KEPT, alias=0)
    w = Writer(torch.float32)
    held = w.buffer(Kind.CHUNK, 8)
    w.say(Phase.F_STEP, Code.PRODUCT, 1, 4, held, Operand(held, 2), numbers=(0, 1))
    w.matrix(torch.zeros(4, 4))
    with pytest.raises(UnsupportedError, match="overlap"):
        native.Program(w.program)


def test_no_words_can_do_harm():
    """Damaged words are read or refused, never followed out of bounds; nothing runs them."""
    writer, _ = small()
    words = writer.program.words()
    draw = random.Random(0)
    lib = native.library()
    line = native.ctypes.create_string_buffer(256)
    taken = 0
    for _ in range(4000):
        damaged = list(words)
        for _ in range(draw.randrange(1, 4)):
            damaged[draw.randrange(len(words))] = draw.choice(
                [-1, 0, 1, 2, 3, 5, 7, 13, 1 << 20, 1 << 31, (1 << 63) - 1, -(1 << 63)]
            )
        cut = damaged[: draw.randrange(len(words))] if draw.random() < 0.1 else damaged
        array = (native.c_int64 * len(cut))(*cut)
        made = lib.recurra_program_new(array, len(cut), line, 256)
        taken += bool(made)
        assert made or line.value.startswith(b"program: ")
        lib.recurra_program_free(made)
    assert taken > 0


def test_after_a_fork_the_child_works_too():
    if not hasattr(os, "fork"):
        return
    found = train(3)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            again = train(3)
            same = all(torch.equal(a, b) for a, b in zip(found, again, strict=True))
            os.write(writer, b"same" if same else b"other")
        finally:
            os._exit(0)
    os.close(writer)
    assert os.read(reader, 16) == b"same"
    os.close(reader)
    os.waitpid(child, 0)


def test_several_threads_may_call_at_once():
    wanted = train(1)
    wrong = []

    def work():
        for _ in range(5):
            found = train(3)
            if not all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True)):
                wrong.append(found)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def endlessly(run):
    while True:
        run()


class Stopped(Exception):  # noqa: N818
    pass


@pytest.mark.parametrize("threads", [1, 2])
def test_a_signal_stops_a_long_call(threads):
    def stop(number, frame):
        raise Stopped

    B, T, D = 64, 100_000, 64
    w = Writer(torch.float32)
    state = w.buffer(Kind.STATE, D)
    w.say(Phase.F_BEGIN, "fill", 1, D, state)
    w.say(Phase.F_STEP, "add_k", 1, D, Operand(state, after=True), state, literal=1.0)
    runner = Runner(w, B, T, threads=threads)
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with pytest.raises(Stopped):
            endlessly(runner.run)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("level", ["generic", "avx2", "avx512"])
def test_every_level_gives_the_same_numbers(level):
    """A level is chosen once a process, so the tests of the loops run in another."""
    here = Path(__file__).parent
    files = [here / "test_native.py", here / "test_native_run.py"]
    chosen = "(test_an_operation and wide) or elman or product or batched or sums or threads"
    options = ["-q", "-n", "0", "-p", "no:cacheprovider", "-k", chosen]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *files],
        capture_output=True,
        text=True,
        env={**os.environ, "RECURRA_SIMD": level, "RECURRA_NATIVE": "1"},
    )
    refused = f"RECURRA_SIMD: {level} does not run here"
    assert done.returncode == 0 or refused in done.stdout, done.stdout


@pytest.fixture
def anew(monkeypatch):
    """Loads the library as if nothing had been loaded yet."""
    native.library.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    native.library.cache_clear()


def test_the_library_may_be_left_out(anew):
    anew.setenv("RECURRA_NATIVE", "0")
    assert native.level() is None
    with pytest.raises(MissingPackageError, match="RECURRA_NATIVE"):
        native.Block(1)


def test_a_wish_that_does_not_fit(anew):
    anew.setenv("RECURRA_NATIVE", "yes")
    with pytest.raises(OptionError, match="0 or 1 fits"):
        native.library()


def test_a_library_that_is_not_there(anew, tmp_path):
    anew.delenv("RECURRA_NATIVE", raising=False)
    anew.setattr(native, "PATH", tmp_path / "_native.so")
    assert native.library() is None
    native.library.cache_clear()
    anew.setenv("RECURRA_NATIVE", "1")
    with pytest.raises(MissingPackageError, match="make native"):
        native.library()


def test_a_library_that_does_not_load(anew, tmp_path):
    anew.delenv("RECURRA_NATIVE", raising=False)
    anew.setattr(native, "PATH", tmp_path / "_native.so")
    native.PATH.write_bytes(b"not a library")
    with pytest.warns(RuntimeWarning, match="does not load"):
        assert native.library() is None


def test_a_level_that_nobody_knows():
    code = "from recurra.engine import native; native.level()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "RECURRA_SIMD": "sse9"},
    )
    assert "OptionError: RECURRA_SIMD: sse9 does not run here; " in done.stderr

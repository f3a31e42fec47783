"""What holds of every sequence beside its numbers: bits, memory, threads, processes, Ctrl-C."""

import gc
import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from tests.engine.subjects import Case, build, every_cell, example
from tests.engine.truth import assert_same, by_steps, measure, watched
from tests.engine.user_cells import Hidden, Plain
from torch.nn import functional as F

from recurra.cells import CELLS, LSTM
from recurra.engine import leaves, loop, tree_map

ROOT = Path(__file__).parents[2]

FORKED = [1, 2]
# They run in plain torch, whose products round by the number of their rows and of their threads.
PLAIN = {"counting", "careless"}
# What it computes once a call of its parameters is torch's, and rounds by its threads.
ONCE = {"orthogonal"}
CLOSE = {torch.float32: 1e-6, torch.float64: 1e-14}

every_dtype = pytest.mark.parametrize("dtype", CLOSE, ids=["float32", "float64"])
every_mode = pytest.mark.parametrize("mode", ["infer", "train"])


def same_bits(got, want):
    for number, (g, w) in enumerate(zip(got, want, strict=True)):
        assert torch.equal(g, w), f"tensor {number} differs by {(g - w).abs().max()}"


def same(name, got, want, *, but=frozenset()):
    """The same bits, or nearly the same numbers where torch's own products run."""
    if name in PLAIN | but:
        return assert_same(got, want, 20 * CLOSE[want[0].dtype])
    return same_bits(got, want)


def run(case, mode, **options):
    """Outputs and last state; when training, gradients too."""
    if mode == "train":
        return measure(case, *case.sequence(**options))
    with torch.no_grad():
        y, last = case.sequence(**options)
    return [y, *leaves(last)]


@contextmanager
def threads(number):
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def cut(case, begin, end):
    """Some rows of every argument."""
    parts = (tree_map(lambda p: p[begin:end], tree) for tree in (case.x, case.state, case.context))
    return type(case)(case.cell, *parts)


@every_dtype
@pytest.mark.parametrize(("B", "F", "H"), [(1, 3, 5), (3, 1, 1), (5, 13, 31), (33, 3, 17)])
@every_cell
def test_chunked_and_whole_have_the_same_bits(name, B, F, H, dtype):
    case = example(name, B, 7, F, H, dtype)
    whole = run(case, "infer")
    for pieces in ([3, 4], [1, 5, 1], [0, 7], [1] * 7):
        ys, state, begin = [], case.state, 0
        for length in pieces:
            x = tree_map(lambda p, a=begin, n=length: p[:, a : a + n], case.x)
            with torch.no_grad():
                y, state = case.cell.sequence(x, state, case.context)
            ys.append(y)
            begin += length
        same_bits([torch.cat(ys, dim=1), *leaves(state)], whole)


@every_dtype
@every_cell
def test_padding_and_resets_elsewhere_change_no_bits(name, dtype):
    """Rows that end or begin anew leave their neighbours alone."""
    case = example(name, 6, 5, 5, 17, dtype)
    plain = run(case, "infer")
    lengths, reset = torch.tensor([5, 2, 5, 0, 5, 4]), torch.zeros(6, 5, dtype=torch.bool)
    reset[[1, 3, 5], 1] = True
    ragged = run(case, "infer", lengths=lengths, reset=reset)
    same_bits([p[::2] for p in ragged], [p[::2] for p in plain])


@every_dtype
@every_mode
@every_cell
def test_other_rows_change_nothing(name, mode, dtype):
    case = example(name, 13, 4, 5, 17, dtype)
    lengths = torch.tensor([4, 1, 2, 3, 0, 4, 4, 4, 1, 1, 3, 2, 4])
    together = run(case, "infer", lengths=lengths)
    for begin, end in [(0, 1), (4, 9), (12, 13)]:
        some = cut(case, begin, end)
        if mode == "infer":
            alone = run(some, mode, lengths=lengths[begin:end])
        else:
            y, last = some.sequence(lengths=lengths[begin:end])
            alone = [y.detach(), *(part.detach() for part in leaves(last))]
        same(name, alone, [part[begin:end] for part in together])


@every_dtype
@every_cell
def test_other_rows_change_no_gradient_of_a_row(name, dtype):
    case = example(name, 9, 4, 5, 17, dtype)
    given = [p for p in watched(case) if not isinstance(p, torch.nn.Parameter)]

    def gradients(some, begin, end):
        y, last = some.sequence()
        floats = [y, *(part for part in leaves(last) if part.requires_grad)]
        value = sum((part**2).sum() for part in floats)
        parts = torch.autograd.grad(value, given, materialize_grads=True, allow_unused=True)
        return [part[begin:end] for part in parts]

    together = gradients(case, 2, 4)
    same(name, gradients(cut(case, 2, 4), 2, 4), together)


@every_dtype
@every_mode
@every_cell
def test_threads_change_nothing(name, mode, dtype):
    case = example(name, 29, 6, 5, 17, dtype)
    lengths = torch.arange(29) * 3 % 7
    results = []
    for number in (1, 2, 3):
        with threads(number):
            results.append(run(case, mode, lengths=lengths))
    for other in results[1:]:
        same(name, other, results[0], but=ONCE)


@pytest.mark.parametrize("name", CELLS)
def test_threads_change_nothing_at_a_real_size(name):
    case = example(name, 48, 8, 64, 96, torch.float32)
    results = []
    for number in (1, 2, 3):
        with threads(number):
            results.append(run(case, "train"))
    for other in results[1:]:
        same_bits(other, results[0])


@every_mode
@every_cell
def test_the_same_call_again_has_the_same_bits(name, mode):
    case = example(name, 5, 4, 5, 17, torch.float32)
    first = run(case, mode)
    run(example(name, 2, 9, 5, 17, torch.float32), mode)  # something else in between
    same_bits(run(case, mode), first)


class Flowing(Plain):
    """One step of Runge and Kutta over a time that x gives: products added to products."""

    def step(self, x, state, context=None):
        def flow(h):
            return F.linear(torch.tanh(F.linear(h, self.square)), self.square)

        h, width = state.h, x[:, :1]
        one = flow(h)
        two = flow(h + width / 2 * one)
        three = flow(h + width / 2 * two)
        four = flow(h + width * three)
        h = h + width * (one + 2 * two + 2 * three + four) / 6
        return h, Hidden(torch.tanh(h + self.project(x)))


class Twice(Plain):
    """A product is added to what it reads."""

    def step(self, x, state, context=None):
        one = F.linear(state.h, self.square)
        h = one + F.linear(one, self.square)
        return h, Hidden(torch.tanh(h * self.project(x)))


@every_dtype
@pytest.mark.parametrize("asleep", ["nothing", "x", "parameters", "all but parameters"])
@pytest.mark.parametrize("width", [1, 5, 17])
@pytest.mark.parametrize("make", [Flowing, Twice])
def test_inference_and_training_have_the_same_bits(make, width, asleep, dtype):
    torch.manual_seed(0)
    cell = make(3, width, dtype=dtype).requires_grad_(asleep != "parameters")
    x = torch.randn(4, 7, 3, dtype=dtype, requires_grad=asleep in ("nothing", "parameters"))
    awake = asleep != "all but parameters"
    state = Hidden(torch.randn(4, width, dtype=dtype, requires_grad=awake))
    case = Case(cell, x, state, None)
    got = run(case, "train")
    same_bits(got[:2], run(case, "infer"))
    assert_same(got, measure(case, *by_steps(case)), 1e-5 if dtype == torch.float32 else 1e-10)


def test_ten_thousand_calls_keep_no_memory():
    """Over changing shapes: nothing that is kept for a shape may be kept for every shape."""
    cell = LSTM(2, 3)

    def call(number):
        B, T = 1 + number % 7, 1 + number % 3
        x = torch.ones(B, T, 2, requires_grad=True)
        lengths = torch.full((B,), T) if number % 2 else None
        if number % 8:
            with torch.no_grad():
                cell.sequence(x, lengths=lengths)
        else:
            y, _ = cell.sequence(x, lengths=lengths)
            y.sum().backward()

    for number in range(1000):
        call(number)
    gc.collect()
    before, blocks = _resident(), sys.getallocatedblocks()
    for number in range(10_000):
        call(number)
    gc.collect()
    assert sys.getallocatedblocks() - blocks < 1000  # less than one for ten calls
    # Python takes memory by the MiB, and needs two more before it finds every gap.
    assert _resident() - before < 4 * 2**20


def _resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("inner", [1, 2])
@every_mode
def test_python_threads_do_not_meet(inner, mode):
    """Several at once, on cells of their own and on one that they share."""
    names = ["lstm", "gru", "lstm", "softmax memory", "lstm", "peephole_lstm"]
    cases = [example(name, 3 + k, 9, 3, 8) for k, name in enumerate(names)]
    shared = build("lstm", 3, 8)
    cases = [
        c._replace(cell=shared) if n == "lstm" else c for c, n in zip(cases, names, strict=True)
    ]
    with threads(inner):
        alone = [run(case, mode) for case in cases]
        with ThreadPoolExecutor(len(cases)) as pool:
            for _ in range(5):
                together = list(pool.map(lambda case: run(case, mode), cases))
                for got, want in zip(together, alone, strict=True):
                    same_bits(got, want)


def test_a_backward_may_run_in_another_thread():
    case = example("lstm", 4, 6)
    y, last = case.sequence()
    with ThreadPoolExecutor(1) as pool:
        got = pool.submit(measure, case, y, last).result()
    assert_same(got, measure(case, *loop(case.cell.step, case.x, case.state)), 1e-10)


def test_a_forward_may_be_dropped_before_its_backward():
    case = example("lstm", 4, 6)
    want = run(case, "train")
    kept = case.sequence()
    for _ in range(3):
        case.sequence()  # its graph dies here
    later = case.sequence()
    same_bits(measure(case, *kept), want)
    same_bits(measure(case, *later), want)


def test_a_backward_may_run_twice():
    case = example("lstm", 4, 6)
    y, last = case.sequence()
    inputs = watched(case)
    value = y.sum() + last.c.sum()
    first = torch.autograd.grad(value, inputs, retain_graph=True)
    same_bits(torch.autograd.grad(value, inputs), first)


def _python(code, seconds=120):
    """Run code in a fresh Python; its last line of output."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=seconds,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("number", FORKED)
def test_fork_after_use(number):
    """A child of a process that has used the engine, with its threads asleep, uses it as well."""
    code = f"""
        import os, torch
        torch.set_num_threads({number})
        from recurra.cells import GRU

        cell, x = GRU(8, 16), torch.randn(16, 20, 8)

        def use():
            cell.zero_grad()
            y, _ = cell.sequence(x)
            y.square().sum().backward()
            return [y.detach().clone(), *(p.grad.clone() for p in cell.parameters())]

        before = use()
        child = os.fork()
        if child == 0:
            os._exit(0 if all(map(torch.equal, use(), before)) else 3)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(status, all(map(torch.equal, use(), before)))
    """
    assert _python(code) == "0 True"


def test_first_use_in_a_child():
    """A child that uses the engine first, of a process whose torch has worked on two threads."""
    code = """
        import os, torch
        torch.set_num_threads(2)
        from recurra.cells import GRU

        cell, x = GRU(8, 16), torch.randn(16, 20, 8)
        torch.randn(1_000_000).sum()
        child = os.fork()
        if child == 0:
            with torch.no_grad():
                y, _ = cell.sequence(x)
            os._exit(0 if y.isfinite().all() else 3)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    assert _python(code) == "0"


SOON = 3.0  # seconds, on a busy machine


@pytest.mark.parametrize("number", [1, 2])
def test_ctrl_c_ends_a_long_call(number):
    """One row at a width where a step must read 64 MiB of weights: half a minute, little memory."""
    code = f"""
        import os, signal, threading, time, torch
        torch.set_num_threads({number})
        from recurra.cells import LSTM

        cell = LSTM(1, 2048)
        x = torch.randn(1, 20_000, 1)
        sent = []

        def interrupt():
            sent.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)

        timer = threading.Timer(1.0, interrupt)
        with torch.no_grad():
            cell.sequence(x[:, :2])
            timer.start()
            try:
                cell.sequence(x)
                print("it was over before")
            except KeyboardInterrupt:
                print(time.monotonic() - sent[0])
            y, _ = cell.sequence(x[:, :2])  # and goes on as if nothing had been
            assert y.isfinite().all()
            print(time.monotonic() - sent[0])
    """
    assert float(_python(code)) < SOON

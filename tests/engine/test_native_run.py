"""Whole programs on the native engine: time, ragged rows, threads, directions."""

from array import array

import pytest
import torch
from tests.engine.programs import Runner, Writer, elman, nan, numbers, randn
from torch import Tensor

from recurra.engine import native
from recurra.engine.program import Code, Kind, Operand, Phase

DTYPES = (torch.float32, torch.float64)
RAGGED = torch.tensor([4, 9, 0, 9, 1, 7, 3, 9, 2, 5, 8])


def reference(
    x: Tensor,
    first: Tensor,
    weights: list[Tensor],
    dy: Tensor,
    dlast: Tensor,
    lengths: Tensor,
    reverse: bool,
) -> list[Tensor]:
    """y, last, and the gradients of x, first and weights, by autograd in float64."""
    leaves = [v.double().requires_grad_() for v in (x, first, *weights)]
    x, first, w_x, w_h, bias = leaves
    rows, lasts = [], []
    for r, length in enumerate(lengths.tolist()):
        h, ys = first[r], [torch.zeros_like(first[r])] * x.shape[1]
        times = range(length)
        for t in reversed(times) if reverse else times:
            h = torch.tanh(x[r, t] @ w_x + h @ w_h + bias)
            ys[t] = h
        rows.append(torch.stack(ys))
        lasts.append(h)
    y, last = torch.stack(rows), torch.stack(lasts)
    loss = (y * dy.double()).sum() + (last * dlast.double()).sum()
    return [y.detach(), last.detach(), *torch.autograd.grad(loss, leaves)]


def run_elman(
    dtype: torch.dtype,
    lengths: Tensor | None,
    *,
    B: int = 11,
    T: int = 9,
    F: int = 5,
    H: int = 19,
    reverse: bool = False,
    threads: int = 1,
    columns: int = 0,
    compare: bool = True,
) -> tuple[list[Tensor], list[Tensor]]:
    """What the library says, and what autograd says."""
    x, first = randn(B, T, F, dtype=dtype), randn(B, H, dtype=dtype)
    w_h = randn(H, H, dtype=dtype) / (2 * H**0.5)
    weights = [randn(F, H, dtype=dtype), w_h, randn(H, dtype=dtype)]
    dy, dlast = randn(B, T, H, dtype=dtype), randn(B, H, dtype=dtype, seed=9)
    gradients = {
        "dy": dy,
        "dlast": dlast,
        "dx": torch.zeros_like(x),
        "dfirst": nan(B, H, dtype=dtype),
        "dw_x": nan(F, H, dtype=dtype),
        "dw_h": nan(H, H, dtype=dtype),
        "dbias": nan(H, dtype=dtype),
    }
    writer, y, last = elman(x, first, *weights, gradients, columns=columns)
    y.zero_()
    runner = Runner(writer, B, T, lengths, reverse=reverse, threads=threads)
    runner.run()
    runner.run(backward=True)
    found = [y, last, *(gradients[k] for k in ("dx", "dfirst", "dw_x", "dw_h", "dbias"))]
    if not compare:
        return found, []
    every = torch.full((B,), T) if lengths is None else lengths
    return found, reference(x, first, weights, dy, dlast, every, reverse)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [None, RAGGED], ids=["rectangular", "ragged"])
def test_elman_and_its_gradients(lengths, reverse, dtype):
    found, wanted = run_elman(dtype, lengths, reverse=reverse)
    tolerance = {torch.float32: 2e-5, torch.float64: 1e-12}[dtype]
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a.double(), b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    "sizes", [(1, 1, 1, 1), (2, 7, 3, 16), (64, 5, 8, 128), (130, 3, 4, 31), (5, 40, 6, 256)]
)
def test_threads_and_chunks_change_no_bit(sizes, dtype):
    B, T, F, H = sizes
    lengths = torch.randint(0, T + 1, (B,), generator=torch.Generator().manual_seed(1))
    shape = {"B": B, "T": T, "F": F, "H": H}
    plain, wanted = run_elman(dtype, lengths, **shape)
    torch.testing.assert_close(plain[0].double(), wanted[0], rtol=1e-4, atol=1e-4)
    for threads, columns in ((1, 1 << 16), (2, 0), (3, 700), (7, 0)):
        other, _ = run_elman(
            dtype, lengths, threads=threads, columns=columns, compare=False, **shape
        )
        for a, b in zip(plain, other, strict=True):
            assert torch.equal(a, b)


def test_a_row_does_not_feel_its_neighbours():
    B, T, F, H = 9, 6, 5, 33
    x, first = randn(B, T, F, dtype=torch.float32), randn(B, H, dtype=torch.float32)
    weights = [randn(*s, dtype=torch.float32) for s in ((F, H), (H, H), (H,))]
    writer, y, _ = elman(x, first, *weights)
    Runner(writer, B, T).run()
    for r in range(B):
        alone, y_alone, _ = elman(x[r : r + 1], first[r : r + 1], *weights)
        Runner(alone, 1, T).run()
        assert torch.equal(y[r], y_alone[0])


@pytest.mark.parametrize(("B", "T"), [(0, 4), (3, 0), (0, 0)])
def test_no_rows_and_no_steps(B, T):
    found, _ = run_elman(torch.float64, None, B=B, T=T, compare=False)
    _, last, dx, dfirst, dw_x, dw_h, dbias = found
    assert dx.shape == (B, T, 5)
    assert not torch.isnan(last).any()
    assert not torch.isnan(dfirst).any()
    for gradient in (dw_x, dw_h, dbias):
        assert torch.equal(gradient, torch.zeros_like(gradient))


def summing(x: Tensor, first: Tensor, last: Tensor, dlast: Tensor, out: Tensor) -> Writer:
    """s += x in turn between two copies; backward: a tile's sum over time, and the state kept."""
    w = Writer(x.dtype)
    D = x.shape[-1]
    state, chunk, tile = (w.buffer(k, D) for k in (Kind.STATE, Kind.CHUNK, Kind.TILE))
    outer = w.outside(Kind.OUTER, x)
    w.say(Phase.F_BEGIN, Code.LOAD, 1, D, state, w.outside(Kind.OUTER_ROW, first))
    w.say(Phase.F_BEFORE, Code.LOAD, 1, D, chunk, outer)
    w.say(Phase.F_STEP, "add", 1, D, Operand(state, after=True), state, chunk)
    w.say(Phase.F_END, Code.STORE, 1, D, w.outside(Kind.OUTER_ROW, last), state)
    w.say(Phase.B_BEGIN, "fill", 1, D, tile, literal=1.0)
    w.say(Phase.B_BEGIN, "fill", 1, D, state, literal=0.5)
    w.say(Phase.B_STEP, Code.LOAD, 1, D, chunk, outer)
    w.say(Phase.B_STEP, "add", 1, D, tile, tile, chunk)
    w.say(Phase.B_STEP, "mul_k", 1, D, Operand(state, after=True), state, literal=2.0)
    w.say(Phase.B_END, Code.STORE, 1, D, w.outside(Kind.OUTER_ROW, out), tile)
    w.say(Phase.B_END, Code.STORE, 1, D, w.outside(Kind.OUTER_ROW, dlast), state)
    return w


@pytest.mark.parametrize("threads", [1, 2])
def test_states_and_sums_of_ragged_rows(threads):
    B, T, D = 11, 9, 7
    x, first = randn(B, T, D, dtype=torch.float64), randn(B, D, dtype=torch.float64)
    last, out, doubled = (nan(B, D, dtype=torch.float64) for _ in range(3))
    runner = Runner(summing(x, first, last, doubled, out), B, T, RAGGED, threads=threads)
    runner.run()
    runner.run(backward=True)
    sums = (x * (torch.arange(T) < RAGGED[:, None])[..., None]).sum(1)
    torch.testing.assert_close(last, first + sums)
    torch.testing.assert_close(out, 1 + sums)
    torch.testing.assert_close(doubled, (0.5 * 2.0**RAGGED)[:, None].expand(B, D).double())


def test_two_directions_in_one_call():
    B, T = 6, 8
    writers = []
    for seed in (0, 1):
        x, first = randn(B, T, 5, dtype=torch.float32, seed=seed), torch.zeros(B, 19)
        weights = [randn(*s, dtype=torch.float32) for s in ((5, 19), (19, 19), (19,))]
        writers.append(elman(x, first, *weights))
    runners = [Runner(writer, B, T, reverse=bool(i)) for i, (writer, _, _) in enumerate(writers)]
    for runner in runners:
        runner.run()
    alone = [y.clone() for _, y, _ in writers]
    native.run([runner.job() for runner in runners], 2)
    assert all(torch.equal(a, y) for a, (_, y, _) in zip(alone, writers, strict=True))


def test_a_prepared_call_may_be_pointed_elsewhere():
    x, first = randn(2, 1, 3, dtype=torch.float32), torch.zeros(2, 4)
    weights = [randn(*s, dtype=torch.float32) for s in ((3, 4), (4, 4), (4,))]
    writer, y, _ = elman(x, first, *weights)
    runner = Runner(writer, 2, 1)
    call = native.Call([runner.job()], 1)
    call()
    other = torch.zeros_like(y)
    at = writer.number(y)
    call.arguments[0][4 * at : 4 * at + 4] = array("q", numbers(other))
    call()
    assert torch.equal(other, y)


def test_an_unwanted_result_is_left_out():
    B, T, F, H = 3, 4, 5, 6
    x, first = randn(B, T, F, dtype=torch.float32), torch.zeros(B, H)
    weights = [randn(*s, dtype=torch.float32) for s in ((F, H), (H, H), (H,))]
    writer, y, last = elman(x, first, *weights)
    at = writer.number(last)
    writer.tensors[at] = None
    Runner(writer, B, T).run()
    assert not torch.isnan(y).any()
    assert torch.isnan(last).all()

"""Products and contractions on tiles, against float64 sums of operands rounded to bfloat16."""

import os
from pathlib import Path

import pytest
import torch
from tests.engine.programs import Runner, Writer, elman, nan, randn
from torch import Tensor

from recurra.engine import native
from recurra.engine.program import Code, Kind, Operand, Packing, Phase
from recurra.errors import UnsupportedError

SINGLE = torch.float32
here = pytest.mark.skipif(native.level() != "amx", reason="the machine multiplies no tiles")
# Of the sum of all products' sizes: float32 sums, a rounding each.
NEAR = 1e-6
LAYOUTS = {
    "columns": lambda w: w.transpose(-1, -2).contiguous().transpose(-1, -2),
    "rows": lambda w: w.contiguous(),
    "strided": lambda w: torch.stack([w, w], -1)[..., 0],
}
SHAPES = [(1, 1, 1), (1, 7, 33), (1, 32, 16), (1, 64, 128), (3, 33, 17), (1, 601, 49)]


def rounded(x: Tensor) -> Tensor:
    return x.bfloat16().double()


def assert_near(found: Tensor, wanted: Tensor, size: Tensor) -> None:
    assert found.dtype == SINGLE
    apart = (found.double() - wanted).abs()
    assert bool((apart <= NEAR * size).all()), (apart / size).max()


def product(
    x: Tensor, weight: Tensor, init: int, bias: Tensor, phase: Phase = Phase.F_STEP
) -> Tensor:
    """(B, T, blocks * K) by (blocks, K, N); 2 is what y begins with."""
    B, T, _ = x.shape
    blocks, K, N = weight.shape
    y = nan(B, T, blocks * N, dtype=SINGLE)
    w = Writer(SINGLE)
    held, result = w.buffer(Kind.CHUNK, blocks * K), w.buffer(Kind.CHUNK, blocks * N)
    row = w.outside(Kind.PARAMETER, bias)
    w.say(Phase.F_BEFORE, Code.LOAD, 1, blocks * K, held, w.outside(Kind.OUTER, x))
    w.say(Phase.F_BEFORE, "fill", 1, blocks * N, result, literal=2.0)
    begin = [Operand(row, group=N)] if init == 2 else []
    places = (Operand(result, group=N), Operand(held, group=K), *begin)
    numbers = (w.matrix(weight, Packing.TILES), init)
    w.say(phase, Code.PRODUCT, blocks, N, *places, numbers=numbers)
    w.say(Phase.F_AFTER, Code.STORE, 1, blocks * N, w.outside(Kind.OUTER, y), result)
    Runner(w, B, T).run()
    return y


def test_a_machine_that_multiplies_tiles_does_so():
    flags = Path("/proc/cpuinfo")
    able = flags.exists() and {"amx_bf16", "avx512_bf16"} <= set(flags.read_text().split())
    if able and not os.environ.get("RECURRA_SIMD"):
        assert native.level() == "amx"


@here
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("init", [0, 1, 2])
@pytest.mark.parametrize(("blocks", "K", "N"), SHAPES)
def test_a_product(blocks, K, N, init, layout):
    x, bias = randn(5, 3, blocks * K, dtype=SINGLE), randn(blocks * N, dtype=SINGLE)
    weight = LAYOUTS[layout](randn(blocks, K, N, dtype=SINGLE))
    y = product(x, weight, init, bias).view(5, 3, blocks, N)
    begin = (torch.tensor(2.0), torch.tensor(0.0), bias.view(blocks, N))[init].double()
    a, b = rounded(x).view(5, 3, blocks, K), rounded(weight)
    wanted = torch.einsum("btgk,gkn->btgn", a, b) + begin
    assert_near(y, wanted, torch.einsum("btgk,gkn->btgn", a.abs(), b.abs()) + begin.abs())


@here
@pytest.mark.parametrize(("K", "N"), [(1, 16), (33, 31), (520, 100)])
def test_rows_make_no_difference(K, N):
    """Nor does whether they come in steps or all at once, from the first column or the last."""
    x, weight = randn(150, 1, K, dtype=SINGLE).expand(150, 3, K), randn(1, K, N, dtype=SINGLE)
    bias = randn(N, dtype=SINGLE)
    whole = product(x.clone(), weight, 2, bias)
    a, b = rounded(x[:, :1]), rounded(weight[0])
    assert_near(whole[:, :1], a @ b + bias.double(), a.abs() @ b.abs() + bias.double().abs())
    for rows in (1, 2, 15, 16, 17, 25, 32, 33, 47, 64, 129, 150):
        for phase in (Phase.F_BEFORE, Phase.F_STEP):
            y = product(x[:rows].clone(), weight, 2, bias, phase)
            assert torch.equal(y, whole[:rows, :1].expand_as(y))


@here
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("blocks", "inner", "M", "N"),
    [(1, 1, 1, 1), (1, 1, 33, 70), (3, 1, 7, 17), (1, 5, 16, 130), (2, 3, 145, 5)],
)
def test_a_contraction(blocks, inner, M, N, turned):
    rows, steps = 23, 29
    a, b = (randn(rows, steps, blocks * inner * n, dtype=SINGLE, seed=n) for n in (M, N))
    found = []
    lengths = torch.randint(0, steps + 1, (rows,), generator=torch.Generator().manual_seed(0))
    for threads in (1, 3):
        c = nan(blocks, N, M, dtype=SINGLE).mT if turned else nan(blocks, M, N, dtype=SINGLE)
        w = Writer(SINGLE)
        left, right = w.outside(Kind.OUTER, a), w.outside(Kind.OUTER, b)
        kept = w.buffer(Kind.KEPT, blocks * inner * N)
        w.say(Phase.B_STEP, Code.LOAD, 1, blocks * inner * N, kept, right)
        numbers = (w.argument(c), M, N, blocks, inner, Packing.TILES)
        w.say(Phase.CONTRACT, Code.CONTRACT, 1, 1, left, kept, numbers=numbers)
        Runner(w, rows, steps, lengths, threads=threads).run(backward=True)
        found.append(c)
    alive = (torch.arange(steps) < lengths[:, None])[..., None]
    first = (rounded(a) * alive).view(rows, steps, blocks, inner, M)
    second = rounded(b).view(rows, steps, blocks, inner, N)
    wanted = torch.einsum("btgim,btgin->gmn", first, second)
    assert_near(found[0], wanted, torch.einsum("btgim,btgin->gmn", first.abs(), second.abs()))
    assert torch.equal(*found)


@here
@pytest.mark.parametrize("steps", [0, 1, 700])
def test_contractions_that_share_a_side(steps):
    """More of them, and more rows, than are taken at once."""
    rows, M, widths = 2, 20, (3, 40, 16, 33, 50, 1)
    a = randn(rows, steps, M, dtype=SINGLE)
    others = [randn(rows, steps, N, dtype=SINGLE, seed=N) for N in widths]
    w = Writer(SINGLE)
    left, made = w.outside(Kind.OUTER, a), []
    for b in others:
        made.append(nan(1, M, b.shape[-1], dtype=SINGLE))
        numbers = (w.argument(made[-1]), M, b.shape[-1], 1, 1, Packing.TILES)
        w.say(Phase.CONTRACT, Code.CONTRACT, 1, 1, left, w.outside(Kind.OUTER, b), numbers=numbers)
    Runner(w, rows, steps).run(backward=True)
    for b, c in zip(others, made, strict=True):
        first, second = rounded(a).flatten(0, 1).T, rounded(b).flatten(0, 1)
        assert_near(c[0], first @ second, first.abs() @ second.abs())


@here
def test_numbers_that_are_none_stay_where_they_are():
    x, weight = torch.ones(3, 1, 40), torch.ones(1, 40, 20)
    x[1, 0, 39], weight[0, 3, 5] = torch.inf, torch.nan
    y = product(x, weight, 1, torch.zeros(20))[:, 0]
    expected = torch.full((3, 20), 40.0)
    expected[1], expected[:, 5] = torch.inf, torch.nan
    torch.testing.assert_close(y, expected, equal_nan=True, rtol=0, atol=0)


def run_elman(B: int, threads: int, columns: int) -> list[Tensor]:
    x, first = randn(37, 9, 20, dtype=SINGLE)[:B], randn(37, 35, dtype=SINGLE)[:B]
    weights = [randn(20, 35, dtype=SINGLE), randn(35, 35, dtype=SINGLE) / 12]
    dy, dlast = randn(37, 9, 35, dtype=SINGLE)[:B], randn(37, 35, dtype=SINGLE, seed=9)[:B]
    made = {"dx": x, "dfirst": first, "dw_x": weights[0], "dw_h": weights[1]}
    gradients = {name: torch.full_like(like, torch.nan) for name, like in made.items()}
    gradients |= {"dy": dy, "dlast": dlast, "dbias": nan(35, dtype=SINGLE)}
    bias = randn(35, dtype=SINGLE)
    writer, y, last = elman(
        x, first, *weights, bias, gradients, columns=columns, packing=Packing.TILES
    )
    runner = Runner(writer, B, 9, threads=threads)
    runner.run()
    runner.run(backward=True)
    return [y, last, *gradients.values()]


@here
def test_a_recurrence_has_the_same_bits_for_any_threads_chunks_and_company():
    whole = run_elman(37, 1, 0)
    assert not any(bool(each.isnan().any()) for each in whole)
    for threads, columns in ((3, 0), (1, 100_000)):
        assert all(map(torch.equal, run_elman(37, threads, columns), whole))
    by_row = ("y", "last", "dx", "dfirst")
    for name, one, all_rows in zip(by_row, run_elman(1, 1, 0), whole, strict=False):
        assert torch.equal(one, all_rows[:1]), name


def test_tiles_are_refused_where_they_do_not_fit():
    double, weight = Writer(torch.float64), randn(1, 4, 4, dtype=torch.float64)
    double.matrix(weight, Packing.TILES)
    with pytest.raises(UnsupportedError, match="half of double"):
        native.Program(double.program)
    single = Writer(SINGLE)
    single.matrix(weight.float(), Packing.TILES)
    if native.level() != "amx":
        with pytest.raises(UnsupportedError, match=f"tiles, which level {native.level()} lacks"):
            native.Program(single.program)

"""Every operation and instruction of the native engine, against torch."""

import math

import pytest
import torch
from tests.engine.programs import Runner, Writer, nan, randn
from torch import Tensor

from recurra.engine.operations import OPERATIONS
from recurra.engine.program import Code, Kind, Operand, Packing, Phase

K = 1.5
REFERENCES = {
    "copy": lambda a: a,
    "neg": torch.neg,
    "abs": torch.abs,
    "sign": torch.sign,
    "exp": torch.exp,
    "expm1": torch.expm1,
    "log": torch.log,
    "log1p": torch.log1p,
    "sqrt": torch.sqrt,
    "rsqrt": torch.rsqrt,
    "reciprocal": torch.reciprocal,
    "sin": torch.sin,
    "cos": torch.cos,
    "erf": torch.erf,
    "floor": torch.floor,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "fill": lambda: torch.tensor(K),
    "add_k": lambda a: a + K,
    "mul_k": lambda a: a * K,
    "rsub_k": lambda a: K - a,
    "rdiv_k": lambda a: K / a,
    "pow_k": lambda a: a**K,
    "min_k": lambda a: a.clamp(max=K),
    "max_k": lambda a: a.clamp(min=K),
    "eq_k": lambda a: (a == K).to(a.dtype),
    "ne_k": lambda a: (a != K).to(a.dtype),
    "lt_k": lambda a: (a < K).to(a.dtype),
    "le_k": lambda a: (a <= K).to(a.dtype),
    "gt_k": lambda a: (a > K).to(a.dtype),
    "ge_k": lambda a: (a >= K).to(a.dtype),
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": torch.div,
    "pow": torch.pow,
    "min": torch.minimum,
    "max": torch.maximum,
    "eq": lambda a, b: (a == b).to(a.dtype),
    "ne": lambda a, b: (a != b).to(a.dtype),
    "lt": lambda a, b: (a < b).to(a.dtype),
    "le": lambda a, b: (a <= b).to(a.dtype),
    "gt": lambda a, b: (a > b).to(a.dtype),
    "ge": lambda a, b: (a >= b).to(a.dtype),
    "sigmoid_grad": lambda a, b: a * b * (1 - b),
    "tanh_grad": lambda a, b: a * (1 - b * b),
    "add_sigmoid": lambda a, b: torch.sigmoid(a + b),
    "add_tanh": lambda a, b: torch.tanh(a + b),
    "gated_tanh": lambda a, b: torch.sigmoid(a) * torch.tanh(b),
    "where": lambda a, b, c: torch.where(a != 0, b, c),
    "mul_add": lambda a, b, c: a * b + c,
    "mul_sub": lambda a, b, c: c - a * b,
    "lerp": lambda a, b, c: a + c * (b - a),
    "mul_sigmoid_grad": lambda a, b, c: a * b * c * (1 - c),
    "mul_tanh_grad": lambda a, b, c: a * b * (1 - c * c),
    "mul_add_mul": lambda a, b, c, d: a * b + c * d,
    "mul_mul_add": lambda a, b, c, d: a * b * c + d,
    "mul_sub_mul": lambda a, b, c, d: (d - a * b) * c,
    "gated_sum": lambda a, b, c, d: torch.sigmoid(a) * b + torch.sigmoid(c) * torch.tanh(d),
    "gated_add_tanh": lambda a, b, c, d: torch.tanh(d + torch.sigmoid(a + b) * c),
    "gated_lerp": lambda a, b, c, d: a + torch.sigmoid(c + d) * (b - a),
    "sum": lambda a: a.sum(-1, keepdim=True),
    "dot": lambda a, b: (a * b).sum(-1, keepdim=True),
    "sum_k": lambda a: K * a.sum(-1, keepdim=True),
    "dot_k": lambda a, b: K * (a * b).sum(-1, keepdim=True),
    "amax": lambda a: a.amax(-1, keepdim=True),
    "amin": lambda a: a.amin(-1, keepdim=True),
    "cumsum": lambda a: a.cumsum(-1),
    "rcumsum": lambda a: a.flip(-1).cumsum(-1).flip(-1),
}
POSITIVE = {"log", "log1p", "sqrt", "rsqrt", "pow", "pow_k"}
REDUCES = ["sum", "dot", "sum_k", "dot_k", "amax", "amin"]
DTYPES = (torch.float32, torch.float64)
# What the last bits may differ by: torch computes these otherwise.
RTOL = {torch.float32: 4e-6, torch.float64: 1e-13}
B, T = 5, 3

# n, d, and (offset, group, column) of the result and of each operand in turn.
PLAIN = (0, 0, 1)
PATTERNS = {
    "one": (1, 1, [PLAIN]),
    "row": (1, 37, [PLAIN]),
    "wide": (1, 128, [PLAIN]),
    "part": (1, 19, [(3, 0, 1), (5, 0, 1), (1, 0, 1), (7, 0, 1), (2, 0, 1)]),
    "groups": (3, 16, [(0, 16, 1)]),
    "odd groups": (3, 5, [(0, 5, 1)]),
    "spread": (3, 5, [(2, 7, 1), (0, 11, 1), (1, 5, 1), (0, 6, 1), (4, 9, 1)]),
    "repeated column": (3, 21, [(0, 21, 1), (0, 21, 1), (2, 1, 0), (0, 1, 0), (0, 21, 1)]),
    "first repeated": (2, 21, [(0, 21, 1), (2, 1, 0), (0, 21, 1), (0, 21, 1), (1, 1, 0)]),
    "repeated group": (3, 8, [(0, 8, 1), (0, 8, 1), (1, 0, 1), (0, 8, 1), (3, 0, 1)]),
    "columns of groups": (33, 1, [(0, 1, 1), (0, 1, 1), (0, 0, 1), (2, 1, 0), (1, 0, 0)]),
    "spread columns": (7, 1, [(1, 3, 1), (0, 2, 1), (0, 1, 1), (0, 4, 1), (0, 0, 1)]),
}
# For reductions alone: columns apart, of groups side by side.
ACROSS = {
    "columns apart": (37, 21, [(0, 1, 1), (3, 1, 40), (1, 1, 37)]),
    "columns apart, repeated group": (19, 33, [(0, 1, 1), (0, 1, 20), (2, 0, 1)]),
    "columns apart, repeated column": (5, 16, [(1, 3, 1), (0, 1, 7), (0, 1, 0)]),
}
MET = [(name, pattern) for name in OPERATIONS for pattern in PATTERNS]


def columns(n: int, d: int, pattern: tuple[int, int, int]) -> Tensor:
    offset, group, column = pattern
    return offset + group * torch.arange(n)[:, None] + column * torch.arange(d)


def patterns_of(name: str, listed: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Those of the result and of each operand; a reduction's result has a column a group."""
    count = 1 + OPERATIONS[name].reads
    chosen = [listed[i % len(listed)] for i in range(count)]
    if name in REDUCES:
        chosen[0] = (chosen[0][0], max(chosen[0][1], 1), 1)
    return chosen


def values(name: str, at: int, width: int, dtype: torch.dtype, *, row: bool = False) -> Tensor:
    x = randn(width, dtype=dtype, seed=at) if row else randn(B, T, width, dtype=dtype, seed=at)
    if name in POSITIVE:
        return x.abs() + 0.1
    x = x.round() if name in {"eq", "ne", "where", "lt", "le", "gt", "ge"} else x
    return torch.where(x.abs() < 0.05, x + 0.1, x) if name in {"reciprocal", "rdiv_k"} else x


def expected(name: str, operands: list[Tensor], picks: list[Tensor], dtype: torch.dtype) -> Tensor:
    """(B, T, n, d) or (B, T, n, 1), computed in float64 from the columns that are picked."""
    wide = [x.double()[..., pick] for x, pick in zip(operands, picks, strict=True)]
    return REFERENCES[name](*wide).to(dtype)


def test_every_operation_has_a_reference():
    assert list(REFERENCES) == list(OPERATIONS)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("name", "pattern"), MET + [(n, p) for n in REDUCES for p in ACROSS])
def test_an_operation(name, pattern, dtype):
    n, d, listed = (PATTERNS | ACROSS)[pattern]
    patterns = patterns_of(name, listed)
    picks = [columns(n, d, p) for p in patterns]
    out = columns(n, 1 if name in REDUCES else d, patterns[0])
    # The second operand of two is a row that all rows share, wherever a pattern repeats.
    shared = {2} if "repeated" in pattern and OPERATIONS[name].reads > 1 else set()
    w = Writer(dtype)
    width = int(out.max()) + 3
    y = nan(B, T, width, dtype=dtype)
    target = w.buffer(Kind.CHUNK, width)
    operands = [Operand(target, *patterns[0])]
    sources = []
    w.say(Phase.F_BEFORE, "fill", 1, width, target, literal=-7.0)
    for at in range(1, len(patterns)):
        reach = int(picks[at].max()) + 1
        x = values(name, at, reach, dtype, row=at in shared)
        sources.append(x)
        if at in shared:
            held = w.outside(Kind.PARAMETER, x)
        else:
            held = w.buffer(Kind.CHUNK, reach)
            w.say(Phase.F_BEFORE, Code.LOAD, 1, reach, held, w.outside(Kind.OUTER, x))
        operands.append(Operand(held, *patterns[at]))
    w.say(Phase.F_STEP, name, n, d, *operands, literal=K)
    w.say(Phase.F_AFTER, Code.STORE, 1, width, w.outside(Kind.OUTER, y), target)
    Runner(w, B, T).run()
    wanted = torch.full_like(y, -7.0)
    found = expected(name, sources, picks[1:], dtype).expand(B, T, *out.shape)
    wanted[..., out.flatten()] = found.flatten(-2)
    torch.testing.assert_close(y, wanted, rtol=RTOL[dtype], atol=RTOL[dtype])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", [name for name in OPERATIONS if name not in REDUCES])
def test_an_operation_in_place(name, dtype):
    d, reads = 21, OPERATIONS[name].reads
    w = Writer(dtype)
    y = nan(B, T, d, dtype=dtype)
    xs = [values(name, at, d, dtype) for at in range(reads)]
    held = [w.buffer(Kind.CHUNK, d) for _ in range(max(reads, 1))]
    for buffer, x in zip(held, xs, strict=False):
        w.say(Phase.F_BEFORE, Code.LOAD, 1, d, buffer, w.outside(Kind.OUTER, x))
    operands = held if reads else []
    w.say(Phase.F_BEFORE, name, 1, d, held[0], *operands, literal=K)
    w.say(Phase.F_AFTER, Code.STORE, 1, d, w.outside(Kind.OUTER, y), held[0])
    Runner(w, B, T).run()
    wanted = REFERENCES[name](*[x.double() for x in xs]).to(dtype).expand(B, T, d)
    torch.testing.assert_close(y, wanted, rtol=RTOL[dtype], atol=RTOL[dtype])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", ["relu", "min_k", "max_k", "min", "max", "amax", "amin", "where"])
def test_not_a_number(name, dtype):
    none = math.nan
    a = torch.tensor([none, 1.0, none, 0.0, 2.0], dtype=dtype)
    b = torch.tensor([1.0, none, none, 5.0, 1.0], dtype=dtype)
    c = torch.tensor([4.0, 4.0, 4.0, none, none], dtype=dtype)
    reads = OPERATIONS[name].reads
    w = Writer(dtype)
    width = 1 if name in REDUCES else 5
    y = nan(1, 1, width, dtype=dtype)
    rows = [w.outside(Kind.PARAMETER, x) for x in (a, b, c)[:reads]]
    held = w.buffer(Kind.CHUNK, width)
    w.say(Phase.F_STEP, name, 1, 5, held, *rows, literal=K)
    w.say(Phase.F_AFTER, Code.STORE, 1, width, w.outside(Kind.OUTER, y), held)
    Runner(w, 1, 1).run()
    wanted = REFERENCES[name](*(a, b, c)[:reads])
    torch.testing.assert_close(y[0, 0], wanted, equal_nan=True)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("init", [0, 1, 2])
@pytest.mark.parametrize(("blocks", "K", "N"), [(1, 1, 1), (1, 7, 33), (1, 64, 128), (3, 5, 17)])
def test_a_product(blocks, K, N, init, dtype):
    x, y = randn(B, T, blocks * K, dtype=dtype), nan(B, T, blocks * N, dtype=dtype)
    weight = randn(blocks, N, K, dtype=dtype).transpose(1, 2)
    bias = randn(blocks * N, dtype=dtype)
    w = Writer(dtype)
    held, result = w.buffer(Kind.CHUNK, blocks * K), w.buffer(Kind.CHUNK, blocks * N)
    row = w.outside(Kind.PARAMETER, bias)
    w.say(Phase.F_BEFORE, Code.LOAD, 1, blocks * K, held, w.outside(Kind.OUTER, x))
    w.say(Phase.F_BEFORE, "fill", 1, blocks * N, result, literal=2.0)
    begin = [Operand(row, group=N)] if init == 2 else []
    places = (Operand(result, group=N), Operand(held, group=K), *begin)
    w.say(Phase.F_STEP, Code.PRODUCT, blocks, N, *places, numbers=(w.matrix(weight), init))
    w.say(Phase.F_AFTER, Code.STORE, 1, blocks * N, w.outside(Kind.OUTER, y), result)
    Runner(w, B, T).run()
    wanted = (
        torch.einsum("btgk,gkn->btgn", x.double().view(B, T, blocks, K), weight.double()).flatten(
            -2
        )
        + (2.0, 0.0, bias.double())[init]
    )
    torch.testing.assert_close(y, wanted.to(dtype), rtol=RTOL[dtype], atol=10 * RTOL[dtype])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("K", "N"), [(5, 449), (64, 256), (600, 230)])
def test_a_product_to_and_fro(K, N, dtype):
    """Steps take the columns in turns from the first and from the last; rows make no difference."""
    x, weight = randn(7, 1, K, dtype=dtype).expand(7, 4, K), randn(N, K, dtype=dtype).T
    found = []
    for rows in (1, 2, 3, 7):
        y = nan(rows, 4, N, dtype=dtype)
        w = Writer(dtype)
        held, result = w.buffer(Kind.CHUNK, K), w.buffer(Kind.CHUNK, N)
        w.say(Phase.F_BEFORE, Code.LOAD, 1, K, held, w.outside(Kind.OUTER, x[:rows].clone()))
        w.say(Phase.F_STEP, Code.PRODUCT, 1, N, result, held, numbers=(w.matrix(weight), 1))
        w.say(Phase.F_AFTER, Code.STORE, 1, N, w.outside(Kind.OUTER, y), result)
        Runner(w, rows, 4).run()
        found.append(y)
    wanted = (x.double() @ weight.double()).to(dtype)
    torch.testing.assert_close(found[-1], wanted, rtol=RTOL[dtype], atol=K * RTOL[dtype])
    for y in found:
        assert torch.equal(y, found[-1][: len(y), :1].expand_as(y))


def test_a_product_with_weights_of_half_width():
    x, y = randn(B, T, 9, dtype=torch.float32), nan(B, T, 33, dtype=torch.float32)
    weight = randn(9, 33, dtype=torch.float32)
    w = Writer(torch.float32)
    held, result = w.buffer(Kind.CHUNK, 9), w.buffer(Kind.CHUNK, 33)
    w.say(Phase.F_BEFORE, Code.LOAD, 1, 9, held, w.outside(Kind.OUTER, x))
    numbers = (w.matrix(weight, Packing.HALF), 1)
    w.say(Phase.F_BEFORE, Code.PRODUCT, 1, 33, result, held, numbers=numbers)
    w.say(Phase.F_AFTER, Code.STORE, 1, 33, w.outside(Kind.OUTER, y), result)
    Runner(w, B, T).run()
    wanted = x.double() @ weight.bfloat16().double()
    torch.testing.assert_close(y, wanted.float(), rtol=4e-6, atol=4e-5)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("accumulate", [0, 1])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("n", "shape"), [(1, (1, 1, 1)), (1, (4, 7, 5)), (3, (1, 17, 19))])
def test_batched(n, shape, turned, accumulate, dtype):
    M, K, N = shape
    a, b = randn(B, T, n * M * K, dtype=dtype), randn(B, T, n * K * N, dtype=dtype, seed=1)
    y = nan(B, T, n * M * N, dtype=dtype)
    w = Writer(dtype)
    left, right = w.buffer(Kind.CHUNK, n * M * K), w.buffer(Kind.CHUNK, n * K * N)
    result = w.buffer(Kind.CHUNK, n * M * N)
    w.say(Phase.F_BEFORE, Code.LOAD, 1, n * M * K, left, w.outside(Kind.OUTER, a))
    w.say(Phase.F_BEFORE, Code.LOAD, 1, n * K * N, right, w.outside(Kind.OUTER, b))
    w.say(Phase.F_BEFORE, "fill", 1, n * M * N, result, literal=3.0)
    strides = (1, M, 1, K) if turned else (K, 1, N, 1)
    places = (Operand(result, 0, M * N), Operand(left, 0, M * K), Operand(right, 0, K * N))
    w.say(Phase.F_STEP, Code.BATCHED, n, 1, *places, numbers=(M, K, N, *strides, accumulate))
    w.say(Phase.F_AFTER, Code.STORE, 1, n * M * N, w.outside(Kind.OUTER, y), result)
    Runner(w, B, T).run()
    first = a.double().view(B, T, n, *((K, M) if turned else (M, K)))
    second = b.double().view(B, T, n, *((N, K) if turned else (K, N)))
    if turned:
        first, second = first.transpose(-1, -2), second.transpose(-1, -2)
    wanted = (first @ second).reshape(B, T, -1) + 3.0 * accumulate
    torch.testing.assert_close(y, wanted.to(dtype), rtol=RTOL[dtype], atol=10 * RTOL[dtype])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("phase", [Phase.B_STEP, Phase.B_AFTER])
@pytest.mark.parametrize("two", [False, True])
def test_sums_over_rows(two, phase, dtype):
    rows, d = 11, 19
    a, b = randn(rows, T, d, dtype=dtype), randn(rows, T, d, dtype=dtype, seed=1)
    out = nan(d, dtype=dtype)
    w = Writer(dtype)
    held, other = w.buffer(Kind.CHUNK, d), w.buffer(Kind.CHUNK, d)
    total = w.buffer(Kind.SUM, d)
    w.say(Phase.B_BEFORE, Code.LOAD, 1, d, held, w.outside(Kind.OUTER, a))
    w.say(Phase.B_BEFORE, Code.LOAD, 1, d, other, w.outside(Kind.OUTER, b))
    w.say(phase, Code.ACCUMULATE, 1, d, total, held, *([other] if two else []))
    w.say(Phase.CONTRACT, Code.TOTAL, 1, d, total, numbers=(w.argument(out),))
    lengths = torch.tensor([3, 1, 0, 2, 3, 3, 1, 2, 2, 3, 0])
    Runner(w, rows, T, lengths).run(backward=True)
    alive = (torch.arange(T) < lengths[:, None])[..., None]
    terms = a.double() * (b.double() if two else 1.0) * alive
    wanted = terms.sum((0, 1)).to(dtype)
    torch.testing.assert_close(out, wanted, rtol=RTOL[dtype], atol=10 * RTOL[dtype])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("two", [False, True])
@pytest.mark.parametrize("rows", [1, 11])
def test_sums_of_what_cancels(rows, two, dtype):
    steps, d = 50, 19
    large, small = (randn(rows, steps, d, dtype=dtype, seed=seed) for seed in (0, 1))
    a, wanted = torch.cat([1e4 * large, small, -1e4 * large], dim=1), small.double().sum((0, 1))
    out = nan(d, dtype=dtype)
    w = Writer(dtype)
    held, ones = w.buffer(Kind.CHUNK, d), torch.ones_like(a)
    other, total = w.buffer(Kind.CHUNK, d), w.buffer(Kind.SUM, d)
    w.say(Phase.B_BEFORE, Code.LOAD, 1, d, held, w.outside(Kind.OUTER, a))
    w.say(Phase.B_BEFORE, Code.LOAD, 1, d, other, w.outside(Kind.OUTER, ones))
    w.say(Phase.B_STEP, Code.ACCUMULATE, 1, d, total, held, *([other] if two else []))
    w.say(Phase.CONTRACT, Code.TOTAL, 1, d, total, numbers=(w.argument(out),))
    Runner(w, rows, 3 * steps, torch.full((rows,), 3 * steps)).run(backward=True)
    torch.testing.assert_close(out, wanted.to(dtype), rtol=RTOL[dtype], atol=10 * RTOL[dtype])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    ("blocks", "inner", "M", "N"),
    [(1, 1, 1, 1), (1, 1, 33, 70), (3, 1, 7, 17), (1, 5, 7, 17), (1, 300, 3, 2), (2, 3, 4, 5)],
)
@pytest.mark.parametrize("turned", [False, True])
def test_contractions(blocks, inner, M, N, turned, dtype):
    rows, steps = 23, 29
    a = randn(rows, steps, blocks * inner * M, dtype=dtype)
    b = randn(rows, steps, blocks * inner * N, dtype=dtype, seed=1)
    c = nan(blocks, N, M, dtype=dtype).transpose(1, 2) if turned else nan(blocks, M, N, dtype=dtype)
    w = Writer(dtype)
    left, right = w.outside(Kind.OUTER, a), w.outside(Kind.OUTER, b)
    kept = w.buffer(Kind.KEPT, blocks * inner * N)
    w.say(Phase.B_STEP, Code.LOAD, 1, blocks * inner * N, kept, right)
    numbers = (w.argument(c), M, N, blocks, inner, Packing.FULL)
    w.say(Phase.CONTRACT, Code.CONTRACT, 1, 1, left, kept, numbers=numbers)
    lengths = torch.randint(0, steps + 1, (rows,), generator=torch.Generator().manual_seed(0))
    Runner(w, rows, steps, lengths).run(backward=True)
    alive = (torch.arange(steps) < lengths[:, None])[..., None]
    first = (a.double() * alive).view(rows, steps, blocks, inner, M)
    second = b.double().view(rows, steps, blocks, inner, N)
    wanted = torch.einsum("btgim,btgin->gmn", first, second)
    torch.testing.assert_close(c, wanted.to(dtype), rtol=RTOL[dtype], atol=100 * RTOL[dtype])

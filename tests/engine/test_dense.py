"""The native product of many rows against torch's: numbers, gradients, bits, and harm."""

from array import array

import pytest
import torch
from torch.nn import functional as F

from recurra.engine import dense, native
from recurra.errors import ShapeError

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}
# N, H, V: one, odd, prime; beyond a block of rows, a panel of columns, a block of k and a strip.
SIZES = [(1, 1, 1), (3, 5, 7), (131, 17, 67), (260, 3, 300), (2, 1031, 9), (5, 2, 1031)]


def arguments(N, H, V, dtype=torch.float64, seed=0):
    draw = torch.Generator().manual_seed(seed)
    shapes = ((N, H), (V, H), (V,))
    made = (torch.randn(shape, generator=draw, dtype=torch.float64) for shape in shapes)
    return [each.to(dtype).requires_grad_() for each in made]


def with_gradients(function, x, w, b):
    y = function(x, w, b)
    draw = torch.Generator().manual_seed(7)
    dy = torch.randn(y.shape, generator=draw, dtype=torch.float64).to(y.dtype)
    given = [each for each in (x, w, b) if each is not None]
    return [y.detach(), *torch.autograd.grad(y, given, dy)]


def near(found, wanted, tolerance):
    for one, other in zip(found, wanted, strict=True):
        assert one.shape == other.shape
        scale = 1 + (other.abs().max().item() if other.numel() else 0)
        torch.testing.assert_close(one.double(), other.double(), rtol=0, atol=tolerance * scale)


def same(found, wanted):
    return all(torch.equal(one, other) for one, other in zip(found, wanted, strict=True))


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_numbers_and_gradients(sizes, dtype, bias):
    x, w, b = arguments(*sizes, dtype)
    b = b if bias else None
    found = with_gradients(dense, x, w, b)
    wide = [None if each is None else each.detach().double().requires_grad_() for each in (x, w, b)]
    near(found, with_gradients(F.linear, *wide), TOLERANCE[dtype])


@pytest.mark.parametrize("sizes", [(0, 3, 4), (3, 0, 4), (3, 4, 0)])
def test_nothing_of_something(sizes):
    found, wanted = (with_gradients(f, *arguments(*sizes)) for f in (dense, F.linear))
    near(found, wanted, 0)


def test_any_leading_dimensions():
    x, w, b = arguments(24, 5, 7)
    whole = dense(x, w, b)
    assert torch.equal(dense(x.view(2, 3, 4, 5), w, b), whole.view(2, 3, 4, 7))
    assert torch.equal(dense(x[0], w, b), whole[0])


def test_views_of_any_stride():
    x, w, b = (each.detach() for each in arguments(9, 5, 7))
    wanted = with_gradients(dense, *(each.clone().requires_grad_() for each in (x, w, b)))
    turned = [x.T.contiguous().T, w.T.contiguous().T, torch.stack([b, b], 1)[:, 0]]
    found = with_gradients(dense, *(each.requires_grad_() for each in turned))
    assert same(found, wanted)
    (dx,) = torch.autograd.grad(dense(*turned).sum(), turned[0])  # the gradient has no strides
    torch.testing.assert_close(dx, w.sum(0).expand(9, 5))


def test_gradients_and_gradients_of_gradients():
    given = arguments(3, 4, 5)
    torch.autograd.gradcheck(dense, given)
    torch.autograd.gradgradcheck(dense, given)


def test_a_gradient_that_nobody_wants_is_none():
    x, w, b = arguments(3, 4, 5)
    dense(x.detach(), w, b.detach()).sum().backward()
    assert x.grad is None
    assert b.grad is None
    torch.testing.assert_close(w.grad, x.detach().sum(0).expand(5, 4))


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_neither_threads_nor_other_rows_change_a_bit(dtype):
    x, w, b = arguments(131, 17, 523, dtype)
    wanted = with_gradients(dense, x, w, b)
    torch.set_num_threads(2)
    try:
        found = with_gradients(dense, x, w, b)
    finally:
        torch.set_num_threads(1)
    assert same(found, wanted)
    assert torch.equal(dense(x[40:53], w, b), wanted[0][40:53])


def test_elsewhere_it_is_torchs(monkeypatch):
    x, w, b = (each.detach() for each in arguments(3, 4, 5, torch.float32))

    def torchs(*given):
        assert torch.equal(dense(*given), F.linear(*given))

    torchs(x.bfloat16(), w.bfloat16(), b.bfloat16())
    assert dense(x.to("meta"), w.to("meta")).is_meta
    with torch.autocast("cpu", torch.bfloat16):
        assert dense(x, w, b).dtype == torch.bfloat16
    slope = torch.func.grad(lambda x: dense(x, w, b).sum())(x)
    torch.testing.assert_close(slope, w.sum(0).expand(3, 4))
    monkeypatch.setattr(native, "library", lambda: None)
    torchs(x, w, b)


def test_a_compiler_sees_torchs_product(compiled):
    x, w, b = (each.detach() for each in arguments(3, 4, 5))
    torch.testing.assert_close(compiled(dense)(x, w, b), F.linear(x, w, b))


@pytest.mark.parametrize(
    ("shapes", "line"),
    [
        (((3, 4), (5, 6), (5,)), r"dense: x is \(3, 4\) and w \(5, 6\), \(…, H\) and \(V, H\) fit"),
        (((3, 4), (4,), (5,)), r"dense: x is \(3, 4\) and w \(4,\)"),
        (((3, 4), (5, 4), (4,)), r"dense: b is \(4,\) beside w \(5, 4\), \(5,\) fits"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(shapes, line):
    with pytest.raises(ShapeError, match=f"^{line}[^\n]*$"):
        dense(*map(torch.zeros, shapes))


@pytest.mark.parametrize(
    ("call", "words", "line"),
    [
        (native.product, (0, -1, 2, 3, 0, 2, 0, 1, 2, 0, 0), "rows, K and N must be 0"),
        (native.product, (0, 1 << 40, 1 << 40, 3, 0, 2, 0, 1, 2, 0, 0), "rows, K and N must be 0"),
        (native.product, (0, 2, 2, 3, 64, 2, 64, 1, 2, 0, 0), "y is null"),
        (native.product, (0, 2, 2, 3, 0, 2, 0, 1, 2, 0, 64), "x or w is null"),
        (native.sums, (0, 2, -2, 3, 0, 2, 0, 3, 0, 0), "rows, M and N must be 0"),
        (native.sums, (0, 0, 2, 3, 64, 2, 64, 3, 64, 0), "sums need a row"),
        (native.sums, (0, 2, 2, 3, 0, 2, 64, 3, 64, 0), "a or b is null"),
        (native.sums, (0, 2, 2, 3, 64, 2, 0, 3, 64, 0), "a or b is null"),
    ],
)
def test_a_job_that_does_not_fit_is_refused(call, words, line):
    with pytest.raises(ShapeError, match=f"^dense: {line}"):
        call(array("q", words), 1)

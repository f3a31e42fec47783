"""The native loss over a vocabulary against torch's: numbers, gradients, bits, and harm."""

import hashlib
import os
import subprocess
import sys
from array import array
from itertools import product
from math import inf, isnan, log

import pytest
import torch
from tests.engine.test_dense import TOLERANCE, arguments, near, same

from recurra.engine import dense, each_nats, native, nats, plain_nats
from recurra.errors import ShapeError

# N, H, V: one, odd, prime; beyond a block of rows, a panel of columns, a block of k and a strip.
SIZES = [(1, 1, 1), (3, 5, 7), (131, 17, 67), (259, 3, 300), (2, 1031, 9), (5, 2, 1031)]


def targets_of(N, V, least=-1):
    """Some of them below 0."""
    return torch.randint(least, V, (N,), generator=torch.Generator().manual_seed(3))


def with_gradients(function, given, targets, smoothing=0.0, scale=0.25):
    total = function(*given, targets, smoothing)
    leaves = [each for each in given if each is not None]
    return [total.detach(), *torch.autograd.grad(total, leaves, torch.tensor(scale).to(total))]


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_numbers_and_gradients(sizes, dtype, smoothing):
    given = arguments(*sizes, dtype)
    targets = targets_of(sizes[0], sizes[2])
    wide = [each.detach().double().requires_grad_() for each in given]
    for some, all_ in ((given, wide), ([*given[:2], None], [*wide[:2], None])):
        found = with_gradients(nats, some, targets, smoothing)
        near(found, with_gradients(plain_nats, all_, targets, smoothing), TOLERANCE[dtype])


def test_each_target_has_its_own():
    h, w, b = (each.detach() for each in arguments(131, 17, 67))
    targets = targets_of(131, 67)
    found = each_nats(h, w, b, targets)
    torch.testing.assert_close(found, plain_nats(h, w, b, targets, reduction="none"))
    assert (found[targets < 0] == 0).all()
    assert (found[targets >= 0] > 0).all()
    torch.testing.assert_close(found.sum(), nats(h, w, b, targets))
    assert each_nats(h.requires_grad_(), w, b, targets) is None


def test_equal_scores_cost_the_logarithm_of_their_number():
    h, w = torch.zeros(2, 3, dtype=torch.float64), torch.zeros(7, 3, dtype=torch.float64)
    targets = torch.tensor([0, 6])
    for smoothing in (0.0, 0.5):
        assert nats(h, w, None, targets, smoothing).item() == pytest.approx(2 * log(7), abs=1e-14)


def test_more_scores_than_are_held_at_once():
    """Three groups of rows, of which the last is not whole."""
    h, w, b = arguments(300, 2, 33000)
    targets = targets_of(300, 33000)
    found = with_gradients(nats, (h, w, b), targets)
    near(found, with_gradients(plain_nats, (h, w, b), targets), 1e-10)


def test_scores_that_are_large_or_not_finite():
    h, w = torch.ones(1, 1, dtype=torch.float64), torch.zeros(3, 1, dtype=torch.float64)
    for scores, target, wanted in (
        ((1e4, 0, -1e4), 0, 0.0),
        ((1e4, 0, -1e4), 1, 1e4),
        ((-1e4, -1e4, -1e4), 2, log(3)),
        ((-inf, 0, 0), 1, log(2)),
        ((-inf, 0, 0), 0, inf),
    ):
        b = torch.tensor(scores, dtype=torch.float64)
        assert nats(h, w, b, torch.tensor([target])).item() == pytest.approx(wanted, abs=1e-12)
    for scores in ((float("nan"), 0, 0), (0, 0, float("nan")), (inf, 0, 0)):
        b = torch.tensor(scores, dtype=torch.float64)
        assert isnan(nats(h, w, b, torch.tensor([1])).item())


def test_rows_that_count_nothing_leave_the_others_alone():
    h, w, b = arguments(9, 4, 5)
    targets = targets_of(9, 5, least=0)
    padded = torch.cat([targets, torch.full((4,), -100)])
    more = torch.cat([h, torch.full((4, 4), 1e3, dtype=h.dtype)])
    found = with_gradients(nats, (more, w, b), padded)
    wanted = with_gradients(nats, (h, w, b), targets)
    assert same(found[:1] + found[2:], wanted[:1] + wanted[2:])
    nothing = with_gradients(nats, (h, w, b), torch.full((9,), -1))
    assert all((each == 0).all() for each in nothing)


def test_gradients_and_gradients_of_gradients():
    given, targets = arguments(3, 4, 5), torch.tensor([4, -1, 0])
    torch.autograd.gradcheck(lambda *each: nats(*each, targets, 0.1), given)
    torch.autograd.gradgradcheck(lambda *each: nats(*each, targets, 0.1), given)


def test_a_backward_may_run_again():
    given = arguments(5, 4, 7)
    total = nats(*given, targets_of(5, 7))
    once, twice, thrice = (
        torch.autograd.grad(total, given, torch.tensor(scale).double(), retain_graph=True)
        for scale in (1.0, 2.0, 1.0)
    )
    assert same(once, thrice)
    assert same([2 * each for each in once], twice)


def test_a_gradient_that_nobody_wants_is_none():
    h, w, b = arguments(3, 4, 5)
    targets = targets_of(3, 5)
    nats(h, w.detach(), b.detach(), targets).backward()
    wanted = with_gradients(nats, (h, w, b), targets, scale=1.0)
    assert torch.equal(h.grad, wanted[1])
    nats(h.detach(), w.detach(), b, targets).backward()
    assert torch.equal(b.grad, wanted[3])
    assert w.grad is None


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_neither_threads_nor_other_rows_change_a_bit(dtype):
    given, targets = arguments(131, 17, 523, dtype), targets_of(131, 523)
    wanted = with_gradients(nats, given, targets)
    torch.set_num_threads(2)
    try:
        found = with_gradients(nats, given, targets)
    finally:
        torch.set_num_threads(1)
    assert same(found, wanted)
    h, w, b = given
    (some,) = torch.autograd.grad(nats(h[40:53], w, b, targets[40:53]), h)
    assert torch.equal(some[40:53] / 4, wanted[1][40:53])


def test_views_of_any_stride():
    h, w, b = (each.detach() for each in arguments(9, 5, 7))
    targets = targets_of(9, 7)
    wanted = with_gradients(nats, [each.clone().requires_grad_() for each in (h, w, b)], targets)
    turned = [h.T.contiguous().T, w.T.contiguous().T, torch.stack([b, b], 1)[:, 0]]
    turned = [each.requires_grad_() for each in turned]
    found = with_gradients(nats, turned, torch.stack([targets, targets], 1)[:, 0])
    assert same(found, wanted)


def test_where_it_does_not_run_natively_the_answer_is_none(monkeypatch):
    h, w, b = (each.detach() for each in arguments(3, 4, 5, torch.float32))
    targets = targets_of(3, 5)
    assert nats(h.half(), w.half(), b.half(), targets) is None
    assert nats(h, w.double(), b, targets) is None
    assert nats(h[:0], w, b, targets[:0]) is None
    assert nats(*(each.to("meta") for each in (h, w, b, targets))) is None
    monkeypatch.setattr(native, "library", lambda: None)
    assert nats(h, w, b, targets) is None
    assert each_nats(h, w, b, targets) is None


def test_under_autocast_products_alone_are_bfloat16():
    given, targets = arguments(259, 31, 300, torch.float32), targets_of(259, 300)
    wanted = with_gradients(nats, given, targets, 0.1)

    def cast(*each):
        with torch.autocast("cpu", torch.bfloat16):
            return nats(*each)

    found = with_gradients(cast, given, targets, 0.1)
    assert [each.dtype for each in found] == [torch.float32] * 4
    torch.testing.assert_close(found[0], wanted[0], rtol=2e-3, atol=0)
    for one, other in zip(found[1:], wanted[1:], strict=True):
        assert (one - other).norm() < 0.01 * other.norm()
    assert same(found, wanted) == (not native.tiles())
    torch.set_num_threads(2)
    try:
        assert same(with_gradients(cast, given, targets, 0.1), found)
    finally:
        torch.set_num_threads(1)


def test_what_autocast_made_narrow_comes_back_wide():
    h, w, b = (each.detach() for each in arguments(5, 4, 7, torch.float32))
    narrow = h.bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        total = nats(narrow, w, b, targets_of(5, 7))
    total.backward()
    assert total.dtype == torch.float32
    assert narrow.grad.dtype == torch.bfloat16


def job(N=2, H=3, V=4, h=64, w=64, targets=64, smoothing=0, results=(64, 64), types=(0, 0)):
    return array("q", (*types, N, H, V, h, H, w, H, 0, targets, smoothing, *results, 0, 0, 0))


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ({"N": -1}, "rows, H and V must be 0"),
        ({"N": 1 << 30, "H": 1 << 30, "V": 1 << 30}, "too many numbers"),
        ({"N": 0}, "a row and a number of the vocabulary are needed"),
        ({"V": 0}, "a row and a number of the vocabulary are needed"),
        ({"smoothing": -1}, "smoothing must be 0"),
        ({"targets": 0}, "targets or a result is null"),
        ({"results": (0, 64)}, "targets or a result is null"),
        ({"h": 0}, "h or w is null"),
        ({"types": (1, 1)}, "tiles are of float"),
    ],
)
def test_a_job_that_does_not_fit_is_refused(words, line):
    with pytest.raises(ShapeError, match=f"^nats: {line}"):
        native.nats(job(**words), 1)


def test_a_target_beyond_the_vocabulary_is_refused():
    h, w, _ = (each.detach() for each in arguments(2, 3, 4))
    with pytest.raises(ShapeError, match=r"^nats: targets must be below V$"):
        nats(h, w, None, torch.tensor([3, 4]))


def digest() -> str:
    """The bits of products, losses and gradients."""
    seen = hashlib.sha256()
    for (N, H, V), dtype in product(SIZES, TOLERANCE):
        given, targets = arguments(N, H, V, dtype), targets_of(N, V)
        each = [*with_gradients(nats, given, targets, 0.1), dense(*given).detach()]
        for one in each:
            seen.update(one.numpy().tobytes())
    return seen.hexdigest()


def test_a_narrower_level_gives_the_same_bits():
    code = "from tests.engine.test_nats import digest; print(digest())"
    environment = {**os.environ, "RECURRA_SIMD": "avx2", "RECURRA_NATIVE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    if "RECURRA_SIMD: avx2 does not run here" not in done.stderr and native.level() != "generic":
        assert done.stdout.strip() == digest(), done.stderr

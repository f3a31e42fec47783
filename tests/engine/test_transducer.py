"""The loss of a transducer against every alignment, one after the other; bits, harm and errors."""

import itertools
import signal
from array import array
from math import inf, isnan, log

import pytest
import torch
from tests.engine.test_dense import TOLERANCE, near, same

from recurra.engine import (
    each_joiner_nats,
    joiner_nats,
    lattice_nats,
    native,
    plain_joiner_nats,
    plain_lattice_nats,
)
from recurra.errors import ShapeError

# B, T, U, V, J.
SIZES = {
    "one": (1, 1, 0, 1, 1),
    "odd": (3, 7, 5, 11, 13),
    "several groups, more labels than frames": (2, 9, 61, 5, 17),
    "several blocks of scores": (2, 3, 2, 1100, 3),
    "more than is held at once": (1, 47, 42, 1031, 1),
    "more sums than are held at once": (9, 2, 1, 1031, 520),
}


def arguments(B, T, U, V, J, dtype=torch.float64, seed=0):
    """Ragged rows, of which the first has all frames and the last all labels."""
    draw = torch.Generator().manual_seed(seed)
    shapes = ((B, T, J), (B, U + 1, J), (V, J), (V,))
    made = (torch.randn(shape, generator=draw, dtype=torch.float64) for shape in shapes)
    learned = [each.to(dtype).requires_grad_() for each in made]
    frames = torch.randint(1, T + 1, (B,), generator=draw)
    labels = torch.randint(0, U + 1, (B,), generator=draw)
    frames[0], labels[-1] = T, U
    targets = torch.randint(min(1, V - 1), V, (B, U), generator=draw)
    return learned, (targets, frames, labels)


def scores_of(f, g, w, b):
    made = torch.nn.functional.linear(torch.tanh(f[:, :, None] + g[:, None]), w, b)
    return made.detach().requires_grad_()


def with_gradients(function, learned, paths, blank=0, scale=0.25):
    total = function(*learned, *paths, blank).sum()
    leaves = [each for each in learned if each is not None]
    return [total.detach(), *torch.autograd.grad(total, leaves, torch.tensor(scale).to(total))]


def weighted(function, scores, paths, blank=0):
    """Each row's gradient comes with a weight of its own."""
    each = function(scores, *paths, blank)
    weights = torch.linspace(-1, 2, len(scores), dtype=each.dtype)
    return [each.detach(), *torch.autograd.grad(each, scores, weights)]


def every_alignment(scores, targets, frames, labels, blank):
    """By the definition: each order of steps to the next frame and of labels, the last a step."""
    p = scores.log_softmax(-1)
    found = []
    for said in itertools.combinations(range(frames - 1 + labels), labels):
        t = u = 0
        total = 0
        for step in range(frames + labels):
            if step in said:
                total = total + p[t, u, targets[u]]
                u += 1
            else:
                total = total + p[t, u, blank]
                t += 1
        found.append(total)
    return -torch.stack(found).logsumexp(0)


def enumerated(scores, targets, frames, labels, blank):
    rows = zip(scores, targets.tolist(), frames.tolist(), labels.tolist(), strict=True)
    return torch.stack([every_alignment(*row, blank) for row in rows])


def joined(f, g, w, b, *paths):
    """The same by scores of all places."""
    scores = torch.nn.functional.linear(torch.tanh(f[:, :, None] + g[:, None]), w, b)
    return enumerated(scores, *paths)


@pytest.mark.parametrize(("T", "U"), [(1, 0), (1, 4), (2, 1), (3, 3), (6, 0), (6, 4)])
@pytest.mark.parametrize("blank", [0, 2])
def test_it_is_the_sum_over_every_alignment(T, U, blank):
    learned, (targets, frames, labels) = arguments(3, T, U, 4, 5)
    paths = ((targets + blank) % 4, frames, labels)

    wanted = with_gradients(joined, learned, paths, blank)
    near(with_gradients(joiner_nats, learned, paths, blank), wanted, 1e-10)
    near(with_gradients(plain_joiner_nats, learned, paths, blank), wanted, 1e-10)
    scores = scores_of(*learned)
    wanted = weighted(enumerated, scores, paths, blank)
    near(weighted(lattice_nats, scores, paths, blank), wanted, 1e-10)
    near(weighted(plain_lattice_nats, scores, paths, blank), wanted, 1e-10)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_numbers_and_gradients(sizes, dtype):
    learned, paths = arguments(*sizes, dtype)
    wide = [each.detach().double().requires_grad_() for each in learned]
    found, wanted = (
        with_gradients(joiner_nats, learned, paths),
        with_gradients(plain_joiner_nats, wide, paths),
    )
    near(found, wanted, TOLERANCE[dtype])
    scores = scores_of(*learned)
    found = weighted(lattice_nats, scores, paths)
    wanted = weighted(plain_lattice_nats, scores.detach().double().requires_grad_(), paths)
    near(found, wanted, TOLERANCE[dtype])


def test_without_a_bias():
    (f, g, w, b), paths = arguments(*SIZES["odd"])
    found = with_gradients(joiner_nats, (f, g, w, None), paths)
    wanted = with_gradients(joiner_nats, (f, g, w, torch.zeros_like(b, requires_grad=True)), paths)
    assert same(found, wanted[:4])


def test_equal_scores_cost_what_their_alignments_say():
    scores = torch.zeros(1, 5, 4, 7, dtype=torch.float64)
    paths = torch.tensor([[3, 1, 3]]), torch.tensor([5]), torch.tensor([3])
    assert lattice_nats(scores, *paths).item() == pytest.approx(8 * log(7) - log(35), abs=1e-13)


def test_each_row_has_its_own():
    learned, paths = arguments(*SIZES["odd"])
    given = [each.detach() for each in learned]
    found = each_joiner_nats(*given, *paths)
    torch.testing.assert_close(found, plain_joiner_nats(*given, *paths), rtol=1e-12, atol=0)
    torch.testing.assert_close(found.sum(), joiner_nats(*given, *paths), rtol=1e-14, atol=0)
    assert each_joiner_nats(*learned, *paths) is None


def test_the_padding_has_no_influence():
    learned, (targets, frames, labels) = arguments(4, 7, 5, 11, 13)
    labels[:2] = torch.tensor([0, 2])
    paths = (targets, frames, labels)
    past_frames = (torch.arange(7) >= frames[:, None])[..., None]
    past_labels = (torch.arange(6) > labels[:, None])[..., None]
    f, g, *rest = (each.detach() for each in learned)
    spoilt = [f.masked_fill(past_frames, torch.nan), g.masked_fill(past_labels, torch.inf), *rest]
    spoilt = [each.requires_grad_() for each in spoilt]
    wild = targets.masked_fill(past_labels[:, 1:, 0], 1 << 40)
    wanted = with_gradients(joiner_nats, learned, paths)
    found = with_gradients(joiner_nats, spoilt, (wild, frames, labels))
    assert same(found, wanted)
    assert (found[1][past_frames[..., 0]] == 0).all()
    assert (found[2][past_labels[..., 0]] == 0).all()
    near(with_gradients(plain_joiner_nats, spoilt, (wild, frames, labels)), wanted, 1e-12)
    scores = scores_of(*learned)
    past = past_frames[:, :, None] | past_labels[:, None]
    broken = scores.detach().masked_fill(past, torch.nan).requires_grad_()
    wanted = weighted(lattice_nats, scores, paths)
    assert same(weighted(lattice_nats, broken, (wild, frames, labels)), wanted)
    near(weighted(plain_lattice_nats, broken, (wild, frames, labels)), wanted, 1e-12)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_neither_threads_nor_other_rows_change_a_bit(dtype):
    learned, paths = arguments(11, 19, 17, 23, 21, dtype)
    scores = scores_of(*learned)
    wanted = with_gradients(joiner_nats, learned, paths) + weighted(lattice_nats, scores, paths)
    torch.set_num_threads(2)
    try:
        found = with_gradients(joiner_nats, learned, paths) + weighted(lattice_nats, scores, paths)
    finally:
        torch.set_num_threads(1)
    assert same(found, wanted)
    f, g, w, b = learned
    T, U = int(paths[1][3]), int(paths[2][3])
    alone = [f[3:4, :T], g[3:4, : U + 1], w, b]
    short = (paths[0][3:4, :U], *(each[3:4] for each in paths[1:]))
    df, dg = torch.autograd.grad(joiner_nats(*alone, *short), (f, g))
    assert same((df[3] / 4, dg[3] / 4), (wanted[1][3], wanted[2][3]))
    whole = each_joiner_nats(*(each.detach() for each in learned), *paths)
    assert torch.equal(each_joiner_nats(*(each.detach() for each in alone), *short), whole[3:4])


def test_gradients_and_gradients_of_gradients():
    learned, paths = arguments(2, 3, 2, 3, 2)
    scores = scores_of(*learned)
    for f, given in ((joiner_nats, learned), (lattice_nats, [scores])):
        torch.autograd.gradcheck(lambda *each, f=f: f(*each, *paths), given)
        torch.autograd.gradgradcheck(lambda *each, f=f: f(*each, *paths), given)


def test_a_backward_may_run_again():
    learned, paths = arguments(*SIZES["odd"])
    scores = scores_of(*learned)
    for total, given in (
        (joiner_nats(*learned, *paths), learned),
        (lattice_nats(scores, *paths).sum(), [scores]),
    ):
        once, twice, thrice = (
            torch.autograd.grad(total, given, torch.tensor(scale).double(), retain_graph=True)
            for scale in (1.0, 2.0, 1.0)
        )
        assert same(once, thrice)
        assert same([2 * each for each in once], twice)


@pytest.mark.parametrize("number", range(4))
def test_a_gradient_that_nobody_wants_is_none(number):
    learned, paths = arguments(*SIZES["odd"])
    wanted = with_gradients(joiner_nats, learned, paths, scale=1.0)[1 + number]
    for n, each in enumerate(learned):
        each.requires_grad_(n == number)
    joiner_nats(*learned, *paths).backward()
    assert torch.equal(learned[number].grad, wanted)
    assert all(each.grad is None for n, each in enumerate(learned) if n != number)


def test_views_of_any_stride():
    learned, paths = arguments(*SIZES["odd"])
    wanted = with_gradients(joiner_nats, learned, paths)
    f, g, w, b = (each.detach() for each in learned)
    turned = [f.transpose(0, 1).contiguous().transpose(0, 1), g.mT.contiguous().mT]
    turned += [w.T.contiguous().T, torch.stack([b, b], 1)[:, 0]]
    turned = [each.requires_grad_() for each in turned]
    apart = [torch.stack([each, each], -1)[..., 0] for each in paths]
    assert same(with_gradients(joiner_nats, turned, apart), wanted)
    scores = scores_of(*learned)
    aside = scores.detach().permute(3, 1, 0, 2).contiguous().permute(2, 1, 3, 0).requires_grad_()
    found = weighted(lattice_nats, aside, apart)
    assert same(found, weighted(lattice_nats, scores, paths))


def test_where_it_does_not_run_natively_the_answer_is_none(monkeypatch):
    learned, paths = arguments(*SIZES["odd"], torch.float32)
    f, g, w, b = (each.detach() for each in learned)
    scores = scores_of(f, g, w, b)
    assert joiner_nats(f.half(), g.half(), w.half(), b.half(), *paths) is None
    assert joiner_nats(f, g, w.double(), b, *paths) is None
    assert joiner_nats(f[:, :0], g, w, b, *paths) is None
    assert joiner_nats(*(each.to("meta") for each in (f, g, w, b)), *paths) is None
    assert lattice_nats(scores.bfloat16(), *paths) is None
    assert lattice_nats(scores[:, :0], *paths) is None
    monkeypatch.setattr(native, "library", lambda: None)
    assert joiner_nats(f, g, w, b, *paths) is None
    assert each_joiner_nats(f, g, w, b, *paths) is None
    assert lattice_nats(scores, *paths) is None


def test_scores_of_fewer_digits_are_summed_with_all_digits():
    learned, paths = arguments(*SIZES["odd"], torch.float32)
    scores = scores_of(*learned).bfloat16()
    found = plain_lattice_nats(scores, *paths)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, lattice_nats(scores.float(), *paths))


def test_under_autocast_products_alone_are_bfloat16():
    learned, paths = arguments(3, 23, 11, 70, 40, torch.float32)
    wanted = with_gradients(joiner_nats, learned, paths)

    def cast(*given):
        with torch.autocast("cpu", torch.bfloat16):
            return joiner_nats(*given)

    found = with_gradients(cast, learned, paths)
    assert [each.dtype for each in found] == [torch.float32] * 5
    torch.testing.assert_close(found[0], wanted[0], rtol=2e-3, atol=0)
    for one, other in zip(found[1:], wanted[1:], strict=True):
        assert (one - other).norm() < 0.02 * other.norm()
    assert same(found, wanted) == (not native.tiles())
    torch.set_num_threads(2)
    try:
        assert same(with_gradients(cast, learned, paths), found)
    finally:
        torch.set_num_threads(1)


def test_what_autocast_made_narrow_comes_back_wide():
    learned, paths = arguments(*SIZES["odd"], torch.float32)
    f, g, w, b = (each.detach() for each in learned)
    narrow = f.bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        total = joiner_nats(narrow, g.bfloat16(), w, b, *paths)
    total.backward()
    assert total.dtype == torch.float32
    assert narrow.grad.dtype == torch.bfloat16


def test_scores_that_are_large_or_not_finite():
    paths = torch.tensor([[1]]), torch.tensor([2]), torch.tensor([1])
    for score, wanted in (
        ((1e4, 1e4, -1e4), 3 * log(2) - log(2)),
        ((0, -1e4, -1e4), 1e4 - log(2)),
        ((0, 0, -inf), 3 * log(2) - log(2)),
        ((0, -inf, 0), inf),
        ((-inf, 0, 0), inf),
    ):
        scores = torch.tensor(score, dtype=torch.float64).expand(1, 2, 2, 3)
        for loss in (lattice_nats, plain_lattice_nats):
            assert loss(scores, *paths).item() == pytest.approx(wanted, abs=1e-9)
    for score in ((torch.nan, 0, 0), (0, 0, torch.nan), (inf, 0, 0), (-inf, -inf, -inf)):
        scores = torch.tensor(score, dtype=torch.float64).expand(1, 2, 2, 3)
        assert isnan(lattice_nats(scores, *paths).item())


def test_what_is_possible_by_one_alignment_alone_has_its_gradient():
    """Of two places that a label may be said at, one has a probability of nothing."""
    scores = torch.zeros(1, 2, 2, 3, dtype=torch.float64)
    scores[0, 0, 0, 1] = -inf
    paths = torch.tensor([[1]]), torch.tensor([2]), torch.tensor([1])
    each = lattice_nats(scores.requires_grad_(), *paths)
    assert each.item() == pytest.approx(log(2) + 2 * log(3))
    (ds,) = torch.autograd.grad(each, scores)
    third = 1 / 3
    wanted = torch.tensor(
        [[[-0.5, 0, 0.5], [0, 0, 0]], [[third, third - 1, third], [third - 1, third, third]]],
        dtype=torch.float64,
    )
    torch.testing.assert_close(ds[0], wanted, rtol=0, atol=1e-14)


def test_a_row_that_is_impossible_spoils_no_other_row():
    scores = torch.zeros(2, 3, 2, 4)
    scores[1, :, :, 1] = -inf
    paths = torch.tensor([[1], [1]]), torch.tensor([3, 3]), torch.tensor([1, 1])
    each = lattice_nats(scores.requires_grad_(), *paths)
    (ds,) = torch.autograd.grad(each.sum(), scores)
    assert each[0].isfinite()
    assert ds[0].isfinite().all()
    assert each[1] == inf
    assert ds[1].isnan().all()


def test_rows_without_frames_and_labels_have_no_nats():
    learned, (targets, frames, labels) = arguments(3, 4, 2, 5, 6)
    frames[1], labels[1] = 0, 0
    paths = (targets, frames, labels)
    found = with_gradients(joiner_nats, learned, paths)
    near(found, with_gradients(plain_joiner_nats, learned, paths), 1e-12)
    assert (found[1][1] == 0).all()
    assert lattice_nats(scores_of(*learned), *paths)[1] == 0


def test_long_sequences_keep_their_digits():
    """A thousand frames: sums are in double whatever the scores are."""
    learned, paths = arguments(1, 1000, 20, 5, 4, torch.float32)
    scores = scores_of(*learned)
    found = weighted(lattice_nats, scores, paths)
    wanted = weighted(lattice_nats, scores.detach().double().requires_grad_(), paths)
    torch.testing.assert_close(found[0].double(), wanted[0], rtol=3e-7, atol=0)
    torch.testing.assert_close(found[1].double(), wanted[1], rtol=0, atol=1e-6)


class Stopped(Exception):  # noqa: N818
    pass


def endlessly(loss, given):
    while True:
        loss(*given)


@pytest.mark.parametrize("loss", [joiner_nats, lattice_nats])
def test_a_signal_stops_a_long_row(loss):
    def stop(number, frame):
        raise Stopped

    T, U, V = 30_000, 99, 40
    paths = torch.ones(1, U, dtype=torch.int64), torch.tensor([T]), torch.tensor([U])
    shapes = ((1, T, 8), (1, U + 1, 8), (V, 8), (V,))
    given = [torch.zeros(1, 1, 1, V).expand(1, T, U + 1, V)]
    given = given if loss is lattice_nats else [torch.zeros(shape) for shape in shapes]
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with pytest.raises(Stopped):
            endlessly(loss, [*given, *paths])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def refused(call, words, line):
    with pytest.raises(ShapeError, match=f"^transducer: {line}"):
        call(array("q", words), 1)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"types": (1, 1)}, "tiles are of float"),
        ({"sizes": (-1, 3, 2, 4, 5)}, r"B, T, U \+ 1 and V must be 0"),
        ({"sizes": (1 << 30, 1 << 30, 2, 4, 5)}, "too many numbers"),
        ({"sizes": (2, 3, 2, 0, 5)}, "J must be 1 or more"),
        ({"sizes": (0, 3, 2, 4, 5)}, "a row is needed"),
        ({"blank": 5}, "blank must be below V"),
        ({"paths": (0, 0, 0)}, "frames, labels or targets are null"),
        ({"f": 0}, "f, g or w is null"),
        ({"results": (0, 64)}, "a result is null"),
        ({"made": (64, 0, 0, 0)}, "df needs dg, and dw db"),
        ({"frames": [3, 4]}, r"frames must be 0 \.\.\. T"),
        ({"labels": [2, 0]}, r"labels must be 0 \.\.\. U"),
        ({"frames": [0, 3]}, "a row without frames has labels"),
        ({"targets": [-1, 0]}, r"targets must be 0 \.\.\. below V"),
        ({"targets": [5, 0]}, r"targets must be 0 \.\.\. below V"),
    ],
)
def test_a_job_that_does_not_fit_is_refused(change, line):
    held = {"targets": [1, 9], "frames": [3, 3], "labels": [1, 0]}
    paths = [array("q", change.get(name, held[name])) for name in held]
    addresses = change.get("paths", [each.buffer_info()[0] for each in paths])
    words = [*change.get("types", (0, 0)), *change.get("sizes", (2, 3, 2, 4, 5))]
    words += [change.get("blank", 0), change.get("f", 64), 15, 5, 64, 10, 5, 64, 5, 0, *addresses]
    words += [*change.get("results", (64, 64)), *change.get("made", (0, 0, 0, 0))]
    refused(native.transducer, words, line)


def test_a_job_of_scores_that_does_not_fit_is_refused():
    paths = [array("q", each) for each in ([1, 1], [3, 3], [1, 1])]
    addresses = [each.buffer_info()[0] for each in paths]
    refused(native.lattice, [0, 2, 3, 2, 5, 5, 64, 30, 10, 5, *addresses, 64, 0], "blank must be")
    for places in ((0, 64), (64, 0)):
        words = [0, 2, 3, 2, 5, 0, places[0], 30, 10, 5, *addresses, places[1], 0]
        refused(native.lattice, words, "scores or nats is null")

"""Heads: what they score and what they lose are the same softmax."""

import jaxtyping
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from recurra import GRU, Embedding, Stack, Stream
from recurra.engine import native
from recurra.errors import OptionError, ShapeError
from recurra.layers import Adaptive, Scores, Tied, vocabulary_each, vocabulary_nats

V, H = 23, 8


def tied():
    head = Tied(Embedding(V, 6), H)
    nn.init.uniform_(head.bias)
    return head


HEADS = {
    "scores": lambda: Scores(H, V),
    "scores without a bias": lambda: Scores(H, V, bias=False),
    "tied": tied,
    "adaptive": lambda: Adaptive(H, V, [5, 11], shrink=2.0),
}


@pytest.fixture(params=HEADS)
def head(request):
    torch.manual_seed(0)
    return HEADS[request.param]().double()


def rows(B=3, T=7):
    draw = torch.Generator().manual_seed(1)
    h = torch.randn(B, T, H, generator=draw, dtype=torch.float64).requires_grad_()
    return h, torch.randint(-1, V, (B, T), generator=draw)


def lost(head, h, targets, smoothing=0.0):
    """By the definition: torch's loss of the head's own scores."""
    scores, _ = head.step(h.flatten(0, 1), ())
    ignored = targets.flatten().masked_fill(targets.flatten() < 0, -100)
    return F.cross_entropy(scores, ignored, reduction="none", label_smoothing=smoothing)


def gradients(loss, head, h):
    return torch.autograd.grad(loss, [h, *head.parameters()])


@pytest.mark.parametrize("library", [True, False])
def test_the_loss_is_that_of_the_scores(head, library, monkeypatch):
    if not library:
        monkeypatch.setattr(native, "library", lambda: None)
    h, targets = rows()
    found, wanted = head.nats(h, targets), lost(head, h, targets).sum()
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-10)
    for one, other in zip(
        gradients(found / 3, head, h), gradients(wanted / 3, head, h), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)
    with torch.no_grad():
        torch.testing.assert_close(head.each(h, targets).flatten(), lost(head, h, targets))
    torch.testing.assert_close(head.each(h, targets).sum(), found)


@pytest.mark.parametrize(
    "make", [lambda: Tied(Embedding(300, 96), 200), lambda: Adaptive(200, 3000, [100, 600])]
)
def test_the_number_of_threads_changes_no_bit_of_a_projection(make):
    head, h, found = make(), torch.randn(2000, 200, requires_grad=True), []
    targets = torch.randint(head.output_size, (2000,))
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            loss = head.nats(h, targets)
            found.append((loss, *gradients(loss, head, h)))
    finally:
        torch.set_num_threads(1)
    assert all(torch.equal(one, two) for one, two in zip(*found, strict=True))


def test_probabilities_add_up_to_one_and_targets_at_a_time_are_what_the_step_says(head):
    h, _ = rows(2, 1)
    every = torch.arange(V).expand(2, V)
    each = head.each(h.expand(2, V, H), every)
    torch.testing.assert_close((-each).exp().sum(1), torch.ones(2, dtype=torch.float64))
    scores, _ = head.step(h[:, 0], ())
    torch.testing.assert_close(-each, F.log_softmax(scores, -1))


def test_smoothing_is_torchs(head):
    h, targets = rows()
    if isinstance(head, Adaptive):
        with pytest.raises(OptionError, match=r"^Adaptive: smoothing is 0.1, 0 fits, or another"):
            head.nats(h, targets, 0.1)
        return
    torch.testing.assert_close(head.nats(h, targets, 0.1), lost(head, h, targets, 0.1).sum())


def test_no_rows_and_no_true_rows(head):
    h, targets = rows()
    assert head.nats(h[:0], targets[:0]) == 0
    assert head.each(h[:, :0], targets[:, :0]).shape == (3, 0)
    assert head.nats(h, torch.full_like(targets, -1)) == 0


def test_a_head_is_a_cell(head):
    h, _ = rows()
    y, _ = head.sequence(h)
    assert y.shape == (3, 7, V)
    torch.testing.assert_close(y[:, 3], head.step(h[:, 3], ())[0])


def test_a_stream_of_it_has_the_bits_of_the_sequence(head):
    stack = Stack([Embedding(V, 6), GRU(6, H), head]).double().eval().requires_grad_(False)
    ids = torch.randint(0, V, (2, 5))
    y, _ = stack.sequence(ids)
    stream = Stream(stack, 2)
    assert "natively" in repr(stream)
    assert torch.equal(torch.stack([stream.push(ids[:, t]) for t in range(5)], 1), y)


def test_a_target_beyond_the_vocabulary_is_refused(head):
    h, targets = rows()
    targets[1, 2] = V
    for call in (head.nats, head.each):
        with pytest.raises(ShapeError, match=rf"^nats: a target is {V}, numbers below {V} fit$"):
            call(h, targets)


def test_what_does_not_fit_is_said_in_one_line(monkeypatch):
    # What watches the shapes in these tests is not there where users run.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    h, targets = torch.zeros(2, 3), torch.zeros(2, dtype=torch.long)
    line = r"^nats: h \(2, 3\) beside targets \(2,\), h \(…, 4\) and one target a row fit$"
    with pytest.raises(ShapeError, match=line):
        vocabulary_each(h, torch.zeros(5, 4), None, targets)
    with pytest.raises(OptionError, match=r"^nats: smoothing is 1.0, a number from 0 to below 1"):
        vocabulary_nats(h, torch.zeros(5, 3), None, targets, smoothing=1.0)


def test_an_adaptive_head_has_torchs_weights_and_numbers():
    torch.manual_seed(0)
    torchs = nn.AdaptiveLogSoftmaxWithLoss(H, V, [5, 11], div_value=2.0).double()
    ours = Adaptive(H, V, [5, 11], shrink=2.0).double()
    ours.load_state_dict(torchs.state_dict())
    h, targets = rows()
    targets = targets.clamp(min=0)
    wanted, _ = torchs(h.flatten(0, 1), targets.flatten())
    torch.testing.assert_close(ours.each(h, targets).flatten(), -wanted)
    torch.testing.assert_close(ours.step(h[:, 0], ())[0], torchs.log_prob(h[:, 0]))


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (([], 4.0), "Adaptive: cutoffs are empty, rising numbers from 1 to 9 fit"),
        (([0, 4], 4.0), "Adaptive: cutoffs are 0, 4, rising numbers from 1 to 9 fit"),
        (([4, 4], 4.0), "Adaptive: cutoffs are 4, 4, rising numbers from 1 to 9 fit"),
        (([4, 10], 4.0), "Adaptive: cutoffs are 4, 10, rising numbers from 1 to 9 fit"),
        (([4], 0.5), "Adaptive: shrink is 0.5, at least 1 fits"),
    ],
)
def test_cutoffs_that_do_not_fit_are_refused(options, line):
    cutoffs, shrink = options
    with pytest.raises(OptionError, match=f"^{line}$"):
        Adaptive(H, 10, cutoffs, shrink=shrink)


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(OptionError, match=r"^Scores: vocab_size is 0, it must be at least 1$"):
        Scores(3, 0)

"""The joiner of a transducer: its loss is that of its scores, natively and in plain torch."""

import jaxtyping
import pytest
import torch

from recurra.engine import native
from recurra.errors import OptionError, ShapeError
from recurra.layers import Joiner, transducer_nats

B, T, U, E, P, J, V = 3, 6, 4, 5, 7, 8, 9
LENGTHS, LABELS = torch.tensor([6, 3, 1]), torch.tensor([2, 4, 0])


@pytest.fixture
def joiner():
    torch.manual_seed(0)
    return Joiner(E, P, J, V, blank=3).double()


def inputs():
    draw = torch.Generator().manual_seed(1)
    x, y = (
        torch.randn(shape, generator=draw, dtype=torch.float64).requires_grad_()
        for shape in ((B, T, E), (B, U + 1, P))
    )
    targets = torch.randint(0, V - 1, (B, U), generator=draw)
    return x, y, targets + (targets >= 3)


def scored(joiner, x, y, *paths):
    """By the loss of scores that are all there."""
    return transducer_nats(joiner.scores(x[:, :, None], y[:, None]), *paths, blank=joiner.blank)


@pytest.mark.parametrize("library", [True, False])
@pytest.mark.parametrize("lengths", [(), (LENGTHS, LABELS)])
def test_the_loss_is_that_of_the_scores(joiner, library, lengths, monkeypatch):
    if not library:
        monkeypatch.setattr(native, "library", lambda: None)
    x, y, targets = inputs()
    found, wanted = (f(x, y, targets, *lengths) for f in (joiner.nats, _sum_of_scored(joiner)))
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=0)
    leaves = [x, y, *joiner.parameters()]
    both = (torch.autograd.grad(each / 3, leaves) for each in (found, wanted))
    for one, other in zip(*both, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)
    with torch.no_grad():
        each = joiner.each(x, y, targets, *lengths)
    torch.testing.assert_close(each, scored(joiner, x, y, targets, *lengths).detach())
    torch.testing.assert_close(joiner.each(x, y, targets, *lengths).sum(), found)


def _sum_of_scored(joiner):
    return lambda *given: scored(joiner, *given).sum()


def test_scores_at_a_place_are_those_of_all_places(joiner):
    x, y, _ = inputs()
    every = joiner.scores(x[:, :, None], y[:, None])
    assert every.shape == (B, T, U + 1, V)
    torch.testing.assert_close(joiner.scores(x[:, 2], y[:, 1]), every[:, 2, 1])
    f, g = joiner.encode(x[:, 2]), joiner.predict(y[:, 1])
    torch.testing.assert_close(joiner.joined(f, g), every[:, 2, 1])


def test_all_labels_of_a_length_have_one_probability_together():
    """One frame and two numbers: no label, one, two, and so on; the rest is what says more."""
    torch.manual_seed(0)
    joiner = Joiner(2, 2, 3, 2).double()
    x, y = torch.randn(1, 1, 2).double(), torch.randn(1, 41, 2).double()
    with torch.no_grad():
        nats = [
            joiner.nats(x, y[:, : n + 1], torch.ones(1, n, dtype=torch.int32)) for n in range(41)
        ]
        more = joiner.scores(x, y).log_softmax(-1)[0, :, 1].sum().exp()
    assert float((-torch.stack(nats)).exp().sum() + more) == pytest.approx(1, abs=1e-12)


def test_no_rows_no_frames_and_no_labels(joiner):
    x, y, targets = inputs()
    assert joiner.nats(x[:0], y[:0], targets[:0]) == 0
    assert joiner.each(x[:, :0], y[:, :1], targets[:, :0]).tolist() == [0, 0, 0]
    scores = joiner.scores(x[:, :0, None], y[:, None, :1])
    assert transducer_nats(scores, targets[:, :0]).tolist() == [0, 0, 0]
    assert (joiner.each(x, y[:, :1], targets[:, :0]) > 0).all()


def test_a_network_learns_to_say_its_labels():
    torch.manual_seed(0)
    joiner = Joiner(4, 3, 16, 3)
    x, y = torch.randn(2, 5, 4), torch.randn(2, 3, 3)
    targets = torch.tensor([[1, 2], [2, 2]])
    optimizer = torch.optim.Adam(joiner.parameters(), lr=0.05)
    first = joiner.nats(x, y, targets).detach()
    for _ in range(80):
        optimizer.zero_grad()
        loss = joiner.nats(x, y, targets)
        loss.backward()
        optimizer.step()
    assert loss < first / 10


def test_under_a_compiler_it_is_torchs(joiner, compiled):
    x, y, targets = (each.detach() for each in inputs())
    short = x[:, :1], y[:, :2], targets[:, :1]
    found = compiled(lambda *given: joiner.nats(*given))(*short)
    torch.testing.assert_close(found, joiner.nats(*short))


def test_under_a_transform_it_is_torchs(joiner):
    x, y, targets = (each.detach() for each in inputs())
    slope = torch.func.grad(lambda x: joiner.nats(x, y, targets))(x)
    (wanted,) = torch.autograd.grad(joiner.nats(x.requires_grad_(), y, targets), x)
    torch.testing.assert_close(slope, wanted)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"x": torch.zeros(B, T, 2)}, "x has 2 and y 7 features, 5 and 7 fit"),
        (
            {"y": torch.zeros(B, U, P)},
            r"frames are \(3, 6\) and places \(3, 4\) beside",
        ),
        (
            {"x": torch.zeros(2, T, E)},
            r"frames are \(2, 6\) and places \(3, 5\) beside",
        ),
        ({"lengths": LENGTHS[:2]}, r"lengths has shape \(2,\), \(3,\) fits"),
        ({"lengths": LENGTHS + 1}, "lengths range from 2 to 7, 0 to 6 fit"),
        ({"label_lengths": LABELS - 1}, "label_lengths range from -1 to 3, 0 to 4 fit"),
        ({"lengths": torch.tensor([6, 0, 1])}, "row 1 has 4 labels and no frames, 1 frame or more"),
        ({"targets": torch.full((B, U), V)}, "a target is 9, numbers below 9 fit, but for the"),
        ({"targets": torch.full((B, U), -1)}, "a target is -1, numbers below 9 fit"),
        ({"targets": torch.full((B, U), 3)}, "a target is 3, .* but for the blank 3"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(change, line, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    x, y, targets = inputs()
    given = {"x": x.float(), "y": y.float(), "targets": targets}
    given |= {"lengths": LENGTHS, "label_lengths": LABELS} | change
    with pytest.raises(ShapeError, match=f"^Joiner: {line}[^\n]*$"):
        Joiner(E, P, J, V, blank=3).nats(**given)


def test_options_that_do_not_fit_are_told():
    with pytest.raises(OptionError, match=r"^Joiner: joint_size is 0"):
        Joiner(E, P, 0, V)
    with pytest.raises(OptionError, match=r"^Joiner: blank is 9, 0 to 8 fit$"):
        Joiner(E, P, J, V, blank=9)
    with pytest.raises(OptionError, match=r"^transducer_nats: blank is -1, 0 to 1 fit$"):
        transducer_nats(torch.zeros(1, 1, 1, 2), torch.zeros(1, 0, dtype=torch.int64), blank=-1)

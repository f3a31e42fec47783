"""Cells over uneven time and missing values, reservoirs and images: what each is for."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from recurra.cells import (
    GRUD,
    LTC,
    ODERNN,
    CfC,
    ConvGRU,
    ConvLSTM,
    EchoState,
    Observed,
    PhasedLSTM,
    Timed,
)
from recurra.errors import OptionError, ShapeError
from recurra.layers import Bidirectional, Stack, Stream

OVER_TIME = [CfC, GRUD, LTC, ODERNN, PhasedLSTM]
IMAGES = [ConvGRU, ConvLSTM]
every_cell = pytest.mark.parametrize("make", OVER_TIME)
every_image = pytest.mark.parametrize("make", IMAGES)


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def build(make, F=3, H=4, **options):
    torch.manual_seed(0)
    return make(F, H, dtype=torch.float64, **options).eval()


@every_cell
def test_a_plain_tensor_has_gaps_of_one(make):
    cell, x = build(make), draw(2, 5, 3)
    y, _ = cell.sequence(x)
    for gap in (torch.ones(2, 5), torch.ones(2, 5, 1)):
        timed, _ = cell.sequence(Timed(x, gap.double()))
        assert torch.equal(timed, y)


@every_cell
def test_gaps_matter(make):
    cell, x = build(make), draw(2, 5, 3)
    gap = torch.ones(2, 5).double()
    y, _ = cell.sequence(Timed(x, gap))
    later, _ = cell.sequence(Timed(x, torch.cat([gap[:, :3], gap[:, 3:] * 30], 1)))
    assert torch.equal(later[:, :3], y[:, :3])
    assert not torch.allclose(later[:, 3:], y[:, 3:], atol=1e-3)


@every_cell
@pytest.mark.parametrize("shape", [(5, 2), (2, 5, 3), (2,), (1, 5), (2, 1), (2, 4)])
def test_gaps_of_another_shape_are_refused(make, shape):
    name = make.__name__
    with pytest.raises(ShapeError) as caught:
        build(make).sequence(Timed(draw(2, 5, 3), draw(*shape)))
    assert str(caught.value) == f"{name}: x.gap has shape {shape}, (2, 5) or (2, 5, 1) fits"


def test_fields_are_checked_one_by_one():
    cell, x, gap = build(GRUD), draw(2, 5, 3), torch.ones(2, 5).double()
    seen = torch.ones(2, 5, 3, dtype=torch.bool)
    for given, message in (
        (Observed(draw(2, 5, 4), seen, gap), "x.value has 4 features, the cell takes 3"),
        (Observed(x, seen[..., 0], gap), "x.seen has shape (2, 5), x.value (2, 5, 3)"),
        (Observed(x, seen.double(), gap), "x.seen is float64, bool fits"),
        (Observed(x, seen, gap.float()), "x.gap is float32, the cell takes float64"),
        (Timed(x.float(), gap), "x.value is float32, the cell takes float64"),
    ):
        with pytest.raises(ShapeError) as caught:
            cell.sequence(given)
        assert str(caught.value) == f"GRUD: {message}"
    with pytest.raises(ShapeError) as caught:
        build(CfC).sequence(Observed(x, seen, gap))
    assert str(caught.value) == "CfC: x is a Observed, the cell takes a tensor (B, T, F) or a Timed"


@every_cell
def test_gradients_are_the_derivatives(make):
    cell, gap = build(make, 2, 3), torch.rand(2, 3, dtype=torch.float64) + 0.1
    value = draw(2, 3, 2).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda value, gap: cell.sequence(Timed(value, gap))[0], (value, gap.requires_grad_())
    )


@every_image
def test_gradients_of_images_are_the_derivatives(make):
    cell, x = build(make, 2, 2, size=(3, 2)), draw(1, 2, 2, 3, 2).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: cell.sequence(x)[0], (x,))


@pytest.mark.parametrize(("training", "leak"), [(True, 1e-3), (False, 0.0)])
def test_the_time_gate_by_hand(training, leak):
    cell = build(PhasedLSTM, 1, 3, open_ratio=0.5).train(training)
    with torch.no_grad():
        cell.log_period.copy_(torch.tensor([math.log(8.0)] * 3))
        cell.shift.copy_(torch.tensor([0.0, 7.0, 2.0]))
    # At time 1 the phases are 1/8, 1/4 and 7/8: half open, open, closed.
    k = torch.tensor([0.5, 1.0, leak * 7 / 8], dtype=torch.float64)
    y, state = cell.sequence(torch.ones(1, 1, 1, dtype=torch.float64))
    lstm = nn.LSTM(1, 3, batch_first=True).double()
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        getattr(lstm, name + "_l0").data.copy_(getattr(cell, name))
    h, (_, c) = lstm(torch.ones(1, 1, 1, dtype=torch.float64))
    torch.testing.assert_close(y, k * h)
    torch.testing.assert_close(state.c, k * c[0])


def test_values_fade_to_the_mean():
    cell = build(GRUD, 1, 2, mean=torch.tensor([5.0]))
    with torch.no_grad():
        cell.value_decay.fill_(0.5)
    seen = torch.tensor([[[True], [False], [False]]])
    value = torch.tensor([[[2.0], [math.nan], [math.nan]]], dtype=torch.float64)
    gap = torch.tensor([[1.0, 2.0, 3.0]], dtype=torch.float64)
    y, state = cell.sequence(Observed(value, seen, gap))
    # The same, told what it will have made of them, where nothing more can fade.
    fade = torch.exp(-0.5 * torch.tensor([0.0, 2.0, 5.0], dtype=torch.float64))
    h = torch.zeros(1, 2, dtype=torch.float64)
    for k, waited in enumerate((1.0, 2.0, 5.0)):
        known = fade[k] * 2.0 + (1 - fade[k]) * 5.0
        h = h * torch.exp(-torch.relu(cell.memory_decay[:, 0] * waited))
        there = cell.weight_mh[:, 0] * float(k == 0) + cell.bias
        u = cell.weight_ih[:, 0] * known + there
        r, z = torch.sigmoid(u[:4] + h[0] @ cell.weight_hh[:4].T).chunk(2)
        n = torch.tanh(u[4:] + (r * h[0]) @ cell.weight_hh[4:].T)
        h = (1 - z) * h + z * n
        torch.testing.assert_close(y[:, k], h)
    assert state.last.item() == 2.0
    assert state.since.item() == 5.0


def test_solvers_meet_the_flow():
    cell = build(ODERNN, 1, 3, solver="rk4", substeps=64)
    rough = build(ODERNN, 1, 3, solver="euler", substeps=4096)
    h = draw(2, 3)
    x = Timed(draw(2, 1), torch.tensor([0.7, 3.0], dtype=torch.float64))
    state = cell.initial_state(2)._replace(h=h)
    torch.testing.assert_close(cell.step(x, state)[0], rough.step(x, state)[0], atol=1e-4, rtol=0)


@pytest.mark.parametrize("make", [LTC, ODERNN])
def test_no_time_at_all_keeps_the_flow_where_it_is(make):
    cell, h = build(make), draw(2, 4)
    state = cell.initial_state(2)._replace(h=h)
    x = Timed(draw(2, 3), torch.zeros(2, dtype=torch.float64))
    y, _ = cell.step(x, state)
    if make is LTC:
        torch.testing.assert_close(y, h)
    else:
        gru = nn.GRUCell(3, 4).double()
        gru.load_state_dict({k: v for k, v in cell.state_dict().items() if "." not in k})
        torch.testing.assert_close(y, gru(x.value, h))


@pytest.mark.parametrize("size", [1, 2, 50])
def test_a_reservoir_is_sparse_seeded_and_of_its_radius(size):
    cell = EchoState(3, size, spectral_radius=0.7, seed=4, dtype=torch.float64)
    radius = torch.linalg.eigvals(cell.weight_hh).abs().max().item()
    assert radius == pytest.approx(0.7, rel=1e-9)
    assert (cell.weight_hh != 0).sum(1).tolist() == [max(1, round(0.1 * size))] * size
    assert not list(cell.parameters())
    state = torch.random.get_rng_state()
    again = EchoState(3, size, spectral_radius=0.7, seed=4)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(again.weight_hh, cell.weight_hh.float())
    assert not torch.equal(EchoState(3, size, seed=5).weight_ih, again.weight_ih)


@every_image
@pytest.mark.parametrize(("size", "kernel"), [((4, 4), 3), ((3, 7), 5), ((1, 2), 1), ((2, 1), 7)])
def test_images_by_torchs_convolution(make, size, kernel):
    cell, x = build(make, 2, 3, size=size, kernel=kernel), draw(2, 4, 2, *size)
    y, _ = cell.sequence(x)
    assert y.shape == (2, 4, 3, *size)
    h = c = torch.zeros(2, 3, *size, dtype=torch.float64)
    pad = kernel // 2
    for t in range(4):
        u = F.conv2d(x[:, t], cell.weight_ih, cell.bias, padding=pad)
        if make is ConvLSTM:
            i, f, g, o = (u + F.conv2d(h, cell.weight_hh, padding=pad)).chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        else:
            both = torch.sigmoid(u[:, :6] + F.conv2d(h, cell.weight_hh[:6], padding=pad))
            r, z = both.chunk(2, 1)
            n = torch.tanh(u[:, 6:] + F.conv2d(r * h, cell.weight_hh[6:], padding=pad))
            h = (1 - z) * h + z * n
        torch.testing.assert_close(y[:, t], h)


@every_image
def test_images_through_layers_and_streams(make):
    x = draw(2, 5, 3, 4, 4)
    both = Bidirectional(build(make), build(make))
    stack = Stack([both, build(make, 8, 2)], dropout=0.5).double()
    y, _ = stack.train().sequence(x, lengths=torch.tensor([5, 2]))
    assert y.shape == (2, 5, 2, 4, 4)
    assert not y[1, 2:].any()
    ahead, _ = build(make).sequence(x)
    assert torch.equal(both.sequence(x)[0][:, :, :4], ahead)
    stream = Stream(build(make).requires_grad_(False), 2)
    pushed = torch.stack([stream.push(x[:, t]) for t in range(5)], 1)
    assert torch.equal(pushed, ahead.detach())


WRONG = {
    "CfC: mode is 'fast', one of default, no_gate, pure fits": (CfC, {"mode": "fast"}),
    "CfC: backbone_layers is -1, it must be at least 0": (CfC, {"backbone_layers": -1}),
    "GRUD: mean has shape (2,), (3,) fits": (GRUD, {"mean": torch.zeros(2)}),
    "LTC: unfolds is 0, it must be at least 1": (LTC, {"unfolds": 0}),
    "ODERNN: solver is 'heun', one of euler, rk4 fits": (ODERNN, {"solver": "heun"}),
    "PhasedLSTM: open_ratio is 0.0, it must lie in (0, 1]": (PhasedLSTM, {"open_ratio": 0.0}),
    "PhasedLSTM: periods are (2.0, 1.0), 0 < shortest <= longest fits": (
        PhasedLSTM,
        {"periods": (2.0, 1.0)},
    ),
    "EchoState: leak is 0.0, it must lie in (0, 1]": (EchoState, {"leak": 0.0}),
    "ConvLSTM: kernel is 4, an odd number fits": (ConvLSTM, {"kernel": 4}),
    "ConvGRU: height is 0, it must be at least 1": (ConvGRU, {"size": (0, 3)}),
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_options_are_refused(message):
    make, options = WRONG[message]
    with pytest.raises(OptionError) as caught:
        make(3, 4, **options)
    assert str(caught.value) == message

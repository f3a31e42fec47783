"""A weight that stays orthogonal: the map, its first values, and the cells that have it."""

import copy
import math

import pytest
import torch
from tests.engine.truth import assert_same

from recurra.cells import CELLS, LSTM, SLSTM, Elman, IndRNN, orthogonal, vendor
from recurra.engine import explain, leaves, loop
from recurra.errors import OptionError
from recurra.layers import Recurrent, Stream

MAKES = {
    "elman": lambda **o: Elman(3, 7, nonlinearity="modrelu", **o),
    "gru": lambda **o: CELLS["gru"](3, 5, **o),
    "lstm": lambda **o: LSTM(3, 4, **o),
    "highway": lambda **o: CELLS["highway"](3, 5, **o),
    "slstm": lambda **o: SLSTM(3, 6, heads=2, **o),
}
every_cell = pytest.mark.parametrize("name", MAKES)
every_form = pytest.mark.parametrize("form", ["exp", "cayley"])


def made(name, form="exp", init="henaff", dtype=torch.float64):
    torch.manual_seed(1)
    cell = MAKES[name](dtype=dtype)
    orthogonal(cell, form=form, init=init)
    return cell


def away(weight):
    blocks = weight.detach().reshape(-1, weight.shape[-1], weight.shape[-1])
    one = torch.eye(weight.shape[-1], dtype=weight.dtype)
    return (blocks @ blocks.mT - one).abs().max().item()


def results(y, last, inputs):
    parts = [y, *leaves(last)]
    value = sum((part * torch.linspace(-1, 2, part.numel()).view_as(part)).sum() for part in parts)
    return [*parts, *torch.autograd.grad(value, inputs)]


@pytest.mark.parametrize("init", ["henaff", "cayley"])
@every_form
@every_cell
def test_every_block_is_orthogonal_after_training(name, form, init):
    cell = made(name, form, init, torch.float32)
    assert away(cell.weight_hh) < 1e-6
    first = cell.weight_hh.detach().clone()
    optimizer = torch.optim.Adam(cell.parameters(), 0.05)
    x, target = torch.randn(4, 10, 3), torch.randn(4, 10, cell.output_size)
    losses = []
    for _ in range(15):
        loss = (cell.sequence(x)[0] - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert (cell.weight_hh - first).abs().max() > 0.05
    assert away(cell.weight_hh) < 1e-6


@pytest.mark.parametrize("H", [1, 2, 37, 128])
@every_form
def test_any_width(H, form):
    cell = Elman(2, H)
    orthogonal(cell, form=form)
    cell.parametrizations.weight_hh.original.data.normal_()
    assert away(cell.weight_hh) < (1e-6 if form == "exp" else 5e-6)


@every_form
@every_cell
def test_it_trains_natively_and_gives_what_the_loop_gives(name, form):
    cell = made(name, form)
    head = explain(cell).splitlines()
    assert "native" in head[1]
    assert "native" in head[2]
    x = torch.randn(3, 6, 3, dtype=torch.float64, requires_grad=True)
    inputs = [x, *cell.parameters()]
    got = results(*cell.sequence(x), inputs)
    assert_same(got, results(*loop(cell.step, x, cell.initial_state(3)), inputs), 1e-10)


@every_form
@every_cell
def test_streams_and_copies_give_the_same_bits(name, form):
    cell = made(name, form)
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    other = copy.deepcopy(cell).requires_grad_(False)
    y, _ = cell.sequence(x)
    assert torch.equal(other.sequence(x)[0], y)
    assert torch.equal(Stream(other, 2, example=x[:, 0]).push(x), y)
    with torch.no_grad():
        cell.parametrizations.weight_hh.original += 0.1
    assert torch.equal(other.sequence(x)[0], y)  # a copy has numbers of its own
    assert not torch.equal(cell.sequence(x)[0], y)


def test_weights_are_saved_and_loaded():
    cell, other = made("lstm"), made("lstm")
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.add_(0.3)
    other.load_state_dict(cell.state_dict())
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    assert torch.equal(Recurrent(other)(x)[0], Recurrent(cell)(x)[0])


@every_form
def test_gradients_are_the_derivatives(form):
    cell = made("elman", form)
    free = cell.parametrizations.weight_hh.original
    x = torch.randn(2, 3, 3, dtype=torch.float64)

    def outputs(free):
        weights = {"cell.parametrizations.weight_hh.original": free}
        return torch.func.functional_call(Recurrent(cell), weights, (x,))[0]

    assert torch.autograd.gradcheck(outputs, (free,))


def test_henaff_turns_planes_by_any_angle():
    torch.manual_seed(0)
    cell = Elman(2, 2001, dtype=torch.float64)
    orthogonal(cell, init="henaff")
    angles = cell.parametrizations.weight_hh.original.detach().diagonal(1)[::2]
    assert -math.pi <= angles.min() < -3
    assert 3 < angles.max() <= math.pi
    assert abs(angles.mean().item()) < 0.2
    small = Elman(2, 5, dtype=torch.float64)
    orthogonal(small)
    angle = small.parametrizations.weight_hh.original.detach().diagonal(1)
    assert not angle[1::2].any()
    W = small.weight_hh.detach()
    for k in (0, 2):
        s, c = torch.sin(angle[k]), torch.cos(angle[k])
        torch.testing.assert_close(W[k : k + 2, k : k + 2], torch.stack([c, s, -s, c]).view(2, 2))
    assert abs(W[4, 4] - 1) < 1e-12


def test_cayleys_planes_turn_by_a_right_angle_at_most():
    torch.manual_seed(0)
    cell = Elman(2, 200, dtype=torch.float64)
    orthogonal(cell, form="cayley", init="cayley")
    cosine = cell.weight_hh.detach().diagonal()
    angle = torch.acos(cosine.clamp(-1, 1))
    assert angle.max() <= math.pi / 2 + 1e-12
    assert abs(angle.mean().item() - math.pi / 4) < 0.1


def test_torchs_layers_do_not_stand_in_for_it():
    """A GPU's classic layers read stored weights, and know no modReLU."""
    assert vendor.serves(Elman(3, 4), "cuda", 2, 5)
    assert not vendor.serves(Elman(3, 4, nonlinearity="modrelu"), "cuda", 2, 5)
    assert not vendor.serves(made("lstm"), "cuda", 2, 5)


REFUSED = {
    "orthogonal: form is 'qr', one of exp, cayley fits": lambda: orthogonal(Elman(3, 4), form="qr"),
    "orthogonal: init is 'eye', one of henaff, cayley fits": lambda: orthogonal(
        Elman(3, 4), init="eye"
    ),
    "orthogonal: Elman has no weight 'w', one of weight_ih, weight_hh, bias_ih, bias_hh fits": (
        lambda: orthogonal(Elman(3, 4), "w")
    ),
    "orthogonal: LSTM.weight_hh is (16, 3), blocks (D, D) below another fit": lambda: orthogonal(
        LSTM(3, 4, proj_size=3)
    ),
    "orthogonal: IndRNN.weight_hh is (4,), blocks (D, D) below another fit": lambda: orthogonal(
        IndRNN(3, 4)
    ),
    "orthogonal: ParametrizedElman.weight_hh is parametrised already": lambda: orthogonal(
        made("elman")
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_does_not_fit_is_refused_in_one_line(message):
    with pytest.raises(OptionError) as caught:
        REFUSED[message]()
    assert str(caught.value) == message

"""A diagnosis sees inside torch.nn's recurrent modules, and ours, and gives what they give."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

import recurra.nn
from recurra.train import diagnose

KINDS = {
    "torch RNN": nn.RNN,
    "torch LSTM": nn.LSTM,
    "torch GRU": nn.GRU,
    "RNN": recurra.nn.RNN,
    "LSTM": recurra.nn.LSTM,
    "GRU": recurra.nn.GRU,
}
WAYS = ("forward", "backward")
CELLS = {"RNN": "Elman", "LSTM": "LSTM", "GRU": "GRU"}


def summed(given):
    """Numbers that every part of what a module gave has a say in."""
    output, state = given
    if isinstance(output, PackedSequence):
        output = pad_packed_sequence(output)[0]
    parts = [output, *(state if isinstance(state, tuple) else (state,))]
    return sum((k + 1) * (part * part.cumsum(-1)).mean() for k, part in enumerate(parts))


def look(module, run):
    """A diagnosis whose loss and gradient are the module's own."""
    torch.manual_seed(7)
    loss = summed(run())
    gradients = torch.autograd.grad(loss, list(module.parameters()))
    torch.manual_seed(7)
    found = diagnose(module, 0, lambda _: summed(run()))
    assert "forward" not in vars(module)
    assert found.loss == pytest.approx(loss.item(), rel=1e-5)
    for weight, gradient in zip(found.weights, gradients, strict=True):
        assert weight.gradient == pytest.approx(gradient.norm().item(), rel=1e-4, abs=1e-7)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_layers_in_both_directions_with_dropout(kind):
    torch.manual_seed(0)
    module = KINDS[kind](3, 4, 2, bidirectional=True, dropout=0.3)
    x = torch.randn(9, 2, 3)
    found = look(module, lambda: module(x))
    named = [f"{type(module).__name__}, layer {k}, {way}" for k in (0, 1) for way in WAYS]
    assert [layer.name for layer in found.layers] == named
    assert {layer.kind for layer in found.layers} == {CELLS[kind.split()[-1]]}
    assert [(layer.rows, layer.steps) for layer in found.layers] == [(2, 9)] * 4


@pytest.mark.parametrize("kind", ["torch LSTM", "GRU"])
@pytest.mark.parametrize("sorted_", [True, False], ids=["sorted", "unsorted"])
def test_packed_rows_with_a_first_state(kind, sorted_):
    torch.manual_seed(0)
    module = KINDS[kind](3, 4, bidirectional=True)
    lengths = [7, 4, 4] if sorted_ else [4, 7, 2]
    x = torch.randn(7, 3, 3)
    h = torch.randn(2, 3, 4)
    first = (h, torch.randn(2, 3, 4)) if isinstance(module, nn.LSTM) else h

    def run():
        packed = pack_padded_sequence(x, lengths, enforce_sorted=sorted_)
        return module(packed, first)

    assert len(look(module, run).layers) == 2


@pytest.mark.parametrize("options", [{"proj_size": 2}, {"batch_first": True}, {"bias": False}])
def test_options(options):
    torch.manual_seed(0)
    module, x = recurra.nn.LSTM(3, 4, **options), torch.randn(2, 6, 3)
    (layer,) = look(module, lambda: module(x)).layers
    assert layer.steps == (6 if options.get("batch_first") else 2)


@pytest.mark.parametrize("kind", ["torch LSTM", "torch GRU"])
def test_a_sequence_without_a_batch(kind):
    torch.manual_seed(0)
    module, x = KINDS[kind](3, 4), torch.randn(6, 3)
    h = torch.randn(1, 4)
    first = (h, h) if isinstance(module, nn.LSTM) else h
    (layer,) = look(module, lambda: module(x, first)).layers
    assert (layer.rows, layer.steps) == (1, 6)


def test_whoever_changed_the_forward_is_left_alone():
    class Own(nn.GRU):
        def forward(self, x):
            return super().forward(2 * x)

    model = nn.ModuleDict({"own": Own(2, 3), "gru": nn.GRU(3, 3)})
    found = diagnose(
        model, torch.randn(5, 2, 2), lambda x: model["gru"](model["own"](x)[0])[0].square().mean()
    )
    assert [layer.name for layer in found.layers] == ["gru"]

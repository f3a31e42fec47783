"""Refusals; that what is loaded computes the same stands in tests/parity."""

import pytest
import torch
from torch import nn

from recurra.cells import GRU, LSTM, Elman
from recurra.errors import ShapeError, UnsupportedError
from recurra.layers import Bidirectional, Stack, load_torch


def both(make, F, H):
    return Bidirectional(make(F, H), make(F, H))


def test_every_kind_of_layer_loads():
    pairs = [
        (LSTM(3, 5), nn.LSTM(3, 5)),
        (LSTM(3, 5, proj_size=2), nn.LSTM(3, 5, proj_size=2)),
        (Stack([GRU(3, 5), GRU(5, 5)]), nn.GRU(3, 5, 2)),
        (both(Elman, 3, 5), nn.RNN(3, 5, bidirectional=True)),
        (Stack([both(GRU, 3, 5), both(GRU, 10, 5)]), nn.GRU(3, 5, 2, bidirectional=True)),
    ]
    for layer, module in pairs:
        load_torch(layer, module.state_dict())
        ours, theirs = list(layer.parameters()), list(module.parameters())
        assert len(ours) == len(theirs)
        assert all(map(torch.equal, ours, theirs))


REFUSED = {
    "too shallow": (
        lambda: (GRU(3, 5), nn.GRU(3, 5, 2)),
        "load_torch: bias_hh_l1, bias_ih_l1, weight_hh_l1, weight_ih_l1 came, the layer has no",
    ),
    "too deep": (
        lambda: (Stack([GRU(3, 5), GRU(5, 5)]), nn.GRU(3, 5)),
        "load_torch: bias_hh_l1, bias_ih_l1, weight_hh_l1, weight_ih_l1 missing, the layer takes",
    ),
    "one direction": (
        lambda: (both(GRU, 3, 5), nn.GRU(3, 5)),
        "load_torch: bias_hh_l0_reverse, bias_ih_l0_reverse, weight_hh_l0_reverse, weight_ih_l0_r",
    ),
    "no bias here": (
        lambda: (GRU(3, 5, bias=False), nn.GRU(3, 5)),
        "load_torch: bias_hh_l0, bias_ih_l0 came, the layer has no such weight",
    ),
    "no bias there": (
        lambda: (GRU(3, 5), nn.GRU(3, 5, bias=False)),
        "load_torch: bias_hh_l0, bias_ih_l0 missing, the layer takes it",
    ),
    "no projection here": (
        lambda: (LSTM(3, 5), nn.LSTM(3, 5, proj_size=2)),
        "load_torch: weight_hr_l0 came, the layer has no such weight",
    ),
    "no projection there": (
        lambda: (LSTM(3, 5, proj_size=2), nn.LSTM(3, 5)),
        "load_torch: weight_hr_l0 missing, the layer takes it",
    ),
    "another cell": (
        lambda: (GRU(3, 5), nn.LSTM(3, 5)),
        "load_torch: weight_ih_l0 has shape (20, 3), the layer takes (15, 3)",
    ),
    "another width": (
        lambda: (GRU(3, 5), nn.GRU(2, 5)),
        "load_torch: weight_ih_l0 has shape (15, 2), the layer takes (15, 3)",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_and_nothing_copied(case):
    make, message = REFUSED[case]
    layer, module = make()
    before = [p.clone() for p in layer.parameters()]
    with pytest.raises(ShapeError) as caught:
        load_torch(layer, module.state_dict())
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert all(map(torch.equal, before, layer.parameters()))


def test_a_stack_in_a_stack_is_refused():
    stack = Stack([GRU(3, 5), Stack([GRU(5, 5)])])
    with pytest.raises(UnsupportedError, match=r"^load_torch: layer 1 is a Stack itself"):
        load_torch(stack, nn.GRU(3, 5, 2).state_dict())

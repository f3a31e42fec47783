"""The classic cells against torch.nn, weights loaded by name."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from recurra.cells import GRU, LSTM, Elman
from recurra.engine import tree_map
from recurra.layers import Bidirectional, Recurrent, Stack, load_torch

PAIRS = {
    "elman": (Elman, nn.RNN, {}),
    "elman relu": (Elman, nn.RNN, {"nonlinearity": "relu"}),
    "gru": (GRU, nn.GRU, {}),
    "lstm": (LSTM, nn.LSTM, {}),
    "lstm projection": (LSTM, nn.LSTM, {"proj_size": 2}),
}
# torch tells that its fast road has no projection.
unwarned = pytest.mark.filterwarnings("ignore:LSTM with projections")


def pair(name, F, H, dtype, *, layers=1, both=False, bias=True):
    """Our layer and torch's module, with the same weights."""
    make, peer, options = PAIRS[name]
    torch.manual_seed(F * 100 + H)
    theirs = peer(
        F, H, layers, bias=bias, batch_first=True, bidirectional=both, dtype=dtype, **options
    )

    def floor(k):
        width = F if k == 0 else options.get("proj_size", H) * (1 + both)
        cells = [make(width, H, bias=bias, dtype=dtype, **options) for _ in range(1 + both)]
        return Bidirectional(*cells) if both else cells[0]

    ours = Stack([floor(k) for k in range(layers)])
    load_torch(ours, theirs.state_dict())
    return ours, theirs


def flat(state):
    """torch's (layers x directions, B, H) from our nested state, one tensor for each of h and c."""
    cells = []
    for floor in state:
        cells.extend(floor if not torch.is_tensor(floor[0]) else [floor])
    stacked = tuple(torch.stack(parts) for parts in zip(*cells, strict=True))
    return stacked if len(stacked) > 1 else stacked[0]


def random_state(ours, B):
    def fill(part):
        if torch.is_tensor(part):
            return torch.rand_like(part).sub(0.5).requires_grad_()
        values = [fill(p) for p in part]
        return type(part)(*values) if hasattr(part, "_fields") else tuple(values)

    return fill(ours.initial_state(B))


def gradients(y, last, inputs):
    """Gradients of a scalar that weighs every output and every part of the last state."""
    last = last if isinstance(last, tuple) else (last,)
    value = sum((part * torch.linspace(-1, 1, part.numel()).view_as(part)).sum() for part in last)
    value = value + (y * torch.linspace(-1, 2, y.numel()).view_as(y)).sum()
    return torch.autograd.grad(value, inputs)


def compare(ours, theirs, x, state, lengths=None):
    """Outputs, states and gradients are the same, to 1e-12 in float64.

    float32 rounds on both sides: ours is within 1e-6 of the numbers of float64, or no further from
    them than twice what theirs is.
    """
    mine, peer = both(ours, theirs, x, state, lengths)
    allowed = [1e-12 * max(1.0, part.abs().max().item()) for part in peer]
    truth = peer
    if x.dtype == torch.float32:
        given = iter(part.detach().double().requires_grad_() for part in (x, *_tensors(state)))
        x64, state64 = next(given), tree_map(lambda part: next(given), state)
        _, truth = both(ours.double(), theirs.double(), x64, state64, lengths)
        scale = [max(1.0, part.abs().max().item()) for part in truth]
        error = [(a - b).abs().max().item() for a, b in zip(peer, truth, strict=True)]
        allowed = [max(1e-6 * s, 2 * e) for s, e in zip(scale, error, strict=True)]
    for got, want, limit in zip(mine, truth, allowed, strict=True):
        assert got.shape == want.shape
        assert (got - want).abs().max() <= limit


def both(ours, theirs, x, state, lengths=None):
    """Outputs, states and gradients wrt x, the first state and every weight, of each."""
    names = dict(theirs.named_parameters())
    mine = {}
    for k, floor in enumerate(ours.layers):
        both = isinstance(floor, Bidirectional)
        cells = [floor.forward_cell, floor.backward_cell] if both else [floor]
        for cell, suffix in zip(cells, ("", "_reverse"), strict=False):
            mine.update({f"{n}_l{k}{suffix}": p for n, p in cell.named_parameters()})
    assert mine.keys() == names.keys()
    starts = flat(state)
    y, last = Recurrent(ours)(x, state, lengths=lengths)
    last = flat(last)
    packed = x
    if lengths is not None:
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    y_peer, last_peer = theirs(packed, starts)
    if lengths is not None:
        y_packed, _ = Recurrent(ours)(packed, state)
        repacked = pack_padded_sequence(y, lengths, batch_first=True, enforce_sorted=False)
        assert torch.equal(y_packed.data, repacked.data)
        y_peer, _ = nn.utils.rnn.pad_packed_sequence(
            y_peer, batch_first=True, total_length=x.shape[1]
        )

    leaves = [part for floor in state for part in _tensors(floor)]
    got = gradients(y, last, [x, *leaves, *(mine[n] for n in names)])
    want = gradients(y_peer, last_peer, [x, *leaves, *names.values()])
    return [y, *_tensors(last), *got], [y_peer, *_tensors(last_peer), *want]


def _tensors(part):
    return [part] if torch.is_tensor(part) else [leaf for p in part for leaf in _tensors(p)]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize(("F", "H"), [(1, 1), (3, 5), (4, 7)])
@pytest.mark.parametrize("name", PAIRS)
@unwarned
def test_a_cell_is_torchs(name, F, H, dtype):
    H = max(H, 1 + PAIRS[name][2].get("proj_size", 0))
    ours, theirs = pair(name, F, H, dtype)
    x = torch.randn(3, 5, F, dtype=dtype, requires_grad=True)
    compare(ours, theirs, x, random_state(ours, 3))


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("name", PAIRS)
def test_a_network_is_torchs(name, layers, both, bias, ragged):
    ours, theirs = pair(name, 3, 5, torch.float64, layers=layers, both=both, bias=bias)
    x = torch.randn(4, 7, 3, dtype=torch.float64, requires_grad=True)
    lengths = torch.tensor([2, 7, 1, 5]) if ragged else None
    compare(ours, theirs, x, random_state(ours, 4), lengths)


@pytest.mark.parametrize("name", PAIRS)
@unwarned
def test_float32_networks_are_torchs(name):
    ours, theirs = pair(name, 3, 5, torch.float32, layers=2, both=True)
    x = torch.randn(4, 7, 3, requires_grad=True)
    compare(ours, theirs, x, random_state(ours, 4), torch.tensor([6, 1, 3, 5]))


@pytest.mark.parametrize("name", PAIRS)
def test_a_seed_draws_torchs_weights(name):
    make, peer, options = PAIRS[name]
    torch.manual_seed(3)
    ours = make(3, 5, **options)
    torch.manual_seed(3)
    theirs = peer(3, 5, **options)
    for parameter, expected in theirs.named_parameters():
        assert torch.equal(ours.get_parameter(parameter.removesuffix("_l0")), expected)

"""The parts of a block, each against its equation."""

import pytest
import torch
from torch.nn import functional as F

from recurra.cells import GRU
from recurra.engine import leaves
from recurra.layers import Block, GatedNorm, PreNorm, Residual, ShortConvolution


def rms(u, size):
    parts = u.unflatten(-1, (-1, size))
    return (parts / (parts.square().mean(-1, keepdim=True) + 1e-6).sqrt()).flatten(-2)


@pytest.mark.parametrize("form", ["auto", "step", "parallel"])
@pytest.mark.parametrize("activation", [None, "silu"])
@pytest.mark.parametrize("width", [2, 3, 4])
@pytest.mark.parametrize("T", [1, 2, 3, 4, 9])
def test_a_short_convolution_is_one_of_torch(T, width, activation, form):
    torch.manual_seed(0)
    cell, x = ShortConvolution(5, width, activation=activation).double(), torch.randn(2, T, 5)
    cell.form = form
    x = x.double()
    y, last = cell.sequence(x)
    padded = F.pad(x.transpose(1, 2), (width - 1, 0))
    want = F.conv1d(padded, cell.weight[:, None], cell.bias, groups=5).transpose(1, 2)
    torch.testing.assert_close(y, F.silu(want) if activation else want)
    assert torch.equal(last.tail, padded.transpose(1, 2)[:, T:])


@pytest.mark.parametrize("form", ["auto", "step", "parallel"])
def test_the_tail_of_a_short_convolution_under_lengths_and_resets(form):
    cell, x = ShortConvolution(3, 4).double(), torch.randn(3, 5, 3).double()
    cell.form = form
    reset = torch.zeros(3, 5, dtype=torch.bool)
    reset[1, 3] = True
    y, last = cell.sequence(x, lengths=torch.tensor([2, 5, 0]), reset=reset)
    zero = torch.zeros(3).double()
    assert torch.equal(last.tail[0], torch.stack([zero, x[0, 0], x[0, 1]]))
    assert torch.equal(last.tail[1], torch.stack([zero, x[1, 3], x[1, 4]]))
    assert not last.tail[2].any()
    assert not y[0, 2:].any()


def test_weights_of_a_short_convolution_begin_as_torchs():
    torch.manual_seed(0)
    cell = ShortConvolution(4000, 4)
    for each in cell.parameters():
        assert each.abs().max() <= 0.5
        assert each.std().item() == pytest.approx(0.5 / 3**0.5, rel=0.05)
    assert ShortConvolution(3, bias=False).bias is None


def test_a_gated_norm_is_its_equation():
    torch.manual_seed(0)
    cell = GatedNorm(GRU(3, 6), heads=2).double()
    with torch.no_grad():
        cell.norm.weight.uniform_(0.5, 2)
    x, state = torch.randn(2, 3).double(), cell.initial_state(2)
    inner, _ = cell.cell.step(x, state)
    y, _ = cell.step(x, state)
    want = rms(inner, 3) * cell.norm.weight * F.silu(x @ cell.gate.weight.T)
    torch.testing.assert_close(y, want)


@pytest.mark.parametrize("norm", ["layer", "rms"])
def test_a_norm_before_is_torchs(norm):
    cell, x = PreNorm(GRU(3, 4), norm).double(), torch.randn(2, 7, 3).double()
    with torch.no_grad():
        cell.norm.weight.uniform_(0.5, 2)
    normed = (
        F.layer_norm(x, (3,), cell.norm.weight, cell.norm.bias, 1e-6)
        if norm == "layer"
        else rms(x, 3) * cell.norm.weight
    )
    torch.testing.assert_close(cell.sequence(x)[0], cell.cell.sequence(normed)[0])


def test_a_residual_adds_what_came():
    cell, x = Residual(GRU(3, 3)).double(), torch.randn(2, 7, 3).double()
    torch.testing.assert_close(cell.sequence(x)[0], x + cell.cell.sequence(x)[0])


@pytest.mark.parametrize("mlp", ["swiglu", "gelu", None])
@pytest.mark.parametrize("width", [0, 3])
def test_a_block_is_its_equations(mlp, width):
    torch.manual_seed(0)
    cell, x = (
        Block(GRU(4, 6), width=width, heads=2, mlp=mlp).double(),
        torch.randn(2, 7, 4).double(),
    )
    with torch.no_grad():
        for each in cell.parameters():
            each.uniform_(-1, 1)
    u = rms(x, 4) * cell.norm.weight
    read = u
    if width:
        padded = F.pad(u.transpose(1, 2), (2, 0))
        own = cell.convolution
        read = F.silu(F.conv1d(padded, own.weight[:, None], own.bias, groups=4).transpose(1, 2))
    r, last = cell.cell.sequence(read)
    normed = rms(r, 3) * cell.head_norm.weight
    a = x + (normed * F.silu(u @ cell.gate.weight.T)) @ cell.out.weight.T
    if mlp:
        inner = (rms(a, 4) * cell.mlp_norm.weight) @ cell.mlp.inward.weight.T
        if mlp == "swiglu":
            assert inner.shape[-1] == 2 * (8 * 4 // 3)
            inner = F.silu(inner[..., :10]) * inner[..., 10:]
        else:
            inner = F.gelu(inner)
        a = a + inner @ cell.mlp.outward.weight.T
    y, state = cell.sequence(x)
    torch.testing.assert_close(y, a)
    torch.testing.assert_close(leaves(state.cell), leaves(last))

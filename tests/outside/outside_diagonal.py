"""Diagonal linear cells against other libraries: outputs, and gradients of x and parameters."""

import pytest
import torch
from minGRU_pytorch.minGRU import minGRU
from minGRU_pytorch.minLSTM import minLSTM
from transformers import MambaConfig, RecurrentGemmaConfig
from transformers.models.mamba.modeling_mamba import MambaMixer
from transformers.models.recurrent_gemma.modeling_recurrent_gemma import RecurrentGemmaRglru

from recurra.cells import RGLRU, Mamba, MinGRU, MinLSTM

every_form = pytest.mark.parametrize("form", ["step", "auto", "parallel"])
F64 = torch.float64


def close(got, want, tolerance):
    scale = max(1.0, want.abs().max().item())
    assert (got - want).abs().max().item() <= tolerance * scale


def hold(ours, y_ours, theirs, y_theirs, pairs, x, tolerance):
    """Outputs and gradients; `pairs` are (ours, theirs) of parameters of one shape."""
    close(y_ours, y_theirs, tolerance)
    weight = torch.linspace(-1, 2, y_ours.numel(), dtype=y_ours.dtype).view_as(y_ours)
    mine = torch.autograd.grad((y_ours * weight).sum(), [x, *(a for a, _ in pairs)])
    other = torch.autograd.grad((y_theirs * weight).sum(), [x, *(b for _, b in pairs)])
    for one, two in zip(mine, other, strict=True):
        close(one, two, tolerance)


@every_form
def test_mingru(form):
    torch.manual_seed(0)
    theirs = minGRU(7).to(F64)
    ours = MinGRU(7, 7, positive=True, dtype=F64)
    ours.form = form
    new, update = theirs.to_hidden_and_gate.weight.detach().chunk(2)
    with torch.no_grad():
        ours.project.weight.copy_(torch.cat([update, new]))
        ours.project.bias.zero_()
    x = torch.randn(3, 40, 7, dtype=F64, requires_grad=True)
    hold(ours, ours.sequence(x)[0], theirs, theirs(x), [], x, 1e-10)
    y, _ = ours.sequence(x)
    mine = torch.autograd.grad(y.square().sum(), ours.project.weight)[0]
    other = torch.autograd.grad(theirs(x).square().sum(), theirs.to_hidden_and_gate.weight)[0]
    close(torch.cat(mine.chunk(2)[::-1]), other, 1e-10)


@every_form
def test_minlstm_from_a_new_state(form):
    """Its parallel form maps a carried state through g once more, so only a new one is compared.

    Nor does its new state enter: the reference's is 0 where the sequence begins without one.
    """
    torch.manual_seed(0)
    theirs = minLSTM(7).to(F64)
    ours = MinLSTM(7, 7, positive=True, dtype=F64)
    ours.form = form
    new, forget, write = theirs.to_hidden_and_f_i_gate.weight.detach().chunk(3)
    with torch.no_grad():
        ours.project.weight.copy_(torch.cat([forget, write, new]))
        ours.project.bias.zero_()
    x = torch.randn(3, 40, 7, dtype=F64, requires_grad=True)
    hold(ours, ours.sequence(x)[0], theirs, theirs(x), [], x, 1e-10)
    y, _ = ours.sequence(x)
    mine = torch.autograd.grad(y.square().sum(), ours.project.weight)[0].chunk(3)
    other = torch.autograd.grad(theirs(x).square().sum(), theirs.to_hidden_and_f_i_gate.weight)[0]
    close(torch.cat([mine[2], mine[0], mine[1]]), other, 1e-10)


@every_form
def test_mamba(form):
    """Names and shapes agree; the reference computes A in float32."""
    torch.manual_seed(0)
    config = MambaConfig(
        hidden_size=10, state_size=5, num_hidden_layers=1, vocab_size=3, use_mambapy=False
    )
    theirs = MambaMixer(config, layer_idx=0).eval()
    with torch.no_grad():
        theirs.D.normal_()
        theirs.A_log.add_(0.3 * torch.randn_like(theirs.A_log))
    ours = Mamba(10, 10, state_size=5)
    ours.form = form
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 37, 10, requires_grad=True)
    names = dict(theirs.named_parameters())
    pairs = [(each, names[name]) for name, each in ours.named_parameters()]
    hold(ours, ours.sequence(x)[0], theirs, theirs(x), pairs, x, 1e-5)


@every_form
def test_rg_lru(form):
    """In float32, as the reference accumulates; its gates are blocks of (in, out) as ours."""
    torch.manual_seed(0)
    config = RecurrentGemmaConfig(
        hidden_size=12, lru_width=12, num_attention_heads=3, num_hidden_layers=1, vocab_size=3
    )
    theirs = RecurrentGemmaRglru(config)
    ours = RGLRU(12, 12, blocks=3)
    ours.form = form
    with torch.no_grad():
        for each in theirs.parameters():
            each.normal_(std=0.5)
        ours.project.weight.copy_(torch.eye(12))
        ours.project.bias.zero_()
        ours.weight_a.copy_(theirs.recurrent_gate_weight)
        ours.weight_u.copy_(theirs.input_gate_weight)
        ours.bias_a.copy_(theirs.recurrent_gate_bias.flatten())
        ours.bias_u.copy_(theirs.input_gate_bias.flatten())
        ours.Lambda.copy_(theirs.recurrent_param)
    x = torch.randn(2, 30, 12, requires_grad=True)
    places = torch.arange(30).expand(2, 30).clone()
    places[1, 11:] -= 11  # a second sequence begins, in a row of its own
    y, _ = ours.sequence(x, reset=places == 0)
    pairs = [
        (ours.weight_a, theirs.recurrent_gate_weight),
        (ours.weight_u, theirs.input_gate_weight),
        (ours.Lambda, theirs.recurrent_param),
    ]
    hold(ours, y, theirs, theirs(x, places), pairs, x, 1e-5)

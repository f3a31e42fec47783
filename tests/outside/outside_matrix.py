"""The cells with a matrix a head against the modules of transformers, which compute in float32."""

import pytest
import torch
from torch.nn import functional as F
from transformers import KimiLinearConfig, Mamba2Config, Qwen3NextConfig, xLSTMConfig
from transformers.models.kimi_linear import modeling_kimi_linear as kimi
from transformers.models.mamba2 import modeling_mamba2 as mamba
from transformers.models.qwen3_next import modeling_qwen3_next as qwen
from transformers.models.xlstm import modeling_xlstm as xlstm

from recurra.cells import KDA, MLSTM, GatedDeltaNet, Mamba2
from recurra.cells.matrix import MatrixInputs, chunked

H, N, K = 24, 2, 12


def random_weights(module):
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.3 * torch.randn_like(parameter))
    return module.eval()


def mamba2():
    config = Mamba2Config(
        hidden_size=H, num_heads=4, head_dim=12, state_size=6, n_groups=2, expand=2, chunk_size=16
    )
    theirs = random_weights(mamba.Mamba2Mixer(config, 0))
    ours = Mamba2(H, H, num_heads=4, state_size=6, num_groups=2)
    return (
        theirs,
        ours,
        {
            "project.weight": theirs.in_proj.weight,
            "conv_weight": theirs.conv1d.weight.squeeze(1),
            "conv_bias": theirs.conv1d.bias,
            "step_bias": theirs.dt_bias,
            "log_rate": theirs.A_log,
            "skip": theirs.D,
            "norm_weight": theirs.norm.weight,
            "output.weight": theirs.out_proj.weight,
        },
    )


def gated_deltanet():
    config = Qwen3NextConfig(
        hidden_size=H,
        linear_num_key_heads=N,
        linear_num_value_heads=N,
        linear_key_head_dim=K,
        linear_value_head_dim=2 * K,
        num_hidden_layers=1,
        layer_types=["linear_attention"],
    )
    theirs = random_weights(qwen.Qwen3NextGatedDeltaNet(config, 0))
    ours = GatedDeltaNet(H, H, num_heads=N)
    # Their rows stand head by head, each with its q, k, v and z.
    rows = theirs.in_proj_qkvz.weight.view(N, 6 * K, H)
    q, k, v, z = (part.reshape(-1, H) for part in rows.split([K, K, 2 * K, 2 * K], 1))
    beta, alpha = theirs.in_proj_ba.weight.view(N, 2, H).unbind(1)
    return (
        theirs,
        ours,
        {
            "project.weight": torch.cat([q, k, v]),
            "conv_weight": theirs.conv1d.weight.squeeze(1),
            "gate.weight": z,
            "rate.weight": beta,
            "decay.weight": alpha,
            "log_rate": theirs.A_log,
            "decay_bias": theirs.dt_bias,
            "norm_weight": theirs.norm.weight,
            "output.weight": theirs.out_proj.weight,
        },
    )


def kda():
    config = KimiLinearConfig(
        hidden_size=H,
        linear_num_heads=N,
        linear_head_dim=K,
        rms_norm_eps=1e-5,
        num_hidden_layers=1,
        layer_types=["linear_attention"],
    )
    theirs = random_weights(kimi.KimiLinearDeltaAttention(config, 0))
    gate = theirs.forget_gate
    return (
        theirs,
        KDA(H, H, num_heads=N),
        {
            "project.weight": torch.cat(
                [p.weight for p in (theirs.q_proj, theirs.k_proj, theirs.v_proj)]
            ),
            "conv_weight": theirs.conv1d.weight.squeeze(1),
            "rate.weight": theirs.b_proj.weight,
            "decay_down.weight": gate.f_a_proj.weight,
            "decay_up.weight": gate.f_b_proj.weight,
            "decay_bias": gate.dt_bias,
            "log_rate": gate.A_log.flatten(),
            "gate_down.weight": theirs.g_a_proj.weight,
            "gate_up.weight": theirs.g_b_proj.weight,
            "norm_weight": theirs.o_norm.weight,
            "output.weight": theirs.o_proj.weight,
        },
    )


class Layer(torch.nn.Module):
    """Their layer of xLSTM 7B, without the state it returns."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x)[0]


def mlstm():
    # What they add to the denominator after scaling is left out: with it their own forms differ.
    config = xLSTMConfig(
        hidden_size=H,
        num_heads=N,
        qk_dim_factor=1.0,
        v_dim_factor=1.0,
        num_hidden_layers=1,
        norm_eps=1e-5,
        eps=0.0,
        gate_soft_cap=15.0,
        chunkwise_kernel="chunkwise--native_autograd",
        sequence_kernel="native_sequence__native",
        step_kernel="native",
        mode="train",
        chunk_size=16,
    )
    layer = random_weights(xlstm.xLSTMLayer(config))
    return (
        Layer(layer),
        MLSTM(H, H, num_heads=N, soft_cap=15.0),
        {
            "project.weight": torch.cat([layer.q.weight, layer.k.weight, layer.v.weight]),
            "gate.weight": layer.ogate_preact.weight,
            "write.weight": layer.igate_preact.weight,
            "write.bias": layer.igate_preact.bias,
            "keep.weight": layer.fgate_preact.weight,
            "keep.bias": layer.fgate_preact.bias,
            "norm_weight": layer.multihead_norm.weight,
            "output.weight": layer.out_proj.weight,
        },
    )


REFERENCES = {"mamba2": mamba2, "gated_deltanet": gated_deltanet, "kda": kda, "mlstm": mlstm}


@pytest.mark.parametrize("form", ["step", "auto"])
@pytest.mark.parametrize("name", REFERENCES)
def test_whole_modules(name, form):
    theirs, ours, weights = REFERENCES[name]()
    assert set(weights) == {key for key, _ in ours.named_parameters()}
    ours.form = form
    x, pull = torch.randn(2, 48, H, requires_grad=True), torch.randn(2, 48, H)
    want = theirs(x)
    # Our weights are functions of theirs, so both have gradients with respect to theirs.
    call = {f"cell.{key}": weight for key, weight in weights.items()}
    got = torch.func.functional_call(Sequence(ours), call, (x,))
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)
    inputs = [x, *theirs.parameters()]
    wanted, found = (torch.autograd.grad(y, inputs, pull) for y in (want, got))
    for ours_, theirs_ in zip(found, wanted, strict=True):
        size = max(1.0, theirs_.abs().max().item())
        torch.testing.assert_close(ours_ / size, theirs_ / size, rtol=1e-5, atol=1e-5)


class Sequence(torch.nn.Module):
    """The outputs of a cell alone."""

    def __init__(self, cell):
        super().__init__()
        self.cell = cell

    def forward(self, x):
        return self.cell.sequence(x)[0]


@pytest.mark.parametrize("form", ["chunk", "recurrent"])
def test_the_gated_delta_rule_alone(form):
    theirs = {
        "chunk": qwen.torch_chunk_gated_delta_rule,
        "recurrent": qwen.torch_recurrent_gated_delta_rule,
    }[form]
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 100, N, K) for _ in "qkv")
    q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
    g, beta = -torch.rand(2, 100, N), torch.rand(2, 100, N)
    S = torch.randn(2, N, K, K)
    want, last = theirs(q, k, v, g=g, beta=beta, initial_state=S, output_final_state=True)
    write, decay = beta[..., None] * k, g.exp()
    inputs = MatrixInputs(decay, write, decay[..., None] * k, write, v, q * K**-0.5)
    got, state = chunked(inputs, S)
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(state, last, rtol=1e-5, atol=1e-5)

"""The cells with a matrix a head, each against its equations in loops over heads and steps."""

import math

import pytest
import torch
from torch.nn import functional as F

from recurra.cells import (
    CELLS,
    GLA,
    KDA,
    MLSTM,
    RWKV7,
    DeltaNet,
    GatedDeltaNet,
    LinearAttention,
    Mamba2,
    RetNet,
)
from recurra.cells.over import Step
from recurra.errors import OptionError

T, IN, H, N = 9, 3, 8, 2
OPTIONS = {
    "linear_attention": {},
    "retnet": {},
    "gla": {"signed": True},
    "mamba2": {"signed": True, "state_size": 3, "num_groups": 2},
    "mlstm": {"signed": True, "soft_cap": 2.0},
    "deltanet": {"signed": True, "conv_size": 2},
    "gated_deltanet": {"signed": True, "expand_v": 1},
    "kda": {"signed": True},
    "rwkv7": {"signed": True},
}
SIGNED = [name for name, options in OPTIONS.items() if "signed" in options]


def build(name, **options):
    torch.manual_seed(1)
    cell = CELLS[name](IN, H, num_heads=N, dtype=torch.float64, **options).requires_grad_(False)
    for parameter in cell.parameters():  # so that no first value hides a term
        parameter += 0.3 * torch.randn_like(parameter)
    return cell


def heads(rows):
    """(T, N V) as a list of N times (T, V)."""
    return list(rows.view(T, N, -1).unbind(1))


def convolved(u, weight, bias=0.0):
    """y_t = bias + Σ_j weight[:, W-1-j] u_{t-j}, then silu."""
    W = weight.shape[1]
    rows = [sum(weight[:, W - 1 - j] * u[t - j] for j in range(min(W, t + 1))) for t in range(T)]
    return F.silu(torch.stack(rows) + bias)


def long(u, eps=1e-6):
    return u / (u.square().sum(-1, keepdim=True) + eps).sqrt()


def rms(u, weight, eps):
    return u / (u.square().mean(-1, keepdim=True) + eps).sqrt() * weight


def outer(k, v):
    return k[:, None] * v[None, :]


def linear_attention(cell, x):
    """The quadratic form: y_t = Σ_s≤t (q_t k_s) v_s / Σ_s≤t (q_t k_s)."""
    q, k, v = F.linear(x, cell.project.weight, cell.project.bias).chunk(3, -1)
    outputs = []
    for Q, K, V in zip(heads(F.elu(q) + 1), heads(F.elu(k) + 1), heads(v), strict=True):
        scores = (Q @ K.T).tril()
        outputs.append(scores @ V / (scores.sum(-1, keepdim=True) + 1e-6))
    return cell.output(torch.cat(outputs, -1))


def retnet(cell, x):
    """The parallel form, with complex rotations."""
    q, k = (F.linear(x, each.weight) for each in (cell.query, cell.key))
    v, K, outputs = heads(F.linear(x, cell.value.weight)), H // N, []
    speed = 10000.0 ** -(torch.arange(K // 2, dtype=torch.float64) / (K // 2 - 1))
    positions = torch.arange(1, T + 1, dtype=torch.float64)
    turn = torch.polar(torch.ones(T, K // 2, dtype=torch.float64), positions[:, None] * speed)
    for j, (Q, K_, V) in enumerate(zip(heads(q), heads(k), v, strict=True)):
        Q, K_ = (torch.view_as_complex(each.reshape(T, -1, 2).contiguous()) for each in (Q, K_))
        scores = ((Q * turn) @ (K_ * turn).conj().T).real / K**0.5
        gamma = 1 - 2.0 ** (-5 - j)
        fade = gamma ** (positions[:, None] - positions).clamp(min=0)
        outputs.append(F.layer_norm((scores * fade).tril() @ V, V.shape[-1:], eps=1e-5))
    normed = torch.cat(outputs, -1) * cell.norm_weight + cell.norm_bias
    return cell.output(F.silu(cell.gate(x)) * normed)


def gla(cell, x):
    q, k, v = (heads(each(x)) for each in (cell.query, cell.key, cell.value))
    alpha = heads(2 * torch.sigmoid(cell.decay_up(cell.decay_down(x))) ** (1 / 16) - 1)
    outputs = []
    for j in range(N):
        S, rows = torch.zeros(cell.K, cell.V, dtype=torch.float64), []
        for t in range(T):
            S = torch.diag(alpha[j][t]) @ S + outer(k[j][t], v[j][t])
            rows.append(S.T @ q[j][t] / cell.K**0.5)
        outputs.append(rms(torch.stack(rows), cell.norm_weight, 1e-5))
    return cell.output(torch.cat(outputs, -1) * F.silu(cell.gate(x)))


def mamba2(cell, x):
    D, K = 2 * H, 3
    z, u, step = cell.project(x).split([D, D + 4 * K, N], -1)
    v, B, C = convolved(u, cell.conv_weight, cell.conv_bias).split([D, 2 * K, 2 * K], -1)
    v, B, C = heads(v), heads(B), heads(C)  # two groups of one head each
    step, outputs = F.softplus(step + cell.step_bias), []
    for j in range(N):
        S, rows = torch.zeros(K, D // N, dtype=torch.float64), []
        for t in range(T):
            a = 2 * math.exp(-cell.log_rate[j].exp() * step[t, j]) - 1
            S = a * S + step[t, j] * outer(B[j][t], v[j][t])
            rows.append(S.T @ C[j][t] + cell.skip[j] * v[j][t])
        outputs.append(rms(torch.stack(rows) * F.silu(heads(z)[j]), 1.0, 1e-5))
    return cell.output(torch.cat(outputs, -1) * cell.norm_weight)


def mlstm(cell, x):
    """Without a stabiliser: C_t = f C_{t-1} + e^i k v^T, divided by max(|n q|, 1)."""
    q, k, v = map(heads, cell.project(x).chunk(3, -1))
    i, f = (2 * torch.tanh(gate(x) / 2) for gate in (cell.write, cell.keep))
    keep, write, outputs = 2 * torch.sigmoid(f) - 1, i.exp(), []
    for j in range(N):
        C, n, rows = torch.zeros(H // N, H // N).double(), torch.zeros(H // N).double(), []
        for t in range(T):
            key = k[j][t] / (H // N) ** 0.5
            C = keep[t, j] * C + write[t, j] * outer(key, v[j][t])
            n = keep[t, j] * n + write[t, j] * key
            rows.append(C.T @ q[j][t] / max(abs(n @ q[j][t]), 1))
        outputs.append(F.layer_norm(torch.stack(rows), (H // N,), eps=1e-5))
    normed = torch.cat(outputs, -1) * cell.norm_weight
    return cell.output(torch.sigmoid(cell.gate(x)) * normed)


def delta(q, k, v, beta, alpha):
    """S_t = (I - β k k^T) diag(α) S_{t-1} + β k v^T for one head."""
    K, rows = k.shape[-1], []
    S = torch.zeros(K, v.shape[-1], dtype=torch.float64)
    for t in range(T):
        erase = torch.eye(K, dtype=torch.float64) - beta[t] * outer(k[t], k[t])
        S = erase @ torch.diag(alpha[t]) @ S + beta[t] * outer(k[t], v[t])
        rows.append(S.T @ q[t])
    return torch.stack(rows)


def delta_heads(cell, x, alpha):
    widths = [H, H, cell.conv_weight.shape[0] - 2 * H]
    q, k, v = map(heads, convolved(cell.project(x), cell.conv_weight).split(widths, -1))
    beta = 2 * torch.sigmoid(cell.rate(x))
    scale = (H // N) ** -0.5
    return [delta(long(q[j]) * scale, long(k[j]), v[j], beta[:, j], alpha[j]) for j in range(N)]


def deltanet(cell, x):
    found = delta_heads(cell, x, [torch.ones(T, H // N, dtype=torch.float64)] * N)
    return cell.output(torch.cat([rms(each, cell.norm_weight, 1e-5) for each in found], -1))


def gated_deltanet(cell, x):
    alpha = torch.exp(-cell.log_rate.exp() * F.softplus(cell.decay(x) + cell.decay_bias))
    found = delta_heads(cell, x, [alpha[:, j, None].expand(T, H // N) for j in range(N)])
    normed = torch.cat([rms(each, cell.norm_weight, 1e-6) for each in found], -1)
    return cell.output(F.silu(cell.gate(x)) * normed)


def kda(cell, x):
    step = heads(F.softplus(cell.decay_up(cell.decay_down(x)) + cell.decay_bias))
    alpha = [torch.exp(-cell.log_rate[j].exp() * step[j]) for j in range(N)]
    found = delta_heads(cell, x, alpha)
    normed = torch.cat([rms(each, cell.norm_weight, 1e-5) for each in found], -1)
    return cell.output(torch.sigmoid(cell.gate_up(cell.gate_down(x))) * normed)


def rwkv7(cell, x):
    """In the paper's order: S is V × K, S_t = S (diag(w) - κ^T (a κ)) + v^T k."""
    before = torch.cat([torch.zeros(1, IN, dtype=torch.float64), x[:-1]])
    x_r, x_w, x_k, x_v, x_a, x_g = (x + mix * (before - x) for mix in cell.mix)
    r, k, v = x_r @ cell.receptance.weight.T, x_k @ cell.key.weight.T, x_v @ cell.value.weight.T
    w = cell.decay_up(torch.tanh(cell.decay_down(x_w)))
    w = heads(torch.exp(-math.exp(-0.5) * torch.sigmoid(w)))
    a = torch.sigmoid(cell.rate_up(cell.rate_down(x_a)))
    g = cell.gate_up(torch.sigmoid(cell.gate_down(x_g)))
    kappa = [long(each, 1e-12) for each in heads(k * cell.key_scale)]
    k = heads(k * (1 + (a - 1) * cell.key_rate))
    r, v, a, outputs = heads(r), heads(v), heads((1 + math.exp(-math.exp(-0.5))) * a), []
    weight, bias = cell.norm_weight.view(N, -1), cell.norm_bias.view(N, -1)
    for j in range(N):
        S, rows = torch.zeros(H // N, H // N, dtype=torch.float64), []
        for t in range(T):
            S = S @ (torch.diag(w[j][t]) - outer(kappa[j][t], a[j][t] * kappa[j][t]))
            S = S + outer(v[j][t], k[j][t])
            o = F.layer_norm(S @ r[j][t], (H // N,), weight[j], bias[j], eps=64e-5)
            rows.append(o + (r[j][t] * k[j][t] * cell.bonus[j]).sum() * v[j][t])
        outputs.append(torch.stack(rows))
    return cell.output(torch.cat(outputs, -1) * g)


EQUATIONS = {
    "linear_attention": linear_attention,
    "retnet": retnet,
    "gla": gla,
    "mamba2": mamba2,
    "mlstm": mlstm,
    "deltanet": deltanet,
    "gated_deltanet": gated_deltanet,
    "kda": kda,
    "rwkv7": rwkv7,
}
every_cell = pytest.mark.parametrize("name", OPTIONS)


@pytest.mark.parametrize("form", ["step", "parallel"])
@every_cell
def test_it_is_its_equations(name, form):
    cell = build(name, **OPTIONS[name])
    cell.form = form
    x = torch.randn(2, T, IN, dtype=torch.float64)
    y, _ = cell.sequence(x)
    for row in range(2):
        torch.testing.assert_close(y[row], EQUATIONS[name](cell, x[row]), rtol=1e-9, atol=1e-9)


class Watching(Step):
    """Keeps what a cell gives the recurrence."""

    def matrix(self, inputs, S):
        self.inputs = inputs
        return super().matrix(inputs, S)


def eigenvalues(name, **options):
    """Those of diag(D) - a b^T, for many x far from 0."""
    cell, ways = build(name, **options), Watching()
    x = torch.randn(500, IN, dtype=torch.float64)
    # Decays near 0 make many eigenvalues nearly 0, which the algorithm does not bear.
    scale = 4 if "delta" in name or name in ("kda", "rwkv7") else 20
    cell.over(scale * x, cell.initial_state(500), ways)
    decay, a, b, _, _, _ = ways.inputs
    if a is None:
        return torch.complex(decay, torch.zeros_like(decay))
    decay = decay if decay.ndim == a.ndim else decay[..., None].expand(a.shape)
    return torch.linalg.eigvals(torch.diag_embed(decay) - a[..., :, None] * b[..., None, :])


@pytest.mark.parametrize("name", SIGNED)
def test_signed_steps_reach_below_zero_and_no_further_than_one(name):
    plain, signed = eigenvalues(name), eigenvalues(name, signed=True)
    assert plain.abs().max() <= 1 + 1e-9
    assert signed.abs().max() <= 1 + 1e-9
    assert signed.real.min() < -0.5
    # RWKV-7 takes a key out of what has faded, and so falls a little below 0 by itself.
    assert plain.real.min() > (-0.5 if name == "rwkv7" else -1e-9)


@every_cell
def test_gradients_of_the_form_over_all_steps(name):
    torch.manual_seed(2)
    cell = CELLS[name](2, 2, dtype=torch.float64, **OPTIONS[name] | {"num_heads": 2})
    cell.form = "parallel"
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    x = torch.randn(1, 3, 2, dtype=torch.float64, requires_grad=True)
    names, weights = zip(*cell.named_parameters(), strict=True)
    state = cell.initial_state(1)
    first = [(part + 0.1 * torch.rand_like(part)).requires_grad_() for part in state]

    def run(x, *parts):
        begin, values = type(state)(*parts[: len(first)]), parts[len(first) :]
        call = Sequence(cell)
        y, last = torch.func.functional_call(
            call, {f"cell.{n}": v for n, v in zip(names, values, strict=True)}, (x, begin)
        )
        return y, *last

    assert torch.autograd.gradcheck(run, (x, *first, *weights))


class Sequence(torch.nn.Module):
    def __init__(self, cell):
        super().__init__()
        self.cell = cell

    def forward(self, x, state):
        return self.cell.sequence(x, state)


def test_no_result_of_mlstm_depends_on_the_scale_of_its_state():
    cell, x = build("mlstm"), torch.randn(2, T, IN, dtype=torch.float64)
    _, state = cell.sequence(x)
    moved = type(state)(state.C * math.exp(5), state.n * math.exp(5), state.m - 5)
    torch.testing.assert_close(cell.sequence(x, moved)[0], cell.sequence(x, state)[0])


@pytest.mark.parametrize("form", ["step", "parallel"])
@pytest.mark.parametrize("gate", [-500.0, 500.0])
def test_mlstm_survives_any_gate(form, gate):
    cell = MLSTM(IN, H, num_heads=N)
    cell.form = form
    with torch.no_grad():
        cell.write.bias.copy_(torch.tensor([gate, -gate]))
        cell.keep.bias.fill_(-gate)
    x = torch.randn(2, 70, IN)
    y, state = cell.sequence(x, lengths=torch.tensor([70, 30]))
    y.square().sum().backward()
    assert y.isfinite().all()
    assert all(part.isfinite().all() for part in state)
    assert all(parameter.grad.isfinite().all() for parameter in cell.parameters())


def test_a_retention_without_rotation_forgets_where_it_is():
    cell, x = build("retnet", rotate=False), torch.randn(1, 4, IN, dtype=torch.float64)
    later = cell.initial_state(1)._replace(position=torch.tensor([17.0], dtype=torch.float64))
    assert torch.equal(cell.sequence(x, later)[0], cell.sequence(x)[0])
    turned = build("retnet")
    # Only the angle between positions counts, so the beginning does not.
    torch.testing.assert_close(turned.sequence(x, later)[0], turned.sequence(x)[0])
    assert (turned.sequence(x)[0] - cell.sequence(x)[0]).abs().max() > 1e-3


def test_linear_attention_without_a_normaliser_is_a_product():
    cell = build("linear_attention", feature_map="identity")
    x = torch.randn(1, T, IN, dtype=torch.float64)
    q, k, v = cell.project(x[0]).chunk(3, -1)
    made = [(Q @ K.T).tril() @ V for Q, K, V in zip(*map(heads, (q, k, v)), strict=True)]
    torch.testing.assert_close(cell.sequence(x)[0][0], cell.output(torch.cat(made, -1)))
    assert not cell.sequence(x)[1].n.any()


WRONG = {
    "LinearAttention: feature_map is 'relu', one of elu, identity fits": lambda: LinearAttention(
        3, 4, feature_map="relu"
    ),
    "LinearAttention: normalize is True, with feature_map 'elu' alone": lambda: LinearAttention(
        3, 4, feature_map="identity", normalize=True
    ),
    "RetNet: expand_v is 0, it must be at least 1": lambda: RetNet(3, 4, expand_v=0),
    "RetNet: num_heads is 3, a divisor of 4 fits": lambda: RetNet(3, 4, num_heads=3),
    "GLA: gate_rank is 0, it must be at least 1": lambda: GLA(3, 4, gate_rank=0),
    "Mamba2: num_groups is 3, a divisor of 4 heads fits": lambda: Mamba2(
        3, 4, num_heads=4, num_groups=3
    ),
    "Mamba2: state_size is 0, it must be at least 1": lambda: Mamba2(3, 4, state_size=0),
    "MLSTM: soft_cap is 0.0, a number above 0 fits, or None": lambda: MLSTM(3, 4, soft_cap=0.0),
    "DeltaNet: conv_size is 1, it must be at least 2": lambda: DeltaNet(3, 4, conv_size=1),
    "GatedDeltaNet: expand_v is -1, it must be at least 1": lambda: GatedDeltaNet(
        3, 4, expand_v=-1
    ),
    "KDA: num_heads is 0, it must be at least 1": lambda: KDA(3, 4, num_heads=0),
    "RWKV7: num_heads is 5, a divisor of 4 fits": lambda: RWKV7(3, 4, num_heads=5),
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_options_are_refused_in_one_line(message):
    with pytest.raises(OptionError) as caught:
        WRONG[message]()
    assert str(caught.value) == message


def test_first_gates_of_mlstm():
    torch.manual_seed(0)
    cell = MLSTM(5, 400, num_heads=400)
    assert not cell.write.weight.any()
    assert not cell.keep.weight.any()
    torch.testing.assert_close(cell.keep.bias, torch.linspace(3, 6, 400))
    assert 0.08 < cell.write.bias.std() < 0.12


def test_first_decays_of_mamba2_and_gated_deltanet():
    torch.manual_seed(0)
    mamba, gated = Mamba2(3, 500, num_heads=500), GatedDeltaNet(3, 500, num_heads=500)
    assert 1 <= mamba.log_rate.exp().min() < 1.2
    assert 15.5 < mamba.log_rate.exp().max() <= 16.001
    assert 0 < gated.log_rate.exp().min() < 0.5
    assert (mamba.skip == 1).all()
    for bias in (mamba.step_bias, gated.decay_bias):
        assert 0.9e-3 < F.softplus(bias).min() < 1.2e-3
        assert 0.08 < F.softplus(bias).max() < 0.101


def test_first_weights_of_rwkv7():
    torch.manual_seed(0)
    cell = RWKV7(100, 128)
    assert cell.num_heads == 2
    assert cell.decay_down.out_features == 32
    assert cell.gate_down.out_features == 32
    assert not cell.decay_down.weight.any()
    torch.testing.assert_close(cell.mix[:, 0], torch.ones(6))
    assert 0 < cell.mix[0, -1] < 0.01
    assert 0.045 < cell.key.weight.abs().max() * 10 <= 0.05
    assert 0.45 < cell.receptance.weight.abs().max() * 10 <= 0.5
    up = cell.decay_up.weight
    torch.testing.assert_close(up.T @ up, 0.01 * torch.eye(32), atol=1e-6, rtol=1e-4)

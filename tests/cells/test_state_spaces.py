"""LRU, S4D, RG-LRU and Mamba by their equations in numpy, their options and first weights."""

import numpy as np
import pytest
import torch

from recurra.cells import LRU, RGLRU, S4D, Mamba
from recurra.errors import OptionError


def sigmoid(u):
    return 1 / (1 + np.exp(-u))


def silu(u):
    return u * sigmoid(u)


def softplus(u):
    return np.log1p(np.exp(u))


def numbers(cell):
    return {name: each.detach().numpy() for name, each in cell.named_parameters()}


def sequence(cell, T=9, form="auto"):
    """An x (T, F) and the y (T, H) that the cell makes of it."""
    torch.manual_seed(1)
    x = torch.randn(1, T, cell.input_size, dtype=torch.float64)
    cell.form = form
    with torch.no_grad():
        y, _ = cell.sequence(x)
    return x[0].numpy(), y[0].numpy()


every_form = pytest.mark.parametrize("form", ["step", "auto", "parallel"])


def kernel(keep, write, read, T):
    """The K (T, H, F) of y_t = Σ_s K_s x_{t-s}: what a linear state space convolves with."""
    powers = keep ** np.arange(T)[:, None]  # (T, N)
    return (read[None] * powers[:, None]) @ write


def convolved(K, x):
    return np.stack([sum(K[s] @ x[t - s] for s in range(t + 1)) for t in range(len(x))])


@every_form
def test_lru_is_its_loop_and_its_convolution(form):
    cell = LRU(3, 4, state_size=5, dtype=torch.float64)
    p, (x, y) = numbers(cell), sequence(cell, form=form)
    keep = np.exp(-np.exp(p["nu"]) + 1j * np.exp(p["theta"]))
    B = np.exp(p["gamma"])[:, None] * (p["B_real"] + 1j * p["B_imag"])
    C = p["C_real"] + 1j * p["C_imag"]
    h, steps = np.zeros(5, complex), []
    for x_t in x:
        h = keep * h + B @ x_t
        steps.append((C @ h).real + p["D"] @ x_t)
    K = kernel(keep, B, C, len(x)).real
    np.testing.assert_allclose(y, steps, atol=1e-12)
    np.testing.assert_allclose(y, convolved(K, x) + x @ p["D"].T, atol=1e-12)


@every_form
def test_s4d_is_its_loop_and_its_convolution(form):
    cell = S4D(3, 4, state_size=6, dtype=torch.float64)
    p, (x, y) = numbers(cell), sequence(cell, form=form)
    u = x @ p["project.weight"].T + p["project.bias"]
    A = -np.exp(p["A_log_real"]) + 1j * p["A_imag"]
    C = p["C_real"] + 1j * p["C_imag"]
    dt = np.exp(p["log_dt"])[:, None]
    keep, write = np.exp(dt * A), (np.exp(dt * A) - 1) / A
    h, steps = np.zeros((4, 3), complex), []
    for u_t in u:
        h = keep * h + write * u_t[:, None]
        steps.append(2 * (C * h).sum(-1).real + p["D"] * u_t)
    K = np.stack([2 * (C * write * keep**s).sum(-1).real for s in range(len(u))])  # (T, H)
    along = [sum(K[s] * u[t - s] for s in range(t + 1)) for t in range(len(u))]
    np.testing.assert_allclose(y, steps, atol=1e-12)
    np.testing.assert_allclose(y, along + p["D"] * u, atol=1e-12)


def test_lru_begins_in_its_ring():
    cell = LRU(20, 4000, r_min=0.5, r_max=0.9, max_phase=1.0, dtype=torch.float64)
    radius, phase = torch.exp(-torch.exp(cell.nu)), torch.exp(cell.theta)
    assert 0.5 <= radius.min() < 0.51
    assert 0.89 < radius.max() <= 0.9
    # Uniform over the ring: uniform in the square of the radius.
    assert radius.square().mean().item() == pytest.approx((0.25 + 0.81) / 2, abs=0.01)
    assert radius.square().std().item() == pytest.approx((0.81 - 0.25) / 12**0.5, abs=0.01)
    assert phase.mean().item() == pytest.approx(0.5, abs=0.02)
    assert phase.max() <= 1
    torch.testing.assert_close(torch.exp(2 * cell.gamma), 1 - radius**2)
    assert cell.B_real.std().item() == pytest.approx(40**-0.5, rel=0.02)
    assert cell.C_real[:50].std().item() == pytest.approx(4000**-0.5, rel=0.02)


def test_lru_keeps_the_size_of_its_input():
    torch.manual_seed(0)
    cell = LRU(16, 64, r_min=0.9, r_max=0.99)
    with torch.no_grad():
        _, last = cell.sequence(torch.randn(50, 700, 16))
    size = (last.real.square() + last.imag.square()).mean().item()
    assert size == pytest.approx(1, rel=0.15)


def test_lru_in_single_precision_is_finite_wherever_it_begins():
    cell = LRU(2, 20000)
    assert all(each.isfinite().all() for each in cell.parameters())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"r_min": 0.9, "r_max": 0.5}, "r_min is 0.9 and r_max 0.5, 0 ≤ r_min < r_max ≤ 1 fits"),
        ({"r_max": 1.5}, "r_min is 0.0 and r_max 1.5, 0 ≤ r_min < r_max ≤ 1 fits"),
        ({"max_phase": 0.0}, "max_phase is 0.0, above 0 and at most 2π fits"),
        ({"state_size": 0}, "state_size is 0, it must be at least 1"),
    ],
)
def test_options_of_lru(options, message):
    with pytest.raises(OptionError) as caught:
        LRU(3, 4, **options)
    assert str(caught.value) == f"LRU: {message}"


def test_s4d_begins_in_a_line():
    cell = S4D(3, 1000, dtype=torch.float64)
    torch.testing.assert_close(-torch.exp(cell.A_log_real), torch.full((1000, 32), -0.5).double())
    torch.testing.assert_close(cell.A_imag[7], np.pi * torch.arange(32).double())
    dt = torch.exp(cell.log_dt)
    assert (dt >= 1e-3).all()
    assert (dt <= 1e-1).all()
    assert torch.log10(dt).mean().item() == pytest.approx(-2, abs=0.06)
    power = cell.C_real.square() + cell.C_imag.square()
    assert power.mean().item() == pytest.approx(1, rel=0.03)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"state_size": 7}, "state_size is 7, an even number fits"),
        ({"dt_min": 0.0}, "dt_min is 0.0 and dt_max 0.1, 0 < dt_min ≤ dt_max fits"),
    ],
)
def test_options_of_s4d(options, message):
    with pytest.raises(OptionError) as caught:
        S4D(3, 4, **options)
    assert str(caught.value) == f"S4D: {message}"


@pytest.mark.parametrize("signed", [False, True])
@every_form
def test_rg_lru(form, signed):
    cell = RGLRU(3, 6, blocks=2, signed=signed, dtype=torch.float64)
    torch.nn.init.normal_(cell.bias_a)
    torch.nn.init.normal_(cell.bias_u)
    p, (x, y) = numbers(cell), sequence(cell, form=form)
    h = np.zeros(6)
    for t, x_t in enumerate(x):
        u = p["project.weight"] @ x_t + p["project.bias"]
        halves = u.reshape(2, 3)
        r, i = (
            sigmoid(np.concatenate([half @ w for half, w in zip(halves, W, strict=True)]) + b)
            for W, b in ((p["weight_a"], p["bias_a"]), (p["weight_u"], p["bias_u"]))
        )
        a = np.exp(-8 * r * softplus(p["Lambda"]))
        a = 2 * a - 1 if signed else a
        m = np.sqrt(1 - a**2) if t else 1
        h = a * h + m * i * u
        np.testing.assert_allclose(y[t], h, atol=1e-12)


@pytest.mark.parametrize(("H", "blocks"), [(1, 1), (7, 1), (24, 8), (64, 16)])
def test_rg_lru_takes_as_many_blocks_as_fit(H, blocks):
    assert RGLRU(3, H).weight_a.shape == (blocks, H // blocks, H // blocks)


def test_rg_lru_refuses_blocks_that_do_not_fit():
    with pytest.raises(OptionError, match=r"^RGLRU: blocks is 3, a divisor of hidden_size 4 fits$"):
        RGLRU(3, 4, blocks=3)


def test_rg_lru_begins_in_a_ring():
    cell = RGLRU(3, 4000)
    radius = torch.exp(-torch.nn.functional.softplus(cell.Lambda))
    assert 0.9 <= radius.min() < 0.901
    assert 0.998 < radius.max() <= 0.9991
    assert radius.square().mean().item() == pytest.approx((0.81 + 0.998) / 2, abs=0.005)
    assert cell.weight_a.std().item() == pytest.approx(250**-0.5, rel=0.02)
    assert not cell.bias_a.any()


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bias", [-300.0, -80.0, -20.0, 300.0])
@every_form
def test_rg_lru_has_finite_slopes_where_nothing_decays(form, bias, signed):
    """Where a is 1 to the last digit the root's own slope is infinite."""
    cell = RGLRU(2, 3, signed=signed)
    cell.form = form
    with torch.no_grad():
        cell.bias_a.fill_(bias)
    x = torch.randn(2, 5, 2, requires_grad=True)
    y, _ = cell.sequence(x)
    y.sum().backward()
    for each in (y, x.grad, *(p.grad for p in cell.parameters())):
        assert each.isfinite().all()


def test_the_slope_of_the_root_is_true_where_it_is_steep():
    """Against the same cell in float64, where 1 - a² is far from its last digit."""
    slopes = {}
    for dtype in (torch.float32, torch.float64):
        torch.manual_seed(0)
        cell = RGLRU(1, 1, dtype=torch.float64).to(dtype)
        with torch.no_grad():
            cell.bias_a.fill_(-16.0)
            cell.project.bias.fill_(1.0)
        cell.sequence(torch.ones(1, 6, 1, dtype=dtype))[0].sum().backward()
        slopes[dtype] = cell.bias_a.grad.double()
    torch.testing.assert_close(slopes[torch.float32], slopes[torch.float64], rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("signed", [False, True])
@every_form
def test_mamba(form, signed):
    cell = Mamba(3, 5, state_size=4, dt_rank=2, signed=signed, dtype=torch.float64)
    torch.nn.init.normal_(cell.D)
    p, (x, y) = numbers(cell), sequence(cell, form=form)
    A = -np.exp(p["A_log"])
    inner = x @ p["in_proj.weight"].T
    u, z = inner[:, :10], inner[:, 10:]
    padded = np.concatenate([np.zeros((3, 10)), u])
    w = p["conv1d.weight"][:, 0]
    u = silu(sum(w[:, k] * padded[k : k + len(x)] for k in range(4)) + p["conv1d.bias"])
    h = np.zeros((10, 4))
    for t, u_t in enumerate(u):
        d, B, C = np.split(p["x_proj.weight"] @ u_t, [2, 6])
        dt = softplus(p["dt_proj.weight"] @ d + p["dt_proj.bias"])
        a = np.exp(dt[:, None] * A)
        h = (2 * a - 1 if signed else a) * h + np.outer(dt * u_t, B)
        out = (h @ C + p["D"] * u_t) * silu(z[t])
        np.testing.assert_allclose(y[t], p["out_proj.weight"] @ out, atol=1e-12)


def test_first_weights_of_mamba():
    cell = Mamba(3, 40)
    assert cell.dt_proj.weight.shape == (80, 3)  # R is 40 / 16, rounded up
    assert 0.9 * 3**-0.5 < cell.dt_proj.weight.abs().max() <= 3**-0.5
    torch.testing.assert_close(torch.exp(cell.A_log[5]), torch.arange(1.0, 17.0))
    assert torch.equal(cell.D, torch.ones(80))
    dt = torch.nn.functional.softplus(cell.dt_proj.bias)
    assert (dt > 0.99e-3).all()
    assert (dt < 1.01e-1).all()


@pytest.mark.parametrize("size", ["state_size", "window", "expand", "dt_rank"])
def test_sizes_of_mamba(size):
    with pytest.raises(OptionError, match=f"^Mamba: {size} is 0, it must be at least 1$"):
        Mamba(3, 4, **{size: 0})

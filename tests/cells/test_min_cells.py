"""minGRU, minLSTM, HGRN, SRU and QRNN by their equations in numpy, and their options."""

import numpy as np
import pytest
import torch

from recurra.cells import HGRN, QRNN, SRU, MinGRU, MinLSTM
from recurra.errors import OptionError


def sigmoid(u):
    return 1 / (1 + np.exp(-u))


def silu(u):
    return u * sigmoid(u)


def numbers(cell):
    return {name: each.detach().numpy() for name, each in cell.named_parameters()}


def run(cell, T=7):
    """An x (T, F) and the y (T, H) that the cell makes of it."""
    x = torch.randn(1, T, cell.input_size, dtype=torch.float64)
    with torch.no_grad():
        y, _ = cell.sequence(x)
    return x[0].numpy(), y[0].numpy()


def g(u):
    return np.where(u >= 0, u + 0.5, sigmoid(u))


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("signed", [False, True])
def test_mingru(positive, signed):
    cell = MinGRU(3, 4, positive=positive, signed=signed, dtype=torch.float64)
    p, (x, y) = numbers(cell), run(cell)
    h = np.zeros(4)
    for x_t, y_t in zip(x, y, strict=True):
        z, n = np.split(p["project.weight"] @ x_t + p["project.bias"], 2)
        a = 1 - sigmoid(z)
        h = (2 * a - 1 if signed else a) * h + sigmoid(z) * (g(n) if positive else n)
        np.testing.assert_allclose(y_t, h, atol=1e-12)


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("signed", [False, True])
def test_minlstm(positive, signed):
    cell = MinLSTM(3, 4, positive=positive, signed=signed, dtype=torch.float64)
    p, (x, y) = numbers(cell), run(cell)
    h = np.zeros(4)
    for x_t, y_t in zip(x, y, strict=True):
        f, i, n = np.split(p["project.weight"] @ x_t + p["project.bias"], 3)
        f, i = sigmoid(f), sigmoid(i)
        a = f / (f + i)
        h = (2 * a - 1 if signed else a) * h + i / (f + i) * (g(n) if positive else n)
        np.testing.assert_allclose(y_t, h, atol=1e-12)


@pytest.mark.parametrize("form", ["step", "auto", "parallel"])
@pytest.mark.parametrize("kind", [MinGRU, MinLSTM])
def test_a_state_that_is_carried_over_is_the_last_output(kind, form):
    cell = kind(3, 5, positive=True)
    cell.form = form
    x = torch.randn(2, 40, 3)
    with torch.no_grad():
        whole, _ = cell.sequence(x)
        first, state = cell.sequence(x[:, :17])
        rest, last = cell.sequence(x[:, 17:], state)
    torch.testing.assert_close(torch.cat([first, rest], 1), whole, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(last.h, whole[:, -1], atol=1e-6, rtol=1e-6)


def test_gates_that_both_vanish_still_sum_to_one():
    cell = MinLSTM(1, 1)
    with torch.no_grad():
        cell.project.weight.zero_()
        cell.project.bias.copy_(torch.tensor([-200.0, -200.0, 3.0]))
    y, _ = cell.sequence(torch.zeros(1, 2, 1))
    torch.testing.assert_close(y[0, :, 0], torch.tensor([1.5, 2.25]))


@pytest.mark.parametrize(("lower_bound", "signed"), [(0.0, False), (0.6, False), (0.3, True)])
def test_hgrn(lower_bound, signed):
    cell = HGRN(3, 4, lower_bound=lower_bound, signed=signed, dtype=torch.float64)
    torch.nn.init.normal_(cell.norm.weight)
    p, (x, y) = numbers(cell), run(cell)
    h = np.zeros(4)
    for x_t, y_t in zip(x, y, strict=True):
        f, i, o = np.split(p["project.weight"] @ x_t, 3)
        f = lower_bound + (1 - lower_bound) * sigmoid(f)
        h = (2 * f - 1 if signed else f) * h + (1 - f) * silu(i)
        normal = h / np.sqrt((h**2).mean() + 1e-5) * p["norm.weight"]
        np.testing.assert_allclose(y_t, p["out.weight"] @ (normal * silu(o)), atol=1e-12)


@pytest.mark.parametrize("bound", [-0.1, 1.0])
def test_a_lower_bound_is_a_forget_gate(bound):
    message = f"^HGRN: lower_bound is {bound}, at least 0 and below 1 fits$"
    with pytest.raises(OptionError, match=message):
        HGRN(3, 4, lower_bound=bound)


@pytest.mark.parametrize("F", [3, 4])
@pytest.mark.parametrize("peephole", [False, True])
@pytest.mark.parametrize("signed", [False, True])
def test_sru(F, peephole, signed):
    cell = SRU(F, 4, peephole=peephole, signed=signed, highway_bias=-1.5, dtype=torch.float64)
    p, (x, y) = numbers(cell), run(cell)
    v_f, v_r = np.split(p.get("vector", np.zeros(8)), 2)
    b_f, b_r = np.split(p["bias"], 2)
    c = np.zeros(4)
    for x_t, y_t in zip(x, y, strict=True):
        new, f, r, *skip = np.split(p["weight_ih"] @ x_t, 3 if F == 4 else 4)
        skip = skip[0] if skip else x_t * np.sqrt(1 + 2 * np.exp(-1.5))
        f, r = sigmoid(f + v_f * c + b_f), sigmoid(r + v_r * c + b_r)
        c = (2 * f - 1 if signed else f) * c + (1 - f) * new
        np.testing.assert_allclose(y_t, r * c + (1 - r) * skip, atol=1e-12)


def test_first_weights_of_sru():
    cell = SRU(30, 50, highway_bias=-2.0)
    bound = (3 / 30) ** 0.5
    assert 0.95 * bound < cell.weight_ih.abs().max() <= bound
    assert cell.weight_ih.var().item() == pytest.approx(1 / 30, rel=0.1)
    assert torch.equal(cell.bias, torch.cat([torch.zeros(50), torch.full((50,), -2.0)]))
    assert SRU(3, 4, peephole=False).vector is None


@pytest.mark.parametrize("window", [1, 2, 3, 9])
@pytest.mark.parametrize("signed", [False, True])
def test_qrnn(window, signed):
    cell = QRNN(3, 4, window=window, signed=signed, dtype=torch.float64)
    p, (x, y) = numbers(cell), run(cell)
    padded = np.concatenate([np.zeros((window - 1, 3)), x])
    weight = p["project.weight"].reshape(12, window, 3)
    c = np.zeros(4)
    for t, y_t in enumerate(y):
        sums = sum(weight[:, k] @ padded[t + k] for k in range(window)) + p["project.bias"]
        z, f, o = np.split(sums, 3)
        f = sigmoid(f)
        c = (2 * f - 1 if signed else f) * c + (1 - f) * np.tanh(z)
        np.testing.assert_allclose(y_t, sigmoid(o) * c, atol=1e-12)


def test_the_tail_of_a_convolution_is_the_last_inputs():
    cell = QRNN(2, 3, window=4)
    x = torch.randn(2, 6, 2)
    for T in (1, 2, 3, 6):
        want = torch.cat([torch.zeros(2, 3, 2), x[:, :T]], 1)[:, -3:]
        for form in ("step", "auto", "parallel"):
            cell.form = form
            assert torch.equal(cell.sequence(x[:, :T])[1].tail, want)


def test_a_window_is_at_least_a_step():
    with pytest.raises(OptionError, match=r"^QRNN: window is 0, it must be at least 1$"):
        QRNN(3, 4, window=0)

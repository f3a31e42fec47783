"""A readout in closed form."""

import pytest
import torch

from recurra.cells import EchoState
from recurra.errors import OptionError, ShapeError
from recurra.layers import Each, Ridge, Stack


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def mackey_glass(steps, delay=17, substeps=10):
    """x' = .2 x(t - 17) / (1 + x(t - 17)^10) - .1 x, a number each unit of time."""
    x, past = 1.2, [1.2] * (delay * substeps)
    series = []
    for k in range(steps * substeps):
        late = past[k]
        x += (0.2 * late / (1 + late**10) - 0.1 * x) / substeps
        past.append(x)
        if k % substeps == 0:
            series.append(x)
    return torch.tensor(series, dtype=torch.float64)


def test_it_is_the_solution_of_the_normal_equations():
    torch.manual_seed(0)
    h, y = draw(3, 11, 5) + 7, draw(3, 11, 2)
    ridge = Ridge(5, 2, penalty=0.3)
    ridge.add(h, y, lengths=torch.tensor([11, 4, 0]), washout=2)
    layer = ridge.solve()
    rows = torch.cat([h[0, 2:], h[1, 2:4]]), torch.cat([y[0, 2:], y[1, 2:4]])
    a, b = (each - each.mean(0) for each in rows)
    W = torch.linalg.inv(a.T @ a + 0.3 * torch.eye(5).double()) @ a.T @ b
    torch.testing.assert_close(layer.weight, W.T, rtol=1e-9, atol=1e-9)
    bias = rows[1].mean(0) - rows[0].mean(0) @ W
    torch.testing.assert_close(layer.bias, bias, rtol=1e-9, atol=1e-9)


def test_chunks_of_any_length_are_the_whole():
    torch.manual_seed(0)
    h, y = draw(2, 23, 4) + 100, draw(2, 23, 3)
    whole, parts = Ridge(4, 3), Ridge(4, 3)
    whole.add(h, y)
    for begin, end in ((0, 1), (1, 1), (1, 16), (16, 23)):
        parts.add(h[:, begin:end], y[:, begin:end])
    assert whole.count == parts.count == 46
    one, other = whole.solve(), parts.solve()
    torch.testing.assert_close(one.weight, other.weight, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(one.bias, other.bias, rtol=1e-9, atol=1e-9)


def test_a_reservoir_forecasts_mackey_glass():
    series = mackey_glass(1500)[:, None]
    x, ahead = series[:-6], series[6:]
    cell = EchoState(1, 200, bias_scaling=0.2, seed=1, dtype=torch.float64)
    h, state = cell.sequence(x[None, :1000])
    ridge = Ridge(200, 1, penalty=1e-8)
    ridge.add(h, ahead[None, :1000], washout=100)
    model = Stack([cell, Each(ridge.solve())])
    answer, _ = model.sequence(x[None, 1000:], (state, ()))
    error = (answer[0] - ahead[1000:]).square().mean().sqrt()
    repeated = (x[1000:] - ahead[1000:]).square().mean().sqrt()
    assert error < repeated / 20


def test_what_does_not_fit_is_refused():
    ridge = Ridge(3, 2, penalty=0.0)
    with pytest.raises(OptionError, match=r"^Ridge: no steps were added, past the washout$"):
        ridge.solve()
    with pytest.raises(ShapeError, match=r"^Ridge: y has shape \(1, 4, 3\), \(1, 4, 2\) fits$"):
        ridge.add(draw(1, 4, 3), draw(1, 4, 3))
    with pytest.raises(OptionError, match=r"^Ridge: penalty is -1\.0, it must be at least 0$"):
        Ridge(3, 2, penalty=-1.0)
    ridge.add(torch.ones(1, 4, 3), torch.ones(1, 4, 2))
    with pytest.raises(OptionError, match="do not determine the readout, a penalty above 0 fits"):
        ridge.solve()

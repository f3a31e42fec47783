"""What is particular to sLSTM: its scale, its first step, its heads."""

import pytest
import torch
from tests.engine.truth import assert_same

from recurra.cells import SLSTM
from recurra.engine import explain, leaves, loop


def drawn(F=3, H=6, heads=2, dtype=torch.float64):
    torch.manual_seed(3)
    cell = SLSTM(F, H, heads=heads, dtype=dtype)
    with torch.no_grad():
        cell.weight_hh.normal_(0, 0.7)
    return cell


def results(y, last, inputs):
    parts = [y, *leaves(last)]
    value = sum((part * torch.linspace(-1, 2, part.numel()).view_as(part)).sum() for part in parts)
    return [*parts, *torch.autograd.grad(value, inputs)]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("low", [-120.0, -700.0])
@pytest.mark.parametrize("run", ["sequence", "loop"])
def test_a_fresh_row_beside_a_running_one_is_as_it_is_alone(run, low, dtype):
    cell = drawn(dtype=dtype)
    with torch.no_grad():
        cell.bias_ih[:6] = low  # the input gate: its exponential is nothing at all
    warm = torch.randn(1, 5, 3, dtype=dtype)
    with torch.no_grad():
        _, running = cell.sequence(warm)
    assert (running.n > 0).all()
    fresh = cell.initial_state(1)
    pairs = zip(running, fresh, strict=True)
    state = type(fresh)(*(torch.cat(pair).requires_grad_() for pair in pairs))
    x = torch.randn(2, 4, 3, dtype=dtype, requires_grad=True)

    def measured(rows):
        some = type(state)(*(part[rows] for part in state))
        go = cell.sequence if run == "sequence" else lambda x, s: loop(cell.step, x, s)
        y, last = go(x[rows], some)
        value = y.sum() + sum(part.square().sum() for part in last)
        inputs = [x, *state, *cell.parameters()]
        return [y, *last], torch.autograd.grad(value, inputs)

    mixed, gradients = measured(slice(0, 2))
    alone, own = measured(slice(1, 2))
    assert all(part.isfinite().all() for part in (*mixed, *gradients))
    tolerance = 1e-10 if dtype == torch.float64 else 1e-5
    assert_same([part[1:] for part in mixed], alone, tolerance)
    # x and the five parts of both: the gradient of a row is its own.
    assert_same([part[1:] for part in gradients[:5]], [part[1:] for part in own[:5]], tolerance)
    others = measured(slice(0, 1))[1]
    both = [a + b for a, b in zip(own[5:], others[5:], strict=True)]
    assert_same(gradients[5:], both, tolerance)
    # It reads its first input whole, however small the gate: h = sigmoid(o) tanh(z).
    u = torch.nn.functional.linear(x[1, 0], cell.weight_ih, cell.bias_ih)
    _, _, z, o = u.chunk(4)
    torch.testing.assert_close(mixed[0][1, 0], torch.sigmoid(o) * torch.tanh(z))


@pytest.mark.parametrize("sign", [-1, 1])
def test_gates_far_away_stay_finite(sign):
    cell = drawn(dtype=torch.float32)
    with torch.no_grad():
        cell.bias_ih[:12] = 1000.0 * sign
    x = torch.randn(2, 50, 3, requires_grad=True)
    y, last = cell.sequence(x, reset=torch.rand(2, 50) < 0.2)
    got = results(y, last, [x, *cell.parameters()])
    assert all(part.isfinite().all() for part in got)
    assert y.abs().max() <= 1


def test_the_output_does_not_depend_on_the_scale():
    cell = drawn()
    x = torch.randn(2, 4, 3, dtype=torch.float64)
    _, state = cell.sequence(torch.randn(2, 3, 3, dtype=torch.float64))
    shift = torch.randn(2, 6, dtype=torch.float64)
    scaled = state._replace(
        c=state.c * torch.exp(shift), n=state.n * torch.exp(shift), m=state.m - shift
    )
    torch.testing.assert_close(cell.sequence(x, scaled)[0], cell.sequence(x, state)[0])
    assert (state.n >= 1).all()


@pytest.mark.parametrize("heads", [1, 2, 3, 6])
def test_native_forward_and_backward_with_heads(heads):
    cell = drawn(heads=heads)
    assert "native" in explain(cell).splitlines()[1]
    assert "native" in explain(cell).splitlines()[2]
    x = torch.randn(3, 9, 3, dtype=torch.float64, requires_grad=True)
    inputs = [x, *cell.parameters()]
    want = results(*loop(cell.step, x, cell.initial_state(3)), inputs)
    assert_same(results(*cell.sequence(x), inputs), want, 1e-10)


def test_a_head_sees_of_the_state_its_own_part_alone():
    cell = drawn(H=6, heads=3)
    h = torch.randn(1, 6, dtype=torch.float64, requires_grad=True)
    state = cell.initial_state(1)._replace(h=h)
    y, _ = cell.step(torch.randn(1, 3, dtype=torch.float64), state)
    jacobian = torch.stack([torch.autograd.grad(one, h, retain_graph=True)[0][0] for one in y[0]])
    assert ((jacobian != 0) == torch.block_diag(*[torch.ones(2, 2)] * 3).bool()).all()


def test_first_weights():
    torch.manual_seed(0)
    cell = SLSTM(40, 12, heads=3)
    assert not cell.weight_hh.any()
    assert abs(cell.weight_ih.std().item() - 0.1) < 0.01
    i, f, z, o = cell.bias_ih.detach().chunk(4)
    assert not any(part.any() for part in (i, z, o))
    want = 5 - 12 * torch.tensor([0, 1 / 3, 2 / 3, 1]) ** 0.3
    torch.testing.assert_close(f, want.repeat(3))
    torch.testing.assert_close(
        SLSTM(3, 5, place=1.0).bias_ih[5:10].detach(), 5 - 12 * (torch.arange(5) / 4) ** 1.6
    )
    assert SLSTM(3, 1).bias_ih[1].item() == 5

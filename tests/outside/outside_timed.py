"""Cells over time, reservoirs and images held against other libraries, where these are right."""

import os

os.environ["KERAS_BACKEND"] = "torch"

import numpy as np
import pytest
import torch

from recurra.cells import LTC, CfC, ConvLSTM, EchoState, Timed
from recurra.layers import Ridge

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
F, H, T = 3, 5, 7


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def hold(got, want, given, theirs):
    """Outputs and gradients, of the same number."""
    torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-10)
    weigh = torch.linspace(-1, 2, got.numel(), dtype=got.dtype).view_as(got)
    one = torch.autograd.grad((got * weigh).sum(), given)
    other = torch.autograd.grad((want * weigh).sum(), theirs)
    for mine, its in zip(one, other, strict=True):
        torch.testing.assert_close(mine, its.reshape(mine.shape), rtol=1e-10, atol=1e-10)


def over(step, x, h, gaps):
    ys = []
    for t in range(x.shape[1]):
        y, h = step(x[:, t], h, gaps[t])
        ys.append(y)
    return torch.stack(ys, 1)


# With gaps ncps spreads (B, T) over the wrong axis for more than one row: so one row, or none.
@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize("layers", [0, 1, 2])
@pytest.mark.parametrize("mode", ["default", "no_gate", "pure"])
def test_cfc(mode, layers, timed):
    from ncps.torch import CfCCell

    torch.manual_seed(0)
    B = 1 if timed else 4
    peer = CfCCell(F, H, mode=mode, backbone_units=6, backbone_layers=layers).double()
    cell = CfC(F, H, mode=mode, backbone_units=6, backbone_layers=layers, dtype=torch.float64)
    linears = [] if peer.backbone is None else [m for m in peer.backbone if hasattr(m, "weight")]
    heads = [peer.ff1] if mode == "pure" else [peer.ff1, peer.ff2, peer.time_a, peer.time_b]
    with torch.no_grad():
        for mine, its in zip(cell.backbone, linears, strict=True):
            mine.load_state_dict(its.state_dict())
        cell.heads.weight.copy_(torch.cat([each.weight for each in heads]))
        cell.heads.bias.copy_(torch.cat([each.bias for each in heads]))
        if mode == "pure":
            peer.w_tau.uniform_(-1, 1)
            peer.A.uniform_(-1, 1)
            cell.speed.copy_(peer.w_tau[0])
            cell.rest.copy_(peer.A[0])
    x = draw(B, T, F).requires_grad_()
    gap = torch.rand(B, T, dtype=torch.float64) * 3 if timed else torch.ones(B, T).double()
    got, _ = cell.sequence(Timed(x, gap) if timed else x)
    want = over(peer, x, draw(B, H) * 0, [gap[:, t : t + 1] for t in range(T)])
    given = [x, *(w for layer in cell.backbone for w in layer.parameters())]
    hold(got, want, given, [x, *(w for layer in linears for w in layer.parameters())])


@pytest.mark.parametrize("timed", [False, True])
def test_ltc(timed):
    from ncps.torch import LTCCell
    from ncps.wirings import FullyConnected

    torch.manual_seed(0)
    B = 1 if timed else 4
    wiring = FullyConnected(H)
    wiring.build(F)
    peer = LTCCell(
        wiring, F, input_mapping="affine", output_mapping="affine", implicit_param_constraints=True
    ).double()
    cell = LTC(F, H, dtype=torch.float64)
    pairs = {
        "gleak": cell.raw_gleak,
        "vleak": cell.vleak,
        "cm": cell.raw_cm,
        "w": cell.neurons.raw_w,
        "sigma": cell.neurons.sigma,
        "mu": cell.neurons.mu,
        "erev": cell.neurons.erev,
        "sensory_w": cell.sensors.raw_w,
        "sensory_sigma": cell.sensors.sigma,
        "sensory_mu": cell.sensors.mu,
        "sensory_erev": cell.sensors.erev,
        "input_w": cell.input_w,
        "input_b": cell.input_b,
        "output_w": cell.output_w,
        "output_b": cell.output_b,
    }
    theirs = dict(peer.named_parameters())
    with torch.no_grad():
        for name, mine in pairs.items():
            mine.copy_(theirs[name])
    x = draw(B, T, F).requires_grad_()
    gap = torch.rand(B, T, dtype=torch.float64) * 3 + 0.1 if timed else torch.ones(B, T).double()
    got, _ = cell.sequence(Timed(x, gap) if timed else x)
    want = over(peer, x, draw(B, H) * 0, [gap[:, t : t + 1] for t in range(T)])
    hold(got, want, [x, *pairs.values()], [x, *(theirs[name] for name in pairs)])


def test_reservoir_and_ridge():
    from reservoirpy.nodes import Reservoir
    from reservoirpy.nodes import Ridge as PeerRidge

    torch.manual_seed(0)
    cell = EchoState(F, 40, leak=0.3, bias_scaling=0.5, dtype=torch.float64)
    W, Win, bias = (each.numpy() for each in (cell.weight_hh, cell.weight_ih, cell.bias))
    peer = Reservoir(W=W, Win=Win, bias=bias, lr=0.3, sr=None)
    x, y = draw(60, F), draw(60, 2)
    want = peer.run(x.numpy())
    got, _ = cell.sequence(x[None])
    np.testing.assert_allclose(got[0].numpy(), want, rtol=1e-8, atol=1e-8)
    theirs = PeerRidge(ridge=0.01).fit(want, y.numpy(), warmup=10)
    ridge = Ridge(40, 2, penalty=0.01)
    ridge.add(got, y[None], washout=10)
    layer = ridge.solve()
    np.testing.assert_allclose(layer.weight.detach().numpy().T, theirs.Wout, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(
        layer.bias.detach().numpy(), np.ravel(theirs.bias), rtol=1e-8, atol=1e-8
    )


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_conv_lstm(kernel):
    import keras

    torch.manual_seed(0)
    size = (4, 6)
    options = {"padding": "same", "return_sequences": True, "dtype": "float64"}
    peer = keras.layers.ConvLSTM2D(H, kernel, **options)
    x = draw(2, T, F, *size)
    peer.build((2, T, *size, F))
    cell = ConvLSTM(F, H, size=size, kernel=kernel, dtype=torch.float64)
    with torch.no_grad():
        cell.bias.uniform_(-1, 1)
    # Theirs are (kernel, kernel, in, gates), the gates in the same order i, f, c, o.
    matrices = [cell.weight_ih.permute(2, 3, 1, 0), cell.weight_hh.permute(2, 3, 1, 0), cell.bias]
    peer.set_weights([each.detach().numpy() for each in matrices])
    x.requires_grad_()
    want = peer(x.permute(0, 1, 3, 4, 2)).permute(0, 1, 4, 2, 3)
    got, _ = cell.sequence(x)
    hold(got, want, [x], [x])

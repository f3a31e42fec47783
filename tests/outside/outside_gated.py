"""The gated cells beside Keras, onnxruntime and geotorch, weight by weight.

These run where the three are installed, which the project does not ask for:

    python -m pytest tests/outside/outside_gated.py
"""

import os

os.environ["KERAS_BACKEND"] = "torch"

import geotorch
import keras
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper

from recurra.cells import (
    GRU,
    LSTM,
    CoupledLSTM,
    Elman,
    PeepholeLSTM,
    ResetBeforeGRU,
    forget_bias_,
    orthogonal,
)

B, T, F, H = 3, 11, 4, 5


def permuted(weight, order):
    """Stacked gates of (G, …) in another order."""
    return torch.cat([weight.chunk(len(order))[k] for k in order])


def inputs(seed=0):
    torch.manual_seed(seed)
    return torch.randn(B, T, F, dtype=torch.float64)


# Keras: kernels (F, G), the gates i, f, c, o and z, r, h.
def keras_layer(kind, **options):
    keras.utils.set_random_seed(3)
    layer = getattr(keras.layers, kind)(H, return_sequences=True, dtype="float64", **options)
    layer.build((B, T, F))
    for variable in layer.trainable_variables:
        with torch.no_grad():
            variable.value.normal_(0, 0.6)
    return layer


def keras_lstm():
    layer = keras_layer("LSTM")
    kernel, recurrent, bias = (v.value for v in layer.trainable_variables)
    return layer, LSTM, {"weight_ih": kernel.T, "weight_hh": recurrent.T, "bias_ih": bias}


def keras_gru():
    layer = keras_layer("GRU", reset_after=True)
    kernel, recurrent, bias = (v.value for v in layer.trainable_variables)
    ours = {"weight_ih": kernel.T, "weight_hh": recurrent.T, "bias_ih": bias[0], "bias_hh": bias[1]}
    return layer, GRU, {key: permuted(w, (1, 0, 2)) for key, w in ours.items()}


def keras_gru_before():
    layer = keras_layer("GRU", reset_after=False)
    kernel, recurrent, bias = (v.value for v in layer.trainable_variables)
    ours = {"weight_ih": kernel.T, "weight_hh": recurrent.T, "bias_ih": bias}
    return layer, ResetBeforeGRU, {key: permuted(w, (1, 0, 2)) for key, w in ours.items()}


def keras_simple():
    layer = keras_layer("SimpleRNN")
    kernel, recurrent, bias = (v.value for v in layer.trainable_variables)
    return layer, Elman, {"weight_ih": kernel.T, "weight_hh": recurrent.T, "bias_ih": bias}


# The first two are torch's own functions there. The others multiply by keras.ops.matmul, which on
# torch takes float64 through float32.
KERAS = {keras_lstm: 1e-10, keras_gru: 1e-10, keras_gru_before: 1e-5, keras_simple: 1e-5}


@pytest.mark.parametrize("make", KERAS)
def test_keras(make):
    """Outputs, and gradients of x and of every weight: those of Keras by its own backward."""
    layer, kind, weights = make()
    cell = kind(F, H, dtype=torch.float64)
    with torch.no_grad():
        for key, parameter in cell.named_parameters():
            parameter.copy_(weights.get(key, torch.zeros_like(parameter)))
    x, theirs = inputs().requires_grad_(), inputs().requires_grad_()
    y, _ = cell.sequence(x)
    want = layer(theirs)
    torch.testing.assert_close(y, want, rtol=KERAS[make], atol=KERAS[make])
    weigh = torch.linspace(-1, 2, y.numel(), dtype=torch.float64).view_as(y)
    (y * weigh).sum().backward()
    # The weights are functions of Keras' variables, so its gradients come by the same mapping.
    names = list(weights)
    mapped = torch.autograd.grad(
        [weights[name] for name in names],
        [v.value for v in layer.trainable_variables],
        [getattr(cell, name).grad for name in names],
    )
    variables = [v.value for v in layer.trainable_variables]
    gradients = torch.autograd.grad((want * weigh).sum(), [theirs, *variables])
    for got, expected in zip([x.grad, *mapped], gradients, strict=True):
        torch.testing.assert_close(got, expected, rtol=KERAS[make], atol=KERAS[make])


def test_keras_begins_its_forget_gate_at_one():
    layer = keras.layers.LSTM(H, unit_forget_bias=True)
    layer.build((B, T, F))
    theirs = layer.trainable_variables[2].value
    cell = LSTM(F, H)
    forget_bias_(cell, 1.0)
    assert torch.equal((cell.bias_ih + cell.bias_hh)[H : 2 * H], theirs[H : 2 * H])
    assert (LSTM(F, H, forget_bias=1.0).bias_ih[H : 2 * H] == theirs[H : 2 * H]).all()


# ONNX: weights (1, G, …), the gates i, o, f, c and z, r, h, biases (1, 2 G), time first; float32.
def ran(kind, weights, x, **options):
    names = ["X", "W", "R", "B", "", "", "", "P"] if "P" in weights else ["X", "W", "R", "B"]
    node = helper.make_node(kind, names, ["Y"], hidden_size=H, **options)
    constants = [
        helper.make_tensor(key, TensorProto.FLOAT, value.shape, value.flatten().tolist())
        for key, value in weights.items()
    ]
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, (T, B, F))],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, (T, 1, B, H))],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (y,) = session.run(None, {"X": x.transpose(0, 1).numpy().astype(np.float32)})
    return torch.from_numpy(y)[:, 0].transpose(0, 1)


def drawn(kind, *, scale=0.6, **options):
    torch.manual_seed(1)
    cell = kind(F, H, **options).requires_grad_(False)
    for parameter in cell.parameters():
        parameter.normal_(0, scale)
    return cell


def as_onnx(cell, order):
    """W, R and B of a cell whose gates are put into ONNX's order."""
    biases = [cell.bias_ih, getattr(cell, "bias_hh", None)]
    biases = [torch.zeros(len(order) * H) if each is None else each for each in biases]
    return {
        "W": permuted(cell.weight_ih, order)[None],
        "R": permuted(cell.weight_hh, order)[None],
        "B": torch.cat([permuted(each, order) for each in biases])[None],
    }


def assert_near(got, want):
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)


def test_onnx_lstm():
    cell, x = drawn(LSTM), inputs().float()
    assert_near(cell.sequence(x)[0], ran("LSTM", as_onnx(cell, (0, 3, 1, 2)), x))


def test_onnx_lstm_with_peepholes():
    cell, x = drawn(PeepholeLSTM), inputs().float()
    weights = as_onnx(cell, (0, 3, 1, 2)) | {"P": permuted(cell.weight_ch, (0, 2, 1))[None]}
    got = cell.sequence(x)[0]
    assert_near(got, ran("LSTM", weights, x))
    cell.weight_ch.zero_()
    assert (cell.sequence(x)[0] - got).abs().max() > 0.01  # they have a say


def test_onnx_lstm_with_input_forget():
    """It takes f = 1 - i, and reads no weights of f."""
    cell, x = drawn(CoupledLSTM, coupling="forget"), inputs().float()
    nothing = {"W": torch.randn(H, F), "R": torch.randn(H, H), "B": torch.randn(H)}
    # Ours are i, g, o; theirs i, o, f, c.
    i, g, o = (
        {key: part.chunk(3)[k] for key, part in (("W", cell.weight_ih), ("R", cell.weight_hh))}
        for k in range(3)
    )
    b = (cell.bias_ih + cell.bias_hh).chunk(3)
    weights = {key: torch.cat([i[key], o[key], nothing[key], g[key]])[None] for key in "WR"}
    weights["B"] = torch.cat([b[0], b[2], nothing["B"], b[1], torch.zeros(4 * H)])[None]
    assert_near(cell.sequence(x)[0], ran("LSTM", weights, x, input_forget=1))
    # The other convention is the same function of the opposite weights.
    other = drawn(CoupledLSTM)
    for name, parameter in other.named_parameters():
        parameter.copy_(getattr(cell, name))
        parameter[:H] *= -1
    torch.testing.assert_close(other.sequence(x)[0], cell.sequence(x)[0])


@pytest.mark.parametrize(("kind", "after"), [(GRU, 1), (ResetBeforeGRU, 0)])
def test_onnx_gru(kind, after):
    cell, x = drawn(kind), inputs().float()
    weights = as_onnx(cell, (1, 0, 2))
    got = cell.sequence(x)[0]
    assert_near(got, ran("GRU", weights, x, linear_before_reset=after))
    other = ran("GRU", weights, x, linear_before_reset=1 - after)
    assert (other - got).abs().max() > 0.01  # they are different functions


@pytest.mark.parametrize(("ours", "theirs"), [("exp", "expm"), ("cayley", "cayley")])
def test_geotorch(ours, theirs):
    """Both map a skew matrix: theirs reads below the diagonal, and is moved by a first matrix."""
    torch.manual_seed(2)
    cell = Elman(F, H, dtype=torch.float64)
    orthogonal(cell, form=ours)
    free = cell.parametrizations.weight_hh.original.detach()
    free.normal_(0, 0.4)
    skew = free.triu(1) - free.triu(1).T
    layer = torch.nn.Linear(H, H, bias=False, dtype=torch.float64)
    geotorch.orthogonal(layer, "weight", triv=theirs)
    tangent = layer.parametrizations.weight[0]
    base = tangent.base.detach()
    # Their Cayley map is (I - A / 2)⁻¹ (I + A / 2): ours of -A / 2.
    scale = 1.0 if ours == "exp" else -2.0
    layer.parametrizations.weight.original.data.copy_((scale * skew).tril(-1))
    torch.testing.assert_close(
        cell.weight_hh.detach(), base.mT @ layer.weight.detach(), rtol=1e-10, atol=1e-10
    )
    one = torch.eye(H, dtype=torch.float64)
    torch.testing.assert_close(cell.weight_hh @ cell.weight_hh.T, one, rtol=1e-12, atol=1e-12)

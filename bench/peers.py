"""Peers that are measured where they are installed: jax and onnxruntime, by the extra `bench`."""

import os
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.timing import Call
from bench.work import AGREE


def calls(kind: str, mode: str, module: nn.RNNBase, x: Tensor, threads: int) -> dict[str, Call]:
    """The same layer with the same weights in other libraries; empty where none is there.

    Args:
        module: one layer of torch's.
        x: (T, B, F).
    """
    found: dict[str, Call] = {}
    with torch.no_grad():
        y = module(x)[0].numpy()
    weights = [weight.detach().numpy() for weight in module.parameters()]
    if find_spec("onnxruntime") and find_spec("onnx") and mode == "infer":
        found["onnxruntime"] = _onnxruntime(kind, weights, x.detach().numpy(), y, threads)
    if find_spec("jax") and threads == 1:
        found["jax scan"] = _jax(kind, mode, weights, x.detach().numpy(), y)
    return found


# For each kind: the operator, and the order in which ONNX stacks torch's gates.
ONNX = {"LSTM": ("LSTM", (0, 3, 1, 2)), "GRU": ("GRU", (1, 0, 2)), "Elman": ("RNN", (0,))}


def _onnxruntime(
    kind: str, weights: list[np.ndarray], x: np.ndarray, y: np.ndarray, threads: int
) -> Call:
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    operator, order = ONNX[kind]
    W, R, b_x, b_h = (stacked(weight, order) for weight in weights)
    constants = {"W": W[None], "R": R[None], "b": np.concatenate([b_x, b_h])[None]}
    options = {"linear_before_reset": 1} if kind == "GRU" else {}
    node = helper.make_node(operator, ["x", *constants], ["y"], hidden_size=R.shape[1], **options)
    graph = helper.make_graph(
        [node],
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.ascontiguousarray(v), k) for k, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    how = onnxruntime.SessionOptions()
    how.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), how, providers=["CPUExecutionProvider"]
    )
    _check("onnxruntime", session.run(["y"], {"x": x})[0][:, 0], y)
    return lambda: session.run(["y"], {"x": x})


def stacked(weight: np.ndarray, order: tuple[int, ...]) -> np.ndarray:
    """The gates of a matrix in another order."""
    return np.concatenate([np.split(weight, len(order))[k] for k in order])


def _jax(kind: str, mode: str, weights: list[np.ndarray], x: np.ndarray, y: np.ndarray) -> Call:
    jax, step = jax_step(kind)
    H = weights[1].shape[1]

    def forward(weights: Any, x: Any) -> Any:
        w_x, w_h, b_x, b_h = weights
        zeros = jax.numpy.zeros((x.shape[1], H))
        first = (zeros, zeros) if kind == "LSTM" else zeros
        return jax.lax.scan(lambda s, u: step(s, u, w_h, b_h), first, x @ w_x.T + b_x)[1]

    given = jax.device_put((tuple(weights), x))
    infer = jax.jit(forward)
    _check("jax", np.asarray(infer(*given)), y)
    train = jax.jit(jax.value_and_grad(lambda w, x: forward(w, x).sum(), argnums=(0, 1)))
    run = infer if mode == "infer" else train
    return lambda: jax.block_until_ready(run(*given))


def jax_step(kind: str) -> tuple[Any, Any]:
    """jax on one thread, and one step of a cell after the product on x: `(state, u, w_h, b_h)`."""
    # Read once, when jax begins.
    os.environ.setdefault(
        "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    )
    import jax

    return jax, {"LSTM": _jax_lstm, "GRU": _jax_gru, "Elman": _jax_elman}[kind]


def _jax_lstm(state: Any, u: Any, w_h: Any, b_h: Any) -> Any:
    import jax

    h, c = state
    i, f, g, o = jax.numpy.split(u + h @ w_h.T + b_h, 4, axis=-1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jax.numpy.tanh(g)
    h = jax.nn.sigmoid(o) * jax.numpy.tanh(c)
    return (h, c), h


def _jax_gru(h: Any, u: Any, w_h: Any, b_h: Any) -> Any:
    import jax

    u_r, u_z, u_n = jax.numpy.split(u, 3, axis=-1)
    v_r, v_z, v_n = jax.numpy.split(h @ w_h.T + b_h, 3, axis=-1)
    z = jax.nn.sigmoid(u_z + v_z)
    h = z * h + (1 - z) * jax.numpy.tanh(u_n + jax.nn.sigmoid(u_r + v_r) * v_n)
    return h, h


def _jax_elman(h: Any, u: Any, w_h: Any, b_h: Any) -> Any:
    import jax

    h = jax.numpy.tanh(u + h @ w_h.T + b_h)
    return h, h


def _check(who: str, got: np.ndarray, want: np.ndarray) -> None:
    error = np.abs(got - want).max()
    if not error < AGREE:
        raise RuntimeError(f"{who} and torch differ by {error}")

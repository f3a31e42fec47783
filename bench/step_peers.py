"""One step of a cell in other libraries, state and all; each call goes on by one step."""

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor, nn

from bench import peers


def onnxruntime(kind: str, module: nn.RNNCellBase, x: Tensor) -> Callable[[], Any]:
    """By bound memory: nothing is copied, and the states of two bindings take turns."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    operator, order = peers.ONNX[kind]
    stacked = [peers.stacked(weight.detach().numpy(), order) for weight in module.parameters()]
    W, R, b_x, b_h = stacked
    B, H = len(x), R.shape[1]
    constants = {"W": W[None], "R": R[None], "b": np.concatenate([b_x, b_h])[None]}
    states = ["h", "c"] if kind == "LSTM" else ["h"]
    options = {"linear_before_reset": 1} if kind == "GRU" else {}
    node = helper.make_node(
        operator,
        ["x", *constants, "", *states],
        ["", *(f"{name}_next" for name in states)],
        hidden_size=H,
        **options,
    )
    floats = TensorProto.FLOAT
    state = [1, B, H]
    graph = helper.make_graph(
        [node],
        "step",
        [
            helper.make_tensor_value_info("x", floats, [1, *x.shape]),
            *(helper.make_tensor_value_info(name, floats, state) for name in states),
        ],
        [helper.make_tensor_value_info(f"{name}_next", floats, state) for name in states],
        [numpy_helper.from_array(np.ascontiguousarray(v), k) for k, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    how = onnxruntime.SessionOptions()
    how.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), how, providers=["CPUExecutionProvider"]
    )
    given = onnxruntime.OrtValue.ortvalue_from_numpy(x.numpy()[None])
    zeros = np.zeros(state, np.float32)
    held = [[onnxruntime.OrtValue.ortvalue_from_numpy(zeros.copy()) for _ in states] for _ in "ab"]
    bindings = []
    for before, after in (held, held[::-1]):
        binding = session.io_binding()
        binding.bind_ortvalue_input("x", given)
        for name, old, new in zip(states, before, after, strict=True):
            binding.bind_ortvalue_input(name, old)
            binding.bind_ortvalue_output(f"{name}_next", new)
        bindings.append((binding, after[0]))

    def call() -> Any:
        bindings.reverse()
        binding, y = bindings[1]
        session.run_with_iobinding(binding)
        return y

    return lambda: call().numpy()


def jax(kind: str, module: nn.RNNCellBase, x: Tensor) -> Callable[[], Any]:
    """Compiled, on arrays of the device."""
    jax, step = peers.jax_step(kind)
    weights = jax.device_put([weight.detach().numpy() for weight in module.parameters()])
    given, zeros = jax.device_put((x.numpy(), np.zeros((len(x), module.hidden_size), np.float32)))

    def forward(weights: Any, state: Any, x: Any) -> Any:
        w_x, w_h, b_x, b_h = weights
        return step(state, x @ w_x.T + b_x, w_h, b_h)

    compiled = jax.jit(forward)
    held = [(zeros, zeros) if kind == "LSTM" else zeros]

    def call() -> Any:
        held[0], y = compiled(weights, held[0], given)
        return jax.block_until_ready(y)

    return call

"""A stream beside what answers one step elsewhere: torch's cells, onnxruntime, jax.

Weights are shared, and the answers compared before anything is timed. Times are microseconds a
push, or a step where a push is a chunk; `ratio` is the peer's time over ours.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench import step_peers
from bench.rows import wanted
from bench.timing import Budget, Call, Timing, compare, interleave, shown
from bench.work import AGREE
from recurra import GRU, LSTM, Each, Embedding, Stack, Stream
from recurra.cells import Cell

WIDTHS = (32, 64, 128, 256, 512)
CHUNK = 1000
ROWS, WIDE = 256, 128
LAYERS, VOCABULARY = 3, 64
CELLS: dict[str, tuple[Callable[..., Cell[Any]], Callable[..., nn.RNNCellBase]]] = {
    "LSTM": (LSTM, nn.LSTMCell),
    "GRU": (GRU, nn.GRUCell),
}
# Microseconds a step of RTNeural, compiled for one width, on one core of an AMD Zen 5: the best
# loop of others that is known.
RTNEURAL = {32: 0.14, 64: 1.0, 128: 4.7, 256: 26.0}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing of its own: the options of `layers` hold, but a stream works on one thread."""


def run(args: argparse.Namespace) -> Iterator[Timing]:
    """The rows of every case that is wanted."""
    with torch.inference_mode():
        yield from shown("stream", 1, args.quick, lambda budget: rows(args.only, budget))


def rows(only: str, budget: Budget, widths: tuple[int, ...] = WIDTHS) -> Iterator[Timing]:
    """Every case that matches.

    Args:
        widths: at which the cells are measured.
    """
    for kind in CELLS:
        for H in widths:
            if wanted(f"push {kind} {H}", only):
                yield from one_step(kind, H, budget)
    for H in widths:
        if wanted(f"chunk LSTM {H}", only):
            yield from chunk(H, budget)
        if wanted(f"bfloat16 LSTM {H}", only):
            yield from rounded(H, budget)
    if wanted(f"network GRU {WIDE}", only):
        yield from network(budget)
    if wanted(f"rows LSTM {WIDE}", only):
        yield from many_rows(budget)


def one_step(kind: str, H: int, budget: Budget) -> Iterator[Timing]:
    """One step of one row."""
    ours, module = _pair(kind, H)
    stream, x = Stream(ours), torch.randn(1, H)
    push, out = stream.push, torch.empty(1, H)
    calls = {f"torch nn.{kind}Cell": _torch_cell(module, x)}
    if find_spec("onnxruntime") and find_spec("onnx"):
        calls["onnxruntime, bound"] = step_peers.onnxruntime(kind, module, x)
    if find_spec("jax"):
        calls["jax jit"] = step_peers.jax(kind, module, x)
    _agree(calls, lambda: Stream(ours).push(x))
    for mode, call in (("push", lambda: push(x)), ("out", lambda: push(x, out))):
        yield from _each(f"push {kind} {H}", mode, call, calls, budget)


def chunk(H: int, budget: Budget) -> Iterator[Timing]:
    """A thousand steps of one row at once, a step."""
    cell, module = LSTM(H, H), nn.LSTM(H, H)
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in module.state_dict().items()})
    stream, x, out = Stream(cell), torch.randn(1, CHUNK, H), torch.empty(1, CHUNK, H)
    turned = x.transpose(0, 1).contiguous()
    calls = {"torch nn.LSTM": lambda: module(turned)[0].transpose(0, 1)}
    _agree(calls, lambda: Stream(cell).push(x))

    def call() -> Tensor:
        return stream.push(x, out)

    for row in _each(f"chunk LSTM {H}", "chunk", call, calls, budget):
        yield replace(row, ours_ms=row.ours_ms / CHUNK, peer_ms=row.peer_ms / CHUNK)
    if H in RTNEURAL:
        (mine,) = interleave([call], 1, budget)
        step = 1e3 * mine.ms / CHUNK
        peer = "RTNeural, on a Zen 5"
        yield Timing(f"chunk LSTM {H}", "chunk", 1, peer, step, RTNEURAL[H], mine.spread, 0.0, "us")


def rounded(H: int, budget: Budget) -> Iterator[Timing]:
    """One step of one row with matrices in bfloat16, beside ours in float32."""
    cell, x = LSTM(H, H), torch.randn(1, H)
    near, exact = Stream(cell, weights=torch.bfloat16), Stream(cell)
    peer = {"recurra, float32": lambda: exact.push(x)}
    yield from _each(f"bfloat16 LSTM {H}", "push", lambda: near.push(x), peer, budget)


class Network(nn.Module):
    """Ids to scores, as torch has it."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, WIDE)
        self.layers = nn.GRU(WIDE, WIDE, LAYERS)
        self.head = nn.Linear(WIDE, VOCABULARY)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """One step."""
        y, h = self.layers(self.embed(x)[None], h)
        return self.head(y[0]), h

    def cells(self) -> Stack:
        """The same, of our parts."""
        layers = [GRU(WIDE, WIDE) for _ in range(LAYERS)]
        for k, layer in enumerate(layers):
            own = {k2: getattr(self.layers, f"{k2}_l{k}") for k2, _ in layer.named_parameters()}
            layer.load_state_dict(own)
        table = Embedding(VOCABULARY, WIDE)
        table.load_state_dict(self.embed.state_dict())
        return Stack([table, *layers, Each(self.head)])


def network(budget: Budget) -> Iterator[Timing]:
    """A step from an id to scores."""
    module = Network()
    stack, x = module.cells(), torch.tensor([5])
    stream, held = Stream(stack), [torch.zeros(LAYERS, 1, WIDE)]

    def theirs() -> Tensor:
        y, held[0] = module(x, held[0])
        return y

    calls = {"torch, inference mode": theirs}
    _agree(calls, lambda: Stream(stack).push(x))
    yield from _each(f"network GRU {WIDE}", "push", lambda: stream.push(x), calls, budget)


def many_rows(budget: Budget) -> Iterator[Timing]:
    """One step of many rows."""
    ours, module = _pair("LSTM", WIDE)
    stream, x = Stream(ours, ROWS), torch.randn(ROWS, WIDE)
    calls = {"torch nn.LSTMCell": _torch_cell(module, x)}
    _agree(calls, lambda: Stream(ours, ROWS).push(x))
    yield from _each(f"rows LSTM {WIDE}", "push", lambda: stream.push(x), calls, budget)


def _pair(kind: str, H: int) -> tuple[Cell[Any], nn.RNNCellBase]:
    make, peer = CELLS[kind]
    ours, module = make(H, H), peer(H, H)
    ours.load_state_dict(module.state_dict())
    return ours, module


def _torch_cell(module: nn.RNNCellBase, x: Tensor) -> Callable[[], Tensor]:
    """Goes on by one step a call."""
    held: list[Any] = [None]

    def call() -> Tensor:
        held[0] = module(x, held[0])
        return held[0][0] if isinstance(held[0], tuple) else held[0]

    return call


def _agree(calls: dict[str, Callable[[], Any]], ours: Callable[[], Tensor]) -> None:
    """The first answers are compared.

    Raises:
        RuntimeError: they differ.
    """
    want = ours()
    for peer, call in calls.items():
        error = np.abs(np.asarray(call()).reshape(want.shape) - want.numpy()).max()
        if not error < AGREE:
            raise RuntimeError(f"{peer} and we differ by {error}")


def _each(
    case: str, mode: str, ours: Call, peers: dict[str, Any], budget: Budget
) -> Iterator[Timing]:
    """In microseconds."""
    for row in compare(case, mode, 1, ours, peers, budget):
        yield replace(row, ours_ms=1e3 * row.ours_ms, peer_ms=1e3 * row.peer_ms, unit="us")

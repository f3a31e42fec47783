"""The modules of recurra.nn beside torch.nn's: a call in inference, a step of training.

Both get the same tensors, (T, B, F) or packed, and have the same weights; outputs are compared
before anything is timed. `ratio` is the peer's time over ours. One layer alone is also timed beside
its cell, as `python -m bench layers` times it. The rows of overhead hold what a
call of a module takes beyond the engine's own, in microseconds.
"""

import argparse
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from bench.layers import even_lengths
from bench.rows import Row, wanted
from bench.timing import Budget, Call, Timing, compare, interleave, shown
from bench.work import MODES, SHAPES, Shape, check, sequence, work
from recurra import nn as ours
from recurra.engine import Way, together
from recurra.nn.form import form

PAIRS: dict[str, tuple[type[nn.RNNBase], type[nn.RNNBase]]] = {
    "LSTM": (ours.LSTM, nn.LSTM),
    "GRU": (ours.GRU, nn.GRU),
    "Elman": (ours.RNN, nn.RNN),
}
# Short enough that a call is mostly overhead; a single step of a GRU is torch's own.
TINY = Shape(2, 1, 32)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `layers` say on how many threads and how long."""


def run(args: argparse.Namespace) -> Iterator[Timing | Row]:
    """The rows of every case that is wanted."""
    threads = args.threads
    return shown("dropin", threads, args.quick, lambda budget: rows(args.only, threads, budget))


def rows(
    only: str, threads: int, budget: Budget, shapes: dict[str, Shape] = SHAPES
) -> Iterator[Timing | Row]:
    """Every case that matches.

    Args:
        shapes: sizes by their letters, of which S and M are used.
    """
    S, M = shapes["S"], shapes["M"]
    deep = {"num_layers": 2, "bidirectional": True}
    for kind in PAIRS:
        cases: dict[str, tuple[Shape, dict[str, Any], Callable[[Shape], Any]]] = {
            f"{kind} module S": (S, {}, _dense),
            f"{kind} module M": (M, {}, _dense),
            f"{kind} module, 2 layers, both ways M": (M, deep, _dense),
            f"{kind} module, packed M": (M, {}, _packed),
            f"{kind} module, one step S": (S._replace(T=1), {}, _dense),
        }
        for case, (shape, options, make) in cases.items():
            if wanted(case, only):
                yield from beside(case, kind, make(shape), shape, options, threads, budget)
    for kind in PAIRS:
        if wanted(f"overhead {kind}", only):
            yield from overhead(kind, threads, budget)


def beside(
    case: str,
    kind: str,
    x: Any,
    shape: Shape,
    options: dict[str, Any],
    threads: int,
    budget: Budget,
) -> Iterator[Timing]:
    """Our module and torch's on the same x."""
    mine, theirs = (make(shape.H, shape.H, **options) for make in PAIRS[kind])
    mine.load_state_dict(theirs.state_dict())
    check(_outputs(mine, x), _outputs(theirs, x))
    source = x.data if isinstance(x, PackedSequence) else x
    for mode in MODES:
        call = work(mode, _outputs(mine, x), (source, *mine.parameters()))
        peer = work(mode, _outputs(theirs, x), (source, *theirs.parameters()))
        peers = {f"torch nn.{type(theirs).__name__}": peer}
        if isinstance(x, Tensor) and shape.T > 1 and not options:
            peers["recurra, the cell itself"] = _cell(mode, mine, x)
        yield from compare(case, mode, threads, call, peers, budget)


def _cell(mode: str, module: Any, x: Tensor) -> Call:
    """What the bench of layers times: the sequence of the cell, on rows in one piece."""
    (cell,) = module.as_stack().layers
    rows = x.detach().transpose(0, 1).contiguous().requires_grad_()
    return work(mode, sequence(cell, rows), (rows, *cell.parameters()))


def overhead(kind: str, threads: int, budget: Budget) -> Iterator[Row]:
    """What a call of a module takes beyond the engine's, with no gradient and with one."""
    make, _ = PAIRS[kind]
    module, x = make(TINY.H, TINY.H), _dense(TINY)
    made = form(module.mode, TINY.H, TINY.H, 1, True, False, 0)
    ((direction,),) = made.layers
    first = made.state(*(torch.zeros(TINY.B, width) for width in made.widths))
    weights = {own: getattr(module, name) for own, name, _ in direction.weights}
    rows_first = x.transpose(0, 1)

    def engine() -> object:
        ways = [Way(direction.step, first, parameters=weights)]
        return together(rows_first, ways, time_first=True)

    for mode, gradients in (("infer", False), ("forward of train", True)):
        with torch.set_grad_enabled(gradients):
            whole, alone = interleave([lambda: module(x), engine], threads, budget)
        yield Row(f"overhead {kind}", mode, 1e3 * (whole.ms - alone.ms), "us")


def _dense(shape: Shape) -> Tensor:
    return torch.randn(shape.T, shape.B, shape.H, requires_grad=True)


def _packed(shape: Shape) -> PackedSequence:
    x = torch.randn(shape.T, shape.B, shape.H)
    packed = pack_padded_sequence(x, even_lengths(shape), enforce_sorted=False)
    packed.data.requires_grad_()
    return packed


def _outputs(module: nn.Module, x: Any) -> Callable[[], Tensor]:
    def call() -> Tensor:
        y = module(x)[0]
        found: Tensor = y.data if isinstance(y, PackedSequence) else y
        return found

    return call

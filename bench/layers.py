"""The classic cells beside torch.nn: whole, ragged, projected, on several threads; their memory.

And the loss over a vocabulary, `bench.vocabulary`.

Weights are shared, and the outputs compared before anything is timed. Ours takes (B, T, F); torch's
gets its own best layout, (T, B, F). `ratio` is the peer's time over ours.
"""

import argparse
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from bench import peers, vocabulary
from bench.memory import peak_memory
from bench.rows import wanted
from bench.timing import Budget, Timing, compare, on_threads, shown
from bench.work import MODES, SHAPES, Shape, check, load, sequence, work
from recurra.cells import GRU, LSTM, Cell, Elman
from recurra.layers import Bidirectional

CLASSIC: dict[str, tuple[type[Cell[Any]], Callable[..., nn.RNNBase]]] = {
    "LSTM": (LSTM, nn.LSTM),
    "GRU": (GRU, nn.GRU),
    "Elman": (Elman, nn.RNN),
}
SHORTEST_ROW = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How many threads, and how long."""
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="of torch and engine")
    parser.add_argument("--quick", action="store_true", help="few repeats: to see that it runs")


def run(args: argparse.Namespace) -> Iterator[Timing]:
    """The rows of every case that is wanted."""
    threads = args.threads
    return shown("layers", threads, args.quick, lambda budget: rows(args.only, threads, budget))


def rows(
    only: str, threads: int, budget: Budget, shapes: dict[str, Shape] = SHAPES
) -> Iterator[Timing]:
    """Every case that matches, at every size that it is measured at.

    Args:
        shapes: sizes by their letters, of which "M" and "L" are used by cases of their own.
    """
    for kind in CLASSIC:
        for letter, shape in shapes.items():
            if wanted(f"{kind} {letter}", only):
                yield from classic(kind, letter, shape, threads, budget)
    yield from vocabulary.rows(only, threads, budget)
    if wanted("LSTM projection M", only):
        yield from projection(shapes["M"], threads, budget)
    if wanted("ragged LSTM M", only):
        yield from ragged(shapes["M"], threads, budget)
    if threads > 1:
        for letter in ("M", "L"):
            if wanted(f"threads LSTM {letter}", only):
                yield from several_threads(letter, shapes[letter], threads, budget)
        if wanted("both directions LSTM M", only):
            yield from both_directions(shapes["M"], threads, budget)
    elif wanted("peak memory LSTM L", only):
        yield from memory(shapes["L"], budget)


def classic(kind: str, letter: str, shape: Shape, threads: int, budget: Budget) -> Iterator[Timing]:
    """One of torch's own cells."""
    make, peer = CLASSIC[kind]
    module = peer(shape.H, shape.H)
    cell = make(shape.H, shape.H)
    load(cell, module)
    x, x_peer = _inputs(shape)
    ours, theirs = sequence(cell, x), _outputs(module, x_peer)
    check(ours, lambda: theirs().transpose(0, 1))
    for mode in MODES:
        calls = {
            f"torch nn.{module.mode.partition('_')[0]}": work(
                mode, theirs, (x_peer, *module.parameters())
            )
        }
        calls |= peers.calls(kind, mode, module, x_peer, threads)
        mine = work(mode, ours, (x, *cell.parameters()))
        yield from compare(f"{kind} {letter}", mode, threads, mine, calls, budget)


def projection(shape: Shape, threads: int, budget: Budget) -> Iterator[Timing]:
    """An LSTM whose output is half as wide as its memory."""
    half = (shape.H + 1) // 2
    cell, module = (make(shape.H, shape.H, proj_size=half) for make in (LSTM, nn.LSTM))
    load(cell, module)
    x, x_peer = _inputs(shape)
    ours, theirs = sequence(cell, x), _outputs(module, x_peer)
    # torch warns once that its fast road has no projection; that is what is shown here.
    with warnings.catch_warnings(action="ignore"):
        check(ours, lambda: theirs().transpose(0, 1))
    for mode in MODES:
        mine = work(mode, ours, (x, *cell.parameters()))
        peer = {"torch nn.LSTM": work(mode, theirs, (x_peer, *module.parameters()))}
        yield from compare("LSTM projection M", mode, threads, mine, peer, budget)


def even_lengths(shape: Shape) -> Tensor:
    """From 10 to T, evenly spread, in no order."""
    spread = torch.linspace(min(SHORTEST_ROW, shape.T), shape.T, shape.B).round().long()
    return spread[torch.randperm(shape.B, generator=torch.Generator().manual_seed(0))]


def ragged(shape: Shape, threads: int, budget: Budget) -> Iterator[Timing]:
    """Rows of many lengths, beside torch's packed sequence and beside our own full rows.

    The packing itself is not counted to the peer's time.
    """
    module, cell, lengths = nn.LSTM(shape.H, shape.H), LSTM(shape.H, shape.H), even_lengths(shape)
    load(cell, module)
    x, x_peer = _inputs(shape)
    packed = pack_padded_sequence(x_peer.detach(), lengths, enforce_sorted=False)
    packed.data.requires_grad_()
    ours, dense = sequence(cell, x, lengths=lengths), sequence(cell, x)
    check(ours, lambda: pad_packed_sequence(module(packed)[0], True, total_length=shape.T)[0])
    print(f"ragged: {lengths.sum().item() / (shape.T * shape.B):.1%} of the steps are true")
    for mode in MODES:
        calls = {
            "torch packed nn.LSTM": work(
                mode, _packed_outputs(module, packed), (packed.data, *module.parameters())
            ),
            "recurra, every row full": work(mode, dense, (x, *cell.parameters())),
        }
        mine = work(mode, ours, (x, *cell.parameters()))
        yield from compare("ragged LSTM M", mode, threads, mine, calls, budget)


def several_threads(letter: str, shape: Shape, threads: int, budget: Budget) -> Iterator[Timing]:
    """Ours on several threads, beside ours on one."""
    cell, (x, _) = LSTM(shape.H, shape.H), _inputs(shape)
    for mode in MODES:
        call = work(mode, sequence(cell, x), (x, *cell.parameters()))
        peer = {"recurra, one thread": on_threads(1, call)}
        ours = on_threads(threads, call)
        yield from compare(f"threads LSTM {letter}", mode, threads, ours, peer, budget)
    torch.set_num_threads(threads)


def both_directions(shape: Shape, threads: int, budget: Budget) -> Iterator[Timing]:
    """Both directions on several threads, beside one direction on one."""
    one, (x, _) = LSTM(shape.H, shape.H), _inputs(shape)
    both = Bidirectional(one, LSTM(shape.H, shape.H))
    for mode in MODES:
        mine = work(mode, lambda: both.sequence(x)[0], (x, *both.parameters()))
        single = work(mode, sequence(one, x), (x, *one.parameters()))
        peer = {"recurra, one direction, one thread": on_threads(1, single)}
        ours = on_threads(threads, mine)
        yield from compare("both directions LSTM M", mode, threads, ours, peer, budget)
    torch.set_num_threads(threads)


def memory(shape: Shape, budget: Budget) -> Iterator[Timing]:
    """The peak of one training step beyond the tensors given."""
    ours, peer = (peak_memory(who, shape, budget.rounds) for who in ("recurra", "torch"))
    yield Timing(
        "peak memory LSTM L",
        "train",
        1,
        "torch nn.LSTM",
        ours.ms,
        peer.ms,
        ours.spread,
        peer.spread,
        "MiB",
    )


def _inputs(shape: Shape) -> tuple[Tensor, Tensor]:
    """The same numbers for us (B, T, F) and for torch (T, B, F), each packed."""
    x = torch.randn(shape.T, shape.B, shape.H)
    return x.transpose(0, 1).contiguous().requires_grad_(), x.requires_grad_()


def _outputs(module: nn.Module, x: Tensor) -> Callable[[], Tensor]:
    return lambda: module(x)[0]


def _packed_outputs(module: nn.Module, packed: PackedSequence) -> Callable[[], Tensor]:
    return lambda: module(packed)[0].data

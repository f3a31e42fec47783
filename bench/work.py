"""What a bench calls: a sequence in inference, or one step of training."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from bench.timing import Call
from recurra.cells import Cell
from recurra.engine import leaves, loop, tree_map


class Shape(NamedTuple):
    """Steps, rows, and the width of input and state."""

    T: int
    B: int
    H: int


SHAPES = {
    "S": Shape(64, 8, 64),
    "M": Shape(128, 32, 128),
    "H256": Shape(128, 64, 256),
    "L": Shape(128, 64, 512),
}
MODES = ("infer", "train")
# Ours and a peer's sums of products differ in their order alone.
AGREE = 2e-3


def sequence(cell: Cell[Any], x: Any, **options: Any) -> Callable[[], Tensor]:
    """Ours."""
    return lambda: cell.sequence(x, **options)[0]


def plain_loop(cell: Cell[Any], x: Any) -> Callable[[], Tensor]:
    """The same cell, one step after another in Python, with x unbound once: the best such loop."""
    rows = leaves(x)[0].shape[0]
    return lambda: loop(cell.step, x, cell.initial_state(rows))[0]


def indexed_loop(cell: Cell[Any], x: Any) -> Callable[[], Tensor]:
    """The loop as it is mostly written: x[:, t], whose backward fills an x of zeros a step."""
    rows, T = leaves(x)[0].shape[:2]

    def run() -> Tensor:
        ys, state = [], cell.initial_state(rows)
        for t in range(T):
            y, state = cell.step(tree_map(lambda part, t=t: part[:, t], x), state)
            ys.append(y)
        return torch.stack(ys, dim=1)

    return run


def work(mode: str, forward: Callable[[], Tensor], inputs: Iterable[Tensor]) -> Call:
    """The forward alone, or with the backward of its sum.

    Args:
        inputs: what gets a gradient; emptied before each backward, as an optimizer does.
    """
    watched = list(inputs)

    def infer() -> None:
        with torch.no_grad():
            forward()

    def train() -> None:
        for one in watched:
            one.grad = None
        forward().sum().backward()

    return infer if mode == "infer" else train


def check(ours: Callable[[], Tensor], theirs: Callable[[], Tensor]) -> None:
    """Only what agrees is timed.

    Raises:
        RuntimeError: the two do not compute the same.
    """
    with torch.no_grad():
        error = (ours() - theirs()).abs().max().item()
    if not error < AGREE:
        raise RuntimeError(f"ours and the peer's differ by {error}")


def load(cell: Cell[Any], module: nn.Module) -> None:
    """The weights of a torch layer, by name."""
    names = {name.removesuffix("_l0"): weight for name, weight in module.state_dict().items()}
    cell.load_state_dict(names)

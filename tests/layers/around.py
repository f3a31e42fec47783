"""Everything that stands around a cell, around several cells, and what each is held to."""

from typing import NamedTuple

import torch

from recurra.cells import CELLS, Cell
from recurra.engine import leaves, tree_map
from recurra.layers import (
    Block,
    Dilated,
    Each,
    GatedNorm,
    LockedDropout,
    PreNorm,
    RecurrentDropout,
    Residual,
    ShortConvolution,
    Stack,
    WeightDrop,
    Zoneout,
)

F = 6
# Of each kind one: states of one and of two parts, with and without a form over all steps.
INNER = ["gru", "lstm", "mingru"]
WRAPPERS = {
    "residual": Residual,
    "pre-norm, layer": PreNorm,
    "pre-norm, rms": lambda cell: PreNorm(cell, "rms"),
    "gated norm": lambda cell: GatedNorm(cell, heads=2),
    "zoneout": lambda cell: Zoneout(cell, 0.4),
    "zoneout of h": lambda cell: Zoneout(cell, {"h": 0.3}),
    "dilated by 1": lambda cell: Dilated(cell, 1),
    "dilated by 3": lambda cell: Dilated(cell, 3),
    "block": lambda cell: Block(cell, heads=3),
    "block with gelu": lambda cell: Block(cell, norm="layer", width=2, mlp="gelu", mlp_size=5),
    "block, bare": lambda cell: Block(cell, width=0, mlp=None),
    "convolution before": lambda cell: Residual(Stack([ShortConvolution(F), cell])),
    "locked dropout": lambda cell: LockedDropout(cell, input_rate=0.3, output_rate=0.4),
    "recurrent dropout": lambda cell: RecurrentDropout(cell, 0.4),
    "weight drop": lambda cell: WeightDrop(cell, 0.5, [last_weight(cell)]),
    "weight drop, rows": lambda cell: Residual(
        WeightDrop(cell, 0.5, [last_weight(cell)], rows=True)
    ),
    "weight drop below": lambda cell: Stack(
        [WeightDrop(PreNorm(cell), 0.5, ["cell." + last_weight(cell)]), Residual(units6())], 0.2
    ),
    "several": lambda cell: Residual(PreNorm(Zoneout(Dilated(cell, 2), 0.2))),
    "stacks in stacks": lambda cell: Stack(
        [
            Block(Residual(cell)),
            Stack([Zoneout(PreNorm(units6()), 0.3), Each(torch.nn.Linear(F, F))]),
        ]
    ),
}


def last_weight(cell):
    return [name for name, each in cell.named_parameters() if each.ndim == 2][-1]


def units6():
    return CELLS["gru"](F, F)


class Case(NamedTuple):
    """A cell and the arguments of one sequence, as `tests.engine.truth` takes it."""

    cell: Cell
    x: torch.Tensor
    state: object
    context: object


def case(wrapper, inner, B, T, *, train=True, dtype=torch.float64, seed=0):
    torch.manual_seed(seed)
    cell = WRAPPERS[wrapper](CELLS[inner](F, F)).to(dtype).train(train)
    with torch.no_grad():
        for each in cell.parameters():
            each.add_(0.2 * torch.rand_like(each))
    x = torch.randn(B, T, F, dtype=dtype, requires_grad=True)
    state = tree_map(moved, cell.initial_state(B))
    return Case(cell, x, state, cell.sample_context(B))


def moved(part):
    """A state that is not the first one; a phase of noise stays on its grid."""
    return (part + torch.randint(0, 8, part.shape) / 8).detach().requires_grad_()


def forms_of(cell):
    """Those that a cell has."""
    return ["step", "auto", "parallel"] if cell.has_parallel else ["step", "auto"]


def set_form(cell, form):
    for part in cell.modules():
        if isinstance(part, Cell):
            part.form = form


def same_bits(a, b):
    return all(torch.equal(one, other) for one, other in zip(leaves(a), leaves(b), strict=True))

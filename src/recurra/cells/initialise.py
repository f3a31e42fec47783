"""First weights for long memories, for any cell that has what they speak of.

A gate's bias stands in the rows of `bias_ih` where `gates` names it; where a cell adds a `bias_hh`
of its own, that gate's rows there become 0, so that the value is set once.

Source: forget bias: Jozefowicz, Zaremba and Sutskever, "An Empirical Exploration of Recurrent
Network Architectures", 2015, ICML, section 2.2; chrono: Tallec and Ollivier, "Can recurrent neural
networks warp time?", 2018, arXiv:1804.11188, section 2, equation 16; IRNN: Le, Jaitly and Hinton,
"A Simple Way to Initialize Recurrent Networks of Rectified Linear Units", 2015, arXiv:1504.00941,
section 2; orthogonal: Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of
learning in deep linear neural networks", 2014, arXiv:1312.6120.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from recurra.cells.cell import Cell
from recurra.cells.coupled_lstm import CoupledLSTM
from recurra.cells.elman import Elman
from recurra.cells.gru import GRU
from recurra.cells.highway import Highway
from recurra.cells.lstm import LSTM
from recurra.cells.mgu import MGU
from recurra.cells.mingru import MinGRU
from recurra.cells.reset_before_gru import ResetBeforeGRU
from recurra.errors import OptionError


class Keeping(NamedTuple):
    """The biases that say how much of a memory is kept.

    Args:
        keep: all that are added before the sigmoid that scales the old memory.
        write: those of an input gate of its own; none where it follows from `keep`.
        sign: -1 where the gate's 1 stands for writing.
    """

    keep: list[Tensor]
    write: list[Tensor]
    sign: int


@torch.no_grad()
def forget_bias_(cell: Cell[Any], value: float) -> None:
    """Set the bias of the gate that keeps the memory, in one place; 1 is common.

    Raises:
        OptionError: the cell has no such gate, or no biases.
    """
    kept = _keeping("forget_bias_", cell)
    _put(kept.keep, torch.full_like(kept.keep[0], kept.sign * value))


@torch.no_grad()
def chrono_(cell: Cell[Any], longest: int) -> None:
    """Spread the memories over all times from 1 to the longest: keep = log U(1, longest - 1).

    Where a cell has an input gate beside it, its bias is the negative of that.

    Args:
        longest: steps of the longest dependence, at least 3.

    Raises:
        OptionError: the cell has no such gate, or no biases; or `longest` is below 3.
    """
    if longest < 3:
        raise OptionError(f"chrono_: longest is {longest}, it must be at least 3")
    kept = _keeping("chrono_", cell)
    times = torch.empty_like(kept.keep[0]).uniform_(1, longest - 1)
    _put(kept.keep, kept.sign * torch.log(times))
    _put(kept.write, -torch.log(times))


@torch.no_grad()
def irnn_(cell: Cell[Any], alpha: float = 1.0) -> None:
    """Make an Elman network of rectifiers an IRNN: W_hh = alpha I, W_ih ~ N(0, 0.001²), biases 0.

    The paper says 0.001 is the standard deviation of W_ih. Its gradients want to be clipped.

    Raises:
        OptionError: the cell is no Elman with nonlinearity "relu".
    """
    if not isinstance(cell, Elman) or cell.nonlinearity != "relu":
        raise OptionError(f"irnn_: cell is {_named(cell)}, an Elman with nonlinearity 'relu' fits")
    nn.init.eye_(cell.weight_hh).mul_(alpha)
    cell.weight_ih.normal_(0, 1e-3)
    for bias in (cell.bias_ih, cell.bias_hh):
        if bias is not None:
            bias.zero_()


@torch.no_grad()
def orthogonal_(cell: Cell[Any]) -> None:
    """Draw each gate's recurrent matrix orthogonal; of a projected LSTM with orthonormal columns.

    Raises:
        OptionError: the cell has no `weight_hh` of matrices.
    """
    weight = dict(cell.named_parameters(recurse=False)).get("weight_hh")
    if weight is None or weight.ndim < 2:
        raise OptionError(f"orthogonal_: {_named(cell)} has no matrices in weight_hh")
    rows = weight.flatten(0, -2)
    height = cell.hidden_size if isinstance(cell, LSTM) else rows.shape[1]
    for block in torch.split(rows, height):
        nn.init.orthogonal_(block)


def _keeping(where: str, cell: Cell[Any]) -> Keeping:
    """Where the biases of a cell's memory are."""
    held = dict(cell.named_parameters())
    gate, sign, names = _gate(cell)
    if gate not in cell.gates:
        raise OptionError(f"{where}: {_named(cell)} has no gate that keeps a memory")
    found = [held[name] for name in names if name in held]
    if not found:
        raise OptionError(f"{where}: {_named(cell)} has no biases of gates, a cell with some fits")

    def rows(gate: str) -> list[Tensor]:
        return [each.chunk(len(cell.gates), -1)[cell.gates.index(gate)] for each in found]

    return Keeping(rows(gate), rows("input") if "input" in cell.gates else [], sign)


def _put(biases: list[Tensor], value: Tensor) -> None:
    """The value in the first of what is added; 0 in the others."""
    for k, bias in enumerate(biases):
        bias.copy_(value if k == 0 else torch.zeros_like(value))


def _gate(cell: Cell[Any]) -> tuple[str, int, tuple[str, ...]]:
    """The name of the gate that keeps the memory, its sign, and where its biases may stand."""
    both = ("bias_ih", "bias_hh")
    if isinstance(cell, GRU | ResetBeforeGRU):
        return "update", 1, both
    if isinstance(cell, CoupledLSTM):
        return "shared", 1 if cell.coupling == "input" else -1, both
    if isinstance(cell, MGU):
        return "forget", -1, both
    if isinstance(cell, Highway):
        return "transform", -1, both
    if isinstance(cell, MinGRU):
        return "update", -1, ("project.bias",)
    return "forget", 1, both


def _named(cell: Cell[Any]) -> str:
    return type(cell).__name__

"""torch's own layers in the place of the classic cells: on a GPU they are cuDNN's.

The same equations and weights, one call for all time. cuDNN has no second derivatives; where
`torch.backends.cudnn` is disabled a cell runs by its step, which has them.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from recurra.cells.cell import Cell
from recurra.cells.elman import Elman
from recurra.cells.gru import GRU
from recurra.cells.lstm import LSTM
from recurra.engine import run, watched

# Whoever derives a cell may have changed its step, so the class itself is asked for.
CELLS = (LSTM, GRU, Elman)
ELMAN: dict[str, Callable[..., Any]] = {"tanh": torch.rnn_tanh, "relu": torch.rnn_relu}


def serves(cell: Cell[Any], device: str, B: int, T: int, *options: object) -> bool:
    """Whether torch's layer runs in the place of a cell.

    Args:
        device: the type of the device that x is on.
        options: of `sequence`, which torch's layers do not have.
    """
    known = type(cell) in CELLS and not (isinstance(cell, Elman) and cell.nonlinearity not in ELMAN)
    asked = known and device == "cuda" and torch.backends.cudnn.enabled
    return asked and B * T > 0 and all(each is None for each in options) and not watched()


def sequence(cell: Cell[Any], x: Tensor, state: Any, lengths: Tensor | None) -> tuple[Tensor, Any]:
    """As `Cell.sequence`, by torch's layer."""
    if lengths is None:
        y, *last = _layer(cell, x, state)
        return y, type(state)(*last)
    falling, order = torch.sort(lengths.cpu(), descending=True, stable=True)
    alive = int((falling > 0).sum())
    if not alive:
        return run(cell.step, x, state, lengths=lengths)
    order = order[:alive].to(x.device)
    packed = pack_padded_sequence(x[order], falling[:alive], batch_first=True)
    sizes = packed.batch_sizes
    y, *last = _layer(cell, packed.data, [part[order] for part in state], sizes)
    y, _ = pad_packed_sequence(PackedSequence(y, sizes), batch_first=True, total_length=x.shape[1])
    whole = y.new_zeros(len(x), *y.shape[1:]).index_copy(0, order, y)
    kept = (old.index_copy(0, order, new) for old, new in zip(state, last, strict=True))
    return whole, type(state)(*kept)


def _layer(cell: Any, x: Tensor, state: Any, sizes: Tensor | None = None) -> list[Tensor]:
    """The outputs, and the last state part by part; packed where there are sizes."""
    layer: Callable[..., Any] = torch.lstm if isinstance(cell, LSTM) else torch.gru
    layer = ELMAN[cell.nonlinearity] if isinstance(cell, Elman) else layer
    first = tuple(part[None] for part in state)
    given = [x, *([] if sizes is None else [sizes]), first if len(first) > 1 else first[0]]
    given += [_weights(cell), cell.bias_ih is not None, 1, 0.0, torch.is_grad_enabled(), False]
    with torch.autocast(x.device.type, enabled=False):
        y, *last = layer(*given, *([True] if sizes is None else []))  # batch first
    return [y, *(part[0] for part in last)]


def _weights(cell: Any) -> list[Tensor]:
    """The parameters, one behind another in memory; cuDNN warns of others, and moves them."""
    every = [cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh]
    every += [cell.weight_hr] if isinstance(cell, LSTM) else []
    there = [each for each in every if each is not None]
    memory = sorted(there, key=lambda each: -each.ndim)  # matrices come first there
    whole = torch.cat([each.flatten() for each in memory])
    parts = torch.split(whole, [each.numel() for each in memory])
    placed = {id(each): part.view_as(each) for part, each in zip(parts, memory, strict=True)}
    return [placed[id(each)] for each in there]

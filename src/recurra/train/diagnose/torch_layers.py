"""torch.nn's recurrent modules, and ours in their place, run by cells that can be watched."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from recurra.cells import Cell
from recurra.engine import leaves
from recurra.layers import Bidirectional
from recurra.nn import GRU, LSTM, RNN
from recurra.nn.stack import stack_of

# Whoever derives from these may have changed the forward.
KINDS = (nn.RNN, nn.LSTM, nn.GRU, RNN, LSTM, GRU)


def is_recurrent(module: nn.Module) -> bool:
    """Whether a module can be run by cells."""
    return type(module) in KINDS and "forward" not in vars(module)


@dataclass(frozen=True)
class Cells:
    """A module's layers as cells with its own parameters."""

    layers: list[Any]

    def named(self, name: str) -> Iterator[tuple[str, Cell[Any], bool]]:
        """Each cell with a name, and whether it runs backward."""
        for number, layer in enumerate(self.layers):
            part = f"{name}, layer {number}" if len(self.layers) > 1 else name
            if isinstance(layer, Bidirectional):
                yield f"{part}, forward", layer.forward_cell, False
                yield f"{part}, backward", layer.backward_cell, True
            else:
                yield part, layer, False


def as_cells(module: nn.Module) -> Cells:
    """The layers of a module that `is_recurrent`."""
    return Cells(list(stack_of(cast(nn.RNNBase, module)).layers))


def forward(module: Any, cells: Cells, x: Any, hx: Any = None) -> tuple[Any, Any]:
    """What the module's own forward gives."""
    if isinstance(x, PackedSequence):
        padded, lengths = pad_packed_sequence(x, batch_first=True)
        y, last = _layers(module, cells, padded, _first(cells, hx), lengths)
        in_order = x.sorted_indices is None
        packed = pack_padded_sequence(y, lengths, batch_first=True, enforce_sorted=in_order)
        return packed, _joined(last)
    batched = x.ndim == 3
    if not batched:
        x = x.unsqueeze(0)
        hx = None if hx is None else _each(hx, lambda part: part.unsqueeze(1))
    elif not module.batch_first:
        x = x.transpose(0, 1)
    y, last = _layers(module, cells, x, _first(cells, hx), None)
    if not batched:
        return y.squeeze(0), _each(_joined(last), lambda part: part.squeeze(1))
    return y if module.batch_first else y.transpose(0, 1), _joined(last)


def _layers(
    module: Any, cells: Cells, x: Tensor, first: list[Any], lengths: Tensor | None
) -> tuple[Tensor, list[Any]]:
    last = []
    for number, (layer, state) in enumerate(zip(cells.layers, first, strict=True)):
        if number and module.training and module.dropout:
            # Step after step in memory, so that torch draws the masks that it draws there.
            x = F.dropout(x.transpose(0, 1).contiguous(), module.dropout).transpose(0, 1)
        x, new = layer.sequence(x, state, lengths=lengths)
        last.append(new)
    return x, last


def _first(cells: Cells, hx: Any) -> list[Any]:
    """torch's first state as that of each layer."""
    if hx is None:
        return [None] * len(cells.layers)
    each = zip(*((hx,) if isinstance(hx, Tensor) else hx), strict=True)
    found = []
    for layer in cells.layers:
        like = layer.initial_state(1)
        if isinstance(layer, Bidirectional):
            found.append(type(like)(*(type(part)(*next(each)) for part in like)))
        else:
            found.append(type(like)(*next(each)))
    return found


def _joined(last: list[Any]) -> Any:
    """The last states as torch stacks them: (layers times directions, B, …)."""
    apart = [part for state in last for part in (state if _both(state) else (state,))]
    parts = [torch.stack(part) for part in zip(*map(leaves, apart), strict=True)]
    return parts[0] if len(parts) == 1 else tuple(parts)


def _both(state: Any) -> bool:
    return not isinstance(state[0], Tensor)


def _each(hx: Any, change: Any) -> Any:
    return change(hx) if isinstance(hx, Tensor) else tuple(change(part) for part in hx)

"""The first state of a decoder, made of what an encoder read.

    p = tanh(W u + b)           for each part of the state that a cell carries as a vector

Source: Bahdanau, Cho and Bengio, "Neural Machine Translation by Jointly Learning to Align and
Translate", 2014, arXiv:1409.0473, appendix A.2.2.
"""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from recurra.engine import refill
from recurra.layers.attention import Attending, AttendingState

# Parts of a state that may be any vector. Others count, weigh or hold matrices.
CARRIED = frozenset(("h", "c", "z", "real", "imag"))


class Bridge(nn.Module):
    """A linear map for each vector that the cells of a decoder carry; all else begins as ever.

    Args:
        summary_size: features of what was read, E.
        attending: whose first state it makes.
    """

    def __init__(self, summary_size: int, attending: Attending) -> None:
        super().__init__()
        parts = _parts(attending.initial_state(1).cell)
        widths = [part.shape[1] for name, part in parts if _carried(name, part)]
        self.maps = nn.ModuleList(nn.Linear(summary_size, width) for width in widths)
        # Where it looks first, it looks with what the cell is said to have given last.
        last = attending.last_size if attending.first else 0
        self.last = nn.Linear(summary_size, last) if last else None

    def forward(self, summary: Float[Tensor, "B E"], initial: AttendingState) -> AttendingState:
        """The state of new sequences.

        Args:
            initial: the decoder's own.
        """
        maps = iter(self.maps)
        parts = [
            torch.tanh(next(maps)(summary)) if _carried(name, part) else part
            for name, part in _parts(initial.cell)
        ]
        cell = refill(initial.cell, parts)
        last = initial.last if self.last is None else torch.tanh(self.last(summary))
        return AttendingState(cell, initial.attention, last)


def _carried(name: str, part: Tensor) -> bool:
    return name in CARRIED and part.ndim == 2


def _parts(state: Any) -> Iterator[tuple[str, Tensor]]:
    """The tensors of a state, from left to right, each with its name."""
    names = getattr(state, "_fields", ("",) * len(state))
    for name, part in zip(names, state, strict=True):
        if isinstance(part, tuple):
            yield from _parts(part)
        elif part is not None:
            yield name, part

"""Recurrent cells: one recurrence per file. `CELLS` is the list of them."""

from typing import Any

from recurra.cells.cell import Cell
from recurra.cells.elman import Elman, ElmanState
from recurra.cells.gru import GRU, GRUState
from recurra.cells.lstm import LSTM, LSTMState
from recurra.cells.mingru import MinGRU, MinGRUState
from recurra.cells.window_attention import WindowAttention, WindowAttentionState

# The name of a cell is that of its file.
CELLS: dict[str, type[Cell[Any]]] = {
    # Gates and products on the state.
    "elman": Elman,
    "gru": GRU,
    "lstm": LSTM,
    # Uneven time, missing values.
    # Images.
    # Linear in the state, a number at a time.
    "mingru": MinGRU,
    # Linear in the state, a matrix.
    # The last steps themselves.
    "window_attention": WindowAttention,
}

__all__ = [
    "CELLS",
    "GRU",
    "LSTM",
    "Cell",
    "Elman",
    "ElmanState",
    "GRUState",
    "LSTMState",
    "MinGRU",
    "MinGRUState",
    "WindowAttention",
    "WindowAttentionState",
]

"""Recurrent cells: one recurrence per file. `CELLS` is the list of them."""

from typing import Any

from recurra.cells.cell import Cell
from recurra.cells.elman import Elman, ElmanState
from recurra.cells.gru import GRU, GRUState
from recurra.cells.lstm import LSTM, LSTMState

CELLS: dict[str, type[Cell[Any]]] = {"elman": Elman, "gru": GRU, "lstm": LSTM}

__all__ = ["CELLS", "GRU", "LSTM", "Cell", "Elman", "ElmanState", "GRUState", "LSTMState"]

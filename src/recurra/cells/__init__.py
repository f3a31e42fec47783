"""Recurrent cells: one recurrence per file. `CELLS` is the list of them."""

from typing import Any

from recurra.cells.cell import Cell
from recurra.cells.elman import Elman, ElmanState
from recurra.cells.gru import GRU, GRUState
from recurra.cells.hgrn import HGRN, HGRNState
from recurra.cells.lru import LRU, LRUState
from recurra.cells.lstm import LSTM, LSTMState
from recurra.cells.mamba import Mamba, MambaState
from recurra.cells.mingru import MinGRU, MinGRUState
from recurra.cells.minlstm import MinLSTM, MinLSTMState
from recurra.cells.qrnn import QRNN, QRNNState
from recurra.cells.rg_lru import RGLRU, RGLRUState
from recurra.cells.s4d import S4D, S4DState
from recurra.cells.sru import SRU, SRUState

# The name of a cell is that of its file.
CELLS: dict[str, type[Cell[Any]]] = {
    # Gates and products on the state.
    "elman": Elman,
    "gru": GRU,
    "lstm": LSTM,
    # Uneven time, missing values.
    # Images.
    # Linear in the state, a number at a time.
    "hgrn": HGRN,
    "lru": LRU,
    "mamba": Mamba,
    "mingru": MinGRU,
    "minlstm": MinLSTM,
    "qrnn": QRNN,
    "rg_lru": RGLRU,
    "s4d": S4D,
    "sru": SRU,
    # Linear in the state, a matrix.
}

__all__ = [
    "CELLS",
    "GRU",
    "HGRN",
    "LRU",
    "LSTM",
    "QRNN",
    "RGLRU",
    "S4D",
    "SRU",
    "Cell",
    "Elman",
    "ElmanState",
    "GRUState",
    "HGRNState",
    "LRUState",
    "LSTMState",
    "Mamba",
    "MambaState",
    "MinGRU",
    "MinGRUState",
    "MinLSTM",
    "MinLSTMState",
    "QRNNState",
    "RGLRUState",
    "S4DState",
    "SRUState",
]

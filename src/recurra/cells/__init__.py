"""Recurrent cells: one recurrence per file. `CELLS` is the list of them."""

from typing import Any

from recurra.cells.cell import Cell
from recurra.cells.deltanet import DeltaNet, DeltaNetState
from recurra.cells.elman import Elman, ElmanState
from recurra.cells.gated_deltanet import GatedDeltaNet, GatedDeltaNetState
from recurra.cells.gla import GLA, GLAState
from recurra.cells.gru import GRU, GRUState
from recurra.cells.kda import KDA, KDAState
from recurra.cells.linear_attention import LinearAttention, LinearAttentionState
from recurra.cells.lstm import LSTM, LSTMState
from recurra.cells.mamba2 import Mamba2, Mamba2State
from recurra.cells.mingru import MinGRU, MinGRUState
from recurra.cells.mlstm import MLSTM, MLSTMState
from recurra.cells.retnet import RetNet, RetNetState
from recurra.cells.rwkv7 import RWKV7, RWKV7State

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
    "linear_attention": LinearAttention,
    "retnet": RetNet,
    "gla": GLA,
    "mamba2": Mamba2,
    "mlstm": MLSTM,
    "deltanet": DeltaNet,
    "gated_deltanet": GatedDeltaNet,
    "kda": KDA,
    "rwkv7": RWKV7,
}

__all__ = [
    "CELLS",
    "GLA",
    "GRU",
    "KDA",
    "LSTM",
    "MLSTM",
    "RWKV7",
    "Cell",
    "DeltaNet",
    "DeltaNetState",
    "Elman",
    "ElmanState",
    "GLAState",
    "GRUState",
    "GatedDeltaNet",
    "GatedDeltaNetState",
    "KDAState",
    "LSTMState",
    "LinearAttention",
    "LinearAttentionState",
    "MLSTMState",
    "Mamba2",
    "Mamba2State",
    "MinGRU",
    "MinGRUState",
    "RWKV7State",
    "RetNet",
    "RetNetState",
]

"""Recurrent cells: one recurrence per file. `CELLS` is the list of them."""

from typing import Any

from recurra.cells.cell import Cell
from recurra.cells.cfc import CfC, CfCState
from recurra.cells.conv_gru import ConvGRU, ConvGRUState
from recurra.cells.conv_lstm import ConvLSTM, ConvLSTMState
from recurra.cells.echo_state import EchoState, EchoStateState
from recurra.cells.elman import Elman, ElmanState
from recurra.cells.gru import GRU, GRUState
from recurra.cells.gru_d import GRUD, GRUDState
from recurra.cells.lstm import LSTM, LSTMState
from recurra.cells.ltc import LTC, LTCState
from recurra.cells.mingru import MinGRU, MinGRUState
from recurra.cells.ode_rnn import ODERNN, ODERNNState
from recurra.cells.phased_lstm import PhasedLSTM, PhasedLSTMState
from recurra.cells.timed import Observed, Timed

# The name of a cell is that of its file.
CELLS: dict[str, type[Cell[Any]]] = {
    # Gates and products on the state.
    "elman": Elman,
    "gru": GRU,
    "lstm": LSTM,
    # Uneven time, missing values.
    "cfc": CfC,
    "gru_d": GRUD,
    "ltc": LTC,
    "ode_rnn": ODERNN,
    "phased_lstm": PhasedLSTM,
    # Images.
    "conv_gru": ConvGRU,
    "conv_lstm": ConvLSTM,
    # A reservoir that is never trained.
    "echo_state": EchoState,
    # Linear in the state, a number at a time.
    "mingru": MinGRU,
    # Linear in the state, a matrix.
}

__all__ = [
    "CELLS",
    "GRU",
    "GRUD",
    "LSTM",
    "LTC",
    "ODERNN",
    "Cell",
    "CfC",
    "CfCState",
    "ConvGRU",
    "ConvGRUState",
    "ConvLSTM",
    "ConvLSTMState",
    "EchoState",
    "EchoStateState",
    "Elman",
    "ElmanState",
    "GRUDState",
    "GRUState",
    "LSTMState",
    "LTCState",
    "MinGRU",
    "MinGRUState",
    "ODERNNState",
    "Observed",
    "PhasedLSTM",
    "PhasedLSTMState",
    "Timed",
]

"""Recurrent cells: one recurrence per file. `CELLS` is the list of them."""

from typing import Any

from recurra.cells.antisymmetric import Antisymmetric, AntisymmetricState
from recurra.cells.cell import Cell
from recurra.cells.clockwork import Clockwork, ClockworkState
from recurra.cells.cornn import CoRNN, CoRNNState
from recurra.cells.coupled_lstm import CoupledLSTM, CoupledLSTMState
from recurra.cells.elman import Elman, ElmanState
from recurra.cells.gru import GRU, GRUState
from recurra.cells.hgrn import HGRN, HGRNState
from recurra.cells.highway import Highway, HighwayState
from recurra.cells.indrnn import IndRNN, IndRNNState
from recurra.cells.initialise import chrono_, forget_bias_, irnn_, orthogonal_
from recurra.cells.layer_norm_lstm import LayerNormLSTM, LayerNormLSTMState
from recurra.cells.lru import LRU, LRUState
from recurra.cells.lstm import LSTM, LSTMState
from recurra.cells.mamba import Mamba, MambaState
from recurra.cells.mgu import MGU, MGUState
from recurra.cells.mingru import MinGRU, MinGRUState
from recurra.cells.minlstm import MinLSTM, MinLSTMState
from recurra.cells.mogrifier_lstm import MogrifierLSTM, MogrifierLSTMState
from recurra.cells.on_lstm import ONLSTM, ONLSTMState
from recurra.cells.orthogonal import orthogonal
from recurra.cells.peephole_lstm import PeepholeLSTM, PeepholeLSTMState
from recurra.cells.qrnn import QRNN, QRNNState
from recurra.cells.reset_before_gru import ResetBeforeGRU, ResetBeforeGRUState
from recurra.cells.rg_lru import RGLRU, RGLRUState
from recurra.cells.s4d import S4D, S4DState
from recurra.cells.slstm import SLSTM, SLSTMState
from recurra.cells.sru import SRU, SRUState
from recurra.cells.window_attention import WindowAttention, WindowAttentionState

# The name of a cell is that of its file.
CELLS: dict[str, type[Cell[Any]]] = {
    # Gates and products on the state.
    "elman": Elman,
    "gru": GRU,
    "lstm": LSTM,
    "antisymmetric": Antisymmetric,
    "clockwork": Clockwork,
    "cornn": CoRNN,
    "coupled_lstm": CoupledLSTM,
    "highway": Highway,
    "indrnn": IndRNN,
    "layer_norm_lstm": LayerNormLSTM,
    "mgu": MGU,
    "mogrifier_lstm": MogrifierLSTM,
    "on_lstm": ONLSTM,
    "peephole_lstm": PeepholeLSTM,
    "reset_before_gru": ResetBeforeGRU,
    "slstm": SLSTM,
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
    # The last steps themselves.
    "window_attention": WindowAttention,
}

__all__ = [
    "CELLS",
    "GRU",
    "HGRN",
    "LRU",
    "LSTM",
    "MGU",
    "ONLSTM",
    "QRNN",
    "RGLRU",
    "S4D",
    "SLSTM",
    "SRU",
    "Antisymmetric",
    "AntisymmetricState",
    "Cell",
    "Clockwork",
    "ClockworkState",
    "CoRNN",
    "CoRNNState",
    "CoupledLSTM",
    "CoupledLSTMState",
    "Elman",
    "ElmanState",
    "GRUState",
    "HGRNState",
    "Highway",
    "HighwayState",
    "IndRNN",
    "IndRNNState",
    "LRUState",
    "LSTMState",
    "LayerNormLSTM",
    "LayerNormLSTMState",
    "MGUState",
    "Mamba",
    "MambaState",
    "MinGRU",
    "MinGRUState",
    "MinLSTM",
    "MinLSTMState",
    "MogrifierLSTM",
    "MogrifierLSTMState",
    "ONLSTMState",
    "PeepholeLSTM",
    "PeepholeLSTMState",
    "QRNNState",
    "RGLRUState",
    "ResetBeforeGRU",
    "ResetBeforeGRUState",
    "S4DState",
    "SLSTMState",
    "SRUState",
    "WindowAttention",
    "WindowAttentionState",
    "chrono_",
    "forget_bias_",
    "irnn_",
    "orthogonal",
    "orthogonal_",
]

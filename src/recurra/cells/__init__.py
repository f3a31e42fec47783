"""Recurrent cells: one recurrence per file. `CELLS` is the list of them."""

from typing import Any

from recurra.cells.antisymmetric import Antisymmetric, AntisymmetricState
from recurra.cells.cell import Cell
from recurra.cells.cfc import CfC, CfCState
from recurra.cells.clockwork import Clockwork, ClockworkState
from recurra.cells.conv_gru import ConvGRU, ConvGRUState
from recurra.cells.conv_lstm import ConvLSTM, ConvLSTMState
from recurra.cells.cornn import CoRNN, CoRNNState
from recurra.cells.coupled_lstm import CoupledLSTM, CoupledLSTMState
from recurra.cells.deltanet import DeltaNet, DeltaNetState
from recurra.cells.echo_state import EchoState, EchoStateState
from recurra.cells.elman import Elman, ElmanState
from recurra.cells.gated_deltanet import GatedDeltaNet, GatedDeltaNetState
from recurra.cells.gla import GLA, GLAState
from recurra.cells.gru import GRU, GRUState
from recurra.cells.gru_d import GRUD, GRUDState
from recurra.cells.hgrn import HGRN, HGRNState
from recurra.cells.highway import Highway, HighwayState
from recurra.cells.indrnn import IndRNN, IndRNNState
from recurra.cells.initialise import chrono_, forget_bias_, irnn_, orthogonal_
from recurra.cells.kda import KDA, KDAState
from recurra.cells.layer_norm_lstm import LayerNormLSTM, LayerNormLSTMState
from recurra.cells.linear_attention import LinearAttention, LinearAttentionState
from recurra.cells.lru import LRU, LRUState
from recurra.cells.lstm import LSTM, LSTMState
from recurra.cells.ltc import LTC, LTCState
from recurra.cells.mamba import Mamba, MambaState
from recurra.cells.mamba2 import Mamba2, Mamba2State
from recurra.cells.mgu import MGU, MGUState
from recurra.cells.mingru import MinGRU, MinGRUState
from recurra.cells.minlstm import MinLSTM, MinLSTMState
from recurra.cells.mlstm import MLSTM, MLSTMState
from recurra.cells.mogrifier_lstm import MogrifierLSTM, MogrifierLSTMState
from recurra.cells.ode_rnn import ODERNN, ODERNNState
from recurra.cells.on_lstm import ONLSTM, ONLSTMState
from recurra.cells.orthogonal import orthogonal
from recurra.cells.peephole_lstm import PeepholeLSTM, PeepholeLSTMState
from recurra.cells.phased_lstm import PhasedLSTM, PhasedLSTMState
from recurra.cells.qrnn import QRNN, QRNNState
from recurra.cells.reset_before_gru import ResetBeforeGRU, ResetBeforeGRUState
from recurra.cells.retnet import RetNet, RetNetState
from recurra.cells.rg_lru import RGLRU, RGLRUState
from recurra.cells.rwkv7 import RWKV7, RWKV7State
from recurra.cells.s4d import S4D, S4DState
from recurra.cells.slstm import SLSTM, SLSTMState
from recurra.cells.sru import SRU, SRUState
from recurra.cells.timed import Observed, Timed
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
    "hgrn": HGRN,
    "lru": LRU,
    "mamba": Mamba,
    "mingru": MinGRU,
    "minlstm": MinLSTM,
    "qrnn": QRNN,
    "rg_lru": RGLRU,
    "s4d": S4D,
    "sru": SRU,
    # Linear in the state, a matrix a head.
    "linear_attention": LinearAttention,
    "retnet": RetNet,
    "gla": GLA,
    "mamba2": Mamba2,
    "mlstm": MLSTM,
    "deltanet": DeltaNet,
    "gated_deltanet": GatedDeltaNet,
    "kda": KDA,
    "rwkv7": RWKV7,
    # The last steps themselves.
    "window_attention": WindowAttention,
}

__all__ = [
    "CELLS",
    "GLA",
    "GRU",
    "GRUD",
    "HGRN",
    "KDA",
    "LRU",
    "LSTM",
    "LTC",
    "MGU",
    "MLSTM",
    "ODERNN",
    "ONLSTM",
    "QRNN",
    "RGLRU",
    "RWKV7",
    "S4D",
    "SLSTM",
    "SRU",
    "Antisymmetric",
    "AntisymmetricState",
    "Cell",
    "CfC",
    "CfCState",
    "Clockwork",
    "ClockworkState",
    "CoRNN",
    "CoRNNState",
    "ConvGRU",
    "ConvGRUState",
    "ConvLSTM",
    "ConvLSTMState",
    "CoupledLSTM",
    "CoupledLSTMState",
    "DeltaNet",
    "DeltaNetState",
    "EchoState",
    "EchoStateState",
    "Elman",
    "ElmanState",
    "GLAState",
    "GRUDState",
    "GRUState",
    "GatedDeltaNet",
    "GatedDeltaNetState",
    "HGRNState",
    "Highway",
    "HighwayState",
    "IndRNN",
    "IndRNNState",
    "KDAState",
    "LRUState",
    "LSTMState",
    "LTCState",
    "LayerNormLSTM",
    "LayerNormLSTMState",
    "LinearAttention",
    "LinearAttentionState",
    "MGUState",
    "MLSTMState",
    "Mamba",
    "Mamba2",
    "Mamba2State",
    "MambaState",
    "MinGRU",
    "MinGRUState",
    "MinLSTM",
    "MinLSTMState",
    "MogrifierLSTM",
    "MogrifierLSTMState",
    "ODERNNState",
    "ONLSTMState",
    "Observed",
    "PeepholeLSTM",
    "PeepholeLSTMState",
    "PhasedLSTM",
    "PhasedLSTMState",
    "QRNNState",
    "RGLRUState",
    "RWKV7State",
    "ResetBeforeGRU",
    "ResetBeforeGRUState",
    "RetNet",
    "RetNetState",
    "S4DState",
    "SLSTMState",
    "SRUState",
    "Timed",
    "WindowAttention",
    "WindowAttentionState",
    "chrono_",
    "forget_bias_",
    "irnn_",
    "orthogonal",
    "orthogonal_",
]

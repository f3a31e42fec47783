"""torch.nn's recurrent modules, natively where that is possible, and by torch's own code elsewhere.

The cells are torch's own: a single step has nothing to be prepared ahead.
"""

from torch.nn import GRUCell, LSTMCell, RNNCell

from recurra.nn.accelerate import Swaps, accelerate, restore
from recurra.nn.modules import GRU, LSTM, RNN

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "GRUCell",
    "LSTMCell",
    "RNNCell",
    "Swaps",
    "accelerate",
    "restore",
]

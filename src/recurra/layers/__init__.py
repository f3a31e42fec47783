"""Cells over ragged batches: direction, stacking, dropout, readouts, weights from torch."""

from recurra.layers.bidirectional import Bidirectional, BidirectionalState
from recurra.layers.each import Each
from recurra.layers.embedding import Embedding
from recurra.layers.recurrent import Recurrent
from recurra.layers.ridge import Ridge
from recurra.layers.stack import Layer, Stack, StackContext
from recurra.layers.stream import Stream
from recurra.layers.torch_weights import load_torch

__all__ = [
    "Bidirectional",
    "BidirectionalState",
    "Each",
    "Embedding",
    "Layer",
    "Recurrent",
    "Ridge",
    "Stack",
    "StackContext",
    "Stream",
    "load_torch",
]

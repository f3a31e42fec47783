"""Cells over ragged batches: direction, stacking, dropout, readouts, weights from torch."""

from recurra.layers.adaptive import Adaptive
from recurra.layers.bidirectional import Bidirectional, BidirectionalState
from recurra.layers.block import Block, BlockState
from recurra.layers.convolution import Convolution
from recurra.layers.crf import CRF
from recurra.layers.dilated import Dilated, DilatedState
from recurra.layers.dropout import (
    LockedContext,
    LockedDropout,
    RecurrentContext,
    RecurrentDropout,
    WeightDrop,
    WeightDropContext,
)
from recurra.layers.each import Each
from recurra.layers.embedding import Embedding
from recurra.layers.gated_norm import GatedNorm
from recurra.layers.head import Head
from recurra.layers.penalties import activation_penalty, temporal_activation_penalty
from recurra.layers.pooling import POOLINGS, Pooling
from recurra.layers.pre_norm import PreNorm
from recurra.layers.recurrent import Recurrent
from recurra.layers.residual import Residual
from recurra.layers.ridge import Ridge
from recurra.layers.scores import Scores
from recurra.layers.self_attention import SelfAttention
from recurra.layers.short_convolution import ShortConvolution, ShortConvolutionState
from recurra.layers.stack import Layer, Stack, StackContext
from recurra.layers.stepless import Stepless
from recurra.layers.stream import Stream
from recurra.layers.tied import Tied
from recurra.layers.torch_weights import load_torch
from recurra.layers.transducer import Joiner, transducer_nats
from recurra.layers.vocabulary import vocabulary_each, vocabulary_nats
from recurra.layers.zoneout import Zoneout, ZoneoutContext, ZoneoutState

__all__ = [
    "CRF",
    "POOLINGS",
    "Adaptive",
    "Bidirectional",
    "BidirectionalState",
    "Block",
    "BlockState",
    "Convolution",
    "Dilated",
    "DilatedState",
    "Each",
    "Embedding",
    "GatedNorm",
    "Head",
    "Joiner",
    "Layer",
    "LockedContext",
    "LockedDropout",
    "Pooling",
    "PreNorm",
    "Recurrent",
    "RecurrentContext",
    "RecurrentDropout",
    "Residual",
    "Ridge",
    "Scores",
    "SelfAttention",
    "ShortConvolution",
    "ShortConvolutionState",
    "Stack",
    "StackContext",
    "Stepless",
    "Stream",
    "Tied",
    "WeightDrop",
    "WeightDropContext",
    "Zoneout",
    "ZoneoutContext",
    "ZoneoutState",
    "activation_penalty",
    "load_torch",
    "temporal_activation_penalty",
    "transducer_nats",
    "vocabulary_each",
    "vocabulary_nats",
]

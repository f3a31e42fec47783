"""Attention to a memory, as cells over a decoder's time: the memory comes as `context=`."""

from recurra.layers.attention.additive import Additive
from recurra.layers.attention.attending import (
    Attending,
    AttendingContext,
    AttendingState,
    Reading,
)
from recurra.layers.attention.attention import Attention, Found
from recurra.layers.attention.covering import Covering, CoveringState, coverage_loss
from recurra.layers.attention.location import Location, LocationState
from recurra.layers.attention.luong import Luong
from recurra.layers.attention.memory import Memory, Prepared
from recurra.layers.attention.monotonic import Monotonic, MonotonicState
from recurra.layers.attention.multi_head import MultiHead
from recurra.layers.attention.soft_window import SoftWindow, SoftWindowState

__all__ = [
    "Additive",
    "Attending",
    "AttendingContext",
    "AttendingState",
    "Attention",
    "Covering",
    "CoveringState",
    "Found",
    "Location",
    "LocationState",
    "Luong",
    "Memory",
    "Monotonic",
    "MonotonicState",
    "MultiHead",
    "Prepared",
    "Reading",
    "SoftWindow",
    "SoftWindowState",
    "coverage_loss",
]

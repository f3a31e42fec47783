"""Sequences of numbers, from arrays, tables, archives and folders."""

from recurra.data.signals.answers import check_classes
from recurra.data.signals.archive import parts_of, read_archive
from recurra.data.signals.arrays import as_steps, check_widths, read_arrays
from recurra.data.signals.header import Header
from recurra.data.signals.sequences import Examples, Sequences, joined
from recurra.data.signals.source import Raw, Source

__all__ = [
    "Examples",
    "Header",
    "Raw",
    "Sequences",
    "Source",
    "as_steps",
    "check_classes",
    "check_widths",
    "joined",
    "parts_of",
    "read_archive",
    "read_arrays",
]

"""Sequences of numbers, from arrays, tables, archives and folders."""

from recurra.data.signals.sequences import Examples, Sequences, joined

__all__ = ["Examples", "Sequences", "joined"]

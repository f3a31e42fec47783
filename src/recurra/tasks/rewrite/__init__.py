"""Rewriting: a text into another one, character by character."""

from recurra.tasks.rewrite.transducer import Transducer

__all__ = ["Transducer"]

"""Texts into other texts: what the tasks that translate and rewrite share."""

from recurra.tasks.rewriting.rewriter import Rewriter

__all__ = ["Rewriter"]

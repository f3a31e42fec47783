"""A step over time. Nothing here knows the name of a parameter."""

from recurra.engine.run import loop, run
from recurra.engine.tree import Tree, fresh, leaves, tree_map

__all__ = ["Tree", "fresh", "leaves", "loop", "run", "tree_map"]

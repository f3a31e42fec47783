"""A step over time. Nothing here knows the name of a parameter."""

from recurra.engine.explain import explain
from recurra.engine.opaque import watched
from recurra.engine.plain import loop
from recurra.engine.reverse import reverse, reverse_reset
from recurra.engine.run import autocasts, run
from recurra.engine.together import Way, together
from recurra.engine.tree import Tree, clear, fresh, leaves, tree_map

__all__ = [
    "Tree",
    "Way",
    "autocasts",
    "clear",
    "explain",
    "fresh",
    "leaves",
    "loop",
    "reverse",
    "reverse_reset",
    "run",
    "together",
    "tree_map",
    "watched",
]

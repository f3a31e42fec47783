"""A step over time. Nothing here knows the name of a parameter."""

from recurra.engine.alignments import plain_joiner_nats, plain_lattice_nats
from recurra.engine.dense import dense
from recurra.engine.explain import explain
from recurra.engine.matrix import matrix
from recurra.engine.native import tiles
from recurra.engine.nats import each_nats, nats, plain_nats
from recurra.engine.opaque import watched
from recurra.engine.place import NotNativeError
from recurra.engine.plain import loop
from recurra.engine.reverse import reverse, reverse_reset
from recurra.engine.run import autocasts, run
from recurra.engine.say import say_plain
from recurra.engine.shared import Shared, taken
from recurra.engine.stream import Flow, Stage, lookup, stage
from recurra.engine.together import Way, together
from recurra.engine.transducer import each_joiner_nats, joiner_nats, lattice_nats
from recurra.engine.tree import Tree, beside, clear, fresh, leaves, refill, tree_map

__all__ = [
    "Flow",
    "NotNativeError",
    "Shared",
    "Stage",
    "Tree",
    "Way",
    "autocasts",
    "beside",
    "clear",
    "dense",
    "each_joiner_nats",
    "each_nats",
    "explain",
    "fresh",
    "joiner_nats",
    "lattice_nats",
    "leaves",
    "lookup",
    "loop",
    "matrix",
    "nats",
    "plain_joiner_nats",
    "plain_lattice_nats",
    "plain_nats",
    "refill",
    "reverse",
    "reverse_reset",
    "run",
    "say_plain",
    "stage",
    "taken",
    "tiles",
    "together",
    "tree_map",
    "watched",
]

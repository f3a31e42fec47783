"""Shapes in annotations are checked while tests run, and only then."""

import os

os.environ.setdefault("MPLBACKEND", "Agg")

import torch
from jaxtyping import install_import_hook

# Two test processes share two cores; two threads each would wait for one another.
torch.set_num_threads(1)

_HOOK = install_import_hook("recurra", "beartype.beartype")

"""Shapes in annotations are checked while tests run, and only then."""

import os

os.environ.setdefault("MPLBACKEND", "Agg")

from jaxtyping import install_import_hook

_HOOK = install_import_hook("recurra", "beartype.beartype")

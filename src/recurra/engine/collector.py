"""Python's garbage collector, told to wait while a step is traced and planned."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def waiting() -> Iterator[None]:
    """No collection meanwhile.

    A trace makes thousands of small objects in a few milliseconds. They would set off the full
    collection that an import of torch leaves pending, which takes many times as long as the trace.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.collect(0)  # of these objects alone, so that they set off no other one afterwards
            gc.enable()

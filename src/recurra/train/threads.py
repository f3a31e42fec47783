"""One thread where two would change the answer and gain little."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Have torch compute on one thread, and give back the others afterwards.

    A product's bits depend on how many threads share it, so more of them would make one seed give
    several results. At the sizes of a forecaster the second one saves a quarter of the time, and
    loses many times that where another program is busy on its core.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)

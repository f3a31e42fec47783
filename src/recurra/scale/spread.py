"""Many pieces of work at once on a Ray cluster, such as the trials of a search."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from recurra.scale.cluster import cluster

Item = TypeVar("Item")
Answer = TypeVar("Answer")

# How often a piece is begun again whose worker was lost.
RETRIES = 3


def spread(
    work: Callable[[Item], Answer], items: Iterable[Item], at_once: int
) -> Iterator[tuple[Item, Answer]]:
    """Each item with its answer, in the order in which they are ready.

    An item is only asked for when a worker is free, so the next one may depend on answers that
    were given. Ray brings work and items to the workers; files must lie where all can read them.

    Args:
        work: a function that runs in a worker; what it raises, the caller meets.
        items: what it is given.
        at_once: workers, each on one processor.

    Raises:
        MissingPackageError: Ray is not installed.
        OptionError: the cluster has fewer processors.
    """
    with cluster(at_once) as ray:
        remote = ray.remote(max_retries=RETRIES)(work)
        coming = iter(items)
        pending: dict[Any, Item] = {}
        while True:
            for item in islice(coming, at_once - len(pending)):
                pending[remote.remote(item)] = item
            if not pending:
                return
            ready = ray.wait(list(pending), num_returns=1)[0][0]
            yield pending.pop(ready), ray.get(ready)

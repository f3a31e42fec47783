"""The way to a Ray cluster."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from recurra.errors import MissingPackageError, OptionError

# Nothing is sent to anybody; and Ray speaks of itself only where something fails.
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@contextmanager
def cluster(workers: int) -> Iterator[Any]:
    """Ray, joined to the cluster that RAY_ADDRESS names or this machine is part of.

    Where there is none, one of this machine alone begins and ends with it.

    Args:
        workers: processors that are needed.

    Raises:
        MissingPackageError: Ray is not installed.
        OptionError: the cluster is too small.
    """
    if workers < 1:
        raise OptionError(f"--ray is {workers}; it is at least 1")
    os.environ.update(SETTINGS)
    try:
        import ray
    except ImportError as error:
        raise MissingPackageError(
            "--ray: Ray is not installed; pip install 'recurra[scale]'"
        ) from error
    there: Any = ray
    theirs = there.is_initialized()
    if not theirs:
        _join(there)
    try:
        processors = int(there.cluster_resources().get("CPU", 0))
        if processors < workers:
            raise OptionError(f"--ray is {workers}; the cluster has {processors} processors")
        yield there
    finally:
        if not theirs:
            there.shutdown()


def _join(ray: Any) -> None:
    try:
        ray.init(log_to_driver=False, logging_level="error", include_dashboard=False)
    except ConnectionError as error:
        address = os.environ.get("RAY_ADDRESS", "")
        raise OptionError(
            f"--ray: no cluster answers at {address}; `ray start` begins one, RAY_ADDRESS names it"
        ) from error

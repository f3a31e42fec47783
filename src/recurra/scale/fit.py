"""An estimator that learns in the workers of a Ray cluster.

Ray Train starts the workers and joins them, as torchrun would; from there on it is the training of
`train/ranks.py`. Checkpoints go into Ray's storage. When a worker is lost, Ray starts all of them
again, and they go on from the last checkpoint.
"""

import logging
import os
import shutil
import sys
import tempfile
from contextlib import redirect_stderr
from functools import partial
from pathlib import Path
from typing import Any

from recurra.errors import LostProcessError, RecurraError, TrainingError
from recurra.scale.cluster import cluster
from recurra.scale.teller import Teller, Voice, error_of, heard
from recurra.tasks import TASKS, Estimator
from recurra.tasks.files import everywhere
from recurra.train import Course, this_part

# How often workers may be lost before the training is given up.
MOST_LOST = 3
# Checkpoints in the storage: the last one, and the one before until it is whole.
KEPT = 2


def fit_on_ray(
    estimator: Estimator,
    data: Any,
    valid: Any = None,
    *,
    workers: int,
    storage: str | Path,
    most_lost: int = MOST_LOST,
) -> Estimator:
    """Learn from `data` in several workers; an estimator that has learned.

    Args:
        estimator: whose fields hold.
        data: what `fit` takes; a file must lie where all workers can read it.
        valid: what `fit` takes.
        workers: processes, each on one processor.
        storage: where checkpoints are kept; a folder that all workers reach, or an address such as
            s3://… A training found there is gone on with; a folder is cleared at the end.
        most_lost: times that workers may be lost.

    Raises:
        MissingPackageError: Ray is not installed.
        OptionError: the cluster has fewer processors.
        TrainingError: workers were lost too often.
    """
    place = str(storage) if "://" in str(storage) else os.path.abspath(storage)
    given = {
        "task": estimator.task,
        "fields": estimator.get_params(),
        "data": everywhere(data),
        "valid": everywhere(valid),
    }
    with cluster(workers) as ray:
        found = _fit(ray, given, workers, place, most_lost)
    if "://" not in place:
        shutil.rmtree(place, ignore_errors=True)
    return found


def _fit(ray: Any, given: dict[str, Any], workers: int, place: str, most_lost: int) -> Estimator:
    from ray.train import (
        CheckpointConfig,
        FailureConfig,
        RunConfig,
        ScalingConfig,
        TrainingFailedError,
    )
    from ray.train.torch import TorchConfig, TorchTrainer

    teller = ray.remote(num_cpus=0)(Teller).remote()
    trainer = TorchTrainer(
        _work,
        train_loop_config={**given, "teller": teller},
        torch_config=TorchConfig(backend="gloo"),
        scaling_config=ScalingConfig(num_workers=workers),
        run_config=RunConfig(
            name="training",
            storage_path=place,
            failure_config=FailureConfig(max_failures=most_lost),
            checkpoint_config=CheckpointConfig(num_to_keep=KEPT),
        ),
    )
    try:
        with heard(ray, teller):
            result: Any = trainer.fit()
    except TrainingFailedError as error:
        raise TrainingError(
            f"training: workers were lost more than {most_lost} times; the checkpoint in {place} "
            "is whole, and the same command goes on from it"
        ) from error
    refusal = ray.get(teller.refusal.remote())
    if refusal is not None:
        raise error_of(refusal)
    with result.checkpoint.as_directory() as folder:
        return TASKS[given["task"]].load(folder)


def _work(given: dict[str, Any]) -> None:
    """What each worker does."""
    import ray

    logging.getLogger("ray.train").setLevel(logging.ERROR)
    teller = given["teller"]
    if ray.get(teller.refusal.remote()) is not None:
        return
    try:
        with tempfile.TemporaryDirectory() as folder, redirect_stderr(Voice(teller)):
            _learn(given, Path(folder) / "run")
    except LostProcessError:
        raise
    except RecurraError as error:
        ray.get(teller.refuse.remote(type(error).__name__, str(error)))


def _learn(given: dict[str, Any], run: Path) -> None:
    """Fit, from the last checkpoint on if there is one, and hand in the run folder."""
    from ray.train import get_checkpoint

    last = get_checkpoint()
    if last is not None:
        last.to_directory(str(run))
        if (run / "run.json").is_file():
            return
        if this_part().rank == 0:
            print("resumed   from the last checkpoint in the storage", file=sys.stderr)
    fields = given["fields"]
    estimator = TASKS[given["task"]](**fields)
    course = Course(
        folder=run,
        minutes=fields.get("checkpoint_minutes", Course.minutes),
        resume=last is not None,
        kept=partial(_hand_in, run),
    )
    estimator.fit(given["data"], valid=given["valid"], course=course)
    ended = run.with_name("ended")
    if this_part().rank == 0:
        estimator.save(ended)
    _hand_in(ended)


def _hand_in(folder: Path) -> None:
    """Have the first worker's folder in Ray's storage; all must call."""
    from ray.train import Checkpoint, report

    first = this_part().rank == 0
    report({}, checkpoint=Checkpoint.from_directory(str(folder)) if first else None)

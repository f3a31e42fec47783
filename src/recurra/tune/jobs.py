"""Trials one after another in this process, or several at once in processes of their own.

A process is told to begin a trial by a line on its standard input, and answers with a line when it
is done. When its input ends it ends too, so none outlives this one, however this one is ended.
"""

import json
import os
import selectors
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recurra.errors import OptionError, TrainingError
from recurra.tasks import TASKS
from recurra.tasks.estimator import fields_from_json, fields_to_json
from recurra.tasks.files import are_files, everywhere
from recurra.train import one_thread
from recurra.tune.space import Dimension
from recurra.tune.study import join_study
from recurra.tune.trial import Work, run_trial

if TYPE_CHECKING:
    from optuna import Study

Told = Callable[[int], None]
GRACE = 5.0


def run_here(study: "Study", work: Work, orders: Iterable[int], told: Told) -> None:
    """Run trials one after another.

    Args:
        study: is told of each.
        work: what they do.
        orders: one for each trial to run.
        told: is given each trial's number when it has ended.
    """
    for order in orders:
        told(run_trial(study, work, order))


def run_jobs(path: Path, work: Work, orders: Iterable[int], told: Told, jobs: int) -> None:
    """Run trials in several processes, each on one thread.

    Args:
        path: of the study.
        jobs: processes.

    Raises:
        OptionError: other processes cannot know the estimator or its data.
        TrainingError: a process was killed.
    """
    with _processes(to_letter(path, work), jobs) as processes, selectors.DefaultSelector() as ready:
        idle = list(processes)
        for process in processes:
            ready.register(_pipe(process.stdout), selectors.EVENT_READ, process)
        for order in orders:
            if not idle:
                idle = _wait(ready, told)
            _say(idle.pop(), order)
        for process in idle:
            ready.unregister(_pipe(process.stdout))
        while ready.get_map():
            for process in _wait(ready, told):
                ready.unregister(_pipe(process.stdout))


def run_on_ray(path: Path, work: Work, orders: Iterable[int], told: Told, workers: int) -> None:
    """Run trials in the workers of a Ray cluster, all of which reach the study and the data.

    Args:
        path: of the study.
        workers: trials at once.

    Raises:
        MissingPackageError: Ray is not installed.
        OptionError: the cluster is too small, or other processes cannot know the estimator.
    """
    from recurra.scale import spread

    work = replace(work, data=everywhere(work.data), valid=everywhere(work.valid))
    letter = to_letter(Path(os.path.abspath(path)), work)

    def work_off(order: int) -> int:
        return run_order(letter, order)

    for _, number in spread(work_off, orders, workers):
        told(number)


def run_order(letter: str, order: int) -> int:
    """One trial, by what a letter says; its number."""
    path, work = from_letter(letter)
    with join_study(path) as study, one_thread():
        return run_trial(study, work, order, path)


def _wait(ready: selectors.BaseSelector, told: Told) -> list["subprocess.Popen[str]"]:
    """Processes that have ended a trial, at least one."""
    done = [key.data for key, _ in ready.select()]
    for process in done:
        answer = _pipe(process.stdout).readline()
        if not answer:
            raise TrainingError(
                f"tuning: a job ended with status {process.wait()} in a trial, which does not "
                "count; go on by the same command, with fewer --jobs where memory is short"
            )
        told(int(answer))
    return done


@contextmanager
def _processes(letter: str, jobs: int) -> Iterator[list["subprocess.Popen[str]"]]:
    """Processes that wait for orders; they end with the block, in the middle of a trial or not."""
    processes = [_begin(letter) for _ in range(jobs)]
    try:
        yield processes
    finally:
        for process in processes:
            _pipe(process.stdin).close()
        for process in processes:
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            _pipe(process.stdout).close()


def _begin(letter: str) -> "subprocess.Popen[str]":
    # In a session of its own it does not feel the terminal's Ctrl-C, which is for this process.
    process = subprocess.Popen(
        [sys.executable, "-m", "recurra.tune.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        text=True,
        bufsize=1,
        start_new_session=True,
    )
    _pipe(process.stdin).write(letter + "\n")
    return process


def _say(process: "subprocess.Popen[str]", order: int) -> None:
    try:
        _pipe(process.stdin).write(f"{order}\n")
    except BrokenPipeError:
        return  # it has ended, which the wait for its answer finds


def _pipe(pipe: Any) -> Any:
    """What Popen says may be None, and is not."""
    return pipe


def to_letter(path: Path, work: Work) -> str:
    """What another process must know, in one line.

    Raises:
        OptionError: the estimator or its data are not to be found by another process.
    """
    if TASKS.get(work.estimator.task) is not type(work.estimator):
        raise OptionError(
            f"tuning: several jobs need an estimator of TASKS; {type(work.estimator).__name__} "
            "is none; use one job"
        )
    for data in (work.data, work.valid):
        if data is not None and not are_files(data):
            raise OptionError(
                f"tuning: several jobs read the data from a file, not from a "
                f"{type(data).__name__}; write it to one, or use one job"
            )
    return json.dumps(
        {
            "study": str(path),
            "task": work.estimator.task,
            "fields": fields_to_json(work.estimator),
            "space": [asdict(dimension) for dimension in work.space],
            "data": _written(work.data),
            "valid": None if work.valid is None else _written(work.valid),
        }
    )


def _written(files: Any) -> str | list[str]:
    return [str(each) for each in files] if isinstance(files, list) else str(files)


def from_letter(letter: str) -> tuple[Path, Work]:
    """What `to_letter` wrote."""
    found = json.loads(letter)
    path, task = Path(found["study"]), TASKS[found["task"]]
    space = [
        Dimension(**{**dimension, "choices": tuple(dimension["choices"])})
        for dimension in found["space"]
    ]
    estimator = task(**fields_from_json(task, found["fields"], path))
    return path, Work(estimator, tuple(space), found["data"], found["valid"])

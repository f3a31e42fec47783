"""The study: every trial in one SQLite file, so that a killed tuning goes on where it was.

One tuning at a time works on a file; a lock beside it, which dies with its holder, says so. So a
trial that is found running was killed. It is marked as failed, for no reason, and does not count.
"""

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recurra.errors import MissingPackageError, OptionError, StorageError
from recurra.tune.space import Space

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import RDBStorage

NAME = "recurra"
# Seconds that a job waits for another to finish writing.
PATIENCE = 60
# What a trial keeps: whether it is the default's, why it failed, its fields, and the same with what
# was found in the place of None.
DEFAULT, REASON, FIELDS, TRIED = "default", "reason", "fields", "tried"


@contextmanager
def open_study(path: Path | None, about: Mapping[str, Any], space: Space) -> Iterator["Study"]:
    """The study in a file, made where there is none; its own trial of the default comes first.

    Args:
        path: of the file; None keeps the study in memory.
        about: what must be the same to go on, as JSON values.
        space: what is searched.

    Raises:
        OptionError: another tuning works on the file, or it is about something else.
        StorageError: the file cannot be written, or holds no study.
    """
    _need_optuna()
    if path is None:
        with _quietly():
            yield _ready(_study(None), about, space)
        return
    with _quietly(), _locked(path), stored(path) as storage:
        yield _ready(_study(storage, path), about, space, path)


@contextmanager
def join_study(path: Path) -> Iterator["Study"]:
    """The study in a file that another process has opened."""
    with _quietly(), stored(path) as storage:
        yield _study(storage, path)


@contextmanager
def alone_in(path: Path | None) -> Iterator[None]:
    """One process at a time is inside: SQLite lets two of them take the trial that waits.

    Args:
        path: of the study; None where no other process knows it.
    """
    if path is None:
        yield
        return
    with path.with_name(f".{path.name}.ask").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def tell_failed(study: "Study", number: int) -> None:
    """End a trial that was not finished; it will not count."""
    from optuna.trial import TrialState

    study.tell(number, state=TrialState.FAIL)


def _need_optuna() -> None:
    if find_spec("optuna") is None:
        raise MissingPackageError("tuning needs Optuna; pip install 'recurra[tune]'")


@contextmanager
def _quietly() -> Iterator[None]:
    """Optuna says what goes wrong, and nothing else."""
    from optuna import logging

    before = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(before)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = path.with_name(f".{path.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("a")
    except OSError as error:
        raise _refused(path, error.strerror or error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise OptionError(
                f"{path}: another tuning works on it; wait for its end, or choose another --study"
            ) from error
        yield


@contextmanager
def stored(path: Path) -> Iterator["RDBStorage"]:
    """The file as Optuna's storage.

    Raises:
        StorageError: it is no database, or the file system refused.
    """
    from optuna.exceptions import StorageInternalError
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import SQLAlchemyError

    try:
        connect = {"connect_args": {"timeout": PATIENCE}}
        storage = RDBStorage(f"sqlite:///{path.absolute()}", engine_kwargs=connect)
        try:
            yield storage
        finally:
            storage.remove_session()
            storage.engine.dispose()
    except (StorageInternalError, SQLAlchemyError) as error:
        raise _refused(path, _reason(error)) from error


def _reason(error: BaseException) -> str:
    """What SQLite said, without the statement that it was asked."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).partition("\n")[0]


def _refused(path: Path, reason: object) -> StorageError:
    return StorageError(f"{path}: no study can be kept there: {reason}; choose another --study")


def _study(storage: "RDBStorage | None", path: Path | None = None) -> "Study":
    import optuna

    if storage is not None:
        names = optuna.get_all_study_names(storage)
        if names and names != [NAME]:
            raise _refused(path or Path(), f"it holds the study {names[0]!r}")
    return optuna.create_study(storage=storage, study_name=NAME, load_if_exists=True)


def _ready(
    study: "Study", about: Mapping[str, Any], space: Space, path: Path | None = None
) -> "Study":
    """The study once it is known to fit, without running trials, its default tried or waiting."""
    found = study.user_attrs
    if found:
        _same(found, about, path)
    for key, value in about.items():
        study.set_user_attr(key, value)
    for trial in study.get_trials(deepcopy=False):
        if trial.state.name == "RUNNING":
            tell_failed(study, trial.number)
    if not any(_stands(trial) for trial in study.get_trials(deepcopy=False)):
        begin = {dimension.name: dimension.begin for dimension in space}
        study.enqueue_trial(begin, user_attrs={DEFAULT: True})
    return study


def _stands(trial: Any) -> bool:
    """Whether this is the default's trial, tried or waiting, and was not killed."""
    killed = trial.state.name == "FAIL" and REASON not in trial.user_attrs
    return DEFAULT in trial.user_attrs and not killed


def _same(found: Mapping[str, Any], about: Mapping[str, Any], path: Path | None) -> None:
    for key, now in about.items():
        before = found.get(key)
        if before == now:
            continue
        if isinstance(before, dict) and isinstance(now, dict):
            key = next(k for k in {**before, **now} if before.get(k) != now.get(k))
            before, now = before.get(key), now.get(key)
        raise OptionError(
            f"{path}: a study with another {key} ({before!r}, now {now!r}); go on with the same, "
            "or choose another --study"
        )

"""A training that goes on where it was cut short."""

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recurra.cli.flags import given
from recurra.cli.place import Source, source

if TYPE_CHECKING:
    from recurra.tasks import Estimator
    from recurra.train import Checkpoint, Course

# Fields that may differ from those that a training began with.
FREE = ("epochs", "patience", "minutes", "checkpoint_minutes", "quiet")


def course(
    estimator: "Estimator",
    data: Source,
    valid: Source | None,
    out: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
) -> "Course":
    """A course with its checkpoints in `out`, which hold all that a resumption needs."""
    from recurra.tasks.estimator import fields_to_json
    from recurra.tasks.files import everywhere
    from recurra.train import Course

    about = {
        "task": estimator.task,
        "fields": fields_to_json(estimator),
        "data": everywhere(data),
        "valid": everywhere(valid),
    }
    command = f"recurra train {estimator.task} --resume {shlex.quote(str(out))}"
    minutes: float = estimator.get_params()["checkpoint_minutes"]
    return Course(
        folder=out,
        about=about,
        minutes=minutes,
        resume=resume,
        overwrite=overwrite,
        command=command,
    )


def resumed(args: argparse.Namespace) -> "tuple[Estimator, Source, Source | None, Course]":
    """The estimator of `--resume RUN`, its data, and its course.

    Raises:
        MissingFileError, RunFolderError: there is no checkpoint, or none that fits.
        OptionError: a flag differs from what the training began with.
    """
    from recurra.errors import RunFolderError
    from recurra.tasks import TASKS
    from recurra.tasks.estimator import fields_from_json
    from recurra.train import read_checkpoint

    folder: Path = args.resume
    about = _about(read_checkpoint(folder), folder)
    if about["task"] != args.task:
        raise RunFolderError(
            f"{folder}: a training of the task {about['task']!r}, not of {args.task!r}"
        )
    kind = TASKS[args.task]
    fields = fields_from_json(kind, about["fields"], folder)
    estimator = kind(**{**fields, **_changes(kind, fields, args)})
    data = source(kind, args.data or _files(about["data"]))
    held = _files(args.valid or about["valid"])
    valid = source(kind, held) if held else None
    return estimator, data, valid, course(estimator, data, valid, folder, resume=True)


def _about(checkpoint: "Checkpoint", folder: Path) -> dict[str, Any]:
    """What a training that was begun by a command says of itself."""
    from recurra.errors import RunFolderError

    about = checkpoint.facts.get("about")
    kinds = {"task": str, "fields": dict, "valid": str | list | None}
    if (
        not isinstance(about, dict)
        or not all(name in about and isinstance(about[name], kind) for name, kind in kinds.items())
        or not _files(about.get("data"))
        or not (about["valid"] is None or _files(about["valid"]))
    ):
        raise RunFolderError(
            f"{folder}: its checkpoint does not say what it learns from; go on in Python, with "
            "Course(folder=…, resume=True)"
        )
    return about


def _files(data: object) -> list[str]:
    """The files that a checkpoint names; none where it holds something else."""
    found = [data] if isinstance(data, str) else data
    if isinstance(found, list) and all(isinstance(each, str) for each in found):
        return found
    return []


def _changes(
    kind: "type[Estimator]", fields: dict[str, Any], args: argparse.Namespace
) -> dict[str, Any]:
    """What the flags change of the fields."""
    from recurra.errors import OptionError
    from recurra.tasks.parameters import parameters

    for flag in ("out", "find_lr", "ray"):
        if getattr(args, flag) is not None:
            raise OptionError(f"--{flag.replace('_', '-')} does not go with --resume")
    known, changes = parameters(kind), given(kind, args)
    for name, value in changes.items():
        before = fields.get(name, known[name].default)
        if name not in FREE and known[name].to_json(value) != known[name].to_json(before):
            flag = name.replace("_", "-")
            raise OptionError(
                f"--{flag} is {value}, the training began with {before}; leave it out, or "
                "begin anew without --resume"
            )
    return {name: value for name, value in changes.items() if name in FREE}

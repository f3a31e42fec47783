"""`recurra train TASK DATA`."""

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from recurra.cli.flags import add_debug, add_fields, from_args
from recurra.cli.place import Source, add_files, first_of, run_place, settle_files
from recurra.cli.status import INTERRUPTED

if TYPE_CHECKING:
    from recurra.tasks import Estimator
    from recurra.train import Course

HELP = "learn from data and write a run folder"
RATES = Path("learning-rates.png")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One subcommand a task; its flags are the estimator's fields."""
    from recurra.tasks import TASKS

    tasks = parser.add_subparsers(dest="task", metavar="TASK", required=True)
    for name, estimator in TASKS.items():
        meaning = (estimator.__doc__ or "").partition("\n")[0]
        task = tasks.add_parser(name, help=meaning, description=meaning)
        add_files(task, estimator, missing=True)
        task.add_argument("--out", metavar="RUN", type=Path, help="run folder (runs/DATA-1, …)")
        task.add_argument("--overwrite", action="store_true", help="replace RUN if it is there")
        task.add_argument(
            "--resume", metavar="RUN", type=Path, help="go on with a training that was cut short"
        )
        task.add_argument(
            "--find-lr",
            metavar="FILE.png",
            type=Path,
            nargs="?",
            const=RATES,
            help=f"only try learning rates, print and draw the loss over them ({RATES})",
        )
        task.add_argument(
            "--diagnose", action="store_true", help="say what gradients, memory and gates do inside"
        )
        task.add_argument("--ray", metavar="N", type=int, help="learn in N workers on Ray")
        task.add_argument(
            "--ray-storage", metavar="PLACE", help="where their checkpoints are kept (RUN-ray)"
        )
        add_fields(task, estimator)
        add_debug(task)


def run(args: argparse.Namespace) -> int:
    """Learn, save, and print the model beside its baselines."""
    from recurra.cli.resume import resumed
    from recurra.errors import OptionError, TakenError
    from recurra.train import this_part

    if args.resume is not None:
        return _learn(*resumed(args), out=args.resume, look=args.diagnose)
    if not args.data:
        raise OptionError(
            f"train {args.task}: DATA is missing; name the file to learn from before the options"
        )
    settle_files(args)
    if args.find_lr is not None:
        return _find_rate(args)
    if args.ray is not None:
        return _learn_on_ray(args)
    while True:
        out = run_place(args)
        try:
            return _learn(*_begun(args, out), out=out, look=args.diagnose)
        except TakenError:  # by a training that began at the same time
            if args.out is not None or this_part().of > 1:
                raise


def _learn(
    estimator: "Estimator",
    data: Source,
    valid: Source | None,
    course: "Course",
    *,
    out: Path,
    look: bool,
) -> int:
    from recurra.train import checkpoint_file, this_part

    try:
        estimator.fit(data, valid=valid, course=course)
        if this_part().rank:  # the first process writes and tells
            return INTERRUPTED if estimator.interrupted_ else 0
        estimator.save(out)
    except KeyboardInterrupt:
        if not checkpoint_file(out).is_file():
            raise
        print(f"recurra: interrupted; go on with {course.command}", file=sys.stderr)
        return INTERRUPTED
    if look:
        _diagnose(estimator, data, valid, out)
    return _told(estimator, data, course.command, out)


def _diagnose(estimator: "Estimator", data: Source, valid: Source | None, out: Path) -> None:
    """Look inside on one batch; in words, and beside the run as JSON and as a picture."""
    from recurra.train import diagnose, one_thread, write_whole

    with one_thread():
        found = diagnose(estimator.lesson(data, valid))
    for line in found.words():
        print(f"inside    {line}")
    write_whole(out / "diagnosis.json", lambda path: path.write_text(found.to_json()))
    found.plot(out / "diagnosis.png")
    print(f"drawn     {out / 'diagnosis.png'}")


def _learn_on_ray(args: argparse.Namespace) -> int:
    from recurra.scale import fit_on_ray
    from recurra.tasks import TASKS

    out = run_place(args)
    storage = args.ray_storage or out.with_name(f"{out.name}-ray")
    estimator = from_args(TASKS[args.task], args)
    learned = fit_on_ray(estimator, args.data, args.valid, workers=args.ray, storage=storage)
    if args.out is None:
        out = run_place(args)  # another training may have taken the number in the meantime
    learned.save(out)
    if args.diagnose:
        _diagnose(learned, args.data, args.valid, out)
    return _told(learned, args.data, "", out)


def _told(estimator: "Estimator", data: Source, command: str, out: Path) -> int:
    """Print what was learned, and how to go on; the exit status."""
    from recurra.cli.show import show_measures
    from recurra.train import checkpoint_file

    show_measures(estimator.measures_)
    print(f"saved     {out}")
    if checkpoint_file(out).is_file():
        print(f"go on     {command}")
    print(f"next      recurra {estimator.next_command(out, shlex.quote(first_of(data)))}")
    return INTERRUPTED if estimator.interrupted_ else 0


def _begun(
    args: argparse.Namespace, out: Path
) -> "tuple[Estimator, Source, Source | None, Course]":
    """What the flags describe, with its checkpoints in `out`."""
    from recurra.cli.resume import course
    from recurra.tasks import TASKS

    estimator = from_args(TASKS[args.task], args)
    return (
        estimator,
        args.data,
        args.valid,
        course(estimator, args.data, args.valid, out, overwrite=args.overwrite),
    )


def _find_rate(args: argparse.Namespace) -> int:
    from recurra.cli.show import show_rates
    from recurra.tasks import TASKS
    from recurra.train import check_picture, find_rate, one_thread

    check_picture(args.find_lr)
    estimator = from_args(TASKS[args.task], args)
    plan, lesson = estimator.plan(), estimator.lesson(args.data, args.valid)
    with one_thread():
        found = find_rate(lesson, plan.recipe, quiet=plan.quiet)
    show_rates(found)
    found.plot(args.find_lr)
    print(f"drawn     {args.find_lr}")
    print(f"next      --learning-rate {found.suggested:.2g} in the place of --find-lr")
    return 0

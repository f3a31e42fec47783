"""`recurra train TASK DATA`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from recurra.cli.flags import add_debug, add_fields, from_args
from recurra.cli.status import INTERRUPTED

if TYPE_CHECKING:
    from recurra.tasks import Estimator

HELP = "learn from data and write a run folder"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One subcommand a task; its flags are the estimator's fields."""
    from recurra.tasks import TASKS

    tasks = parser.add_subparsers(dest="task", metavar="TASK", required=True)
    for name, estimator in TASKS.items():
        meaning = (estimator.__doc__ or "").partition("\n")[0]
        task = tasks.add_parser(name, help=meaning, description=meaning)
        task.add_argument("data", metavar="DATA", help="the file to learn from")
        task.add_argument("--valid", metavar="FILE", help="a later part, to validate and test on")
        task.add_argument("--out", metavar="RUN", type=Path, help="run folder (runs/DATA-1, …)")
        task.add_argument("--overwrite", action="store_true", help="replace RUN if it is there")
        task.add_argument(
            "--ray", metavar="N", type=int, help="train in N workers of a Ray cluster"
        )
        task.add_argument(
            "--ray-storage", metavar="PLACE", help="where their checkpoints are kept (RUN-ray)"
        )
        add_fields(task, estimator)
        add_debug(task)


def run(args: argparse.Namespace) -> int:
    """Learn, save, and print the model beside its baselines."""
    from recurra.cli.show import show_measures
    from recurra.tasks import TASKS
    from recurra.train import this_part

    # Of several processes the first writes, and its folder is no reason for the others to refuse.
    first = this_part().rank == 0
    out = _place(args) if first else args.out
    estimator = _learned(from_args(TASKS[args.task], args), args, out)
    status = INTERRUPTED if estimator.interrupted_ else 0
    if not first:
        return status
    if args.out is None:
        out = _place(args)  # another training may have taken the number in the meantime
    estimator.save(out)
    show_measures(estimator.measures_)
    print(f"saved     {out}")
    print(f"next      recurra predict {out} {args.data} -o forecast.csv --plot forecast.png")
    return status


def _learned(estimator: "Estimator", args: argparse.Namespace, out: Path | None) -> "Estimator":
    """The estimator that has learned, here or on a cluster."""
    if args.ray is None or out is None:
        return estimator.fit(args.data, valid=args.valid)
    from recurra.scale import fit_on_ray

    storage = args.ray_storage or out.with_name(f"{out.name}-ray")
    return fit_on_ray(estimator, args.data, args.valid, workers=args.ray, storage=storage)


def _place(args: argparse.Namespace) -> Path:
    """The run folder to write, known to be free before an hour is spent on learning."""
    from recurra.errors import OptionError
    from recurra.train import free_folder

    if args.out is None:
        return free_folder(Path("runs"), Path(args.data).name.partition(".")[0] or "run")
    out: Path = args.out
    if out.exists() and not args.overwrite:
        raise OptionError(f"--out {out} is there already; choose another, or add --overwrite")
    if out.exists() and not (out / "run.json").is_file():
        raise OptionError(f"--out {out} is no run folder, so --overwrite leaves it alone")
    return out

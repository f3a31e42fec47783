"""`recurra tune TASK DATA`."""

import argparse
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recurra.cli.flags import add_debug, add_fields, given, names
from recurra.cli.place import add_files, first_of, run_name, run_place, settle_files
from recurra.cli.status import INTERRUPTED

if TYPE_CHECKING:
    from recurra.tasks import Estimator
    from recurra.tune import Attempt, Tuned

HELP = "find the fields that learn best from data, and write a run folder"
# A field that means something else here.
ASIDE = ("minutes",)
SHOWN, BAR = 5, 24


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One subcommand a task; a field that is given is not searched."""
    from recurra.tasks import TASKS

    tasks = parser.add_subparsers(dest="task", metavar="TASK", required=True)
    for name, estimator in TASKS.items():
        meaning = (estimator.__doc__ or "").partition("\n")[0]
        task = tasks.add_parser(name, help=meaning, description=meaning)
        add_files(task, estimator)
        _add_own(task)
        add_fields(task, estimator, without=ASIDE)
        add_debug(task)


def _add_own(task: argparse.ArgumentParser) -> None:
    task.add_argument("--out", metavar="RUN", type=Path, help="run folder (runs/DATA-1, …)")
    task.add_argument("--overwrite", action="store_true", help="replace RUN if it is there")
    group = task.add_argument_group("the tuning")
    group.add_argument("--trials", metavar="N", type=int, help="in the end (20)")
    group.add_argument("--minutes", metavar="X", type=float, help="begin no trial after so long")
    group.add_argument("--jobs", metavar="N", type=int, default=1, help="trials at once (1)")
    group.add_argument("--ray", metavar="N", type=int, help="trials at once on a Ray cluster")
    group.add_argument(
        "--study", metavar="FILE", type=Path, help="keeps all trials (runs/DATA.study.db)"
    )
    group.add_argument(
        "--search", metavar="NAME,…", type=names, help="fields to search; all that are not given"
    )


def run(args: argparse.Namespace) -> int:
    """Try fields out, show what came of it, let the best learn again and save it."""
    from recurra.tune import tune

    settle_files(args)
    name = run_name(first_of(args.data))
    out, study = run_place(args), args.study or Path("runs") / f"{name}.study.db"
    estimator, search = _estimator(args)
    tuned = tune(
        estimator,
        args.data,
        valid=args.valid,
        trials=args.trials,
        minutes=args.minutes,
        jobs=args.jobs,
        ray=args.ray,
        study=study,
        search=search,
        refit=False,
    )
    show_tuned(tuned)
    if tuned.interrupted:
        print(f"next      the same command goes on with {study}")
        return INTERRUPTED
    if args.out is None:
        out = run_place(args)  # another training may have taken the number in the meantime
    return _refit(tuned, args, out)


def _refit(tuned: "Tuned", args: argparse.Namespace, out: Path) -> int:
    """Let the best one learn again, and save it as `recurra train` would."""
    from recurra.cli.resume import course
    from recurra.cli.show import show_measures

    best = tuned.best
    way = course(best, args.data, args.valid, out, overwrite=args.overwrite)
    best.fit(args.data, valid=args.valid, course=way)
    best.save(out)
    drawn = tuned.plot(out)
    show_measures(best.measures_)
    print(f"saved     {out}, with {' and '.join(path.name for path in drawn)}")
    print(f"next      recurra {best.next_command(out, shlex.quote(first_of(args.data)))}")
    return INTERRUPTED if best.interrupted_ else 0


def show_tuned(tuned: "Tuned") -> None:
    """The best trials and the default, who wins, and which fields mattered."""
    from recurra.tune.outcome import finished

    states = [trial.state for trial in tuned.trials]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    print(f"tuned     {len(states)} trials: {counts}")
    best = finished(tuned.trials)
    rows = best[:SHOWN] + [trial for trial in best[SHOWN:] if trial.default]
    for line in _table(rows):
        print(f"          {line}")
    print(f"best      {tuned.verdict}")
    width = max(map(len, tuned.importances), default=0)
    for place, (name, share) in enumerate(tuned.importances.items()):
        bar = "█" * round(BAR * share)
        print(f"{'matters' if place == 0 else '':<9} {name:<{width}} {share:>5.0%} {bar}".rstrip())
    if not tuned.importances:
        print("matters   not to be said from so few trials")


def _table(rows: "Sequence[Attempt]") -> Iterator[str]:
    from recurra.tune.outcome import value, written

    fields = list(rows[0].tried)
    cells = [["trial", "validation", *fields]]
    for trial in rows:
        name = f"{trial.number}, default" if trial.default else str(trial.number)
        cells.append([name, f"{value(trial):.4f}", *(written(trial.tried[f]) for f in fields)])
    widths = [max(len(row[place]) for row in cells) for place in range(len(cells[0]))]
    for name, *row in cells:
        text = "".join(f"  {cell:>{width}}" for cell, width in zip(row, widths[1:], strict=True))
        yield f"{name:<{widths[0]}}{text}"


def _estimator(args: argparse.Namespace) -> "tuple[Estimator, list[str]]":
    """The estimator that the flags describe, and the fields to search."""
    from recurra.errors import OptionError
    from recurra.tasks import TASKS
    from recurra.tasks.parameters import parameters

    known = parameters(TASKS[args.task])
    fixed = {k: v for k, v in given(TASKS[args.task], args).items() if k not in ASIDE}
    estimator = TASKS[args.task](**fixed)
    if args.search is None:
        free = [name for name in known if known[name].search is not None and name not in fixed]
        return estimator, free
    search = [name.replace("-", "_") for name in args.search]
    for name in search:
        if name in fixed:
            flag = name.replace("_", "-")
            raise OptionError(f"--search names {name}, which --{flag} fixes; drop one of them")
    return estimator, search

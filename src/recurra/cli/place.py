"""Where a command finds its data, and where it puts its run folder."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recurra.tasks import Estimator

# One file, or several where a task takes them.
Source = str | list[str]


def source(estimator: "Estimator | type[Estimator]", files: Sequence[str]) -> Source:
    """The files that were named, as an estimator takes them.

    Raises:
        OptionError: there are several, and it takes one.
    """
    from recurra.errors import OptionError

    if len(files) == 1:
        return files[0]
    if not estimator.several:
        raise OptionError(f"{estimator.task}: takes one file, got {len(files)}: {', '.join(files)}")
    return list(files)


def add_files(
    parser: argparse.ArgumentParser, estimator: "type[Estimator]", *, missing: bool = False
) -> None:
    """What is learned from, and what is held out instead of a part of it.

    Args:
        missing: whether the first may be left out.
    """
    several = estimator.several
    many = "*" if missing else "+"
    parser.add_argument(
        "data",
        metavar="DATA",
        nargs=many if missing or several else None,
        help="the files to learn from" if several else "the file to learn from",
    )
    parser.add_argument(
        "--valid",
        metavar="FILE",
        nargs="+" if several else None,
        help="a later part, to validate and test on",
    )


def settle_files(args: argparse.Namespace) -> None:
    """Have `args.data` and `args.valid` as the estimator of `args.task` takes them.

    Raises:
        OptionError: there are several files, and it takes one.
    """
    from recurra.tasks import TASKS

    for name in ("data", "valid"):
        if isinstance(files := getattr(args, name), list):
            setattr(args, name, source(TASKS[args.task], files))


def first_of(data: Source) -> str:
    """The file by which a run is named."""
    return data if isinstance(data, str) else data[0]


def run_name(data: str) -> str:
    """What a run over a file is called."""
    return Path(data).name.partition(".")[0] or "run"


def run_place(args: argparse.Namespace) -> Path:
    """The run folder to write, known to be free before an hour is spent on learning.

    Raises:
        OptionError: `--out` is there already, and may not be replaced.
    """
    from recurra.errors import OptionError
    from recurra.train import checkpoint_file, free_folder, this_part

    if args.out is None:
        return free_folder(Path("runs"), run_name(first_of(args.data)))
    out: Path = args.out
    if this_part().rank:  # the folder that the first process has begun is no reason to refuse
        return out
    if out.exists() and not args.overwrite:
        raise OptionError(f"--out {out} is there already; choose another, or add --overwrite")
    if out.exists() and not ((out / "run.json").is_file() or checkpoint_file(out).is_file()):
        raise OptionError(f"--out {out} is no run folder, so --overwrite leaves it alone")
    return out

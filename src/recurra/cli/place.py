"""Where a command puts its run folder."""

import argparse
from pathlib import Path


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
        return free_folder(Path("runs"), run_name(args.data))
    out: Path = args.out
    if this_part().rank:  # the folder that the first process has begun is no reason to refuse
        return out
    if out.exists() and not args.overwrite:
        raise OptionError(f"--out {out} is there already; choose another, or add --overwrite")
    if out.exists() and not ((out / "run.json").is_file() or checkpoint_file(out).is_file()):
        raise OptionError(f"--out {out} is no run folder, so --overwrite leaves it alone")
    return out

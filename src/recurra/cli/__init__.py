"""The command line: one module a command, each with `HELP`, `add_arguments` and `run`.

Nothing heavy is imported before a command has been chosen.
"""

import argparse
import errno
import os
import sys
from types import ModuleType

import recurra.cli.demo as demo
import recurra.cli.evaluate as evaluate
import recurra.cli.generate as generate
import recurra.cli.predict as predict
import recurra.cli.train as train
import recurra.cli.tune as tune
from recurra import __version__
from recurra.cli.complain import complain
from recurra.cli.status import INTERRUPTED, MISTAKE, TERMINATED
from recurra.errors import RecurraError, TerminatedError

COMMANDS: dict[str, ModuleType] = {
    "train": train,
    "tune": tune,
    "predict": predict,
    "evaluate": evaluate,
    "generate": generate,
    "demo": demo,
}

# What a write to standard output, which has no name, can fail with.
REFUSED = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO)


def main(argv: list[str] | None = None) -> int:
    """Run one command; its exit status.

    0, 2 for a mistake, 130 after Ctrl-C, 143 after SIGTERM.
    """
    argv = sys.argv[1:] if argv is None else argv
    args = _parser(argv).parse_args(argv)
    try:
        status: int = COMMANDS[args.command].run(args)
        sys.stdout.flush()
        return status
    except TerminatedError as error:
        complain(str(error), by_all=True)
        return TERMINATED
    except RecurraError as error:
        if args.debug:
            raise
        complain(" ".join(str(error).split()))
        return MISTAKE
    except KeyboardInterrupt:
        complain("interrupted, nothing was written", by_all=True)
        return INTERRUPTED
    except BrokenPipeError:
        _close_output()  # the reader has left
        return 0
    except OSError as error:
        if args.debug:
            raise
        _close_output()
        where = error.filename or ("standard output" if error.errno in REFUSED else "")
        text = f"{where}: {error.strerror}" if where else str(error)
        complain(f"{text}; make room or choose another place")
        return MISTAKE


def _close_output() -> None:
    """Where a write to standard output failed, one at exit would only complain again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser(argv: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="recurra", description="Recurrent neural networks, from a file to an answer."
    )
    parser.add_argument("--version", action="version", version=f"recurra {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, module in COMMANDS.items():
        command = commands.add_parser(name, help=module.HELP, description=module.HELP)
        command.set_defaults(debug=False)
        if name in argv[:1]:
            module.add_arguments(command)
    return parser

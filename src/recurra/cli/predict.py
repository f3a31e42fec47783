"""`recurra predict RUN [DATA]`."""

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from recurra.cli.flags import add_debug, names

if TYPE_CHECKING:
    from recurra.tasks import Estimator

HELP = "answer with what a run has learned"
# Options that not every run takes: the tasks that do, and what these are called.
REWRITING = (("translate", "rewrite"), "translating and rewriting")
SEQUENCES = (("classify", "regress"), "answers to sequences")
OWN = {
    "target": (("forecast",), "forecasts"),
    "beam": REWRITING,
    "n_best": REWRITING,
    "attention": REWRITING,
    "because": SEQUENCES,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run, the data, and where the answer goes."""
    parser.add_argument("run", metavar="RUN", type=Path, help="a run folder")
    parser.add_argument(
        "data",
        metavar="DATA",
        nargs="?",
        help="what to answer to (what was learned from, or standard input)",
    )
    parser.add_argument("-o", "--out", metavar="FILE", type=Path, help="instead of printing")
    parser.add_argument("--plot", metavar="FILE.png", type=Path, help="draw the answer")
    parser.add_argument(
        "--target", metavar="NAME,…", type=names, help="where columns have other names"
    )
    group = parser.add_argument_group(REWRITING[1])
    group.add_argument("--beam", metavar="N", type=int, help="answers followed side by side")
    group.add_argument("--n-best", metavar="N", type=int, help="answers shown of each text")
    group.add_argument(
        "--attention", metavar="FILE.svg", type=Path, help="draw where the first answer looked"
    )
    parser.add_argument(
        "--because", metavar="NAME", help="which channels and steps of a sequence mattered"
    )
    add_debug(parser)


def run(args: argparse.Namespace) -> int:
    """Predict, then print or write the answer whole; or print each line's as soon as it is read."""
    from recurra.tasks import load
    from recurra.train import write_whole

    estimator = load(args.run)
    _check(args, estimator)
    data = args.data
    if data is None and estimator.lines:
        if estimator.flowing and args.out is None:
            return _flow(args, estimator)
        data = [line.rstrip("\r\n") for line in sys.stdin]
        data = _sources(data) if estimator.flowing else data
    text = _explained(args, estimator) if args.because else _answer(args, estimator, data)
    if args.out is None:
        sys.stdout.write(text)
        return 0
    write_whole(args.out, lambda path: path.write_text(text, encoding="utf-8", newline=""))
    print(f"written   {args.out}", file=sys.stderr)
    return 0


def _check(args: argparse.Namespace, estimator: "Estimator") -> None:
    """Refuse an option that the run's task does not take."""
    from recurra.errors import OptionError

    for name, (tasks, called) in OWN.items():
        if getattr(args, name) is not None and estimator.task not in tasks:
            flag = name.replace("_", "-")
            raise OptionError(f"--{flag} fits {called}; {args.run} is a run of {estimator.task}")


def _flow(args: argparse.Namespace, estimator: "Estimator") -> int:
    """Answer the lines of standard input as they come; the first of them are drawn."""
    from recurra.cli.coming import coming

    # Options that do not fit are refused before anything is read.
    _asked(args, estimator, [])
    for texts in coming(cast("io.BufferedIOBase", sys.stdin.buffer)):
        sys.stdout.write(_answer(args, estimator, _sources(texts)))
        sys.stdout.flush()
        args.plot = args.attention = None
    return 0


def _answer(
    args: argparse.Namespace, estimator: "Estimator", data: "str | Sequence[str] | None"
) -> str:
    """The answer as a file of it reads, drawn where a picture is wished."""
    from recurra.tasks import Forecaster

    answer = _asked(args, estimator, data)
    for path in filter(None, (args.plot, args.attention)):
        if isinstance(estimator, Forecaster):
            estimator.plot(answer, path, args.data, target=args.target or ())
        else:
            estimator.plot(answer, path, args.data)
        print(f"drawn     {path}", file=sys.stderr)
    return estimator.to_text(answer)


def _explained(args: argparse.Namespace, estimator: "Estimator") -> str:
    """What mattered to one answer, drawn where a picture is wished."""
    from recurra.tasks.signals.sequence_estimator import SequenceEstimator
    from recurra.train import check_picture

    if args.plot is not None:
        check_picture(args.plot)
    found = cast("SequenceEstimator", estimator).because(args.data, args.because)
    if args.plot is not None:
        from recurra.tasks.signals.plots import draw_mattering

        draw_mattering(args.plot, found, args.because)
        print(f"drawn     {args.plot}", file=sys.stderr)
    return found.text() + "\n"


def _asked(
    args: argparse.Namespace, estimator: "Estimator", data: "str | Sequence[str] | None"
) -> Any:
    """What the run answers, as the options say."""
    from recurra.tasks import Forecaster
    from recurra.tasks.rewriting import Rewriter

    if isinstance(estimator, Forecaster):
        return estimator.predict(data, target=args.target or ())
    if isinstance(estimator, Rewriter):
        return estimator.predict(data, beam=args.beam, n_best=args.n_best)
    return estimator.predict(data)


def _sources(lines: "Sequence[str]") -> list[str]:
    """Of each line what stands before a tab, as of the lines of a file."""
    return [line.partition("\t")[0] for line in lines]

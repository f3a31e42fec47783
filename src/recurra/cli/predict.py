"""`recurra predict RUN [DATA]`."""

import argparse
import io
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from recurra.cli.flags import add_debug, names

if TYPE_CHECKING:
    from recurra.tasks import Estimator
    from recurra.tasks.rewriting.asked import Asked

    Data = str | Sequence[str] | Asked | None

HELP = "answer with what a run has learned"
# Options that not every run takes: the tasks that do, and what these are called.
REWRITING = (("translate", "rewrite"), "translating and rewriting")
SEQUENCES = (("classify", "regress"), "answers to sequences")
OWN = {
    "target": (("forecast",), "forecasts"),
    "beam": REWRITING,
    "n_best": REWRITING,
    "attention": REWRITING,
    "temperature": REWRITING,
    "seed": REWRITING,
    "because": SEQUENCES,
}
# Those that are fields of the run too.
FIELDS = ("beam", "n_best")


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
    group.add_argument(
        "--temperature",
        metavar="X",
        type=float,
        help="draw answers, their scores divided by it, instead of looking for the likeliest",
    )
    group.add_argument("--seed", metavar="N", type=int, help="of what is drawn (0)")
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
    # These stand in the place of the run's own.
    said = {name: getattr(args, name) for name in FIELDS if getattr(args, name) is not None}
    estimator.set_params(**said)
    data: Data = args.data
    if data is None and estimator.flowing:
        if args.out is None:
            return _flow(args, estimator)
        data = _asked([line for lines in _coming(estimator) for line in lines])
    elif data is None and estimator.lines:
        data = [line.rstrip("\r\n") for line in sys.stdin]
    text = _explained(args, estimator) if args.because else _answered(args, estimator, data)
    if args.out is None:
        sys.stdout.write(text)
        return 0
    write_whole(args.out, lambda path: path.write_text(text, encoding="utf-8", newline=""))
    print(f"written   {args.out}", file=sys.stderr)
    return 0


def _check(args: argparse.Namespace, estimator: "Estimator") -> None:
    """Refuse an option that does not fit, or that the run's task does not take."""
    from recurra.errors import OptionError
    from recurra.train import check_picture

    for path in filter(None, (args.plot, args.attention)):
        check_picture(path)
    for name, (tasks, called) in OWN.items():
        if getattr(args, name) is not None and estimator.task not in tasks:
            flag = name.replace("_", "-")
            raise OptionError(f"--{flag} fits {called}; {args.run} is a run of {estimator.task}")
    if args.seed is not None and args.temperature is None:
        raise OptionError(f"--seed is {args.seed}, and nothing is drawn; --temperature draws")


def _flow(args: argparse.Namespace, estimator: "Estimator") -> int:
    """Answer the lines of standard input as they come; the first with an answer is drawn."""
    # Options that do not fit are refused before anything is read.
    nothing, number = _answer(args, estimator, []), 1
    for lines in _coming(estimator):
        answer = _answer(args, estimator, _asked(lines, number))
        if answer["source"].str.strip().any():
            _draw(args, estimator, answer)
            args.plot = args.attention = None
        sys.stdout.write(estimator.to_text(answer))
        sys.stdout.flush()
        number += len(lines)
    # Where a picture is still wished, this says why there is none.
    _draw(args, estimator, nothing)
    return 0


def _coming(estimator: "Estimator") -> Iterator[list[str]]:
    """The lines of standard input, as the run reads those of a file."""
    from recurra.cli.coming import coming
    from recurra.tasks.rewriting import Rewriter

    errors = estimator.errors if isinstance(estimator, Rewriter) else "strict"
    return coming(cast("io.BufferedIOBase", sys.stdin.buffer), errors)


def _asked(lines: "Sequence[str]", first: int = 1) -> "Asked":
    """Of each line what stands before a tab, as of the lines of a file."""
    from recurra.tasks.rewriting.asked import Asked

    texts = [line.partition("\t")[0] for line in lines]
    return Asked(texts, "standard input", "line", first)


def _draw(args: argparse.Namespace, estimator: "Estimator", answer: Any) -> None:
    """Draw an answer where that is wished."""
    from recurra.tasks import Forecaster

    for path in filter(None, (args.plot, args.attention)):
        if isinstance(estimator, Forecaster):
            estimator.plot(answer, path, args.data, target=args.target or ())
        else:
            estimator.plot(answer, path, args.data)
        print(f"drawn     {path}", file=sys.stderr)


def _answered(args: argparse.Namespace, estimator: "Estimator", data: "Data") -> str:
    """The answer as a file of it reads, drawn where a picture is wished."""
    answer = _answer(args, estimator, data)
    _draw(args, estimator, answer)
    return estimator.to_text(answer)


def _explained(args: argparse.Namespace, estimator: "Estimator") -> str:
    """What mattered to one answer, drawn where a picture is wished."""
    from recurra.tasks.signals.sequence_estimator import SequenceEstimator

    found = cast("SequenceEstimator", estimator).because(args.data, args.because)
    if args.plot is not None:
        from recurra.tasks.signals.plots import draw_mattering

        draw_mattering(args.plot, found, args.because)
        print(f"drawn     {args.plot}", file=sys.stderr)
    return found.text() + "\n"


def _answer(args: argparse.Namespace, estimator: "Estimator", data: "Data") -> Any:
    """What the run answers, as the options say."""
    from recurra.models import Choice
    from recurra.tasks import Forecaster
    from recurra.tasks.rewriting import Rewriter

    if isinstance(estimator, Forecaster):
        return estimator.predict(data, target=args.target or ())
    if isinstance(estimator, Rewriter):
        choice = None if args.temperature is None else Choice(args.temperature)
        return estimator.predict(data, choice=choice, seed=args.seed or 0)
    return estimator.predict(data)

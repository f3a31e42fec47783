"""`recurra predict RUN [DATA]`."""

import argparse
from pathlib import Path

from recurra.cli.flags import add_debug, names

HELP = "answer with what a run has learned"


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
        "--target", metavar="NAME,…", type=names, default=(), help="where columns have other names"
    )
    add_debug(parser)


def run(args: argparse.Namespace) -> int:
    """Predict, then print or write the answer whole."""
    import sys
    from functools import partial

    from recurra.errors import OptionError
    from recurra.tasks import Forecaster, load

    estimator = load(args.run)
    if isinstance(estimator, Forecaster):
        answer = estimator.predict(args.data, target=args.target)
        draw = partial(estimator.plot, target=args.target)
    elif args.target:
        raise OptionError(f"--target fits forecasts; {args.run} is a run of {estimator.task}")
    else:
        data = args.data
        if data is None and estimator.lines:
            data = [line.rstrip("\r\n") for line in sys.stdin]
        answer, draw = estimator.predict(data), partial(estimator.plot)
    if args.plot is not None:
        draw(answer, args.plot, args.data)
        print(f"drawn     {args.plot}", file=sys.stderr)
    text = estimator.to_text(answer)
    if args.out is None:
        sys.stdout.write(text)
        return 0
    from recurra.train import write_whole

    write_whole(args.out, lambda path: path.write_text(text, encoding="utf-8", newline=""))
    print(f"written   {args.out}", file=sys.stderr)
    return 0

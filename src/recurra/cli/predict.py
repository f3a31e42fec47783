"""`recurra predict RUN [DATA]`."""

import argparse
from pathlib import Path

from recurra.cli.flags import add_debug, names

HELP = "answer with what a run has learned"
# The network computes in float32, which has no more.
DIGITS = "%.8g"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run, the data, and where the answer goes."""
    parser.add_argument("run", metavar="RUN", type=Path, help="a run folder")
    parser.add_argument(
        "data", metavar="DATA", nargs="?", help="what to go on from (what was learned from)"
    )
    parser.add_argument("-o", "--out", metavar="FILE.csv", type=Path, help="instead of printing")
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
        answer, draw = estimator.predict(args.data), partial(estimator.plot)
    if args.plot is not None:
        draw(answer, args.plot, args.data)
        print(f"drawn     {args.plot}", file=sys.stderr)
    if args.out is None:
        answer.to_csv(sys.stdout, index=False, float_format=DIGITS)
        return 0
    from recurra.train import write_whole

    write_whole(args.out, lambda path: answer.to_csv(path, index=False, float_format=DIGITS))
    print(f"written   {args.out}", file=sys.stderr)
    return 0

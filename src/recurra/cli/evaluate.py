"""`recurra evaluate RUN DATA`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from recurra.cli.flags import add_debug

if TYPE_CHECKING:
    from recurra.tasks import Estimator

HELP = "measure a run on data, beside its baselines"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run and the data."""
    parser.add_argument("run", metavar="RUN", type=Path, help="a run folder")
    parser.add_argument("data", metavar="DATA", nargs="+", help="what to measure on")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument(
        "--show-surprise",
        action="store_true",
        help="of a language model: nats of each token, as colours on a terminal, else as numbers",
    )
    add_debug(parser)


def run(args: argparse.Namespace) -> int:
    """Measure, then print a table or JSON."""
    import json

    from recurra.cli.place import source
    from recurra.cli.show import show_measures
    from recurra.tasks import load

    estimator = load(args.run)
    if args.show_surprise:
        return _show_surprise(estimator, args)
    measures = estimator.measure(source(estimator, args.data))
    if args.json:
        print(json.dumps(measures.to_json()))
        return 0
    show_measures(measures)
    return 0


def _show_surprise(estimator: "Estimator", args: argparse.Namespace) -> int:
    from recurra.cli.surprise import show_surprise
    from recurra.data import Text
    from recurra.errors import OptionError
    from recurra.tasks.language import LanguageModel

    if not isinstance(estimator, LanguageModel):
        raise OptionError(
            f"--show-surprise fits language models; {args.run} is a run of {estimator.task}"
        )
    text = "".join(Text([Path(each) for each in args.data], estimator.errors))
    scored = estimator.score(text, errors="replace")
    show_surprise(scored, estimator.vocabulary_.decoder())
    return 0

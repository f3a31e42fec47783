"""`recurra evaluate RUN DATA`."""

import argparse
from pathlib import Path

from recurra.cli.flags import add_debug

HELP = "measure a run on data, beside its baselines"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run and the data."""
    parser.add_argument("run", metavar="RUN", type=Path, help="a run folder")
    parser.add_argument("data", metavar="DATA", nargs="+", help="what to measure on")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    add_debug(parser)


def run(args: argparse.Namespace) -> int:
    """Measure, then print a table or JSON."""
    import json

    from recurra.cli.place import source
    from recurra.cli.show import show_measures
    from recurra.tasks import load

    estimator = load(args.run)
    measures = estimator.measure(source(estimator, args.data))
    if args.json:
        print(json.dumps(measures.to_json()))
        return 0
    show_measures(measures)
    return 0

"""`python -m bench NAME [--only REGEX] [--json FILE]`; without a name, every bench there is."""

import argparse
import sys

from bench import (
    capability,
    catalogue,
    cells,
    dropin,
    ett,
    forecast,
    layers,
    ptb,
    scaling,
    sentiment,
    shakespeare,
    signals,
    stream,
    tagging,
    text,
    training,
    transducer,
    translate,
)
from bench.rows import write_rows

BENCHES = {
    "layers": layers,
    "cells": cells,
    "catalogue": catalogue,
    "dropin": dropin,
    "stream": stream,
    "ett": ett,
    "forecast": forecast,
    "capability": capability,
    "scaling": scaling,
    "training": training,
    "tagging": tagging,
    "transducer": transducer,
    "text": text,
    "shakespeare": shakespeare,
    "ptb": ptb,
    "sentiment": sentiment,
    "translate": translate,
    "signals": signals,
}


def main() -> int:
    """Run the benches named, print their rows, and keep them as JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("name", nargs="?", choices=BENCHES, help="all when not given")
    parser.add_argument("--only", metavar="REGEX", default="", help="cases that match")
    parser.add_argument("--json", metavar="FILE", help="write the rows")
    for module in BENCHES.values():
        module.add_arguments(parser)
    args = parser.parse_args()
    names = [args.name] if args.name else list(BENCHES)
    rows = [row for name in names for row in BENCHES[name].run(args)]
    if args.json:
        write_rows(args.json, rows)
    return 0


sys.exit(main())

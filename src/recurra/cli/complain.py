"""The one line that says what went wrong."""

import os
import sys
import time

# Seconds in which torchrun ends the other processes once the first has ended.
PATIENCE = 5.0


def complain(text: str, by_all: bool = False) -> None:
    """Print a line on standard error.

    Where several processes train together, the first speaks: a mistake that all make is said by it,
    and torchrun ends the others while they wait. What befell another one alone is said after that.

    Args:
        text: what went wrong.
        by_all: the others have nothing to add.
    """
    rank = os.environ.get("RANK", "0") if "WORLD_SIZE" in os.environ else "0"
    if rank == "0":
        print(f"recurra: {text}", file=sys.stderr)
    elif not by_all:
        time.sleep(PATIENCE)
        print(f"recurra, process {rank}: {text}", file=sys.stderr)

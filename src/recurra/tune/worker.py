"""`python -m recurra.tune.worker`: runs trials of a study, one for each line it is given.

The first line says what to do; each further one is a trial's order, answered with its number.
"""

import os
import sys
import threading
from queue import SimpleQueue

from recurra.errors import RecurraError
from recurra.tune.jobs import from_letter
from recurra.tune.study import join_study
from recurra.tune.trial import run_trial


def main() -> int:
    """Work until the input ends."""
    path, work = from_letter(sys.stdin.readline())
    orders: SimpleQueue[int] = SimpleQueue()
    threading.Thread(target=_listen, args=(orders,), daemon=True).start()
    try:
        with join_study(path) as study:
            while True:
                print(run_trial(study, work, orders.get(), path), flush=True)
    except RecurraError as error:
        print("recurra: " + " ".join(str(error).split()), file=sys.stderr, flush=True)
        return 2


def _listen(orders: "SimpleQueue[int]") -> None:
    """Pass orders on; end the process, whatever it does, when who gives them has gone."""
    for line in sys.stdin:
        orders.put(int(line))
    os._exit(0)


if __name__ == "__main__":
    # A reading thread holds the input's lock, which Python would wait for at its own exit.
    status = main()
    sys.stderr.flush()
    os._exit(status)

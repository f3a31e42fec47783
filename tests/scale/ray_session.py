"""A Ray of two processors, and in it commands and a search; run by the test beside it.

python tests/scale/ray_session.py train forecast DATA … -- tune forecast DATA …
"""

import os
import sys
from collections.abc import Iterator

import ray

import recurra.cli
from recurra.scale import spread


def square(number: int) -> tuple[int, int]:
    """A piece of work, and where it was done."""
    return number * number, os.getpid()


def numbers(answers: list[int]) -> Iterator[int]:
    """Each is asked for once a worker is free: the third knows an answer."""
    yield from (3, 4)
    yield 5 if answers else 0


def main() -> int:
    ray.init(num_cpus=2, log_to_driver=False, include_dashboard=False, logging_level="error")
    cut = sys.argv.index("--")
    status = recurra.cli.main(sys.argv[1:cut]) or recurra.cli.main(sys.argv[cut + 1 :])
    answers: list[int] = []
    for number, (answer, place) in spread(square, numbers(answers), at_once=2):
        if answer != number * number or place == os.getpid():
            return 1
        answers.append(answer)
    print("answers", *sorted(answers))
    ray.shutdown()
    return status


if __name__ == "__main__":
    sys.exit(main())

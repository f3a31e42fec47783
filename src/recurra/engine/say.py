"""What the logger `recurra` is told, each line once in a process."""

import logging
from functools import cache

_log = logging.getLogger("recurra")


def say_plain(name: str, reason: Exception, does: str = "runs") -> None:
    """That what has this name runs, or trains, in plain torch, and why."""
    _say(f"{name} {does} in plain torch: {reason}")


@cache
def _say(line: str) -> None:
    _log.warning(line)

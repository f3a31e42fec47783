"""From what a file holds, or a list, to the steps of a sequence."""

from recurra.tasks.signals.fronts.front import Front

__all__ = ["Front"]

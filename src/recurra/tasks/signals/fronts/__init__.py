"""From what a file holds, or a list, to the steps of a sequence."""

from recurra.tasks.signals.fronts.front import Front
from recurra.tasks.signals.fronts.sound import Sound

FRONTS: dict[str, type[Front]] = {
    "sound": Sound,
}


__all__ = ["FRONTS", "Front", "Sound"]

"""From what a file holds, or a list, to the steps of a sequence."""

from recurra.tasks.signals.fronts.front import Front
from recurra.tasks.signals.fronts.sound import Sound
from recurra.tasks.signals.fronts.video import Video

FRONTS: dict[str, type[Front]] = {
    "sound": Sound,
    "video": Video,
}

__all__ = ["FRONTS", "Front", "Sound", "Video"]

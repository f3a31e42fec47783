"""From what a file holds, or a list, to the steps of a sequence."""

from recurra.tasks.signals.fronts.dna import DNA
from recurra.tasks.signals.fronts.front import Front
from recurra.tasks.signals.fronts.joints import Joints
from recurra.tasks.signals.fronts.numbers import Numbers
from recurra.tasks.signals.fronts.sound import Sound
from recurra.tasks.signals.fronts.strokes import Strokes
from recurra.tasks.signals.fronts.video import Video

# Of files that several read, the first does unless another is asked for.
FRONTS: dict[str, type[Front]] = {
    "numbers": Numbers,
    "sound": Sound,
    "video": Video,
    "dna": DNA,
    "strokes": Strokes,
    "joints": Joints,
}

__all__ = ["FRONTS", "Front", "Sound", "Video"]

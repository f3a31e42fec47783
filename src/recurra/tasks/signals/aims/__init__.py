"""What is to be said of sequences: classes, or numbers."""

from recurra.tasks.signals.aims.aim import Aim
from recurra.tasks.signals.aims.classes import Classes
from recurra.tasks.signals.aims.numbers import Numbers

AIMS: dict[str, type[Aim]] = {"classes": Classes, "numbers": Numbers}

__all__ = ["AIMS", "Aim", "Classes", "Numbers"]

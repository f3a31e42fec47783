"""Tuning: fields that nobody set are tried out, and what validates best is kept."""

from recurra.tune.outcome import Attempt
from recurra.tune.tuning import Tuned, tune

__all__ = ["Attempt", "Tuned", "tune"]

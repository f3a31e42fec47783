"""A training explained from the inside."""

from recurra.train.diagnose.diagnose import diagnose
from recurra.train.diagnose.diagnosis import Diagnosis, Gate, Layer
from recurra.train.diagnose.updates import Weight

__all__ = ["Diagnosis", "Gate", "Layer", "Weight", "diagnose"]

"""Networks with a job."""

from recurra.models.autoregressive import AutoregressiveForecaster
from recurra.models.blend import Blend
from recurra.models.segment import SegmentForecaster
from recurra.models.text_classifier import PooledClassifier, Spelt, WholeWords
from recurra.models.words import UNKNOWN, WordFeatures

__all__ = [
    "UNKNOWN",
    "AutoregressiveForecaster",
    "Blend",
    "PooledClassifier",
    "SegmentForecaster",
    "Spelt",
    "WholeWords",
    "WordFeatures",
]

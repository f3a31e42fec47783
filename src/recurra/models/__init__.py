"""Networks with a job."""

from recurra.models.autoregressive import AutoregressiveForecaster
from recurra.models.blend import Blend
from recurra.models.segment import SegmentForecaster
from recurra.models.tagger import Words, WordTagger
from recurra.models.words import UNKNOWN, WordFeatures

__all__ = [
    "UNKNOWN",
    "AutoregressiveForecaster",
    "Blend",
    "SegmentForecaster",
    "WordFeatures",
    "WordTagger",
    "Words",
]

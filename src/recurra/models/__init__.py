"""Networks with a job."""

from recurra.models.autoregressive import AutoregressiveForecaster
from recurra.models.blend import Blend
from recurra.models.language import LanguageNetwork, Noise
from recurra.models.pretrained import Pretrained, body_of
from recurra.models.sampling import Choice, Sampler, probabilities
from recurra.models.segment import SegmentForecaster

__all__ = [
    "AutoregressiveForecaster",
    "Blend",
    "Choice",
    "LanguageNetwork",
    "Noise",
    "Pretrained",
    "Sampler",
    "SegmentForecaster",
    "body_of",
    "probabilities",
]

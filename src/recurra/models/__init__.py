"""Networks with a job."""

from recurra.models.autoregressive import AutoregressiveForecaster
from recurra.models.blend import Blend
from recurra.models.build_seq2seq import ATTENTIONS, TIED, build_seq2seq
from recurra.models.convolution_branch import ConvolutionBranch
from recurra.models.frames import FrameNetwork
from recurra.models.language import LanguageNetwork, Noise
from recurra.models.pretrained import Pieces, Pretrained, body_of
from recurra.models.said import Said
from recurra.models.sampling import Choice, Sampler, probabilities
from recurra.models.search import beam_search
from recurra.models.segment import SegmentForecaster
from recurra.models.seq2seq import Seq2Seq
from recurra.models.sequence_encoder import SequenceEncoder
from recurra.models.sequence_network import Memory, SequenceNetwork
from recurra.models.source import Source, Target
from recurra.models.speaker import Speaker
from recurra.models.speaking import greedy, sample
from recurra.models.step_features import MISSING, Features, StepFeatures
from recurra.models.steps import Steps
from recurra.models.tagger import Words, WordTagger
from recurra.models.text_classifier import PooledClassifier, PretrainedClassifier, Spelt, WholeWords
from recurra.models.words import UNKNOWN, WordFeatures

__all__ = [
    "ATTENTIONS",
    "MISSING",
    "TIED",
    "UNKNOWN",
    "AutoregressiveForecaster",
    "Blend",
    "Choice",
    "ConvolutionBranch",
    "Features",
    "FrameNetwork",
    "LanguageNetwork",
    "Memory",
    "Noise",
    "Pieces",
    "PooledClassifier",
    "Pretrained",
    "PretrainedClassifier",
    "Said",
    "Sampler",
    "SegmentForecaster",
    "Seq2Seq",
    "SequenceEncoder",
    "SequenceNetwork",
    "Source",
    "Speaker",
    "Spelt",
    "StepFeatures",
    "Steps",
    "Target",
    "WholeWords",
    "WordFeatures",
    "WordTagger",
    "Words",
    "beam_search",
    "body_of",
    "build_seq2seq",
    "greedy",
    "probabilities",
    "sample",
]

"""What is said of a sequence of measured steps: a class, a value, or one of these at each step.

    x = features(steps)                   one scale, nothing missing
    y = encoder(x)                        convolutions, recurrent layers, attention
    p = [pooled y, branch(x)]             or y itself, where each step is answered
    scores = m + d * (V dropout(p) + c)

m = 0 and d = 1 for classes; values are learned as differences from their mean m in units of their
deviation d. Where a sequence has another strand, scores are the mean over both.

Source: both strands of DNA: Alipanahi, Delong, Weirauch and Frey, "Predicting the sequence
specificities of DNA- and RNA-binding proteins by deep learning", 2015, Nature Biotechnology 33,
supplement, section 2; there the maximum, here the mean.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from recurra.cells.check import positive
from recurra.engine import Tree, reverse
from recurra.errors import OptionError, UnsupportedError
from recurra.layers import Pooling
from recurra.layers.around import check_rate
from recurra.layers.pooling import Pooled
from recurra.models.convolution_branch import ConvolutionBranch
from recurra.models.sequence_encoder import SequenceEncoder
from recurra.models.step_features import StepFeatures
from recurra.models.steps import Steps, cleared, other_strand


class Memory(NamedTuple):
    """What is known of sequences whose first chunks were read."""

    states: tuple[Tree, ...]
    since: Float[Tensor, "B F"]
    pooled: Pooled


class SequenceNetwork(nn.Module):
    """Reads sequences of any lengths, and scores each or each step of them.

    Args:
        features: of measured steps.
        encoder: reads these.
        outputs: scores, K.
        pooling: how outputs over time become one vector; names in POOLINGS.
        branch: reads what the encoder's layers read, beside them.
        dropout: share of a summary's features that is dropped in training.
        per_step: scores each step.
        strands: for each channel, where it comes from on the other strand.

    Raises:
        OptionError: steps are to be scored that the encoder makes fewer, or a branch has summed up.
    """

    answer_mean: Tensor
    answer_scale: Tensor

    def __init__(
        self,
        features: StepFeatures,
        encoder: SequenceEncoder,
        outputs: int,
        *,
        pooling: Sequence[str] = ("mean", "max"),
        branch: ConvolutionBranch | None = None,
        dropout: float = 0.0,
        per_step: bool = False,
        strands: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        positive("SequenceNetwork", outputs=outputs)
        check_rate("SequenceNetwork", "dropout", dropout)
        if per_step and (branch is not None or encoder.downsample > 1):
            raise OptionError(
                "SequenceNetwork: per_step is set; a branch, or downsample above 1, leaves no "
                "steps to be scored"
            )
        self.features, self.encoder, self.branch = features, encoder, branch
        self.per_step, self.strands = per_step, None if strands is None else tuple(strands)
        size = encoder.output_size
        self.pooling = None if per_step else Pooling(size, pooling, encoder.ahead)
        size = size if self.pooling is None else self.pooling.output_size
        size += 0 if branch is None else branch.output_size
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(size, outputs)
        self.register_buffer("answer_mean", torch.zeros(outputs))
        self.register_buffer("answer_scale", torch.ones(outputs))

    @property
    def streams(self) -> bool:
        """Whether `begin`, `feed` and `finish` serve: nothing needs what comes later."""
        features = self.features
        ahead = self.encoder.streams and features.missing != "interpolate" and not features.places
        return ahead and self.branch is None and self.strands is None and not self.per_step

    def forward(self, steps: Steps) -> Float[Tensor, "B *T K"]:
        """The scores (B, K), or (B, T, K) of each step, 0 in the padding."""
        steps = cleared(steps)
        if self.strands is None:
            return self._scores(steps)
        order = torch.tensor(self.strands, device=steps.values.device)
        other = self._scores(other_strand(steps, order))
        other = reverse(other, steps.lengths) if self.per_step else other
        return (self._scores(steps) + other) / 2

    def begin(self, rows: int) -> Memory:
        """The memory of sequences that begin.

        Raises:
            UnsupportedError: the network does not stream.
        """
        pooling, since = self._running(), self.features.begin(rows)
        return Memory(self.encoder.begin(rows), since, pooling.begin(since))

    def feed(self, memory: Memory, steps: Steps) -> Memory:
        """The memory after a chunk of each row, of which some may be empty; in evaluation.

        Args:
            memory: as `begin` or the chunk before gave it.
            steps: the gap of a chunk's first step is the time since the last step before it.
        """
        pooling = self._running()
        features, since = self.features(cleared(steps), memory.since)
        y, states = self.encoder(features, steps.lengths, memory.states)
        return Memory(states, since, pooling.feed(memory.pooled, y, steps.lengths))

    def finish(self, memory: Memory) -> Float[Tensor, "B K"]:
        """The scores of all that was fed: those of `forward`, to rounding."""
        return self._answer(self._running().finish(memory.pooled))

    def _running(self) -> Pooling:
        if not self.streams or self.pooling is None:
            raise UnsupportedError(
                "SequenceNetwork: an answer needs the whole sequence; a network that reads one way "
                "without convolutions, attention, strands, places and interpolation takes chunks"
            )
        return self.pooling

    def _scores(self, steps: Steps) -> Tensor:
        features, _ = self.features(steps)
        features, lengths = self.encoder.front(features, steps.lengths)
        y, _ = self.encoder(features, lengths)
        if self.pooling is None:
            dead = torch.arange(y.shape[1], device=y.device) >= lengths[:, None]
            return self._answer(y).masked_fill(dead[..., None], 0)
        summary = [self.pooling(y, lengths)]
        if self.branch is not None:
            summary.append(self.branch(features.x, lengths))
        return self._answer(torch.cat(summary, dim=1))

    def _answer(self, summary: Tensor) -> Tensor:
        scores: Tensor = self.head(self.dropout(summary))
        return scores * self.answer_scale + self.answer_mean

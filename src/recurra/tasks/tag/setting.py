"""Everything that shapes a tagger's network, checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from recurra.cells import CELLS, ConvGRU, ConvLSTM
from recurra.errors import DataError, OptionError
from recurra.layers import CRF, Bidirectional, Stack
from recurra.models import WordFeatures, WordTagger
from recurra.tasks.encoder import Encoder
from recurra.tasks.tag.spans import Rules
from recurra.tasks.tag.vocabulary import Vocabulary
from recurra.train import outline

# Each with the tags that it bears: a step of a random field is of all pairs of them.
OUTPUTS = {"softmax": 5000, "crf": 200}
# Those that read features; the others read images.
FITTING = [name for name in CELLS if CELLS[name] not in (ConvGRU, ConvLSTM)]
# Sizes beyond which a run folder is not believed.
LIMITS = {"hidden_size": 65_536, "num_layers": 64, "word_size": 65_536, "char_size": 65_536}


@dataclass(frozen=True)
class Setting:
    """Everything that shapes the network, but for the words, letters and tags that it knows.

    Args:
        cell: a name in FITTING.
        hidden_size: units of each direction of a layer, H.
        num_layers: recurrent layers.
        word_size: features of a word's own vector.
        char_size: features of a letter's vector, and units of each direction that reads letters.
        dropout: share of features dropped in training.
        word_dropout: share of words taken for unknown in training.
        output: a name in OUTPUTS.
    """

    cell: str
    hidden_size: int
    num_layers: int
    word_size: int
    char_size: int
    dropout: float
    word_dropout: float
    output: str

    def __post_init__(self) -> None:
        if self.cell not in FITTING:
            raise OptionError(f'--cell is "{self.cell}"; what fits: {", ".join(FITTING)}')
        if self.output not in OUTPUTS:
            raise OptionError(f'--output is "{self.output}"; what fits: {", ".join(OUTPUTS)}')
        for name, most in LIMITS.items():
            value = getattr(self, name)
            if type(value) is not int or not 1 <= value <= most:
                raise OptionError(f"--{_flag(name)} is {value!r}; it is 1 … {most}")
        for name in ("dropout", "word_dropout"):
            value = getattr(self, name)
            if not (isinstance(value, float | int) and 0 <= value < 1):
                raise OptionError(f"--{_flag(name)} is {value!r}; it lies in 0 … 1")

    def build(
        self, vocabulary: Vocabulary, rules: Rules | None, encoder: Encoder | None = None
    ) -> WordTagger:
        """The network with weights drawn afresh.

        Args:
            vocabulary: what it knows.
            rules: which tags never follow which, for a conditional random field.
            encoder: of a language model that reads the words too.
        """
        make: Any = CELLS[self.cell]
        features = WordFeatures(
            len(vocabulary.words) + 1,
            self.word_size,
            len(vocabulary.letters) + 1,
            self.char_size,
            cell=make,
            word_dropout=self.word_dropout,
        )
        reader = None if encoder is None else encoder.build()
        width = features.output_size + (0 if reader is None else reader.output_size)
        layers = []
        for _ in range(self.num_layers):
            layer = Bidirectional(make(width, self.hidden_size), make(width, self.hidden_size))
            layers.append(layer)
            width = layer.output_size
        return WordTagger(
            features,
            Stack(layers, dropout=self.dropout),
            len(vocabulary.tags),
            crf=self._crf(len(vocabulary.tags), rules),
            dropout=self.dropout,
            encoder=reader,
        )

    def weights(self, vocabulary: Vocabulary, encoder: Encoder | None = None) -> int:
        """How many numbers the network learns, counted without drawing any."""
        model = outline(lambda: self.build(vocabulary, None, encoder))
        return sum(weight.numel() for weight in model.parameters())

    def _crf(self, tags: int, rules: Rules | None) -> CRF | None:
        if self.output != "crf":
            return None
        masks = {} if rules is None else rules._asdict()
        return CRF(tags, **{name: torch.from_numpy(mask) for name, mask in masks.items()})


def check_tags(tags: Sequence[str], output: str) -> None:
    """Refuse too few tags to tell apart, and too many.

    Raises:
        DataError: naming what mends it.
    """
    if len(tags) < 2:
        raise DataError(
            f'every word has the tag "{tags[0]}"; --column N names another column of tags'
        )
    if len(tags) > OUTPUTS[output]:
        mend = "--output softmax, or " if output == "crf" else ""
        raise DataError(
            f"there are {len(tags):,} different tags, {OUTPUTS[output]:,} fit; {mend}--column N "
            "names another column of tags"
        )


def _flag(name: str) -> str:
    return name.replace("_", "-")

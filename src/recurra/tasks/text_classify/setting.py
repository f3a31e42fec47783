"""Everything that shapes a text classifier's network, checked."""

from dataclasses import dataclass
from typing import Any

from torch import nn

from recurra.cells import CELLS, ConvGRU, ConvLSTM
from recurra.errors import OptionError
from recurra.layers import POOLINGS
from recurra.models import PooledClassifier, PretrainedClassifier, WholeWords, WordFeatures
from recurra.tasks.encoder import Encoder
from recurra.train import outline

# Those that read features; the others read images.
FITTING = [name for name in CELLS if CELLS[name] not in (ConvGRU, ConvLSTM)]
# Words begin as small numbers, so that what is learned of the frequent ones outgrows what the rare
# ones began with.
SMALL = 0.3

# Sizes beyond which a run folder is not believed, and the least that has a meaning.
LIMITS = {
    "hidden_size": (1, 65_536),
    "num_layers": (1, 100),
    "word_size": (1, 65_536),
    "char_size": (0, 4096),
    "vocab_size": (1, 10_000_000),
    "alphabet_size": (1, 1_200_000),
    "classes": (2, 100_000),
}


@dataclass(frozen=True)
class Setting:
    """Everything that shapes the network.

    Args:
        cell: a name in FITTING.
        hidden_size: units of each direction, H.
        num_layers: layers on top of one another.
        word_size: features of a word's own vector.
        char_size: features of a letter, and units of each direction that reads letters; 0 reads
            none.
        vocab_size: words with a vector of their own, the unknown among them, V.
        alphabet_size: letters, the unknown among them.
        classes: K.
        pooling: names in POOLINGS.
        dropout: share of features dropped in training.
        word_dropout: share of words taken for unknown in training.
    """

    cell: str
    hidden_size: int
    num_layers: int
    word_size: int
    char_size: int
    vocab_size: int
    alphabet_size: int
    classes: int
    pooling: tuple[str, ...]
    dropout: float
    word_dropout: float

    def __post_init__(self) -> None:
        if self.cell not in FITTING:
            raise OptionError(f'--cell is "{self.cell}"; what fits: {", ".join(FITTING)}')
        for name, (least, most) in LIMITS.items():
            value = getattr(self, name)
            if type(value) is not int or not least <= value <= most:
                raise OptionError(f"--{_flag(name)} is {value!r}; it is {least} … {most}")
        odd = [kind for kind in self.pooling if kind not in POOLINGS]
        if odd or not self.pooling or len(set(self.pooling)) < len(self.pooling):
            raise OptionError(
                f"--pooling is {','.join(self.pooling)!r}; it is one or more of "
                f"{','.join(POOLINGS)}, each once"
            )
        for name in ("dropout", "word_dropout"):
            value = getattr(self, name)
            if not (isinstance(value, float | int) and 0 <= value < 1):
                raise OptionError(f"--{_flag(name)} is {value!r}; it lies in 0 … 1")

    def build(self, encoder: Encoder | None = None) -> PooledClassifier | PretrainedClassifier:
        """The network with weights drawn afresh.

        Args:
            encoder: of a language model that reads the texts in the place of words and cells.
        """
        if encoder is not None:
            return PretrainedClassifier(
                encoder.build(), self.classes, pooling=self.pooling, dropout=self.dropout
            )
        make: Any = CELLS[self.cell]
        features = self._features()
        nn.init.normal_(features.words.weight, std=SMALL)
        return PooledClassifier(
            features,
            make,
            hidden_size=self.hidden_size,
            num_layers=self.num_layers,
            classes=self.classes,
            pooling=self.pooling,
            dropout=self.dropout,
        )

    def _features(self) -> WordFeatures | WholeWords:
        if not self.char_size:
            return WholeWords(self.vocab_size, self.word_size, word_dropout=self.word_dropout)
        return WordFeatures(
            self.vocab_size,
            self.word_size,
            self.alphabet_size,
            self.char_size,
            word_dropout=self.word_dropout,
        )

    def weights(self, encoder: Encoder | None = None) -> int:
        """How many numbers the network learns, counted without drawing any."""
        model = outline(lambda: self.build(encoder))
        return sum(weight.numel() for weight in model.parameters())


def _flag(name: str) -> str:
    return name.replace("_", "-")

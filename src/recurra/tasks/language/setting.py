"""Everything that shapes a language model's network, checked."""

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from recurra.cells import CELLS, ConvGRU, ConvLSTM
from recurra.errors import OptionError
from recurra.models import LanguageNetwork, Noise
from recurra.train import outline

# Those that read features; the others read images.
FITTING = [name for name in CELLS if CELLS[name] not in (ConvGRU, ConvLSTM)]
# Sizes beyond which a run folder is not believed.
LIMITS = {"vocab_size": 1 << 22, "hidden_size": 65_536, "num_layers": 256, "embedding_size": 65_536}
# With more tokens "auto" takes an adaptive softmax.
MANY = 50_000
# An unasked table is no wider, where it is not the head's too.
WIDEST = 256
KINDS = {"tied": bool, "adaptive": bool}


@dataclass(frozen=True)
class Setting:
    """Everything that shapes the network.

    Args:
        vocab_size: tokens, V.
        cell: a name in FITTING.
        hidden_size: width of the layers, H; the last of several that end in the table is as wide
            as the table.
        num_layers: cells on top of each other, L.
        embedding_size: width of the table, E.
        tied: whether the table is the head's matrix.
        adaptive: whether rare tokens are in clusters of their own.
        dropout: of what the head reads.
        layer_dropout: of what goes from layer to layer.
        embedding_dropout: of whole tokens.
        input_dropout: of what the first layer reads.
        weight_dropout: of recurrent matrices.
        activation_penalty: factor of the mean square of outputs.
        temporal_penalty: factor of the mean square of their changes.
    """

    vocab_size: int
    cell: str
    hidden_size: int
    num_layers: int
    embedding_size: int
    tied: bool
    adaptive: bool
    dropout: float
    layer_dropout: float
    embedding_dropout: float
    input_dropout: float
    weight_dropout: float
    activation_penalty: float
    temporal_penalty: float

    def __post_init__(self) -> None:
        if self.cell not in FITTING:
            raise OptionError(f'--cell is "{self.cell}"; what fits: {", ".join(FITTING)}')
        for name, most in LIMITS.items():
            value = getattr(self, name)
            if type(value) is not int or not 1 <= value <= most:
                raise OptionError(f"--{_flag(name)} is {value!r}; it is 1 … {most}")
        for name, kind in KINDS.items():
            if type(getattr(self, name)) is not kind:
                raise OptionError(f"{name} is {getattr(self, name)!r}; it is true or false")
        for name, value in asdict(self).items():
            if name.endswith("dropout") and not (_is_number(value) and 0 <= value < 1):
                raise OptionError(f"--{_flag(name)} is {value!r}; it lies in 0 … 1")
            if name.endswith("penalty") and not (_is_number(value) and 0 <= value < 1e6):
                raise OptionError(f"--{_flag(name)} is {value!r}; it lies in 0 … 1000000")
        if self.tied and self.adaptive:
            raise OptionError("--tied yes does not go with --softmax adaptive; leave one out")

    def build(self) -> LanguageNetwork:
        """The network with weights drawn afresh."""
        make: Any = CELLS[self.cell]
        last = self.embedding_size if self.tied and self.num_layers > 1 else self.hidden_size
        widths = [self.embedding_size, *[self.hidden_size] * (self.num_layers - 1), last]
        return LanguageNetwork(
            self.vocab_size,
            [make(below, above) for below, above in pairwise(widths)],
            tied=self.tied,
            cutoffs=cutoffs(self.vocab_size) if self.adaptive else (),
            noise=Noise(
                embedding=self.embedding_dropout,
                first=self.input_dropout,
                between=self.layer_dropout,
                last=self.dropout,
                weight=self.weight_dropout,
                activation=self.activation_penalty,
                temporal=self.temporal_penalty,
            ),
        )

    def weights(self) -> int:
        """How many numbers the network learns, counted without drawing any."""
        return sum(weight.numel() for weight in outline(self.build).parameters())


def cutoffs(vocab_size: int) -> tuple[int, ...]:
    """Where the clusters of an adaptive softmax begin: at a 16th and at a quarter of all."""
    return tuple(sorted({max(1, vocab_size // 16), max(1, vocab_size // 4)}))


def _is_number(value: object) -> bool:
    return isinstance(value, float | int) and not isinstance(value, bool)


def _flag(name: str) -> str:
    return name.replace("_", "-")

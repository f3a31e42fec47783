"""Everything that shapes the network, checked."""

from dataclasses import asdict, dataclass

from recurra.cells import CELLS, ConvGRU, ConvLSTM
from recurra.errors import OptionError
from recurra.models import ATTENTIONS, TIED, Seq2Seq, build_seq2seq
from recurra.tasks.rewriting.sides import Sides
from recurra.train import outline

# Those that read features; the others read images.
FITTING = [name for name in CELLS if CELLS[name] not in (ConvGRU, ConvLSTM)]
# Sizes beyond which a run folder is not believed; 0 fits where it means none.
LIMITS = {
    "hidden_size": (2, 65_536),
    "embedding_size": (1, 65_536),
    "encoder_layers": (1, 64),
    "decoder_layers": (1, 64),
    "heads": (1, 1024),
    "convolution": (0, 255),
    "self_attention": (0, 1024),
    "places": (0, 1 << 20),
}
NAMES = {"cell": FITTING, "attention": ATTENTIONS, "tied": TIED}


@dataclass(frozen=True)
class Setting:
    """Everything that shapes the network, but for the tokens that it knows.

    Args:
        cell: a name in FITTING.
        hidden_size: units of the decoder, and of both directions of the encoder together, H.
        embedding_size: features of a token.
        encoder_layers: layers that read from both ends.
        decoder_layers: layers that say.
        attention: a name in ATTENTIONS.
        heads: of "multi-head".
        dropout: share of features dropped in training.
        tied: a name in TIED.
        copy: whether tokens of the source may be said as they stand.
        coverage: factor of the loss for looking twice; 0 for none.
        convolution: places that a convolution before the encoder sees; 0 for none.
        self_attention: heads of an attention between the encoder's layers; 0 for none.
        places: the most tokens of a source.
    """

    cell: str
    hidden_size: int
    embedding_size: int
    encoder_layers: int
    decoder_layers: int
    attention: str
    heads: int
    dropout: float
    tied: str
    copy: bool
    coverage: float
    convolution: int
    self_attention: int
    places: int

    def __post_init__(self) -> None:
        for name, fitting in NAMES.items():
            if (value := getattr(self, name)) not in fitting:
                raise OptionError(f'--{name} is "{value}"; what fits: {", ".join(fitting)}')
        for name, (least, most) in LIMITS.items():
            value = getattr(self, name)
            if type(value) is not int or not least <= value <= most:
                raise OptionError(f"--{_flag(name)} is {value!r}; it is {least} … {most}")
        if not (_is_number(self.dropout) and 0 <= self.dropout < 1):
            raise OptionError(f"--dropout is {self.dropout!r}; it lies in 0 … 1")
        if not (_is_number(self.coverage) and 0 <= self.coverage < 1e6):
            raise OptionError(f"--coverage is {self.coverage!r}; it lies in 0 … 1000000")
        if type(self.copy) is not bool:
            raise OptionError(f"--copy is {self.copy!r}; it is yes or no")

    def build(self, sides: Sides) -> Seq2Seq:
        """The network with weights drawn afresh.

        Args:
            sides: what it reads and says.

        Raises:
            OptionError: options do not fit each other, or the sides.
        """
        if self.tied == "all" and not sides.joint:
            raise OptionError("--tied is all, which takes one vocabulary; --vocabulary joint")
        return build_seq2seq(
            source_size=len(sides.source),
            target_size=len(sides.target),
            begin=sides.end,
            end=sides.end,
            unknown=sides.target.unknown,
            **asdict(self),
        )

    def weights(self, sides: Sides) -> int:
        """How many numbers the network learns, counted without drawing any."""
        return sum(weight.numel() for weight in outline(lambda: self.build(sides)).parameters())


def _is_number(value: object) -> bool:
    return isinstance(value, float | int) and not isinstance(value, bool)


def _flag(name: str) -> str:
    return name.replace("_", "-")

"""Everything that shapes a network for sequences of numbers, checked."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from recurra.cells import CELLS, Cell, ConvGRU, ConvLSTM, Observed, Timed
from recurra.errors import OptionError
from recurra.layers import POOLINGS
from recurra.models import (
    MISSING,
    ConvolutionBranch,
    FrameNetwork,
    SequenceEncoder,
    SequenceNetwork,
    StepFeatures,
)
from recurra.train import outline

# Those that read features; the others read images.
FITTING = [name for name in CELLS if CELLS[name] not in (ConvGRU, ConvLSTM)]
OBSERVING = [name for name in FITTING if Observed in CELLS[name].takes]
TIMING = [name for name in FITTING if Timed in CELLS[name].takes]

# Channels of the convolutions over an image, as many as its sides can be halved.
FRAMES = (8, 16, 32)

# Sizes beyond which a run folder is not believed, and the least that has a meaning.
LIMITS = {
    "hidden_size": (1, 65_536),
    "num_layers": (1, 100),
    "convolution": (0, 9999),
    "convolutions": (1, 100),
    "downsample": (1, 1_000_000),
    "fcn": (0, 65_536),
    "self_attention": (0, 65_536),
    "embedding_size": (1, 65_536),
    "places": (0, 64),
    "longest": (1, 1 << 40),
    "channels": (1, 10_000_000),
    "outputs": (1, 100_000),
}


@dataclass(frozen=True)
class Setting:
    """Everything that shapes the network.

    Args:
        cell: a name in FITTING.
        hidden_size: units of each direction, H.
        channels: numbers measured at each step, F.
        outputs: scores, K.
        num_layers: layers on top of one another.
        one_way: reads forwards alone.
        convolution: places that an output of a convolution in front sees, odd; 0 for none.
        convolutions: how many of these there are.
        downsample: steps that become one.
        fcn: channels of convolutions beside the recurrent layers; 0 for none.
        self_attention: its heads, on top; 0 for none.
        pooling: names in POOLINGS.
        dropout: share of features dropped in training.
        missing: what becomes of missing values, a name in MISSING.
        timed: whether steps have gaps.
        embedding_size: features of the name that stands in a channel of names.
        categories: of each channel of names its number, and how many names there are.
        image: of a step that is an image its channels, height and width.
        per_step: scores each step.
        strands: for each channel, where it comes from on the other strand.
        places: pairs of waves that tell the place of a step; 0 for none.
        longest: steps of the slowest of these.
    """

    cell: str
    hidden_size: int
    channels: int
    outputs: int
    num_layers: int = 1
    one_way: bool = False
    convolution: int = 0
    convolutions: int = 1
    downsample: int = 1
    fcn: int = 0
    self_attention: int = 0
    pooling: tuple[str, ...] = ("mean", "max")
    dropout: float = 0.0
    missing: str = "none"
    timed: bool = False
    embedding_size: int = 8
    categories: tuple[tuple[int, int], ...] = ()
    image: tuple[int, int, int] | None = None
    per_step: bool = False
    strands: tuple[int, ...] | None = None
    places: int = 0
    longest: int = 1

    def __post_init__(self) -> None:
        if self.cell not in FITTING:
            raise OptionError(f'--cell is "{self.cell}"; what fits: {", ".join(FITTING)}')
        for name, (least, most) in LIMITS.items():
            value = getattr(self, name)
            if type(value) is not int or not least <= value <= most:
                raise OptionError(f"--{_flag(name)} is {value!r}; it is {least} … {most}")
        for name in ("one_way", "timed", "per_step"):
            if type(getattr(self, name)) is not bool:
                raise OptionError(f"--{_flag(name)} is {getattr(self, name)!r}; it is a yes or no")
        if not (isinstance(self.dropout, float | int) and 0 <= self.dropout < 1):
            raise OptionError(f"--dropout is {self.dropout!r}; it lies in 0 … 1")
        self._check_layers()
        self._check_missing()
        self._check_channels()

    def build(self) -> SequenceNetwork:
        """The network with weights drawn afresh, and no scale yet."""
        gaps = self.cell in TIMING and (self.timed or self.missing == "cell")
        features = StepFeatures(
            self.channels,
            categories=dict(self.categories),
            embedding_size=self.embedding_size,
            missing=self.missing,
            timed=self.timed,
            takes_gaps=gaps,
            frames=self._frames(),
            places=self.places,
            longest=self.longest,
        )
        make: Any = CELLS[self.cell]
        encoder = SequenceEncoder(
            features.output_size,
            make,
            hidden_size=self.hidden_size,
            num_layers=self.num_layers,
            one_way=self.one_way,
            widths=[self.convolution] * self.convolutions if self.convolution else (),
            downsample=self.downsample,
            heads=self.self_attention,
            dropout=self.dropout,
            gaps=gaps,
        )
        return SequenceNetwork(
            features,
            encoder,
            self.outputs,
            pooling=self.pooling,
            branch=ConvolutionBranch(encoder.front_size, self.fcn) if self.fcn else None,
            dropout=self.dropout,
            per_step=self.per_step,
            strands=self.strands,
        )

    def weights(self) -> int:
        """How many numbers the network learns, counted without drawing any."""
        model: nn.Module = outline(self.build)
        return sum(weight.numel() for weight in model.parameters())

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return {name: _listed(value) for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "Setting":
        """A setting from a run folder.

        Raises:
            OptionError, TypeError, ValueError: it is none.
        """
        return cls(**{name: _tupled(value) for name, value in found.items()})

    def _frames(self) -> Cell[Any] | None:
        if self.image is None:
            return None
        _, height, width = self.image
        halved = sum(1 for times in (2, 4, 8) if height % times == width % times == 0)
        return FrameNetwork(self.image, self.hidden_size, FRAMES[: halved or len(FRAMES)])

    def _check_layers(self) -> None:
        width, heads = self.convolution, self.self_attention
        if width and width % 2 == 0:
            raise OptionError(f"--convolution is {width}; an odd width fits, such as {width + 1}")
        size = self.hidden_size * (1 if self.one_way else 2)
        if heads and size % heads:
            raise OptionError(
                f"--self-attention is {heads}; a divisor of {size} fits, the units of a layer"
            )
        odd = [kind for kind in self.pooling if kind not in POOLINGS]
        if odd or not self.pooling or len(set(self.pooling)) < len(self.pooling):
            raise OptionError(
                f"--pooling is {','.join(self.pooling)!r}; it is one or more of "
                f"{','.join(POOLINGS)}, each once"
            )
        if self.per_step and (self.downsample > 1 or self.fcn):
            name = "downsample" if self.downsample > 1 else "fcn"
            raise OptionError(
                f"--per-step: --{name} {getattr(self, name)} leaves no steps to be answered; "
                f"leave --{name} out"
            )

    def _check_missing(self) -> None:
        if self.missing not in MISSING:
            raise OptionError(f'--missing is "{self.missing}"; what fits: {", ".join(MISSING)}')
        if self.missing != "cell":
            return
        if self.cell not in OBSERVING:
            raise OptionError(
                f'--missing is "cell", and --cell {self.cell} does not take what is missing; '
                f"--cell {OBSERVING[0]} does, and --missing mark serves every cell"
            )
        if self.convolution:
            raise OptionError(
                '--missing is "cell", and --convolution stands before the cell; --missing mark '
                "serves both"
            )

    def _check_channels(self) -> None:
        numbers = [number for number, _ in self.categories]
        fit = all(0 <= number < self.channels and count >= 0 for number, count in self.categories)
        if not fit or len(set(numbers)) < len(numbers):
            raise OptionError(f"categories are {self.categories}, channels 0 … {self.channels - 1}")
        if self.strands is not None and sorted(self.strands) != list(range(self.channels)):
            raise OptionError(f"strands are not 0 … {self.channels - 1}, each once")
        if self.image is None:
            return
        channels, height, width = self.image
        if min(self.image) < 1 or channels * height * width != self.channels or self.categories:
            raise OptionError(f"an image of {self.image} is not {self.channels} numbers")
        if self.missing in ("mark", "cell"):
            raise OptionError(
                f'--missing is "{self.missing}"; of images, --missing mean or interpolate fits'
            )


def _flag(name: str) -> str:
    return name.replace("_", "-")


def _listed(value: Any) -> Any:
    return [_listed(part) for part in value] if isinstance(value, tuple) else value


def _tupled(value: Any) -> Any:
    return tuple(_tupled(part) for part in value) if isinstance(value, list) else value

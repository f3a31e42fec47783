"""What the user said about a language model's fit."""

from dataclasses import dataclass

from recurra.errors import OptionError

MOST = {"streams": 4096, "window": 65_536}


@dataclass(frozen=True)
class Wishes:
    """What the user said about the fit; None where it is to be found."""

    tokens: str
    vocab_size: int | None
    lowercase: bool
    document: str
    errors: str
    held_out: float
    cell: str
    hidden_size: int
    num_layers: int
    embedding_size: int | None
    tied: str
    softmax: str
    dropout: float
    layer_dropout: float | None
    embedding_dropout: float
    input_dropout: float
    weight_dropout: float
    activation_penalty: float
    temporal_penalty: float
    streams: int
    window: int
    variable: bool
    label_smoothing: float
    probe: bool
    seed: int
    begin: str | None = None

    def __post_init__(self) -> None:
        if not 0 < self.held_out <= 0.5:
            raise OptionError(f"--held-out is {self.held_out}; it lies in 0 … 0.5")
        for name, most in MOST.items():
            if not 1 <= getattr(self, name) <= most:
                raise OptionError(f"--{name} is {getattr(self, name)}; it is 1 … {most}")
        if not 0 <= self.label_smoothing < 1:
            raise OptionError(f"--label-smoothing is {self.label_smoothing}; it lies in 0 … 1")
        if not 0 <= self.seed < 1 << 63:
            raise OptionError(f"--seed is {self.seed}; it is 0 … {(1 << 63) - 1}")

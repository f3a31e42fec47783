"""What the user said about a rewriter's fit."""

from dataclasses import dataclass

from recurra.errors import OptionError


@dataclass(frozen=True)
class Wishes:
    """What the user said about the fit; the fields are those of `Rewriter`."""

    cell: str
    hidden_size: int
    embedding_size: int
    encoder_layers: int
    decoder_layers: int
    attention: str
    heads: int
    dropout: float
    tied: str
    copy: str
    coverage: float
    convolution: int
    self_attention: int
    label_smoothing: float
    sampling: float
    batch_tokens: int
    seed: int

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise OptionError(f"--label-smoothing is {self.label_smoothing}; it lies in 0 … 1")
        if not 0 <= self.sampling <= 1:
            raise OptionError(f"--sampling is {self.sampling}; it lies in 0 … 1")
        if not 1 <= self.batch_tokens <= 1 << 20:
            raise OptionError(f"--batch-tokens is {self.batch_tokens}; it is 1 … {1 << 20}")
        if not 0 <= self.seed < 1 << 63:
            raise OptionError(f"--seed is {self.seed}; it is 0 … {(1 << 63) - 1}")

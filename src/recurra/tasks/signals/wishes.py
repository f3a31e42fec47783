"""What the user said about a fit."""

from dataclasses import dataclass

from recurra.errors import OptionError
from recurra.tasks.signals.augment import Augment

MOST_BATCH = 65_536


@dataclass(frozen=True)
class Wishes:
    """What the user said about the fit; the fields are those of `SequenceEstimator`.

    None stands for what is chosen from the data.
    """

    cell: str | None
    hidden_size: int | None
    num_layers: int | None
    one_way: bool
    convolution: int | None
    convolutions: int
    downsample: int | None
    fcn: int | None
    self_attention: int
    places: int | None
    strands: str
    pooling: tuple[str, ...]
    dropout: float | None
    embedding_size: int
    missing: str
    batch_size: int | None
    seed: int
    measured_on: str
    augment: Augment
    class_weights: str = "none"
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise OptionError(f"--label-smoothing is {self.label_smoothing}; it lies in 0 … 1")
        if self.batch_size is not None and not 1 <= self.batch_size <= MOST_BATCH:
            raise OptionError(f"--batch-size is {self.batch_size}; it is 1 … {MOST_BATCH}")
        if not 0 <= self.seed < 1 << 63:
            raise OptionError(f"--seed is {self.seed}; it is 0 … {(1 << 63) - 1}")

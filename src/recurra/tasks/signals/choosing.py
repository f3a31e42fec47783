"""What is chosen from the data where the user says nothing."""

from dataclasses import dataclass

import numpy as np

from recurra.data.signals import Sequences
from recurra.tasks.signals.setting import Setting
from recurra.tasks.signals.wishes import Wishes

# Sequences below which a set is small; steps from which a sequence is long, and that it then has.
SMALL, LONG, FEWER = 1000, 400, 200
# Steps from which a convolution in front sees more than it pads.
WIDE = 20
# Waves that tell the place of a step, where all sequences are as long and were so cut alike.
PLACES = 5
# Channels of convolutions beside the cells of a small set: few sequences are learned from better.
BESIDE = 64


@dataclass(frozen=True)
class Chosen:
    """How a network is shaped, and how many sequences it learns from at a time."""

    setting: Setting
    batch_size: int


def choose(
    wishes: Wishes,
    sequences: Sequences,
    training: int,
    *,
    outputs: int,
    per_step: bool,
    strands: tuple[int, ...] | None,
) -> Chosen:
    """The user's wishes, and what fits the data for the rest.

    Args:
        sequences: all of them.
        training: how many are learned from.
        outputs: scores, K.
        per_step: whether each step is scored.
        strands: of the front end.

    Raises:
        OptionError: a wish does not fit, or not the data.
    """
    small, steps = training < SMALL, float(np.median(sequences.lengths))
    least, longest = int(sequences.lengths.min()), max(1, int(sequences.lengths.max()))
    channels = len(sequences.channels)
    # Cells that are told what is missing read first, and an answer at a step waits for no other.
    left = wishes.missing == "cell" or per_step or wishes.one_way
    short = steps < LONG and sequences.image is None
    setting = Setting(
        cell=wishes.cell or ("gru_d" if wishes.missing == "cell" else "gru"),
        hidden_size=_or(wishes.hidden_size, 64 if small else 128),
        channels=channels,
        outputs=outputs,
        num_layers=_or(wishes.num_layers, 1),
        one_way=wishes.one_way,
        convolution=_or(wishes.convolution, 0 if left or steps < WIDE else 5),
        convolutions=wishes.convolutions,
        downsample=_or(wishes.downsample, 1 if left or steps < LONG else round(steps / FEWER)),
        fcn=_or(wishes.fcn, BESIDE if small and short and not left else 0),
        self_attention=wishes.self_attention,
        pooling=wishes.pooling,
        dropout=0.3 if wishes.dropout is None else wishes.dropout,
        missing="none" if wishes.missing == "refuse" else wishes.missing,
        timed=sequences.gaps is not None,
        embedding_size=wishes.embedding_size,
        categories=tuple((at, len(names)) for at, names in sorted(sequences.categories.items())),
        image=sequences.image,
        per_step=per_step,
        strands=strands,
        places=_or(wishes.places, PLACES if not left and least == longest > 1 else 0),
        longest=longest,
    )
    return Chosen(setting, _or(wishes.batch_size, 16 if small else 64))


def _or(wish: int | None, found: int) -> int:
    return found if wish is None else wish


def told(setting: Setting) -> str:
    """What the network is, in words."""
    said = [f"{setting.cell} of {setting.hidden_size}"]
    if setting.num_layers > 1:
        said.append(f"{setting.num_layers} layers")
    said.append("one way" if setting.one_way else "from both ends")
    if setting.image is not None:
        said.append("a convolutional network a step")
    if setting.convolution:
        count = f"{setting.convolutions} " if setting.convolutions > 1 else "a "
        plural = "s" if setting.convolutions > 1 else ""
        said.append(f"{count}convolution{plural} of {setting.convolution} steps")
    if setting.downsample > 1:
        said.append(f"{setting.downsample} steps as one")
    if setting.fcn:
        said.append(f"convolutions of {setting.fcn} beside it")
    if setting.self_attention:
        said.append(f"{setting.self_attention} heads on top")
    said.append("each step" if setting.per_step else f"{' and '.join(setting.pooling)}")
    if setting.missing != "none":
        said.append(f"missing: {setting.missing}")
    if setting.timed:
        said.append("gaps in time")
    if setting.places:
        said.append("the place of each step")
    if setting.strands is not None:
        said.append("both strands")
    return f"{', '.join(said)}; {setting.weights():,} weights"

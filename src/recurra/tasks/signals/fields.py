"""The fields that both estimators of sequences have, and what follows from them."""

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from recurra.tasks.learning import Learning
from recurra.tasks.parameters import Names
from recurra.tasks.search import Choices, Multiples, Range
from recurra.tasks.signals.augment import Augment
from recurra.tasks.signals.options import OPTIONS, front_options
from recurra.tasks.signals.reading import Reading
from recurra.tasks.signals.wishes import Wishes

# Under these headings in a help text; a task adds its own fields.
DATA = (
    *("kind", "id", "time", "features", "labels", "group", "part", "per_step", "missing"),
    "uneven",
)
FILES = ("skip_bad",)
FRONT = (*OPTIONS, "strands")
NETWORK = (
    *("cell", "hidden_size", "num_layers", "one_way", "convolution", "convolutions"),
    *("downsample", "fcn", "self_attention", "places", "pooling", "dropout", "embedding_size"),
)
CHANGES = ("noise", "scale", "shift", "stretch", "crop", "mask_time", "mask_channels")
LESSON = ("batch_size", "measured_on")


@dataclass
class SequenceFields(Learning):
    """What is said of data, of the network and of how it learns."""

    kind: Annotated[
        Literal["auto", "numbers", "sound", "video", "dna", "strokes", "joints"],
        "of data; auto goes by the files",
    ] = "auto"
    id: Annotated[str | None, "column that names the sequences; found when not given"] = None
    time: Annotated[str | None, "column of times; found when not given"] = None
    features: Annotated[Names, "columns of numbers; all that are left when not given"] = ()
    labels: Annotated[str | None, "table of answers that stand apart, by name"] = None
    group: Annotated[str | None, "column of who a sequence comes from; no part splits one"] = None
    part: Annotated[str | None, "part of an archive that holds several, such as train"] = None
    per_step: Annotated[bool, "answer every step, and not the sequence"] = False
    missing: Annotated[
        Literal["refuse", "mark", "interpolate", "mean", "cell"],
        "what becomes of missing values; cell leaves them to one that takes them, such as gru_d",
    ] = "refuse"
    uneven: Annotated[
        Literal["seen", "ignored"], "whether the network sees gaps in time, where there are some"
    ] = "seen"
    skip_bad: Annotated[bool, "leave out files that cannot be read, and count them"] = False
    rate: Annotated[float | None, "samples of sound, or frames of video, a second"] = None
    sound_features: Annotated[
        Literal["log-mel", "mfcc"] | None, "what a step of sound is made of"
    ] = None
    bands: Annotated[int | None, "mel bands of sound"] = None
    coefficients: Annotated[int | None, "numbers of a step of mfcc"] = None
    window: Annotated[float | None, "milliseconds of sound that a step sees"] = None
    hop: Annotated[float | None, "milliseconds from one step of sound to the next"] = None
    deltas: Annotated[int | None, "changes beside a step of sound or of joints, so often"] = None
    most_seconds: Annotated[float | None, "longest sound that is taken"] = None
    level: Annotated[
        Literal["removed", "kept"] | None, "whether sound keeps the mean of each band over a file"
    ] = None
    size: Annotated[int | None, "pixels of a side that frames of video are brought to"] = None
    colour: Annotated[bool, "frames of video in colour"] = False
    most_frames: Annotated[int | None, "frames of the longest video that is taken"] = None
    k: Annotated[int | None, "letters of DNA that are a step together"] = None
    strands: Annotated[
        Literal["both", "one"], "whether DNA says the same from the other strand"
    ] = "both"
    points: Annotated[int | None, "points that strokes are brought to; 0 keeps their own"] = None
    form: Annotated[
        Literal["points", "stroke-3"] | None, "whether strokes are points, or ways between them"
    ] = None
    unscaled: Annotated[bool, "leave strokes where they are, and as large"] = False
    dimensions: Annotated[int | None, "numbers of the place of a joint, 2 or 3"] = None
    centre: Annotated[int | None, "joint at the centre, from 0; -1 for the mean of all"] = None
    distances: Annotated[bool, "distances of all pairs of joints beside their places"] = False
    cell: Annotated[str | None, "recurrent cell: gru, lstm, cfc, … (docs/cells.md)"] = None
    hidden_size: Annotated[int | None, "units of each direction, H", Multiples((0.5, 1.0, 2.0))] = (
        None
    )
    num_layers: Annotated[int | None, "layers on top of one another"] = None
    one_way: Annotated[bool, "read forwards alone, so that answers may come as steps do"] = False
    convolution: Annotated[int | None, "steps that one in front sees, odd; 0 for none"] = None
    convolutions: Annotated[int, "how many of these"] = 1
    downsample: Annotated[int | None, "steps that become one"] = None
    fcn: Annotated[int | None, "channels of convolutions beside the cells; 0 for none"] = None
    self_attention: Annotated[int, "heads of one on top; 0 for none"] = 0
    places: Annotated[int | None, "waves that tell the place of a step; 0 for none"] = None
    pooling: Annotated[Names, "how a sequence is summed up: last, mean, max, attention"] = (
        "mean",
        "max",
        "attention",
    )
    dropout: Annotated[float, "share of features dropped while learning", Range(0.0, 0.7)] = 0.3
    embedding_size: Annotated[int, "features of a name in a column of names"] = 8
    noise: Annotated[float, "added to numbers while learning, in their deviations"] = 0.0
    scale: Annotated[float, "how far channels are stretched, as a deviation of a logarithm"] = 0.0
    shift: Annotated[float, "how far channels are moved, in their deviations"] = 0.0
    stretch: Annotated[float, "how far time is stretched, as a logarithm"] = 0.0
    crop: Annotated[float, "largest share of steps cut off"] = 0.0
    mask_time: Annotated[float, "largest share of steps taken away"] = 0.0
    mask_channels: Annotated[float, "probability that a channel is taken away"] = 0.0
    batch_size: Annotated[int | None, "sequences per step", Multiples((0.5, 1.0, 2.0))] = None
    measured_on: Annotated[
        Literal["test", "validation"], "a part of its own, or the one that ended the learning"
    ] = "test"
    learning_rate: Annotated[
        float, "the optimizer's step size, per step", Range(2e-4, 2e-2, log=True)
    ] = field(default=3e-3, kw_only=True)
    epochs: Annotated[int, "most passes over the data"] = field(default=60, kw_only=True)
    # One cycle needs all of its epochs, and the mean of the weights at its end is what answers.
    patience: Annotated[int, "epochs without a better validation before it stops"] = field(
        default=60, kw_only=True
    )
    optimizer: Annotated[
        Literal["adam", "adamw", "sgd", "nt-asgd"],
        "nt-asgd is SGD, averaged once validation stands still",
    ] = field(default="adamw", kw_only=True)
    schedule: Annotated[
        Literal["decay", "constant", "cosine", "one-cycle", "plateau"],
        "of the rate; one-cycle rises, and falls to next to nothing over all epochs",
        Choices(("cosine", "one-cycle")),
    ] = field(default="one-cycle", kw_only=True)
    weight_decay: Annotated[float, "of weights; not of biases and norms"] = field(
        default=0.01, kw_only=True
    )
    average: Annotated[float | None, "what a running mean of the weights keeps a step"] = field(
        default=0.99, kw_only=True
    )

    def _reading(self, answers: str | None) -> Reading:
        return Reading(
            kind=self.kind,
            id=self.id,
            time=self.time,
            features=_several(self.features),
            label=self._answer(),
            labels=self.labels,
            group=self.group,
            per_step=self.per_step,
            skip_bad=self.skip_bad,
            part=self.part,
            answers=answers,
            options=front_options({name: getattr(self, name) for name in OPTIONS}),
        )

    def _wishes(self) -> Wishes:
        return Wishes(
            cell=self.cell,
            hidden_size=self.hidden_size,
            num_layers=self.num_layers,
            one_way=self.one_way,
            convolution=self.convolution,
            convolutions=self.convolutions,
            downsample=self.downsample,
            fcn=self.fcn,
            self_attention=self.self_attention,
            places=self.places,
            strands=self.strands,
            pooling=_several(self.pooling),
            dropout=self.dropout,
            embedding_size=self.embedding_size,
            missing=self.missing,
            batch_size=self.batch_size,
            seed=self.seed,
            measured_on=self.measured_on,
            augment=Augment(**{name: getattr(self, name) for name in CHANGES}),
            **self._weighed(),
        )

    @abstractmethod
    def _answer(self) -> str | None:
        """The column of answers."""

    @abstractmethod
    def _weighed(self) -> dict[str, Any]:
        """How classes and the parts of a target are weighed."""


def _several(names: Names) -> tuple[str, ...]:
    """A single name may stand as it is; its letters are no names."""
    return (names,) if isinstance(names, str) else tuple(names)

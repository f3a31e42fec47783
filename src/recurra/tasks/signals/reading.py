"""The door through which all examples come, whatever holds them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra.data.signals import Examples, Header, Raw, Sequences, Source, check_widths
from recurra.data.signals.aligned import aligned
from recurra.data.signals.answers import as_label, as_value
from recurra.data.signals.apart import match, read_apart
from recurra.data.signals.facts import told
from recurra.data.signals.times import gaps_of, unit_of
from recurra.errors import DataError, OptionError
from recurra.tasks.signals.fronts import FRONTS, Front
from recurra.tasks.signals.sources import open_source, raws_of

ANSWERS = ("classes", "numbers", None)
# Where a file's label may stand.
PLACES = "y, a column, folders named by labels, or --labels FILE"


@dataclass(frozen=True)
class Reading:
    """What the user says about data; whatever is left out is found.

    Args:
        kind: of front end, a name in `FRONTS`, or "auto".
        id: the column that names the sequences of a table.
        time: the column of the times of steps, a number or a date.
        features: the columns that are the channels; without it all others.
        label: the column of labels or values; of an archive the array.
        labels: the path of a table of labels, where they stand apart.
        group: the column that says who a sequence comes from; not looked for without answers.
        per_step: whether every step has a label or a value.
        skip_bad: leave out files that cannot be read, and count them.
        answers: "classes", "numbers", or None where none are needed.
        part: of an archive, such as "train".
        usual: the part of an archive that is read where none is named.
        na: texts that mean "missing", beyond the usual.
        options: of the front end, by the names of its fields.
    """

    kind: str = "auto"
    id: str | None = None
    time: str | None = None
    features: tuple[str, ...] = ()
    label: str | None = None
    labels: str | Path | None = None
    group: str | None = None
    per_step: bool = False
    skip_bad: bool = False
    answers: str | None = "classes"
    part: str | None = None
    usual: str = "train"
    na: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind != "auto" and self.kind not in FRONTS:
            raise OptionError(f'--kind is "{self.kind}"; what fits is auto, {", ".join(FRONTS)}')
        if self.answers not in ANSWERS:
            raise OptionError(f'answers is "{self.answers}"; what fits is classes, numbers or None')
        if self.per_step and self.labels is not None:
            raise OptionError("--per-step and --labels contradict each other: one label a step")


def read_examples(
    data: Any,
    reading: Reading | None = None,
    front: Front | None = None,
    known: Header | None = None,
) -> tuple[Examples, Front]:
    """Sequences, what is to be said of them, and the front end that read them.

    Args:
        data: the path of a table (CSV, TSV, Parquet), an NPZ, a folder `label/file` or a file of a
            front end's kind; a pandas or polars frame; a list of arrays, or an array (B, T, F); or
            a tuple of such a list, answers and maybe groups.
        reading: what the user says about it.
        front: that of a run, so that other data is read in the same way.
        known: the header of a run's sequences: channels and categories have to be these.

    Raises:
        DataError: something does not fit; the message says where, and which option mends it.
        OptionError: an option does not fit.
        MissingFileError: there is no such file.
    """
    reading = reading or Reading()
    source, front, apart = open_source(data, reading, front, known)
    raws, facts = _turned(source, front, reading)
    labels = reading.labels if reading.labels is not None else apart
    if labels is not None and reading.answers is not None:
        skipped = {raw.name for raw in source.raws} - {raw.name for raw in raws}
        given = read_apart(Path(labels), reading.id, reading.label, reading.group)
        raws = match(raws, given, source.name, skipped if reading.skip_bad else set())
    examples, more = _joined(source, front, raws, reading, known)
    every = (*told(examples, source.unit), *more, *source.facts, *facts)
    return replace(examples, facts=every), front


def _turned(source: Source, front: Front, reading: Reading) -> tuple[list[Raw], list[str]]:
    """All examples as steps, and what is to be told of files left out."""
    raws: list[Raw] = []
    bad: list[DataError] = []
    several = len(source.raws) > 1
    for raw in source.raws:
        try:
            held = raws_of(raw, front, reading)
            raws += [_fit(one, front.turn(one.steps, one.where), front) for one in held]
        except DataError as error:
            if not several or not isinstance(raw.steps, Path):
                raise
            if not reading.skip_bad:
                raise DataError(f"{error}; --skip-bad leaves such files out") from error
            bad.append(error)
    if not raws:
        raise DataError(f"{source.name}: no example can be read; the first: {bad[0]}")
    if not bad:
        return raws, []
    return raws, [f"left out: {len(bad):,} of {len(source.raws):,} files, the first: {bad[0]}"]


def _fit(raw: Raw, steps: NDArray[np.float32], front: Front) -> Raw:
    """An example with its steps turned; what belongs to each step must still have one."""
    for what, values in (("times", raw.times), ("answers of steps", _listed(raw.answer))):
        if values is not None and len(values) != len(steps):
            raise DataError(
                f"{raw.where}: {len(values)} {what}, and {front.kind} makes {len(steps)} steps"
            )
    return raw._replace(steps=steps)


def _listed(answer: Any) -> Sequence[Any] | NDArray[Any] | None:
    return answer if isinstance(answer, list | tuple | np.ndarray) else None


def _joined(
    source: Source, front: Front, raws: list[Raw], reading: Reading, known: Header | None
) -> tuple[Examples, list[str]]:
    """The examples without their facts, and what there is to say of time."""
    expected = None if known is None else known.channels
    if front.kind == "numbers":
        raws = aligned(raws, expected)
    check_widths([raw.steps.shape[1] for raw in raws], [raw.where for raw in raws], expected)
    lengths = [len(raw.steps) for raw in raws]
    offsets = np.cumsum([0, *lengths], dtype=np.int64)
    gaps, unit, facts = _gaps(source, raws, offsets, known)
    sequences = Sequences(
        values=np.concatenate([raw.steps for raw in raws]),
        offsets=offsets,
        channels=expected or _channels(front, raws),
        names=tuple(raw.name for raw in raws),
        gaps=gaps,
        categories=dict(source.categories),
        image=front.image(),
        unit=unit,
    )
    labels = _answers(raws, reading, source.name) if reading.answers == "classes" else None
    targets = _answers(raws, reading, source.name) if reading.answers == "numbers" else None
    examples = Examples(
        sequences,
        None if labels is None else tuple(labels),
        None if targets is None else np.array(targets, np.float64),
        reading.per_step,
        _groups(raws, reading, source.name),
        source.name,
    )
    return examples, facts


def _channels(front: Front, raws: list[Raw]) -> tuple[str, ...]:
    named, width = raws[0].channels, raws[0].steps.shape[1]
    if front.kind == "numbers" and named is not None:
        return named
    return front.channels(width)


def _gaps(
    source: Source, raws: list[Raw], offsets: NDArray[np.int64], known: Header | None
) -> tuple[NDArray[np.float32] | None, float, list[str]]:
    """Gaps in their unit, the unit, and what there is to say."""
    times = [raw.times for raw in raws if raw.times is not None]
    timed = known is not None and known.unit is not None
    if len(times) < len(raws):
        if timed:
            raise DataError(
                f"{source.name}: no times, and the model learned with them; --time COLUMN"
            )
        return None, 1.0, []
    gaps = gaps_of(times)
    usual = unit_of(gaps, offsets)
    if known is not None and not timed:
        said = ["the steps are uneven in time, which the model does not see"]
        return None, 1.0, said if usual is not None else []
    unit = known.unit if known is not None and known.unit is not None else usual
    if unit is None:
        return None, 1.0, ["the steps are even in time"]
    return (gaps / unit).astype(np.float32), unit, []


def _answers(raws: list[Raw], reading: Reading, name: str) -> list[Any]:
    """A label or a value for each sequence, or for each step."""
    if all(raw.answer is None for raw in raws):
        what = "label" if reading.answers == "classes" else "value"
        raise DataError(f"{name}: no {what} is given; it takes one for each: {PLACES}")
    turn = as_label if reading.answers == "classes" else as_value
    if not reading.per_step:
        return [turn(raw.answer, raw.where) for raw in raws]
    for raw in raws:
        if _listed(raw.answer) is None:
            raise DataError(f"{raw.where}: one answer alone; --per-step takes one a step")
    return [
        turn(cell, f"{raw.where}: step {step}")
        for raw in raws
        for step, cell in enumerate(raw.answer)
    ]


def _groups(raws: list[Raw], reading: Reading, name: str) -> tuple[str, ...] | None:
    if all(raw.group is None for raw in raws):
        if reading.group is not None and reading.answers is not None:
            raise OptionError(
                f'{name}: --group "{reading.group}": nothing here has columns; it takes a table, '
                "an NPZ, or a table of labels apart"
            )
        return None
    return tuple(as_label(raw.group, raw.where, "group") for raw in raws)

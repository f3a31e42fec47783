"""What was found while reading, in lines for people."""

from collections.abc import Sequence

import numpy as np

from recurra.data.signals.sequences import Examples, Sequences
from recurra.data.signals.times import in_words
from recurra.data.table import listed

# Categories of a channel that are named.
NAMED = 5


def told(examples: Examples, unit: str) -> tuple[str, ...]:
    """The facts about examples, the most important first.

    Args:
        examples: what was read.
        unit: of times; empty where they are numbers.
    """
    sequences = examples.sequences
    facts = [f"{examples.name}: {_size(sequences)}{_answers(examples)}"]
    if len(sequences.channels) > 1 or sequences.categories:
        facts.append(f"channels: {listed(sequences.channels)}")
    facts += _categories(sequences)
    if sequences.gaps is not None:
        usual = in_words(sequences.unit, unit)
        facts.append(f"gaps: uneven; the usual one, {usual}, counts as 1; {_spread(sequences)}")
    return (*facts, *_missing(sequences))


def _size(sequences: Sequences) -> str:
    count, width, lengths = len(sequences), len(sequences.channels), sequences.lengths
    low, high = int(lengths.min()), int(lengths.max())
    steps = f"{low:,}" if low == high else f"{low:,} … {high:,}"
    said = f"{count:,} sequence{'' if count == 1 else 's'} of {steps} step"
    said += "s" if high > 1 else ""
    if sequences.image is not None:
        channels, height, breadth = sequences.image
        return f"{said}, images of {channels} × {height} × {breadth}"
    return f"{said}, {width:,} channel{'' if width == 1 else 's'}"


def _answers(examples: Examples) -> str:
    said = ""
    of = " of steps" if examples.per_step else ""
    if examples.labels is not None:
        count = len(set(examples.labels))
        said = f", {count:,} class{'' if count == 1 else 'es'}{of}"
    if examples.targets is not None:
        low, high = examples.targets.min(), examples.targets.max()
        said = f", values{of} of {low:.4g} … {high:.4g}"
    if examples.groups is not None:
        said += f", {len(set(examples.groups)):,} groups"
    return said


def _categories(sequences: Sequences) -> list[str]:
    return [
        f"categories: {sequences.channels[channel]} ({listed(names, NAMED)})"
        for channel, names in sequences.categories.items()
    ]


def _spread(sequences: Sequences) -> str:
    gaps = sequences.gaps if sequences.gaps is not None else np.zeros(0)
    inner = np.delete(gaps, sequences.offsets[:-1])
    return f"they go from {inner.min():.3g} to {inner.max():.3g}" if len(inner) else "one step each"


def _missing(sequences: Sequences) -> list[str]:
    holes = np.isnan(sequences.values)
    count = int(holes.sum())
    if not count:
        return []
    starts = sequences.offsets[:-1]
    rows = int(np.logical_or.reduceat(holes.any(axis=1), starts).sum())
    said = f"{percent(count / holes.size)} of values missing, in {rows:,} of {len(starts):,} "
    empty = [name for name, all_ in zip(sequences.channels, holes.all(axis=0), strict=True) if all_]
    never = f"; never observed: {listed(empty)}" if empty else ""
    return [f"{said}sequences{never}"]


def percent(share: float) -> str:
    """A share for people, two digits of it."""
    return f"{100 * share:.2g} %" if share < 0.995 else f"{100 * share:.0f} %"


def counted(names: Sequence[str], what: str) -> str:
    """How many, and the first of them."""
    return f"{len(names):,} {what}, {names[0]} the first"

"""Sequences as arrays of a run folder, and back, believing nothing of them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra.data.signals import Header, Sequences


def to_arrays(sequences: Sequences) -> dict[str, NDArray[Any]]:
    """Their steps; names and all else stand elsewhere."""
    arrays: dict[str, NDArray[Any]] = {
        "values": sequences.values,
        "offsets": sequences.offsets,
    }
    return arrays if sequences.gaps is None else arrays | {"gaps": sequences.gaps}


def from_arrays(names: object, arrays: Mapping[str, NDArray[Any]], header: Header) -> Sequences:
    """What `to_arrays` wrote.

    Args:
        names: of the sequences, as JSON holds them.
        header: of the sequences that were learned from.

    Raises:
        ValueError: something is missing, or does not fit the rest.
    """
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise ValueError("sequences have names that are no list of texts")
    timed = header.unit is not None
    if set(arrays) != {"values", "offsets", *(["gaps"] if timed else [])}:
        raise ValueError(f"sequences are made of {', '.join(sorted(arrays)) or 'nothing'}")
    values, offsets, gaps = arrays["values"], arrays["offsets"], arrays.get("gaps")
    _fits("values", values, np.float32, (len(values), len(header.channels)))
    _fits("offsets", offsets, np.int64, (len(names) + 1,))
    if offsets[0] != 0 or offsets[-1] != len(values) or (np.diff(offsets) < 1).any():
        raise ValueError("sequences do not lie one behind the other")
    if np.isinf(values).any():
        raise ValueError("sequences hold what is no number")
    if gaps is not None:
        _fits("gaps", gaps, np.float32, (len(values),))
        if not (np.isfinite(gaps) & (gaps >= 0)).all():
            raise ValueError("sequences go back in time")
    return Sequences(
        values=values,
        offsets=offsets,
        channels=header.channels,
        names=tuple(names),
        gaps=gaps,
        categories=header.categories,
        image=header.image,
        unit=1.0 if header.unit is None else header.unit,
    )


def _fits(name: str, array: NDArray[Any], kind: type, shape: tuple[int, ...]) -> None:
    if array.dtype != kind or array.shape != shape:
        raise ValueError(f"{name} of sequences are {array.shape} {array.dtype}, not {shape}")

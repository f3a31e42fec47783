"""The fields of an estimator that shape a front end."""

from collections.abc import Mapping
from typing import Any

# By their names in the estimator, what a front end calls them; two turn something off.
OPTIONS = {
    "rate": "rate",
    "sound_features": "features",
    "bands": "bands",
    "coefficients": "coefficients",
    "window": "window",
    "hop": "hop",
    "deltas": "deltas",
    "most_seconds": "most_seconds",
    "level": "level",
    "size": "size",
    "colour": "grey",
    "most_frames": "most_frames",
    "k": "k",
    "points": "points",
    "form": "form",
    "unscaled": "scaled",
    "dimensions": "dimensions",
    "centre": "centre",
    "distances": "distances",
}
OFF = ("colour", "unscaled")


def front_options(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What was said of the front end, by its own names; what was not said is left to it.

    Args:
        fields: of an estimator.
    """
    said = {name: fields[name] for name in OPTIONS if fields[name] not in (None, False)}
    found = {OPTIONS[name]: name not in OFF and value for name, value in said.items()}
    rate = found.get("rate")
    if isinstance(rate, float) and rate.is_integer():
        found["rate"] = int(rate)
    return found

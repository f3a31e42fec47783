"""What can be said of probabilities beside one figure: each class, the confidence, the trade-off.

    precision   share of the answers of a class that are right
    recall      share of the examples of a class that are answered so
    f1          2 tp / (2 tp + fp + fn)
    auc         chance that an example of the second class has a higher probability of it than one
                of the first; ties count half

Source: Fawcett, "An introduction to ROC analysis", 2006, algorithm 1.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recurra.tasks.classes.metrics import BINS, confusion, metrics

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
# Points of a curve that are kept, and letters of a class that a table shows.
MOST_POINTS, MOST_LETTERS = 200, 24


class Reliability(NamedTuple):
    """Examples in bins of equal width by the probability of their likeliest class.

    Args:
        counts: (15,) examples in each.
        confidence: (15,) the mean of that probability; 0 where there are none.
        accuracy: (15,) the share that is right; 0 where there are none.
    """

    counts: Indices
    confidence: Floats
    accuracy: Floats


class Curve(NamedTuple):
    """How many of the second class are found for how many false alarms.

    Args:
        false: (P,) share of the first class that is taken for the second, ascending.
        true: (P,) share of the second class that is found.
        area: under the curve.
    """

    false: Floats
    true: Floats
    area: float


@dataclass(frozen=True)
class ClassReport:
    """All that a report of classes shows.

    Args:
        classes: (K,) their labels.
        table: (K, K) examples of each class (row) that were taken for each (column).
        figures: what `metrics` gives.
        reliability: confidence against accuracy.
        curve: where there are two classes and examples of both.
    """

    classes: tuple[str, ...]
    table: Indices
    figures: dict[str, float]
    reliability: Reliability
    curve: Curve | None

    @classmethod
    def of(cls, probabilities: Floats, labels: Indices, classes: tuple[str, ...]) -> "ClassReport":
        """From probabilities, (N, K), and the true class of each, (N,)."""
        table = confusion(probabilities.argmax(axis=1), labels, len(classes))
        both = len(classes) == 2 and 0 < labels.sum() < len(labels)
        return cls(
            classes,
            table,
            metrics(probabilities, labels),
            reliability(probabilities, labels),
            roc(probabilities[:, 1], labels) if both else None,
        )

    def rows(self) -> list[dict[str, Any]]:
        """Of each class its label, precision, recall, F1 and number of examples."""
        right = np.diag(self.table)
        answered, there = self.table.sum(axis=0), self.table.sum(axis=1)
        return [
            {
                "label": label,
                "precision": float(right[k] / max(1, answered[k])),
                "recall": float(right[k] / max(1, there[k])),
                "f1": float(2 * right[k] / max(1, answered[k] + there[k])),
                "count": int(there[k]),
            }
            for k, label in enumerate(self.classes)
        ]

    def text(self) -> str:
        """The table of the classes, and a line of calibration and of the curve, if there is one."""
        names = [_short(label) for label in self.classes]
        width = max([len("class"), *map(len, names)])
        lines = [f"{'class':<{width}}  precision  recall     F1   count"]
        for name, row in zip(names, self.rows(), strict=True):
            lines.append(
                f"{name:<{width}}  {row['precision']:9.3f}  {row['recall']:6.3f}  "
                f"{row['f1']:5.3f}  {row['count']:6,}"
            )
        lines.append(f"calibration error {self.figures['ece']:.3f}")
        if self.curve is not None:
            lines.append(f"area under the ROC of {names[1]}: {self.curve.area:.3f}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        bins = self.reliability
        found: dict[str, Any] = {
            "figures": self.figures,
            "classes": self.rows(),
            "confusion": self.table.tolist(),
            "reliability": {name: part.tolist() for name, part in bins._asdict().items()},
        }
        if self.curve is not None:
            false, true, area = self.curve
            found["roc"] = {"false": false.tolist(), "true": true.tolist(), "auc": area}
        return found


def reliability(probabilities: Floats, labels: Indices) -> Reliability:
    """Confidence against accuracy, in the bins of the calibration error."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    sums = [np.bincount(bins, part, minlength=BINS) for part in (confidence, right)]
    return Reliability(counts, *(part / np.maximum(1, counts) for part in sums))


def roc(scores: Floats, labels: Indices) -> Curve:
    """The curve of all thresholds, at most 200 of its points, and the area of all.

    Args:
        scores: (N,) more is more like the second class.
        labels: (N,) 0 and 1, of each at least one.
    """
    order = np.argsort(-scores, kind="stable")
    # One point for each distinct score: examples that are level come in together.
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    found = labels[order].cumsum()[ends]
    true = np.append(0, found) / labels.sum()
    false = np.append(0, ends + 1 - found) / (len(labels) - labels.sum())
    area = float(((true[1:] + true[:-1]) / 2 * np.diff(false)).sum())
    kept = np.unique(np.linspace(0, len(true) - 1, min(MOST_POINTS, len(true))).round().astype(int))
    return Curve(false[kept], true[kept], area)


def _short(label: str) -> str:
    return label if len(label) <= MOST_LETTERS else label[: MOST_LETTERS - 1] + "…"

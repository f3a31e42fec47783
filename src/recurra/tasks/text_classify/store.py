"""A fitted classifier as what a run folder holds, and back, believing nothing on the way in."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.data import Lexicon
from recurra.tasks.classes.temperature import COLDEST, HOTTEST
from recurra.tasks.damage import damaged
from recurra.tasks.encoder import Encoder
from recurra.tasks.text_classify.calibration import Calibration
from recurra.tasks.text_classify.corpus import Reader
from recurra.tasks.text_classify.learned import Learned
from recurra.tasks.text_classify.naive_bayes import NaiveBayes
from recurra.tasks.text_classify.setting import Setting
from recurra.train import load_weights

NETWORK = "network."
ARRAYS = {"counts.features", "counts.weights", "counts.prior", "confusion"}
KEYS = {
    *("setting", "classes", "words", "letters", "lowercase", "most_words"),
    *("calibration", "text", "label", "shown", "encoder"),
}


def to_json(learned: Learned) -> dict[str, Any]:
    """The part of what was learned that is texts and small numbers."""
    reader = learned.reader
    return {
        "setting": {**asdict(learned.setting), "pooling": list(learned.setting.pooling)},
        "classes": list(learned.classes),
        "words": reader.words.to_json(),
        "letters": reader.letters.to_json(),
        "lowercase": reader.lowercase,
        "most_words": reader.most_words,
        "encoder": None if reader.encoder is None else reader.encoder.to_json(),
        "calibration": asdict(learned.calibration),
        "text": learned.text,
        "label": learned.label,
        "shown": list(learned.shown),
    }


def to_tensors(learned: Learned) -> dict[str, Tensor]:
    """The weights, and the part of what was learned that is long."""
    arrays: dict[str, NDArray[Any]] = {
        "counts.features": learned.counts.features,
        "counts.weights": learned.counts.weights,
        "counts.prior": learned.counts.prior,
        "confusion": learned.confusion,
    }
    weights = {NETWORK + name: value for name, value in learned.network.state_dict().items()}
    return weights | {name: torch.from_numpy(value.copy()) for name, value in arrays.items()}


def from_run(found: dict[str, Any], tensors: dict[str, Tensor], folder: Path) -> Learned:
    """What `to_json` and `to_tensors` wrote.

    Raises:
        RunFolderError: something is missing, of another kind, or does not fit the rest.
    """
    with damaged(folder):
        return _from_run(found, tensors, folder)


def _from_run(found: dict[str, Any], tensors: dict[str, Tensor], folder: Path) -> Learned:
    if odd := sorted(set(found) ^ KEYS):
        raise ValueError(f"{odd[0]} is unknown or missing")
    setting = Setting(**{**found["setting"], "pooling": _texts(found["setting"]["pooling"])})
    classes = _texts(found["classes"])
    reader = _reader(found)
    if len(classes) != setting.classes or len(set(classes)) < len(classes):
        raise ValueError(f"{len(classes)} labels for {setting.classes} classes, or one twice")
    fits = len(reader.letters) == setting.alphabet_size
    if not fits or setting.vocab_size > len(reader.words):
        raise ValueError("the words or letters of the run are not those of its network")
    weights = {name: one for name, one in tensors.items() if name.startswith(NETWORK)}
    if strange := sorted(set(tensors) - set(weights) - ARRAYS):
        raise ValueError(f"{strange[0]} is no tensor of a classifier")
    own = {name.removeprefix(NETWORK): one for name, one in weights.items()}
    return Learned(
        setting=setting,
        network=load_weights(lambda: setting.build(reader.encoder), own, folder),
        reader=reader,
        classes=classes,
        counts=_counts(tensors, len(reader.words), len(classes)),
        calibration=_calibration(found["calibration"]),
        text=_name(found["text"]),
        label=_name(found["label"]),
        shown=_texts(found["shown"]),
        confusion=_confusion(tensors, len(classes)),
    )


def _reader(found: dict[str, Any]) -> Reader:
    words, letters = Lexicon.from_json(found["words"]), Lexicon.from_json(found["letters"])
    if type(found["lowercase"]) is not bool:
        raise ValueError(f"lowercase is {found['lowercase']!r}")
    most = found["most_words"]
    if type(most) is not int or not most >= 1:
        raise ValueError(f"most_words is {most!r}")
    encoder = None if found["encoder"] is None else Encoder.from_json(found["encoder"])
    return Reader(words, letters, found["lowercase"], most, encoder)


def _counts(tensors: dict[str, Tensor], words: int, classes: int) -> NaiveBayes:
    features = _array(tensors, "counts.features", np.int64, len(tensors["counts.features"]))
    if (np.diff(features) <= 0).any() or ((features < 1) | (features >= words**2)).any():
        raise ValueError("counts.features are no features in their order")
    return NaiveBayes(
        words,
        features,
        _array(tensors, "counts.weights", np.float32, len(features), classes),
        _array(tensors, "counts.prior", np.float64, classes),
    )


def _confusion(tensors: dict[str, Tensor], classes: int) -> NDArray[np.int64]:
    table = _array(tensors, "confusion", np.int64, classes, classes)
    if ((table < 0) | (table > 10**12)).any():
        raise ValueError("confusion holds what is no number of texts")
    return table


def _array(tensors: dict[str, Tensor], name: str, dtype: type, *shape: int) -> NDArray[Any]:
    array: NDArray[Any] = tensors[name].numpy()
    if array.shape != shape or array.dtype != dtype:
        raise ValueError(f"{name} is {array.shape} {array.dtype}, not {shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds what is not finite")
    return array


def _calibration(found: dict[str, Any]) -> Calibration:
    calibration = Calibration(**found)
    for name, value in asdict(calibration).items():
        low, high = (0.0, 1.0) if name == "share" else (np.exp(COLDEST), np.exp(HOTTEST))
        if type(value) is not float or not 0.999 * low <= value <= 1.001 * high:
            raise ValueError(f"calibration: {name} is {value!r}")
    return calibration


def _name(value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ValueError(f"a column is called {value!r}")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not (isinstance(value, list) and all(isinstance(part, str) for part in value)):
        raise ValueError("texts are no list of texts")
    return tuple(value)

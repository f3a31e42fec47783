"""Recurra: recurrent neural networks, from a cell's equations to a user's forecast.

Names arrive on first use, so that `recurra --help` does not wait for torch.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_ROOMS = {
    "Bidirectional": "recurra.layers",
    "CELLS": "recurra.cells",
    "Cell": "recurra.cells",
    "Each": "recurra.layers",
    "Elman": "recurra.cells",
    "Embedding": "recurra.layers",
    "Forecaster": "recurra.tasks.forecast",
    "GRU": "recurra.cells",
    "LSTM": "recurra.cells",
    "LanguageModel": "recurra.tasks.language",
    "RecurraError": "recurra.errors",
    "Recurrent": "recurra.layers",
    "SequenceClassifier": "recurra.tasks.classify",
    "SequenceRegressor": "recurra.tasks.regress",
    "Stack": "recurra.layers",
    "Stream": "recurra.layers",
    "TASKS": "recurra.tasks",
    "Tagger": "recurra.tasks.tag",
    "TextClassifier": "recurra.tasks.text_classify",
    "Transducer": "recurra.tasks.rewrite",
    "Translator": "recurra.tasks.translate",
    "accelerate": "recurra.nn",
    "load": "recurra.tasks",
    "load_torch": "recurra.layers",
    "restore": "recurra.nn",
}

# Not `nn`: to import all names here is not to lose torch's.
__all__ = ["__version__", *_ROOMS]


def __getattr__(name: str) -> Any:
    if name == "nn":
        return import_module("recurra.nn")
    if name not in _ROOMS:
        raise AttributeError(f"module 'recurra' has no attribute '{name}'")
    return getattr(import_module(_ROOMS[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "nn"])

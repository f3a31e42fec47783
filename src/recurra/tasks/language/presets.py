"""Published recipes, as values of fields.

Source of awd-lstm: Merity, Keskar and Socher, "Regularizing and Optimizing LSTM Language Models",
2018, arXiv:1708.02182, section 5. The number of epochs is that of the published code; patience is
longer than what NT-ASGD waits before it averages, and it stops where averaging no longer helps.
"""

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    "none": {},
    "awd-lstm": {
        "cell": "lstm",
        "hidden_size": 1150,
        "num_layers": 3,
        "embedding_size": 400,
        "tied": "yes",
        "dropout": 0.4,
        "layer_dropout": 0.3,
        "input_dropout": 0.65,
        "embedding_dropout": 0.1,
        "weight_dropout": 0.5,
        "activation_penalty": 2.0,
        "temporal_penalty": 1.0,
        "streams": 80,
        "window": 70,
        "variable": True,
        "optimizer": "nt-asgd",
        "learning_rate": 30.0,
        "schedule": "constant",
        "weight_decay": 1.2e-6,
        "clip": 0.25,
        "epochs": 750,
        "patience": 50,
    },
}


def changes(name: str, fields: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """What a preset changes: the fields of its own that were left as they are by default."""
    return {
        field: value
        for field, value in PRESETS[name].items()
        if fields[field] == defaults[field] and value != defaults[field]
    }

"""A run folder that was changed is told, whatever was changed in it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from recurra.errors import RunFolderError
from recurra.tasks import load

LEARNED = {
    "setting": [{}, None, {"cell": "gru"}],
    "setting.cell": ["nope", None, "conv_lstm"],
    "setting.hidden_size": [0, 9, 10**9, 8.0, True],
    "setting.vocab_size": [1, 10**7, -1],
    "setting.classes": [1, 3],
    "setting.pooling": ["mean", [], ["mean", "mean"], [1]],
    "setting.dropout": ["a", 1.0, -1],
    "classes": [["good"], ["good", "good"], [1, 2], None, "ab"],
    "words": [[], ["a", "a"], {"a": 1}, [1], None],
    "letters": [["a"], "ab"],
    "lowercase": [1, None],
    "most_words": [0, 1.5, True],
    "calibration": [{}, None, []],
    "calibration.share": [1.5, "a", 0],
    "calibration.whole": [0.0, -1.0, 1e30],
    "text": [1, []],
    "label": [1.5],
    "shown": ["a", [1], None],
    "secret": [1],
}
TENSORS = {
    "counts.features": [torch.tensor([3, 2]), torch.tensor([1.5]), torch.tensor(3)],
    "counts.weights": [torch.zeros(2, 2), torch.full((1, 2), float("nan"))],
    "counts.prior": [torch.zeros(2), torch.zeros(3, dtype=torch.float64)],
    "confusion": [torch.zeros(2, 2), torch.full((2, 2), -1)],
    "network.head.bias": [torch.zeros(3), torch.full((2,), float("inf"))],
    "strange": [torch.zeros(1)],
}


@pytest.fixture
def folder(trained, tmp_path):
    return Path(shutil.copytree(trained("text-classify").folder, tmp_path / "run"))


def cases(table):
    return [(name, place) for name, values in table.items() for place in range(len(values))]


@pytest.mark.parametrize(("path", "place"), cases(LEARNED))
def test_what_was_learned_is_checked(folder, path, place):
    found = json.loads((folder / "run.json").read_text())
    *inner, last = path.split(".")
    part = found["learned"]
    for name in inner:
        part = part[name]
    part[last] = LEARNED[path][place]
    (folder / "run.json").write_text(json.dumps(found))
    with pytest.raises(RunFolderError, match=r"run: damaged: |model that run.json|asks? for"):
        load(folder)


@pytest.mark.parametrize("name", ["setting", "classes", "words", "calibration", "shown"])
def test_what_is_missing_is_told(folder, name):
    found = json.loads((folder / "run.json").read_text())
    del found["learned"][name]
    (folder / "run.json").write_text(json.dumps(found))
    with pytest.raises(RunFolderError, match=f"{name} is unknown or missing"):
        load(folder)


@pytest.mark.parametrize(("name", "place"), cases(TENSORS))
def test_tensors_are_checked(folder, name, place):
    path = folder / "model.safetensors"
    tensors = load_file(path)
    save_file({**tensors, name: TENSORS[name][place]}, path)
    with pytest.raises(RunFolderError):
        load(folder)


def test_features_lie_within_the_words(folder):
    path = folder / "model.safetensors"
    tensors = load_file(path)
    features = tensors["counts.features"]
    assert (np.diff(features.numpy()) > 0).all()
    features[-1] = 2**60
    save_file(tensors, path)
    with pytest.raises(RunFolderError, match=r"counts.features are no features in their order"):
        load(folder)

"""A run folder that was changed is told, whatever was changed in it."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from recurra.errors import RunFolderError
from recurra.tasks import load

LEARNED = {
    "setting": [{}, None, {"cell": "gru"}],
    "setting.cell": ["nope", None, "conv_lstm"],
    "setting.hidden_size": [0, 9, 10**9, 8.0, True],
    "setting.outputs": [2, 4],
    "setting.channels": [1, 3],
    "setting.timed": [True, 1],
    "setting.strands": [[1, 0]],
    "setting.secret": [1],
    "front.kind": ["nope", "sound", None],
    "front.options": [{"rate": 1}, None],
    "header.channels": [["x"], [1, 2], None],
    "header.unit": [1.0, -1.0],
    "header.categories": [{"0": ["a"]}],
    "aim.kind": ["numbers", None],
    "aim.options": [{}, {"names": ["a", "b", "c"], "type": "int", "temperature": 1.0}],
    "aim.options.names": [["a"], ["a", "a", "b"], "abc", [1, 2, 3]],
    "aim.options.temperature": [0.0, -1.0, 1e30, 1, None],
    "shown": [None, [1], ["a"]],
    "baselines": [None, {"nope": {}}, {"mean": {"value": 1.0}}],
    "baselines.linear": [{}, {"bounds": None, "strength": None}],
    "report": [None, {}],
    "report.confusion": [[], [[1.5]], [[1, 2], [3, 4]]],
    "report.figures": [{"ece": "a"}],
    "secret": [1],
}
TENSORS = {
    "network.head.bias": [torch.zeros(4), torch.full((3,), float("inf"))],
    "shown.values": [torch.zeros(3), torch.zeros(3, 2)],
    "shown.offsets": [torch.tensor([0, 1])],
    "shown.gaps": [torch.zeros(3)],
    "baselines.majority.shares": [torch.zeros(3), torch.zeros(4, dtype=torch.float64)],
    "baselines.linear.scale": [torch.zeros(15, dtype=torch.float64)],
    "baselines.strange": [torch.zeros(1)],
    "strange": [torch.zeros(1)],
}


@pytest.fixture
def folder(trained, tmp_path):
    return Path(shutil.copytree(trained("classify").folder, tmp_path / "run"))


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


@pytest.mark.parametrize(("name", "place"), cases(TENSORS))
def test_tensors_are_checked(folder, name, place):
    path = folder / "model.safetensors"
    save_file({**load_file(path), name: TENSORS[name][place]}, path)
    with pytest.raises(RunFolderError):
        load(folder)

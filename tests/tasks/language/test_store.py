"""A language model's run folder is believed only as far as its parts fit together."""

import json
import shutil
from io import StringIO

import pytest
import torch
from safetensors.torch import load_file, save_file

from recurra import LanguageModel
from recurra.errors import RunFolderError


@pytest.fixture
def folder(trained, tmp_path):
    return shutil.copytree(trained("language").folder, tmp_path / "run")


def refuse(folder, message):
    with pytest.raises(RunFolderError, match=f"(?s){message}"):
        LanguageModel.load(folder)


def describe(folder, change):
    found = json.loads((folder / "run.json").read_text())
    change(found["learned"])
    (folder / "run.json").write_text(json.dumps(found))


def rewrite(folder, change):
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda learned: learned.pop("separated"), "separated is unknown or missing"),
        (lambda learned: learned.update(more=1), "more is unknown or missing"),
        (lambda learned: learned.update(separated=1), "separated is 1"),
        (lambda learned: learned.update(vocabulary={"kind": "bytes"}), "257 tokens for a table"),
        (lambda learned: learned.update(vocabulary={"kind": "runes"}), "kind 'runes'"),
        (lambda learned: learned.update(vocabulary=[]), "list in the place of an object"),
        (lambda learned: learned["setting"].update(hidden_size=9), "ask for"),
        (lambda learned: learned["setting"].update(hidden_size=10**9), "--hidden-size is"),
        (lambda learned: learned["setting"].update(hidden_size="8"), "damaged: .*'8'"),
        (lambda learned: learned["setting"].update(cell="../x"), '--cell is "../x"'),
        (lambda learned: learned["setting"].update(tied=1), "damaged: .*tied"),
        (lambda learned: learned["setting"].update(dropout=None), "damaged: .*dropout"),
        (lambda learned: learned["setting"].update(dropout=True), "damaged: .*dropout"),
        (lambda learned: learned["setting"].update(extra=1), "extra"),
        (lambda learned: learned.update(setting=3), "damaged"),
        (lambda learned: learned["setting"].update(tied=True), "embedding.weight"),
    ],
)
def test_a_description_that_does_not_fit_is_damage(folder, change, message):
    describe(folder, change)
    refuse(folder, message)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("tail"), "tail"),
        (lambda t: t.update(tail=torch.zeros(0, dtype=torch.int32)), "tail is"),
        (lambda t: t.update(tail=torch.zeros(5)), "tail is"),
        (lambda t: t.update(tail=torch.full((5,), 99, dtype=torch.int32)), "no token"),
        (lambda t: t.update(tail=torch.full((5,), -1, dtype=torch.int32)), "no token"),
        (lambda t: t.update(more=torch.zeros(1)), "more is no tensor of a language model"),
        (lambda t: t.pop("network.head.project.bias"), "head.project.bias is only in the model"),
        (lambda t: t["network.head.project.bias"].fill_(torch.nan), "no finite number"),
    ],
)
def test_tensors_that_do_not_fit_are_damage(folder, change, message):
    rewrite(folder, change)
    refuse(folder, message)


def test_a_tied_head_and_its_table_are_one(tmp_path):
    model = LanguageModel(tied="yes", hidden_size=4, window=8, epochs=1, quiet=True)
    model.fit(StringIO("the heron waits for the river\n" * 20)).save(tmp_path / "run")
    network = LanguageModel.load(tmp_path / "run").learned_.network
    assert network.head.embedding.weight is network.body.layers[0].weight
    rewrite(tmp_path / "run", lambda t: t["network.head.embedding.weight"].add_(1))
    refuse(tmp_path / "run", "tied to a table that is another one")

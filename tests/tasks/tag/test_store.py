"""A run folder of a tagger that was damaged or made to harm."""

import shutil

import pytest
import torch
from tests.tasks.harm import said, tensor

from recurra.errors import RunFolderError
from recurra.tasks import Tagger

HARM = {
    "something more": (said("extra", value=1), "extra is unknown or missing"),
    "a cell that is none": (said("setting", "cell", value="x"), '--cell is "x"'),
    "a size beyond all": (said("setting", "hidden_size", value=10**9), "--hidden-size is"),
    "a size of thousands": (said("setting", "hidden_size", value=60_000), "the fields in run.json"),
    "layers beyond all": (said("setting", "num_layers", value=10**6), "--num-layers is"),
    "an output that is none": (said("setting", "output", value="x"), '--output is "x"'),
    "an unknown setting": (said("setting", "extra", value=1), "extra"),
    "no setting": (said("setting", value=None), "damaged"),
    "words that are a text": (said("words", value="abc"), "words is not a list of texts"),
    "a word that is none": (said("words", value=[1]), "words is not a list of texts"),
    "a word twice": (said("words", value=["a", "a"]), "words holds a text twice"),
    "a word too many": (said("words", value=[str(k) for k in range(999)]), "features.words"),
    "letters that are words": (said("letters", value=["ab"]), "letters holds what is no letter"),
    "no tags": (said("tags", value=[]), "there are no tags"),
    "one tag": (said("tags", value=["X"]), 'every word has the tag "X"'),
    "tags beyond all": (said("tags", value=[str(k) for k in range(9999)]), "9,999 different tags"),
    "a choice that is none": (said("lowercase", value=1), "lowercase is 1"),
    "rules that are none": (said("rules", value="x"), "rules is 'x'"),
    "rules for nothing": (said("rules", value=True), "rules for tags that have none"),
    "a baseline that is none": (said("baseline", value=[]), "damaged"),
    "a baseline too short": (said("baseline", "tags", value=[0]), "has not a tag a word"),
    "a baseline's tag": (said("baseline", "other", value=99), "99 in the place of a tag's number"),
    "a baseline's truth": (said("baseline", "other", value=True), "True in the place of a tag"),
    "examples that are none": (said("examples", value={}), "examples are no list"),
    "an example that is none": (said("examples", value=[["a", "X"]]), "its words are a str"),
    "a weight too few": (tensor("head.bias", lambda _: None), "head.bias is only in the model"),
    "a weight too many": (tensor("extra", lambda _: torch.ones(1)), "extra is only in the file"),
    "a weight of another shape": (tensor("head.bias", lambda _: torch.ones(99)), "head.bias is (9"),
    "a weight of another type": (tensor("crf.start", lambda value: value.double()), "float64"),
    "no number": (tensor("crf.transition", lambda value: value * torch.nan), "no finite number"),
}


@pytest.mark.parametrize("name", HARM)
def test_what_does_not_fit_is_told_in_one_line(trained, tmp_path, name):
    apply, expected = HARM[name]
    folder = shutil.copytree(trained("tag").folder, tmp_path / "run")
    apply(folder)
    with pytest.raises(RunFolderError) as caught:
        Tagger.load(folder)
    assert str(folder) in str(caught.value)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000

"""A language model that goes on from another one."""

import io
import shutil

import pytest
import torch

from recurra.errors import MissingFileError, RunFolderError
from recurra.tasks import LanguageModel, load
from recurra.train import Course

# A letter, é, that the first text does not have, and lines of its own.
TEXT = "The miller forgets the café.\nThe heron waits.\n" * 12


def onward(folder, **options):
    fields = {"streams": 4, "window": 16, "epochs": 1, "quiet": True, **options}
    return LanguageModel(begin=str(folder), **fields)


@pytest.fixture
def first(trained):
    return trained("language")


def test_it_begins_with_the_weights_and_the_tokens_of_the_first(first):
    # Its fields say nothing about a network that is there already.
    lesson = onward(first.folder, hidden_size=99, tokens="words").lesson(io.StringIO(TEXT))
    weights = first.estimator.learned_.network.state_dict()
    assert set(lesson.model.state_dict()) == set(weights)
    assert all(torch.equal(lesson.model.state_dict()[name], weights[name]) for name in weights)


def test_it_learns_the_second_text_and_needs_no_other_folder(first, tmp_path):
    away = shutil.copytree(first.folder, tmp_path / "first")
    model = onward(away, learning_rate=0.02, epochs=3).fit(io.StringIO(TEXT))
    model.save(tmp_path / "run")
    shutil.rmtree(away)
    loaded = load(tmp_path / "run")
    assert loaded.vocabulary_.to_json() == first.estimator.vocabulary_.to_json()
    nats = loaded.evaluate(io.StringIO(TEXT))["nats"]
    assert nats == model.evaluate(io.StringIO(TEXT))["nats"]
    assert nats < first.estimator.evaluate(io.StringIO(TEXT))["nats"]


def test_a_training_goes_on_from_the_same_one_alone(first, tmp_path):
    course = {"folder": tmp_path / "run"}
    onward(first.folder).fit(io.StringIO(TEXT), course=Course(**course))
    other = onward(first.folder).fit(io.StringIO(TEXT))
    other.save(tmp_path / "other")
    with pytest.raises(RunFolderError, match="began with another begin"):
        onward(tmp_path / "other").fit(io.StringIO(TEXT), course=Course(**course, resume=True))


def test_what_is_no_language_model_is_refused_in_one_line(trained, tmp_path):
    for folder, error, said in (
        (tmp_path / "none", MissingFileError, "no such run folder"),
        (trained("tag").folder, RunFolderError, "a run of the task 'tag', not of 'language'"),
    ):
        with pytest.raises(error) as caught:
            onward(folder).fit(io.StringIO(TEXT))
        assert said in str(caught.value)
        assert str(caught.value).startswith("--begin takes the run folder of a language model; ")
        assert "\n" not in str(caught.value)

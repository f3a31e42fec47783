"""A language model as what another task begins with."""

import json
import shutil
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch

from recurra.data import read_conll
from recurra.errors import MissingFileError, RunFolderError
from recurra.tasks import TASKS, LanguageModel, load
from recurra.tasks.encoder import read_encoder
from recurra.train import Course, train

SHARED = {"hidden_size": 6, "streams": 4, "window": 16, "epochs": 1, "quiet": True}
KINDS = {
    "characters": {"tokens": "characters"},
    "words": {"tokens": "words", "num_layers": 2},
    "bpe": {"tokens": "bpe", "vocab_size": 300},
}
TINY = {
    "tag": {"word_size": 4, "char_size": 2, "hidden_size": 4},
    "text-classify": {"batch_size": 8},
}
# Epochs until all layers of the model of words are awake.
EPOCHS = 4


class StopError(Exception):
    """As a kill would."""


@pytest.fixture(scope="module")
def given(trained):
    """What each task learns from: sentences with tags, texts with labels."""
    reviews = pd.read_csv(trained("text-classify").data).head(48)
    return {
        "tag": read_conll(trained("tag").data)[:40],
        "text-classify": (reviews["text"].tolist(), reviews["label"].tolist()),
    }


@pytest.fixture(scope="module")
def asked(given):
    """A few of them to answer."""
    some = [each.words for each in given["tag"][:4]]
    return {"tag": some, "text-classify": given["text-classify"][0][:3]}


@pytest.fixture(scope="module")
def models(given, tmp_path_factory):
    """Run folders of small language models that have read all of it, by kind of token."""
    folder = tmp_path_factory.mktemp("models")
    lines = [*(" ".join(each.words) for each in given["tag"]), *given["text-classify"][0]]
    (folder / "text.txt").write_text("".join(f"{line}\n" for line in lines))
    for kind, options in KINDS.items():
        LanguageModel(**SHARED, **options).fit(folder / "text.txt").save(folder / kind)
    return folder


def begun(task, encoder, **options):
    """An estimator that begins with the language model in a run folder."""
    fields = {"epochs": EPOCHS, "quiet": True, **TINY[task], **options}
    return TASKS[task](**fields, encoder=str(encoder))


@pytest.fixture(scope="module", params=TINY)
def task(request):
    return request.param


@pytest.fixture(scope="module")
def whole(task, models, given):
    """What was learned without a disturbance."""
    return begun(task, models / "words").fit(given[task])


@pytest.fixture(scope="module")
def saved(whole, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "run"
    whole.save(folder)
    return folder


def layers(encoder):
    """The weights of each layer in one row, from the table up."""
    parts = encoder.body.layers
    return [torch.cat([p.detach().flatten() for p in part.parameters()]) for part in parts]


@pytest.mark.parametrize("kind", KINDS)
def test_the_tokens_of_words_are_those_of_the_text(models, given, kind):
    encoder = read_encoder(str(models / kind)).encoder
    words = sorted({word for each in given["tag"][:20] for word in each.words})
    for text in (range(5), [4], [5, 5, 5, 1, 0]):
        ids, lengths, ends = encoder.spelling(words).batch([np.array(text), np.array([3])])
        own, last = ids[0, : lengths[0]].tolist(), ends[0, : len(text)].tolist()
        assert own[0] == encoder.start
        assert not ids[1, lengths[1] :].any()
        for number, end in enumerate(last, start=1):
            read = encoder.vocabulary.decode(own[1 : end + 1])
            assert read == " ".join(words[place] for place in text[:number])
        assert own[1:] == encoder.vocabulary.encode(read).tolist()


def test_a_text_without_words_is_its_beginning(models):
    encoder = read_encoder(str(models / "words")).encoder
    ids, lengths, ends = encoder.spelling([]).batch([np.zeros(0, np.int64)])
    assert (ids.tolist(), lengths.tolist(), ends.tolist()) == ([[encoder.start]], [1], [[0]])


@pytest.mark.parametrize("kind", KINDS)
def test_it_begins_with_the_weights_of_the_language_model(task, models, given, kind):
    lesson = begun(task, models / kind).lesson(given[task])
    network = LanguageModel.load(models / kind).learned_.network
    for mine, theirs in zip(layers(lesson.model.encoder), layers(network), strict=True):
        assert torch.equal(mine, theirs)


def test_layers_keep_every_bit_until_they_wake_one_an_epoch_from_the_top(task, models, given):
    estimator = begun(task, models / "words", learning_rate=0.01, average=None)
    lesson = estimator.lesson(given[task])
    seen = [layers(lesson.model.encoder)]

    def watch(_epoch):
        seen.append([each.clone() for each in layers(lesson.model.encoder)])
        return False

    train(lesson, estimator.plan(), Course(watch=watch))
    moved = [
        [not torch.equal(*pair) for pair in zip(before, after, strict=True)]
        for before, after in pairwise(seen)
    ]
    # The table, the lower cell, the upper one.
    assert moved == [
        [False, False, False],
        [False, False, True],
        [False, True, True],
        [True, True, True],
    ]


def test_the_run_folder_needs_no_other(task, models, asked, whole, saved):
    away = (models / "words").rename(models / "away")
    try:
        answer = load(saved).predict(asked[task])
    finally:
        away.rename(models / "words")
    pd.testing.assert_frame_equal(answer, whole.predict(asked[task]))


def test_a_training_that_was_killed_goes_on_bit_for_bit(task, models, given, whole, tmp_path):
    """Killed when one layer of two is awake."""

    def die(epoch):
        if epoch.epoch == 2:
            raise StopError

    course = {"folder": tmp_path / "run", "minutes": 0.0}
    with pytest.raises(StopError):
        begun(task, models / "words").fit(given[task], course=Course(**course, watch=die))
    resumed = begun(task, models / "words").fit(given[task], course=Course(**course, resume=True))
    weights = whole.learned_.network.state_dict()
    for name, value in resumed.learned_.network.state_dict().items():
        assert torch.equal(value, weights[name]), name


def test_a_training_goes_on_with_the_same_encoder_alone(task, models, given, tmp_path):
    course = {"folder": tmp_path / "run"}
    begun(task, models / "words", epochs=1).fit(given[task], course=Course(**course))
    other = begun(task, models / "characters", epochs=1)
    with pytest.raises(RunFolderError, match="began with another encoder"):
        other.fit(given[task], course=Course(**course, resume=True))


def test_an_answer_is_the_same_alone_and_among_longer_ones(whole, task, asked):
    together = whole.predict(asked[task])
    alone = pd.concat([whole.predict([each]) for each in asked[task]], ignore_index=True)
    np.testing.assert_allclose(together["confidence"], alone["confidence"], atol=1e-6)
    for column in {"tag", "label", "because"} & set(together):
        assert together[column].tolist() == alone[column].tolist()


def test_what_is_no_language_model_is_refused_in_one_line(task, models, given, trained):
    for encoder, error, said in (
        (models / "none", MissingFileError, "no such run folder"),
        (trained("tag").folder, RunFolderError, "a run of the task 'tag', not of 'language'"),
    ):
        with pytest.raises(error) as caught:
            begun(task, encoder).fit(given[task])
        assert said in str(caught.value)
        assert str(caught.value).startswith("--encoder takes the run folder of a language model")
        assert "\n" not in str(caught.value)


HARM = {
    "start": (lambda found: found.update(start=-1), "start is -1, no token"),
    "a start too far": (lambda found: found.update(start=10**9), "start is 1000000000"),
    "more": (lambda found: found.update(extra=1), "of the encoder extra is unknown or missing"),
    "a vocabulary": (lambda found: found.update(vocabulary=[]), "vocabulary: list"),
    "a word": (lambda found: found["vocabulary"]["words"].remove("the"), "tokens for a table of"),
    "a cell": (lambda found: found["setting"].update(cell="x"), '--cell is "x"'),
    "a size": (lambda found: found["setting"].update(hidden_size=7), "encoder.body.layers."),
}


@pytest.mark.parametrize("name", HARM)
def test_a_damaged_encoder_is_told_in_one_line(saved, tmp_path, name):
    harm, said = HARM[name]
    folder = shutil.copytree(saved, tmp_path / "run")
    found = json.loads((folder / "run.json").read_text())
    harm(found["learned"]["encoder"])
    (folder / "run.json").write_text(json.dumps(found))
    with pytest.raises(RunFolderError) as caught:
        load(folder)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)

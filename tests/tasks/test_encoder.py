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
from recurra.tasks import LanguageModel, Tagger
from recurra.tasks.encoder import read_encoder
from recurra.train import Course, train

TINY = {"word_size": 4, "char_size": 2, "hidden_size": 4, "quiet": True}
SHARED = {"hidden_size": 6, "streams": 4, "window": 16, "epochs": 1, "quiet": True}
KINDS = {
    "characters": {"tokens": "characters"},
    "words": {"tokens": "words", "num_layers": 2},
    "bpe": {"tokens": "bpe", "vocab_size": 300},
}
# Epochs until all layers of the model of words are awake.
EPOCHS = 4


class StopError(Exception):
    """As a kill would."""


@pytest.fixture(scope="module")
def sentences(trained):
    return read_conll(trained("tag").data)[:40]


@pytest.fixture(scope="module")
def models(sentences, tmp_path_factory):
    """Run folders of small language models that read the sentences, by kind of token."""
    folder = tmp_path_factory.mktemp("models")
    text = folder / "text.txt"
    text.write_text("".join(" ".join(each.words) + "\n" for each in sentences) * 4)
    for kind, options in KINDS.items():
        LanguageModel(**SHARED, **options).fit(text).save(folder / kind)
    return folder


def tagger(models, **options):
    return Tagger(**{**TINY, "epochs": EPOCHS, **options}, encoder=str(models / "words"))


@pytest.fixture(scope="module")
def whole(models, sentences):
    """A tagger that nobody disturbed."""
    return tagger(models).fit(sentences)


def layers(encoder):
    """The weights of each layer in one row, from the table up."""
    parts = encoder.body.layers
    return [torch.cat([p.detach().flatten() for p in part.parameters()]) for part in parts]


@pytest.mark.parametrize("kind", KINDS)
def test_the_tokens_of_words_are_those_of_the_text(models, sentences, kind):
    encoder = read_encoder(str(models / kind)).encoder
    words = sorted({word for each in sentences[:20] for word in each.words})
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
def test_a_tagger_begins_with_the_weights_of_the_language_model(models, sentences, kind):
    lesson = Tagger(**TINY, encoder=str(models / kind)).lesson(sentences)
    network = LanguageModel.load(models / kind).learned_.network
    for mine, theirs in zip(layers(lesson.model.encoder), layers(network), strict=True):
        assert torch.equal(mine, theirs)


def test_layers_keep_every_bit_until_they_wake_one_an_epoch_from_the_top(models, sentences):
    estimator = tagger(models, learning_rate=0.01)
    lesson = estimator.lesson(sentences)
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


def test_the_run_folder_needs_no_other(models, sentences, whole, tmp_path):
    away = shutil.copytree(models / "words", tmp_path / "words")
    fitted = Tagger(**TINY, epochs=EPOCHS, encoder=str(away)).fit(sentences)
    fitted.save(tmp_path / "run")
    shutil.rmtree(away)
    loaded = Tagger.load(tmp_path / "run")
    some = [each.words for each in sentences[:5]]
    pd.testing.assert_frame_equal(loaded.predict(some), whole.predict(some))
    pd.testing.assert_frame_equal(fitted.predict(some), whole.predict(some))
    assert loaded.learned_.encoder.to_json() == whole.learned_.encoder.to_json()


@pytest.mark.parametrize("last", [1, 3])
def test_a_training_that_was_killed_goes_on_bit_for_bit(models, sentences, whole, tmp_path, last):
    def die(epoch):
        if epoch.epoch == last:
            raise StopError

    course = {"folder": tmp_path / "run", "minutes": 0.0}
    with pytest.raises(StopError):
        tagger(models).fit(sentences, course=Course(**course, watch=die))
    resumed = tagger(models).fit(sentences, course=Course(**course, resume=True))
    weights = whole.learned_.network.state_dict()
    for name, value in resumed.learned_.network.state_dict().items():
        assert torch.equal(value, weights[name]), name


def test_a_training_goes_on_with_the_same_encoder_alone(models, sentences, tmp_path):
    course = {"folder": tmp_path / "run"}
    tagger(models, epochs=1).fit(sentences, course=Course(**course))
    other = Tagger(**TINY, epochs=1, encoder=str(models / "characters"))
    with pytest.raises(RunFolderError, match="began with another encoder"):
        other.fit(sentences, course=Course(**course, resume=True))


def test_a_sentence_is_the_same_alone_and_among_longer_ones(whole, sentences):
    some = [each.words for each in sentences[:4]]
    together = whole.predict(some)
    alone = pd.concat([whole.predict([each]) for each in some], ignore_index=True)
    assert together["tag"].tolist() == alone["tag"].tolist()
    np.testing.assert_allclose(together["confidence"], alone["confidence"], atol=1e-6)


def test_what_is_no_language_model_is_refused_in_one_line(models, sentences, trained):
    for encoder, error, said in (
        (str(models / "none"), MissingFileError, "no such run folder"),
        (str(trained("tag").folder), RunFolderError, "a run of the task 'tag', not of 'language'"),
    ):
        with pytest.raises(error) as caught:
            Tagger(**TINY, encoder=encoder).fit(sentences)
        assert said in str(caught.value)
        assert str(caught.value).startswith("--encoder ")
        assert "\n" not in str(caught.value)


HARM = {
    "start": (lambda found: found.update(start=-1), "start is -1, no token"),
    "a start too far": (lambda found: found.update(start=10**9), "start is 1000000000"),
    "more": (lambda found: found.update(extra=1), "of the encoder extra is unknown or missing"),
    "a vocabulary": (lambda found: found.update(vocabulary=[]), "vocabulary: list"),
    "fewer words": (
        lambda found: found["vocabulary"]["words"].remove("the"),
        "tokens for a table of",
    ),
    "a cell": (lambda found: found["setting"].update(cell="x"), '--cell is "x"'),
    "a size": (lambda found: found["setting"].update(hidden_size=7), "encoder.body.layers."),
}


@pytest.mark.parametrize("name", HARM)
def test_a_damaged_encoder_is_told_in_one_line(whole, tmp_path, name):
    harm, said = HARM[name]
    whole.save(tmp_path / "run")
    path = tmp_path / "run" / "run.json"
    found = json.loads(path.read_text())
    harm(found["learned"]["encoder"])
    path.write_text(json.dumps(found))
    with pytest.raises(RunFolderError) as caught:
        Tagger.load(tmp_path / "run")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)

"""What a tagger is given, answers, measures and draws."""

from io import StringIO

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from recurra.cli import main
from recurra.data import Sentence, read_conll
from recurra.errors import DataError, OptionError
from recurra.tasks import Tagger
from recurra.tasks.tag.baselines import MostFrequent
from recurra.tasks.tag.coding import ENDS, code
from recurra.tasks.tag.fitting import Fit
from recurra.tasks.tag.measure import verdict
from recurra.tasks.tag.sentences import Columns, divide, hash_of, tagged, untagged
from recurra.tasks.tag.vocabulary import Vocabulary

TINY = {"word_size": 4, "char_size": 2, "hidden_size": 4, "epochs": 1, "quiet": True}
NAMES = [
    (["Ada", "sees", "Emil"], ["B-PER", "O", "B-PER"]),
    (["Emil", "Berg", "sees", "Lisbon"], ["B-PER", "I-PER", "O", "B-LOC"]),
] * 6


@pytest.fixture(scope="module")
def sample(trained):
    return trained("tag")


@pytest.fixture(scope="module")
def fitted(sample):
    return sample.estimator


def test_the_answer_is_a_row_a_word(fitted):
    answer = fitted.predict(["the baker walks .", ["Ada", "smells"], "", ("a",)])
    assert list(answer.columns) == ["sentence", "word", "tag", "confidence"]
    assert answer["sentence"].tolist() == [0, 0, 0, 0, 1, 1, 3]
    assert answer["word"].tolist() == ["the", "baker", "walks", ".", "Ada", "smells", "a"]
    assert set(answer["tag"]) <= set(fitted.learned_.vocabulary.tags)
    assert ((answer["confidence"] > 0) & (answer["confidence"] <= 1)).all()
    assert [len(tags) for tags in fitted.tags(["a b c", "", "d"])] == [3, 0, 1]
    assert len(fitted.predict([])) == 0


def test_a_word_has_the_same_tag_and_confidence_whoever_stands_beside_its_sentence(fitted):
    sentences = ["Ada", "the old baker walks near a market .", "Emil smells a toast"]
    together = fitted.predict(sentences)
    alone = pd.concat([fitted.predict([each]) for each in sentences], ignore_index=True)
    assert together["tag"].tolist() == alone["tag"].tolist()
    np.testing.assert_allclose(together["confidence"], alone["confidence"], atol=1e-6)


def test_a_file_is_answered_as_its_words(fitted, sample, tmp_path):
    sentences = read_conll(sample.data)
    answer = fitted.predict(sample.data)
    pd.testing.assert_frame_equal(answer, fitted.predict([each.words for each in sentences]))
    (tmp_path / "tags.conll").write_text(fitted.to_text(answer))
    back = read_conll(tmp_path / "tags.conll")
    assert [each.words for each in back] == [each.words for each in sentences]
    assert [list(each.tags) for each in back] == fitted.tags(sample.data)


def test_measures_are_of_what_was_held_out(fitted, sample):
    sentences = read_conll(sample.data)
    held_out = divide(sentences, None).test
    assert fitted.measure(sample.data) == fitted.measures_
    found = fitted.measure(held_out)
    assert found.metrics == fitted.measures_.metrics
    assert found.about == "on list: 12 sentences of 98 words"
    given = [tag for tags in fitted.tags([each.words for each in held_out]) for tag in tags]
    true = [tag for each in held_out for tag in each.tags]
    assert found.metrics["accuracy"] == pytest.approx(np.mean(np.array(given) == np.array(true)))


def test_a_file_of_ones_own_is_held_out_instead(sample):
    sentences = read_conll(sample.data)
    data, valid = sentences[:60], sentences[60:70]
    tagger = Tagger(**TINY).fit(data, valid)
    assert tagger.measures_.about == (
        f"on what was held out: 5 sentences of {sum(len(s.words) for s in valid[5:])} words"
    )
    assert tagger.measure(valid) == tagger.measures_
    with pytest.raises(DataError, match="the model learned from all of it"):
        tagger.measure(data)
    assert tagger.measure(sentences[80:]).about.startswith("on list: 40 sentences")


def test_entities_are_measured_as_entities():
    tagger = Tagger(**TINY, output="crf").fit(NAMES)
    assert list(tagger.measures_.metrics) == ["accuracy", "f1", "precision", "recall"]
    assert set(tagger.measures_.baselines) == {"each word's most frequent tag", "one tag for all"}
    assert "F1" in tagger.measures_.verdict
    assert tagger.learned_.rules is not None
    broken = [*NAMES[:-1], (["x"], ["I-PER"])]
    for data, rules in ((NAMES, True), (broken[::-1], False)):
        fit = Tagger(**TINY, output="crf")._prepared(data, None)
        assert (fit.rules is not None) is rules
    assert Tagger(**TINY)._prepared(NAMES, None).rules is None


def test_the_baseline_is_each_words_most_frequent_tag():
    sentences = [Sentence(("a", "b", "a"), ("X", "Y", "Z")), Sentence(("a", "c"), ("Z", "Y"))]
    baseline = MostFrequent.fit(sentences)
    assert baseline.predict(["a", "b", "new"]) == ["Z", "Y", "Y"]


def test_the_verdict_names_who_wins():
    table = {"one": {"accuracy": 0.5}, "other": {"accuracy": 0.7}}
    assert verdict({"accuracy": 0.9}, table) == (
        "the model wins: accuracy 0.900 against 0.700 of the best baseline, other"
    )
    assert verdict({"accuracy": 0.6}, table).startswith("the baseline other wins: accuracy 0.700")
    assert "are level" in verdict({"accuracy": 0.7}, table)


def test_words_are_known_by_their_small_letters_and_their_digits():
    sentences = [Sentence(("The", "the", "12", "34", "rare"), ("A", "A", "B", "B", "A"))]
    found = Vocabulary.of(sentences, "AB", lowercase=True, min_count=2)
    assert found.words == ("the", "00")
    assert [found.word(word) for word in ("THE", "99", "rare", "1")] == [1, 2, 0, 0]
    cased = Vocabulary.of(sentences, "AB", lowercase=False, min_count=1)
    assert cased.word("The") != cased.word("the")
    assert found.letter("T") != found.letter("t")
    assert found.letter("?") == 0


def test_long_words_are_read_from_both_ends():
    long = "a" * ENDS + "b" * 1000 + "c" * ENDS
    vocabulary = Vocabulary.of([Sentence((long,), ("X",))], "XY", lowercase=True, min_count=1)
    coded = code(vocabulary, [Sentence((long, "ab"), ("X", "Y"))])
    assert coded.counts.tolist() == [2 * ENDS, 2]
    assert coded.letters.shape == (2, 2 * ENDS)
    assert vocabulary.letter("b") not in coded.letters[0]


def test_each_distinct_word_is_spelt_once_a_batch():
    sentences = [Sentence(("a", "b", "a"), "XYX"), Sentence(("b", "b"), "XY")]
    vocabulary = Vocabulary.of(sentences, "XY", lowercase=True, min_count=1)
    words, tags = code(vocabulary, sentences).batch(np.array([0, 1]))
    assert words.letters.shape == (2, 1)
    assert words.places.tolist()[0] == [0, 1, 0]
    assert words.lengths.tolist() == [3, 2]
    assert tags.tolist() == [[0, 1, 0], [0, 1, 0]]


def test_hashes_tell_words_from_tags_and_sentences_apart():
    one = [Sentence(("a", "b"), ("X", "Y"))]
    others = [
        [Sentence(("a",), ("X",)), Sentence(("b",), ("Y",))],
        [Sentence(("a", "b"), ("Y", "X"))],
        [Sentence(("ab",), ("XY",))],
    ]
    assert hash_of(one) == hash_of([Sentence(*map(tuple, (["a", "b"], ["X", "Y"])))])
    assert len({hash_of(one), *map(hash_of, others)}) == 4


REFUSED = {
    "no sentences": ([], "there are no sentences"),
    "texts": (["a b"], "sentence 0 is a str; a pair"),
    "no texts": ([(["a", 1], ["X", "Y"])], "sentence 0: 1 is among its words"),
    "an empty word": ([(["a", " "], ["X", "Y"])], "sentence 0: ' ' is among its words"),
    "a line break": ([(["a", "b\n"], ["X", "Y"])], "without tabs and line breaks fit"),
    "letters": ([("ab", "XY")], "sentence 0: its words are a str; a list fits"),
    "fewer tags": ([(["a", "b"], ["X"])], "sentence 0 has 2 words and 1 tags"),
    "no words": ([([], [])], "sentence 0 has 0 words"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_sentence_is_told(name):
    data, said = REFUSED[name]
    with pytest.raises(DataError) as caught:
        tagged(data, Columns(None, None))
    assert said in str(caught.value)


def test_untagged_sentences_that_are_none_are_told():
    with pytest.raises(DataError, match="sentence 1: 7 is among its words"):
        untagged(["a", [7]], Columns(None, None))
    with pytest.raises(DataError, match="sentence 0: its words are a int"):
        untagged([5], Columns(None, None))


def test_too_little_to_learn_from_is_told():
    pair = (["a", "b"], ["X", "Y"])
    with pytest.raises(DataError, match="there are 2 sentences, blank lines between them; it take"):
        Tagger(**TINY).fit([pair] * 2)
    with pytest.raises(DataError, match="--valid has 1 sentence"):
        Tagger(**TINY).fit([pair], [pair])
    with pytest.raises(DataError, match='every word has the tag "X"; --column N'):
        Tagger(**TINY).fit([(["a"], ["X"])] * 5)
    many = [([f"w{k}"], [f"T{k}"]) for k in range(300)]
    with pytest.raises(DataError, match="there are 300 different tags, 200 fit; --output softmax"):
        Tagger(**TINY, output="crf").fit(many)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"cell": "lstn"}, '--cell is "lstn"; what fits: elman'),
        ({"cell": "conv_lstm"}, '--cell is "conv_lstm"'),
        ({"output": "x"}, '--output is "x"'),
        ({"hidden_size": 0}, "--hidden-size is 0; it is 1 … 65536"),
        ({"num_layers": 65}, "--num-layers is 65"),
        ({"dropout": 1.0}, "--dropout is 1.0; it lies in 0 … 1"),
        ({"word_dropout": -0.1}, "--word-dropout is -0.1"),
        ({"batch_size": 0}, "--batch-size is 0"),
        ({"min_count": 0}, "--min-count is 0"),
        ({"seed": -1}, "--seed is -1"),
    ],
)
def test_a_field_that_does_not_fit_is_told(fields, said):
    with pytest.raises(OptionError) as caught:
        Tagger(**TINY).set_params(**fields).fit(NAMES)
    assert said in str(caught.value)


def test_a_fit_tells_what_it_finds(capsys):
    tagger = Tagger(**{**TINY, "quiet": False})
    parts, _ = tagger._read(NAMES, None)
    Fit("names.conll", parts, tagger._wishes(), tagger.plan())
    assert capsys.readouterr().err.splitlines() == [
        "found     names.conll: 12 sentences of 42 words",
        "tags      4 tags of entities: B-LOC, B-PER, I-PER, O",
        "model     lstm of 4 from both ends, 1 layer, softmax; 5 words, 16 letters; 638 weights",
    ]


def test_a_command_without_a_file_reads_sentences(fitted, sample, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", StringIO("Ada smells\n\na toast .\n"))
    assert main(["predict", str(sample.folder)]) == 0
    tags = fitted.tags(["Ada smells", "a toast ."])
    lines = capsys.readouterr().out.split("\n")
    assert lines == [
        *(f"{word}\t{tag}" for word, tag in zip(["Ada", "smells"], tags[0], strict=True)), "",
        *(f"{word}\t{tag}" for word, tag in zip(["a", "toast", "."], tags[1], strict=True)), "",
        "",
    ]  # fmt: skip


def test_pictures_open_and_are_the_same_each_time(fitted, tmp_path):
    answer = fitted.predict(["$x^2$ costs $5", "w" * 200 + " " + "word " * 20, *["a"] * 50])
    for name in ("a.png", "b.png"):
        fitted.plot(answer, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    fitted.plot_history(tmp_path / "training.png")
    for name in ("a.png", "training.png"):
        with Image.open(tmp_path / name) as picture:
            picture.load()
            assert picture.size > (600, 300)
            assert len(picture.convert("RGB").getcolors(1 << 22)) > 20
    with pytest.raises(OptionError, match="a picture's name"):
        fitted.plot(answer, tmp_path / "x.doc")

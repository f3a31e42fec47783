"""What a translator is given, answers, measures and draws."""

import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from tests.tasks.harm import said, tensor

from recurra.data import Pairs
from recurra.errors import DataError, OptionError, RunFolderError
from recurra.models import Choice
from recurra.tasks import Translator
from recurra.tasks.rewriting.asked import Asked
from recurra.tasks.rewriting.looks import END, by_words
from recurra.tasks.rewriting.measure import SCORING, verdict
from recurra.tasks.rewriting.memory import Memory
from recurra.tasks.rewriting.parts import divide

TINY = {"hidden_size": 4, "embedding_size": 2, "epochs": 1, "beam": 1, "quiet": True}
PAIRS = [(f"the {a} fox {k}", f"zorin {b} {k}") for k in range(6) for a, b in (("old", "sen"),)]


@pytest.fixture(scope="module")
def sample(trained):
    return trained("translate")


@pytest.fixture(scope="module")
def fitted(sample):
    return sample.estimator


@pytest.fixture(scope="module")
def pairs(sample):
    lines = sample.data.read_text().splitlines()
    return [tuple(line.split("\t")) for line in lines]


def test_the_answer_is_a_row_an_answer(fitted):
    answer = fitted.predict(["the fox sees the queen .", " ", "a"], beam=3, n_best=2)
    assert list(answer.columns) == ["source", "target", "rank", "score"]
    assert answer["source"].tolist() == ["the fox sees the queen ."] * 2 + [" "] + ["a"] * 2
    assert answer["rank"].tolist() == [1, 2, 1, 1, 2]
    assert answer["target"][2] == ""
    assert answer["score"][0] >= answer["score"][1]
    assert len(fitted.predict([])) == 0
    assert len(fitted.predict()) == 8


def test_a_sentence_has_the_same_answer_whoever_stands_beside_it(fitted, pairs):
    sources = [source for source, _ in pairs[:5]]
    together = fitted.predict(sources)
    alone = pd.concat([fitted.predict([each]) for each in sources], ignore_index=True)
    assert together["target"].tolist() == alone["target"].tolist()
    np.testing.assert_allclose(together["score"], alone["score"], atol=1e-5)


def test_answers_of_one_text_have_lines_and_several_have_columns(fitted):
    answer = pd.DataFrame(
        {"source": ["a", "a"], "target": ["x", "y z"], "rank": [1, 2], "score": [-0.5, -1.25]}
    )
    assert fitted.to_text(answer) == "1\t-0.5000\tx\n2\t-1.2500\ty z\n"
    assert fitted.to_text(answer[:1]) == "x\n"
    several = fitted.set_params(n_best=2).to_text(answer[:1])
    fitted.set_params(n_best=1)
    assert several == "1\t-0.5000\tx\n"
    assert fitted.to_text(answer[:1].assign(target="x\r\ny")) == "x  y\n"


def test_answers_may_be_drawn(fitted):
    hot = {"choice": Choice(temperature=20.0), "beam": 1, "n_best": 3}
    texts = ["the fox", "the queen", "the fox"]
    drawn = fitted.predict(texts, seed=4, **hot)
    assert drawn["rank"].tolist() == [1, 2, 3] * 3
    assert drawn["target"].tolist()[:3] != drawn["target"].tolist()[6:]
    # The same number, the same draw.
    alone = fitted.predict(Asked(texts[2:], first=3), seed=4, **hot)
    assert alone["target"].tolist() == drawn["target"].tolist()[6:]
    assert fitted.predict(texts, seed=5, **hot)["target"].tolist() != drawn["target"].tolist()
    cold = fitted.predict(texts, choice=Choice(temperature=0.0), beam=1)["target"].tolist()
    assert cold == fitted.predict(texts, beam=1)["target"].tolist()
    for more, told in ({"n_best": 0}, "--n-best is 0; it is 1"), ({"seed": -1}, "--seed is -1"):
        with pytest.raises(OptionError, match=told):
            fitted.predict(texts, **hot | more)


def test_of_a_file_what_stands_before_a_tab_is_read(fitted, sample, pairs, tmp_path):
    few = pairs[:3]
    (tmp_path / "a.txt").write_text("".join(f"{source}\n" for source, _ in few))
    (tmp_path / "a.tsv").write_text("".join(f"{source}\t{target}\n" for source, target in few))
    expected = fitted.predict([source for source, _ in few])
    for name in ("a.txt", "a.tsv"):
        pd.testing.assert_frame_equal(fitted.predict(tmp_path / name), expected)
    (tmp_path / "long.txt").write_text("a\n" + "b" * 2001 + "\n")
    with pytest.raises(
        DataError, match=r"long\.txt: line 2 has 2,001 characters, the model .*-length 2001"
    ):
        fitted.predict(tmp_path / "long.txt")
    with pytest.raises(DataError, match="texts: text 2 is a int; a text fits"):
        fitted.predict(["a", 1])


def test_measures_are_of_what_was_held_out(fitted, sample, pairs):
    assert fitted.measure(sample.data) == fitted.measures_
    found = fitted.measure(pairs[-20:])
    assert found.metrics == fitted.measures_.metrics
    assert found.about.startswith("on the list: 20 pairs; BLEU nrefs:1|case:mixed|")
    assert list(found.metrics) == ["bleu", "chrf", "nats"]
    assert set(found.baselines) == {"the source itself", "the most similar example"}
    assert 0 < found.metrics["nats"] < 10


def test_pairs_of_ones_own_are_held_out_instead(pairs):
    translator = Translator(**TINY).fit(pairs[:60], pairs[60:70])
    assert translator.measures_.about.startswith("on what was held out: 5 pairs")
    assert translator.measure(pairs[60:70]) == translator.measures_
    with pytest.raises(DataError, match="the model learned from all of it; measure on other pairs"):
        translator.measure(pairs[:60])


def test_the_memory_gives_what_the_most_similar_example_became():
    sources = ("the old fox", "a small child", "the queen sees")
    memory = Memory.of(Pairs(sources, ("x", "y", "z"), "some"), "words")
    assert memory.answer(["one small child", "a queen", "nothing"]) == ["y", "z", "x"]
    back = Memory.from_arrays(memory.to_arrays(), "words")
    assert back.pairs.sources == sources
    assert Memory.of(back.pairs, "characters").answer(["smal"]) == ["y"]


def test_pieces_join_to_words():
    shares = np.array([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7], [1.0, 0.0, 0.0]])
    looks = by_words([" the", " fo", "x"], [" zo", "rin", " ka"], shares)
    assert looks.source == ("the", "fox")
    assert looks.target == ("zorin", "ka")
    np.testing.assert_allclose(looks.shares, [[0.3, 0.7], [1.0, 0.0]])


def test_it_looks_at_every_word_while_it_says_every_word(fitted, pairs):
    source, target = pairs[0]
    looks = fitted.learned_.looks(source, target)
    assert looks.source == tuple(source.split())
    assert looks.target == (*target.split(), END)
    np.testing.assert_allclose(looks.shares.sum(axis=1), 1, atol=1e-5)


def test_pictures_open_and_are_the_same_each_time(fitted, pairs, tmp_path):
    answer = pd.DataFrame({"source": [" ", "a $x$ 漢"], "target": ["", pairs[0][1]]})
    for name in ("a.png", "b.png"):
        fitted.plot(answer, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as picture:
        picture.load()
        assert len(picture.convert("RGB").getcolors(1 << 22)) > 20
    with pytest.raises(DataError, match="there is no answer to draw; every text is blank"):
        fitted.plot(answer[:1], tmp_path / "x.png")
    with pytest.raises(OptionError, match="a picture's name"):
        fitted.plot(answer, tmp_path / "x.doc")


def test_the_verdict_names_who_wins():
    table = {"one": {"bleu": 5.0}, "other": {"bleu": 7.04}}
    scoring = SCORING["bpe"]
    assert verdict({"bleu": 9.0}, table, scoring) == (
        "the model wins: BLEU 9.0 against 7.0 of the best baseline, other"
    )
    assert verdict({"bleu": 6.0}, table, scoring).startswith("the baseline other wins: BLEU 7.0")
    assert "are level: BLEU 7.0" in verdict({"bleu": 7.0}, table, scoring)


def test_a_twentieth_is_held_out_twice():
    made = Pairs(tuple(map(str, range(45))), ("x",) * 45, "some")
    parts = divide(made, None)
    assert (parts.train.sources[-1], parts.valid.sources, parts.test.sources) == (
        "40", ("41", "42"), ("43", "44"),
    )  # fmt: skip
    halves = divide(made, made.part(0, 3))
    assert (len(halves.train), halves.valid.sources, halves.test.sources) == (
        45,
        ("0",),
        ("1", "2"),
    )
    with pytest.raises(DataError, match="--valid has 1 pair; one validates"):
        divide(made, made.part(0, 1))
    with pytest.raises(DataError, match="there are 2 pairs; it takes 3"):
        divide(made.part(0, 2), None)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"cell": "lstn"}, '--cell is "lstn"; what fits: elman'),
        ({"cell": "conv_lstm"}, '--cell is "conv_lstm"'),
        ({"hidden_size": 0}, "--hidden-size is 0; it is 2 … 65536"),
        ({"hidden_size": 5}, "--hidden-size is 5"),
        ({"encoder_layers": 65}, "--encoder-layers is 65"),
        ({"decoder_layers": 0}, "--decoder-layers is 0"),
        ({"dropout": 1.0}, "--dropout is 1.0; it lies in 0 … 1"),
        ({"coverage": -1.0}, "--coverage is -1.0"),
        ({"attention": "x"}, '--attention is "x"; what fits: additive, dot'),
        ({"tied": "all", "vocabulary": "separate"}, "--tied is all"),
        # Two vocabularies of one size are not one.
        ({"tied": "all", "vocabulary": "separate", "vocab_size": 256}, "--tied is all"),
        ({"attention": "multi-head", "heads": 3}, "--heads is 3; a divisor of --hidden-size"),
        ({"self_attention": 3}, "--self-attention is 3; a divisor of --hidden-size fits, which"),
        ({"convolution": 4}, "--convolution is 4; an odd number fits, or 0 for none"),
        ({"copy": "yes", "vocabulary": "separate"}, "--copy takes one vocabulary"),
        ({"batch_tokens": 0}, "--batch-tokens is 0"),
        ({"label_smoothing": 1.0}, "--label-smoothing is 1.0"),
        ({"sampling": 1.5}, "--sampling is 1.5"),
        ({"seed": -1}, "--seed is -1"),
        ({"beam": 0}, "--beam is 0; it is 1 … 1000"),
        ({"beam": 2, "n_best": 3}, "--n-best is 3; it is 1 … 2, as --beam is 2"),
        ({"alpha": -1.0}, "--alpha is -1.0"),
        ({"max_length": 0}, "--max-length is 0"),
        ({"vocab_size": 3}, "--vocab-size is 3"),
    ],
)
def test_a_field_that_does_not_fit_is_told(fields, said):
    with pytest.raises(OptionError) as caught:
        Translator(**TINY).set_params(**fields).fit(PAIRS)
    assert said in str(caught.value)


def test_a_fit_tells_what_it_finds(capsys):
    Translator(**{**TINY, "quiet": False, "vocabulary": "separate", "copy": "no"}).fit(PAIRS)
    told = capsys.readouterr().err.splitlines()
    assert told[:2] == [
        "found     the list: 6 pairs",
        "split     4 pairs to learn from, 1 to validate, 1 to test",
    ]
    assert told[2].startswith("tokens    ")
    assert " pieces to read, " in told[2]
    assert told[3].startswith(
        "model     lstm of 4: 1 layer from both ends, 1 layer with additive attention; "
    )
    assert [line.split()[0] for line in told[4:]] == ["epoch", "learned"]


def test_what_has_places_takes_no_longer_source_than_it_was_made_for():
    translator = Translator(**TINY, attention="location").fit(PAIRS)
    assert translator.predict(["the old fox 7"])["rank"].tolist() == [1]
    with pytest.raises(DataError, match=r"texts: text 2 has \d+ tokens, the model was made for"):
        translator.predict(["the", "the old fox " * 20])


TEXTS = "memory.sources"
HARM = {
    "something more": (said("extra", value=1), "extra is unknown or missing"),
    "a cell that is none": (said("setting", "cell", value="x"), '--cell is "x"'),
    "a size beyond all": (said("setting", "hidden_size", value=10**9), "--hidden-size is"),
    "a size of thousands": (said("setting", "hidden_size", value=60_000), "the fields in run.json"),
    "places beyond all": (said("setting", "places", value=10**9), "--places is"),
    "a copy that nobody made": (said("setting", "copy", value=True), "copied and not said so"),
    "no setting": (said("setting", value=None), "damaged"),
    "no sides": (said("sides", value=[]), "damaged"),
    "shown that is none": (said("shown", value=[1]), "shown holds what is no text"),
    "an example too few": (
        tensor(TEXTS, lambda _: torch.tensor(list(b'["a"]'), dtype=torch.uint8)),
        "the memory has 1 sources, 360 targets",
    ),
    "examples that are none": (
        tensor(TEXTS, lambda _: torch.tensor(list(b"[1]"), dtype=torch.uint8)),
        "the memory is no list of texts",
    ),
    "examples of another type": (tensor(TEXTS, lambda value: value.int()), "not a row of bytes"),
    "no examples": (tensor(TEXTS, lambda _: None), "sources"),
    "a weight too many": (tensor("x", lambda _: torch.ones(1)), "x is no tensor of a bpe rewriter"),
    "another weight": (tensor("network.x", lambda _: torch.ones(1)), "x is only in the file"),
}


@pytest.mark.parametrize("name", HARM)
def test_a_run_that_was_damaged_is_told_in_one_line(sample, tmp_path, name):
    apply, expected = HARM[name]
    folder = shutil.copytree(sample.folder, tmp_path / "run")
    apply(folder)
    with pytest.raises(RunFolderError) as caught:
        Translator.load(folder)
    assert str(folder) in str(caught.value)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)

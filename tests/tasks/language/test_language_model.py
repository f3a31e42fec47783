"""The language model as an estimator: what it finds, scores, goes on with and refuses."""

import math
from io import StringIO

import numpy as np
import pytest
import torch

from recurra import LanguageModel
from recurra.errors import DataError, OptionError, RunFolderError, UnknownTokenError
from recurra.tasks.language import sizes
from recurra.tasks.language.texts import Files, read
from recurra.train import Course, Found

TINY = {"hidden_size": 4, "streams": 4, "window": 16, "learning_rate": 0.02, "quiet": True}
WORDS = ["a", "cat", "sat", "on", "mat", "and", "the", "dog", "ran", "off", "with", "hat"]


def said(seed=0, lines=120):
    random = np.random.default_rng(seed)
    return "".join(f"{' '.join(random.choice(WORDS, 4))}\n" for _ in range(lines))


@pytest.fixture(scope="module")
def by_lines():
    """A model of lines, each a document."""
    return LanguageModel(**TINY, epochs=1, document="line").fit(StringIO(said()))


@pytest.fixture
def model(trained):
    return trained("language").estimator


def nats(scored):
    return np.array([one.nats for one in scored])


def test_a_text_is_scored_the_same_whole_in_chunks_and_token_by_token(model, trained):
    text = trained("language").data.read_text()[:200]
    whole = model.score(text)
    assert "".join(one.token for one in whole).replace("\\n", "\n") == text
    for chunk in (1, 7, 199, 5000):
        found = model.score(text, chunk=chunk)
        assert [one[:2] for one in found] == [one[:2] for one in whole]
        np.testing.assert_allclose(nats(found), nats(whole), rtol=1e-5, atol=1e-5)


def test_what_comes_first_follows_a_newline(model):
    vocabulary = model.vocabulary_
    scores = model.stream().push(torch.tensor([vocabulary.newline]))[0].log_softmax(0)
    (one,) = model.score("T")
    assert one.id == vocabulary.encode("T")[0]
    assert one.nats == pytest.approx(-scores[one.id].item(), abs=1e-5)
    assert model.score("") == []


def test_a_measure_is_what_the_scores_say(model, trained, tmp_path):
    text = trained("language").data.read_text()[500:1500]
    (tmp_path / "part.txt").write_text(text)
    measures, total = model.measure(tmp_path / "part.txt"), nats(model.score(text)).sum()
    assert measures.metrics["nats"] == pytest.approx(total / len(text), rel=1e-5)
    assert measures.metrics["bits_per_char"] == pytest.approx(total / len(text) / math.log(2))
    assert measures.metrics["perplexity"] == pytest.approx(math.exp(total / len(text)), rel=1e-5)
    assert measures.about == "on part.txt: 1,000 tokens, 1,000 characters"
    assert measures.baselines["5-gram"]["nats"] < measures.baselines["unigram"]["nats"]
    assert "nats a token" in measures.verdict


def test_bits_are_by_the_characters_of_the_text_and_not_by_tokens(by_lines):
    measures = by_lines.measure(StringIO("a cat ran off\nthe dog sat on\n"))
    assert measures.about == "on text: 29 tokens, 27 characters"
    total = 29 * measures.metrics["nats"] / math.log(2)
    assert measures.metrics["bits_per_char"] == pytest.approx(total / 27)


def test_unknown_characters_are_counted_and_named(model, tmp_path):
    (tmp_path / "part.txt").write_text("The Straße and the Eß.\n")
    assert ", 4 of the tokens unknown ('S', 'ß', 'E')" in model.measure(tmp_path / "part.txt").about
    with pytest.raises(UnknownTokenError, match=r"'ß' \(U\+00DF\)"):
        model.score("Aß")
    assert len(model.score("Aß", errors="replace")) == 2


def test_a_document_begins_without_a_past(by_lines):
    one, two = "a cat ran off\n", "the dog sat on\n"
    both, alone = by_lines.score(one + two), by_lines.score(two)
    assert [each.token for each in both[13:15]] == ["<sep>", "t"]
    # The separator before it ends the one document or stands before the other: its step alone
    # knows a past.
    np.testing.assert_allclose(nats(both)[15:], nats(alone)[1:], rtol=1e-5, atol=1e-6)
    assert by_lines.learned_.start == by_lines.vocabulary_.separator


def test_several_files_are_documents_and_to_a_model_of_one_they_are_one(model, tmp_path):
    paths = [tmp_path / "a.txt", tmp_path / "b.txt"]
    for seed, path in enumerate(paths):
        path.write_text(said(seed))
    fit = LanguageModel(**TINY)._prepared(paths, None)
    assert fit.text.separated
    assert fit.text.ids[len(said())] == fit.vocabulary.separator
    assert model.measure(paths).about.startswith(f"on a.txt and 1 more: {2 * len(said()):,}"[:22])
    together = read(Files(paths), model.vocabulary_, "file", "replace")
    assert together.separated


def test_an_open_text_is_as_good_as_its_file(trained):
    one = trained("language")
    fit = LanguageModel(**one.fields)._prepared(StringIO(one.data.read_text()), None)
    assert fit.hash == one.estimator.data_["sha256"]
    assert one.estimator.data_["name"] == "river.txt"


def test_what_is_found_is_told_in_lines(capsys):
    model = LanguageModel(tokens="words", vocab_size=8, document="line")
    model._fit(StringIO(said()), None, model.plan(), Course())
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("found     text: ")
    assert lines[0].endswith("words, a vocabulary of 9; 120 lines, each a document")
    assert lines[1].startswith("unknown   ")
    assert lines[2].startswith("split     ")
    assert lines[3].startswith("model     lstm of 512 on a table of 9 x 512, tied; ")
    assert lines[4] == "streams   4, windows of 16 tokens: the text is short for 32 and 128"


@pytest.mark.parametrize("there", [True, False])
def test_products_are_in_bfloat16_where_that_is_fast(monkeypatch, there):
    monkeypatch.setattr("recurra.tasks.learning.tiles", lambda: there)
    assert LanguageModel().plan().recipe.precision == ("bfloat16" if there else "float32")
    assert LanguageModel(precision="float32").plan().recipe.precision == "float32"
    assert LanguageModel(precision="bfloat16").plan().recipe.precision == "bfloat16"


def test_a_preset_gives_what_the_user_did_not():
    model = LanguageModel(preset="awd-lstm", hidden_size=8, learning_rate=10.0)
    plan, fit = model.plan(), model._prepared(StringIO(said()), None)
    recipe = plan.recipe
    assert (recipe.learning_rate, recipe.optimizer, recipe.clip) == (10.0, "nt-asgd", 0.25)
    assert (recipe.schedule, recipe.weight_decay) == ("constant", 1.2e-6)
    setting = fit.setting
    assert (setting.hidden_size, setting.num_layers, setting.embedding_size) == (8, 3, 400)
    assert (setting.tied, setting.weight_dropout, setting.layer_dropout) == (True, 0.5, 0.3)
    assert fit.wishes.variable
    assert model.get_params()["num_layers"] == 1


@pytest.mark.parametrize("document", ["file", "line"])
def test_a_training_goes_on_as_if_nothing_had_happened(tmp_path, document):
    fields = {**TINY, "schedule": "constant", "document": document, "dropout": 0.3}
    text = said()
    straight = LanguageModel(**fields, epochs=2).fit(StringIO(text))
    folder = tmp_path / document
    LanguageModel(**fields, epochs=1).fit(StringIO(text), course=Course(folder=folder))
    course = Course(folder=folder, resume=True)
    resumed = LanguageModel(**fields, epochs=2).fit(StringIO(text), course=course)
    expected = straight.learned_.network.state_dict()
    for name, value in resumed.learned_.network.state_dict().items():
        assert torch.equal(value, expected[name]), name
    with pytest.raises(RunFolderError, match="began with another data"):
        LanguageModel(**fields, epochs=3).fit(StringIO(said(1)), course=course)


def test_a_training_that_goes_on_keeps_the_sizes_that_a_probe_found(tmp_path, monkeypatch):
    asked = []

    def probe(build, *, windows, streams, **_):
        asked.append((max(windows), max(streams)))
        assert build(2, 16).steps > 1
        return Found(2 + len(asked), 16, 1.0, "some")

    monkeypatch.setattr(sizes, "probe", probe)
    fields = {**TINY, "schedule": "constant", "probe": True}
    course = Course(folder=tmp_path / "run")
    first = LanguageModel(**fields)._fit(StringIO(said()), None, LanguageModel().plan(), course)
    assert (first.streams, first.window) == (3, 16)
    LanguageModel(**fields, epochs=1).fit(StringIO(said()), course=course)
    again = Course(folder=tmp_path / "run", resume=True)
    model = LanguageModel(**fields, epochs=1)
    fit = model._fit(StringIO(said()), None, model.plan(), again)
    assert (fit.streams, fit.window) == (4, 16)
    assert len(asked) == 2
    other = Course(folder=tmp_path / "other", resume=True)
    plain = LanguageModel(**{**fields, "probe": False}, epochs=1)
    plain.fit(StringIO(said()), course=Course(folder=tmp_path / "other"))
    with pytest.raises(RunFolderError, match="its training was not begun with --probe"):
        model.fit(StringIO(said()), course=other)


def test_the_result_does_not_depend_on_the_number_of_threads():
    found, before = [], torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            fields = {**TINY, "hidden_size": 40, "num_layers": 2, "epochs": 1, "tokens": "words"}
            model = LanguageModel(**fields, temporal_penalty=1.0, weight_dropout=0.2)
            found.append(model.fit(StringIO(said())).learned_.network.state_dict())
    finally:
        torch.set_num_threads(before)
    for name, value in found[0].items():
        assert torch.equal(value, found[1][name]), name


def test_a_lesson_has_the_model_that_learned(model, trained):
    lesson = model.lesson(trained("language").data)
    assert lesson.model is not model.learned_.network
    expected = model.learned_.network.state_dict()
    assert all(torch.equal(v, expected[n]) for n, v in lesson.model.state_dict().items())
    best = model.history_.best
    lesson.model.eval()
    assert lesson.validate() == pytest.approx(best.valid_loss, rel=1e-6)


def test_a_text_of_its_own_stands_in_the_run_folder(trained):
    one = trained("language")
    own = (one.folder / "sample.txt").read_text()
    assert own == "".join(one.estimator.writer().write(600))
    assert (one.folder / "training.png").read_bytes().startswith(b"\x89PNG")


def test_surprise_is_drawn_of_an_answer_and_of_scores(model, tmp_path):
    model.plot(model.predict()[:60], tmp_path / "a.png")
    model.plot(model.score("The $5 heron.\n", errors="replace"), tmp_path / "b.svg")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (tmp_path / "b.svg").read_bytes()


def test_what_is_no_text_to_learn_from_is_told(tmp_path):
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "short.txt").write_text("only a few words")
    (tmp_path / "binary.txt").write_bytes(b"abc\0def" * 50)
    (tmp_path / "latin.txt").write_bytes("Straße ".encode("latin-1") * 50)
    (tmp_path / "other.txt").write_text("ß" * 200)
    (tmp_path / "good.txt").write_text(said())
    model = LanguageModel(**TINY)
    for name, message in {
        "empty.txt": "empty.txt: is empty",
        "short.txt": r"short.txt: 16 tokens \(characters\); a language model takes 100 or more",
        "binary.txt": "binary.txt: a NUL byte at offset 3",
        "latin.txt": "latin.txt: byte 0xdf at offset 4 is no UTF-8; --errors replace",
    }.items():
        with pytest.raises(DataError, match=message):
            model.fit(tmp_path / name)
    with pytest.raises(UnknownTokenError, match=r"other.txt: 'ß' .* --errors replace"):
        model.fit(tmp_path / "good.txt", tmp_path / "other.txt")
    with pytest.raises(DataError, match="takes more text"):
        LanguageModel(**TINY, held_out=0.001).fit(tmp_path / "good.txt")
    LanguageModel(**TINY, errors="replace")._prepared(tmp_path / "latin.txt", None)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"held_out": 0.0}, "--held-out is 0.0; it lies in 0 … 0.5"),
        ({"streams": 0}, "--streams is 0; it is 1 … 4096"),
        ({"window": 10**6}, "--window is 1000000; it is 1 … 65536"),
        ({"label_smoothing": 1.0}, "--label-smoothing is 1.0"),
        ({"seed": -1}, "--seed is -1"),
        ({"cell": "conv_lstm"}, '--cell is "conv_lstm"; what fits: elman, gru'),
        ({"hidden_size": 0}, "--hidden-size is 0; it is 1 … 65536"),
        ({"num_layers": 1000}, "--num-layers is 1000; it is 1 … 256"),
        ({"dropout": 1.0}, "--dropout is 1.0; it lies in 0 … 1"),
        ({"layer_dropout": -0.5}, "--layer-dropout is -0.5"),
        ({"temporal_penalty": -1.0}, "--temporal-penalty is -1.0"),
        ({"cell": "mingru", "weight_dropout": 0.5}, "--weight-dropout: MinGRU has no recurrent"),
        ({"tied": "yes", "softmax": "adaptive"}, "--tied yes does not go with --softmax adaptive"),
        ({"softmax": "adaptive", "label_smoothing": 0.1}, "--label-smoothing does not go with"),
        ({"variable": True, "window": 4}, "--window is 4; a variable one is at least 10"),
    ],
)
def test_a_field_that_does_not_fit_is_told(fields, message):
    with pytest.raises(OptionError, match=message):
        LanguageModel(**{"quiet": True, **fields}).lesson(StringIO(said()))


def test_a_chunk_of_nothing_is_refused(model):
    with pytest.raises(OptionError, match="chunk is 0; it is at least 1"):
        model.score("a", chunk=0)

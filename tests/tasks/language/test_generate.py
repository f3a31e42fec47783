"""Generation: what is written is what the network says of it, whatever comes in between."""

import tracemalloc
from itertools import islice

import numpy as np
import pytest
import torch

from recurra.data import fit_vocabulary
from recurra.errors import OptionError, UnknownTokenError
from recurra.models import Choice
from recurra.tasks.language import LanguageModel, Writer
from recurra.tasks.language.learned import Learned
from recurra.tasks.language.scoring import nats_of
from recurra.tasks.language.setting import Setting

TEXT = "the owl sees a mouse\nthe mouse sees é and ☃\n"
STILL = ("dropout", "layer_dropout", "embedding_dropout", "input_dropout", "weight_dropout")
SHAPE = {
    "cell": "lstm",
    "hidden_size": 7,
    "num_layers": 2,
    "embedding_size": 5,
    "tied": False,
    "adaptive": False,
    **dict.fromkeys((*STILL, "activation_penalty", "temporal_penalty"), 0.0),
}


def learned(kind="characters", *, separated=True, ending=2.0):
    """A network of random weights that ends a document now and then."""
    torch.manual_seed(0)
    vocabulary = fit_vocabulary(kind, [TEXT])
    setting = Setting(vocab_size=len(vocabulary), **SHAPE)
    network = setting.build().eval()
    with torch.no_grad():
        for each in network.parameters():
            each.mul_(2)
        network.head.project.bias[vocabulary.separator] = ending
    return Learned(setting, vocabulary, network, separated, np.zeros(1, np.int32))


def drawn(writer, count):
    return np.array([int(writer.draw()[0]) for _ in range(count)])


def writer_of(model, prompt="", seeds=(0,), choice=None, **options):
    writer = Writer(model, choice or Choice(), seeds, **options)
    writer.read(prompt)
    return writer


@pytest.mark.parametrize("prompt", ["", "the owl sees"])
@pytest.mark.parametrize("separated", [True, False])
def test_what_is_written_is_worth_what_scoring_says(separated, prompt):
    """Also past ends of documents, after which the state begins anew."""
    model = learned(separated=separated)
    before = model.vocabulary.encode(prompt)
    wrote = [*writer_of(model, prompt).surprises(120, stop=False)]
    ids = np.concatenate([before, [one.id for one in wrote]])
    assert (model.vocabulary.separator in ids) is separated
    nats = np.concatenate([*nats_of(model.network, ids, model.start, model.separator)])
    np.testing.assert_allclose([one.nats for one in wrote], nats[len(before) :], rtol=2e-4)
    assert [one.token for one in wrote] == [model.vocabulary.name(one.id) for one in wrote]


def test_the_likeliest_tokens_are_those_of_the_whole_sequence():
    model = learned(separated=False)
    found = drawn(writer_of(model, "the", choice=Choice(temperature=0.0)), 30)
    ids = [model.start, *model.vocabulary.encode("the").tolist()]
    with torch.no_grad():
        for token in found.tolist():
            x = torch.tensor([ids])
            scores, _ = model.network(x, model.network.initial_state(1))
            scores[0, -1, model.vocabulary.separator] = -torch.inf
            assert token == scores[0, -1].argmax()
            ids.append(token)


@pytest.mark.parametrize("stop", [True, False])
@pytest.mark.parametrize("kind", ["characters", "bytes", "words"])
def test_texts_side_by_side_are_those_alone(kind, stop):
    model = learned(kind, ending=3.0)
    many = writer_of(model, "the owl", range(5, 11)).write_all(60, stop=stop)
    alone = ["".join(writer_of(model, "the owl", [s]).write(60, stop=stop)) for s in range(5, 11)]
    assert many == alone
    assert len(set(many)) > 1


def test_a_text_ends_where_its_document_does():
    model = learned()
    texts = writer_of(model, seeds=range(8)).write_all()
    assert len({len(text) for text in texts}) > 2
    ids = drawn(writer_of(model), 200)
    first = int(np.argmax(ids == model.separator))
    assert model.vocabulary.decode(ids[:first]) == texts[0]
    on = "".join(writer_of(model, between="|").write(first + 4, stop=False))
    assert on.startswith(texts[0] + "|")


def test_a_prompt_may_come_in_any_pieces():
    model, prompt = learned(), TEXT * 5
    want = drawn(writer_of(model, prompt), 20)
    writer = writer_of(model)
    for piece in (prompt[:1], prompt[1:130], "", prompt[130:]):
        writer.read(piece)
    assert np.array_equal(drawn(writer, 20), want)


def test_documents_of_a_prompt_begin_anew():
    model = learned()
    first, second = (model.vocabulary.encode(text) for text in ("the owl", "mouse"))
    writer = writer_of(model)
    writer.read_ids(np.concatenate([first, [model.separator], second]))
    other = writer_of(model)
    other.read_ids(np.concatenate([[model.separator], second]))
    other._sampler = writer_of(model)._sampler
    assert np.array_equal(drawn(writer, 30), drawn(other, 30))


def test_it_reads_and_writes_in_turns_and_remembers():
    model = learned(separated=False)
    writer = writer_of(model, "the")
    wrote = "".join(writer.write(10))
    writer.read("owl")
    more = drawn(writer, 5)
    other = writer_of(model, f"the{wrote}owl")
    other._sampler.draw(np.zeros((1, 2)))
    for _ in range(9):
        other._sampler.draw(np.zeros((1, 2)))
    assert np.array_equal(drawn(other, 5), more)


def test_pieces_are_whole_characters():
    model = learned("bytes", separated=False)
    ids = drawn(writer_of(model), 300)
    pieces = [*writer_of(model).write(300)]
    assert "".join(pieces) == model.vocabulary.decode(ids)
    assert all(pieces)


def test_words_go_on_behind_a_blank():
    model = learned("words", separated=False)
    text = "".join(writer_of(model, "the owl").write(1))
    assert text.startswith(" ") or text == "\n"
    assert not "".join(writer_of(model).write(1)).startswith(" ")


def test_rounded_weights_say_nearly_the_same():
    model = learned(separated=False)
    exact = [one.nats for one in writer_of(model, seeds=[1]).surprises(20)]
    near = [one.nats for one in writer_of(model, seeds=[1], precision="bfloat16").surprises(20)]
    np.testing.assert_allclose(near[:5], exact[:5], atol=0.1)
    assert near != exact


def test_memory_does_not_grow_with_the_text():
    text = writer_of(learned(separated=False)).write()
    tracemalloc.start()
    try:
        for _ in islice(text, 200):
            pass
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for _ in islice(text, 600):
            pass
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 4000
    assert peak - before < 40_000


def test_the_estimator_writes_by_its_arguments(trained):
    model = trained("language").estimator
    text = "".join(model.generate("the ", length=30, seed=3))
    assert model.generate_many("the ", 3, length=30, seed=2)[1] == text
    assert "".join(model.generate("the ", length=30, seed=4)) != text
    first = "".join(model.generate("the ", length=30, temperature=0.0))
    for options in ({"top_k": 1}, {"top_p": 1e-9}, {"min_p": 1.0}):
        assert "".join(model.generate("the ", length=30, **options)) == first
    assert len([*islice(model.generate(), 500)]) == 500
    assert "".join(model.generate("the ß", length=3, errors="replace"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"prompt": "aß"}, "prompt: 'ß' (U+00DF) at character 1 is not in the vocabulary"),
        ({"length": 0}, "--length is 0; it is at least 1 token"),
        ({"seed": -1}, "--seed is -1; it is 0 or more"),
        ({"precision": "float16"}, '--precision is "float16"; it is float32 or bfloat16'),
        ({"top_p": 2.0}, "--top-p is 2.0"),
        ({"errors": "ignore"}, 'errors is "ignore"'),
    ],
)
def test_what_does_not_fit_is_refused_before_a_token_is_drawn(options, words):
    model = estimator_of(learned())
    with pytest.raises((OptionError, UnknownTokenError)) as caught:
        model.generate(**options)
    assert str(caught.value).startswith(words)


def test_several_texts_need_an_end():
    model = estimator_of(learned(separated=False))
    with pytest.raises(OptionError, match=r"^--length is missing: such a text has no end"):
        model.generate_many("the")
    with pytest.raises(OptionError, match=r"^--samples is 0; it is at least 1$"):
        model.generate_many("the", 0, length=3)


def estimator_of(model):
    made = LanguageModel()
    made.learned_ = model
    return made

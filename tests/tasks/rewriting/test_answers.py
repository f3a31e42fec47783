"""A network learns from pairs and answers texts; each answer is the text's own."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from recurra.data import read_pairs
from recurra.errors import MissingPackageError, OptionError
from recurra.models import Choice, build_seq2seq
from recurra.tasks.rewriting import scores
from recurra.tasks.rewriting.batch import code
from recurra.tasks.rewriting.lesson import PairLesson
from recurra.tasks.rewriting.saying import Answer, Manner, mean_nats, say
from recurra.tasks.rewriting.sides import MARGIN, fit_sides
from recurra.train import Plan, Recipe

WORDS = ("ab", "c", "bd")
PAIRS = [(word * times, word.upper() * times) for word in WORDS for times in range(1, 4)]
TRAINING, HELD = read_pairs(PAIRS * 8), read_pairs(PAIRS)
SIDES = fit_sides(TRAINING, kind="characters", copies=True)
TEXTS = ["abab", "", "c", "bdébd", " \n", "abababab", "dé日"]
PLAN = Plan(Recipe(learning_rate=0.04), epochs=12, patience=12, quiet=True)


def network():
    return build_seq2seq(
        source_size=len(SIDES.source),
        target_size=len(SIDES.target),
        begin=SIDES.end,
        unknown=SIDES.target.unknown,
        cell="gru",
        hidden_size=24,
        embedding_size=12,
        copy=True,
    )


def lesson(**fields):
    fields = {"batch_tokens": 120, "seed": 3, "score": "exact"} | fields
    return PairLesson(network, SIDES, TRAINING, HELD, **fields)


@pytest.fixture(scope="module")
def learned():
    found = lesson()
    _, history = found.teach(PLAN)
    return found, history


@pytest.fixture(scope="module")
def model(learned):
    return learned[0].model


def test_it_learns_what_it_is_validated_by(learned, model):
    lesson, history = learned
    losses = [epoch.valid_loss for epoch in history.epochs]
    assert losses[0] > 80
    assert min(losses) < 40
    answers = [one.text for one, *_ in say(model, SIDES, HELD.sources, Manner(beam=1))]
    score = scores.exact(answers, HELD.targets)
    nats = mean_nats(model, code(SIDES, HELD.sources, HELD.targets))
    assert lesson.validate() == pytest.approx(100 - score + 100 / 9 * nats / (1 + nats))
    assert lesson.validate() == pytest.approx(min(losses))


def test_nats_are_the_loss_in_evaluation(learned, model):
    lesson, _ = learned
    batches = list(lesson.batches(1, 0))
    with torch.no_grad():
        total = sum(float(lesson.loss(batch)) * batch.counted for batch in batches)
    count = sum(batch.counted for batch in batches)
    assert count == sum(len(target) + 1 for target in TRAINING.targets)
    coded = code(SIDES, TRAINING.sources, TRAINING.targets)
    assert mean_nats(model, coded) == pytest.approx(total / count, rel=1e-5)


@pytest.mark.parametrize(
    "manner",
    [
        Manner(beam=1),
        Manner(beam=3, n_best=3),
        Manner(choice=Choice(temperature=1.5), n_best=2, seed=5),
        Manner(choice=Choice(top_k=1)),
    ],
)
def test_a_text_is_answered_the_same_whoever_stands_beside_it(model, manner):
    together = say(model, SIDES, TEXTS, replace(manner, shares=True))
    for place, (text, found) in enumerate(zip(TEXTS, together, strict=True)):
        # Blank texts are not asked for; before it, so that it keeps its number.
        alone = say(model, SIDES, [*[""] * place, text], replace(manner, shares=True))[-1]
        assert [each.text for each in alone] == [each.text for each in found]
        for one, other in zip(alone, found, strict=True):
            assert one.nats == pytest.approx(other.nats, abs=1e-5)
            if text.strip():
                np.testing.assert_allclose(one.shares, other.shares, atol=1e-6)


def test_answers_are_texts_with_what_they_cost(model):
    first, blank, second = say(model, SIDES, ["abab", "\t", "c"], Manner(n_best=2, shares=True))
    assert blank == [Answer("")]
    assert (blank[0].nats, blank[0].pieces, blank[0].finished) == (0, (), True)
    assert len(first) == len(second) == 2
    assert first[0].score >= first[1].score
    for text, (answer, *_) in (("abab", first), ("c", second)):
        assert "".join(answer.pieces) == answer.text
        T = len(answer.pieces) + answer.finished
        assert answer.shares.shape == (T, len(text))
        np.testing.assert_allclose(answer.shares.sum(1), 1, atol=1e-5)
        coded = code(SIDES, [text], [answer.text])
        assert answer.nats == pytest.approx(T * mean_nats(model, coded), rel=1e-4)
    assert say(model, SIDES, []) == []
    assert say(model, SIDES, ["", " "]) == [[Answer("")]] * 2


def test_what_the_source_alone_has_can_be_said(model):
    with torch.no_grad():
        before = model.decoder.gate.weight.clone(), model.decoder.gate.bias.clone()
        model.decoder.gate.weight.zero_()
        model.decoder.gate.bias.fill_(-30.0)
    (answer,), (other,) = say(model, SIDES, ["é", "日"], Manner(beam=1, most=2))
    with torch.no_grad():
        model.decoder.gate.weight.copy_(before[0])
        model.decoder.gate.bias.copy_(before[1])
    assert (answer.text, other.text) == ("éé", "日日")
    assert answer.pieces == ("é", "é")
    assert not answer.finished


def test_a_seed_draws_the_same_and_another_one_something_else(model):
    hot = Manner(choice=Choice(temperature=20.0), n_best=4, seed=1)
    texts = [
        [each.text for each in say(model, SIDES, ["abab"], manner)[0]]
        for manner in (hot, hot, replace(hot, seed=2))
    ]
    assert texts[0] == texts[1] != texts[2]
    assert len(set(texts[0])) > 1


def test_answers_end_at_their_limit(model):
    hot = Manner(choice=Choice(temperature=1000.0), n_best=20)
    lengths = [len(each.pieces) for each in say(model, SIDES, ["ab"], hot)[0]]
    assert max(lengths) <= SIDES.most(2) == 2 + MARGIN
    assert max(len(each.pieces) for each in say(model, SIDES, ["ab"], replace(hot, most=3))[0]) == 3


def test_every_epoch_has_as_many_batches_and_every_pair_once():
    found = lesson(batch_tokens=25)
    for epoch in range(1, 6):
        batches = list(found.batches(epoch, 0))
        assert len(batches) == found.steps
        rows = [tuple(row) for batch in batches for row in batch.target.ids.tolist()]
        assert len(rows) == len(TRAINING)
        for batch in batches:
            B, S, T = *batch.source.ids.shape, batch.target.ids.shape[1]
            assert B * (S + T) <= 25 or B == 1
    later = list(found.batches(2, 3))
    assert len(later) == found.steps - 3
    assert torch.equal(later[0].source.ids, list(found.batches(2, 0))[3].source.ids)


def test_the_share_of_own_words_rises_to_its_end():
    found = lesson(sampling=0.4, rising=4)
    shares = [next(iter(found.batches(epoch, 0))).sampling for epoch in (1, 2, 3, 5, 9)]
    assert shares == pytest.approx([0, 0.1, 0.2, 0.4, 0.4])
    model = found.build()
    model.train()
    own, given = (
        next(iter(found.batches(epoch, 0)))._replace(sampling=share)
        for epoch, share in ((5, 1.0), (5, 0.0))
    )
    assert found.loss(own).item() != found.loss(given).item()


def test_smoothing_is_a_part_of_the_loss():
    plain, smooth = lesson(), lesson(smoothing=0.3)
    losses = []
    for each in (plain, smooth):
        each.build()
        losses.append(each.loss(next(iter(each.batches(1, 0)))).item())
    assert losses[0] != losses[1]


def test_parts_of_a_batch_are_together_the_batch(monkeypatch):
    whole = list(lesson().batches(1, 0))
    parts = []
    for rank in range(3):
        monkeypatch.setattr("recurra.tasks.rewriting.lesson.this_part", lambda r=rank: (r, 3))
        parts.append(list(lesson().batches(1, 0)))
    for batch, *of in zip(whole, *parts, strict=True):
        assert sum(each.counted for each in of) == batch.counted
    alone = lesson(batch_tokens=1)
    assert [alone.weight(batch) for batch in alone.batches(1, 0)].count(0.0) > 0


def test_bleu_is_a_score_too(monkeypatch):
    pairs = read_pairs([("a b c d e", "A B C D E"), ("b c d e f", "B C D E F")])
    sides = fit_sides(pairs, kind="characters")
    found = PairLesson(
        lambda: build_seq2seq(
            source_size=len(sides.source),
            target_size=len(sides.target),
            begin=sides.end,
            cell="gru",
            hidden_size=8,
            embedding_size=4,
        ),
        sides,
        pairs,
        pairs,
        batch_tokens=1,
        seed=1,
        score="bleu",
    )
    assert found.steps == 2
    found.build()
    assert 100 < found.validate() < 100.01
    monkeypatch.setattr(
        "recurra.tasks.rewriting.lesson.say",
        lambda *_: [[Answer("A B C D E")], [Answer("B C D E A")]],
    )
    bleu = scores.bleu(["A B C D E", "B C D E A"], pairs.targets).value
    assert 50 < bleu < 99
    assert 100 - bleu < found.validate() < 100.01 - bleu
    monkeypatch.setattr(scores, "find_spec", lambda _: None)
    with pytest.raises(MissingPackageError, match="BLEU needs sacrebleu"):
        found.validate()


def test_options_that_do_not_fit_are_told(model):
    for fields, said in (
        ({"beam": 0}, "--beam is 0"),
        ({"n_best": 0}, "--n-best is 0"),
        ({"beam": 2, "n_best": 3}, "--n-best is 3; --beam 2"),
        ({"alpha": -1.0}, "--alpha is -1"),
        ({"seed": -1}, "--seed is -1"),
        ({"most": 0}, "--length is 0"),
    ):
        with pytest.raises(OptionError, match=said):
            say(model, SIDES, ["ab"], Manner(**fields))
    for fields, said in (
        ({"batch_tokens": 0}, "--batch-tokens is 0"),
        ({"score": "f1"}, 'score is "f1"; it is bleu or exact'),
        ({"rising": 0}, "rising is 0"),
    ):
        with pytest.raises(OptionError, match=said):
            lesson(**fields)

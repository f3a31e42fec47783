"""Searches beside all sentences that there are, and beside a beam written out for one sentence."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.models.talker import PLACES, Table, Talker, heard, lp, same

from recurra.errors import OptionError, ShapeError, TrainingError
from recurra.models import Choice, beam_search, greedy, sample


def defined(source, *, end, most, beam, n_best, alpha, **options):
    """(tokens, log p, finished) of one sentence; the rule that ends it before its limit is the one
    that counts on no hypothesis to grow.
    """
    V = Talker([0], **options).size
    closed, opened = [], [((), 0.0)]
    for length in range(most + 1):
        ranked = []
        for tokens, log_p in opened:
            talker = Talker([source], **options)
            for token in (end, *tokens):
                row = talker.step(torch.tensor([token]))[0].tolist()
            ranked += [(tokens, token, log_p + row[token]) for token in range(V)]
        ranked.sort(key=lambda each: -each[2])
        ends = [(tokens, log_p) for tokens, token, log_p in ranked[:beam] if token == end]
        closed += [(tokens, log_p, True) for tokens, log_p in ends]
        closed.sort(key=lambda each: -each[1] / lp(len(each[0]) + 1, alpha))
        del closed[beam:]
        if length == most:
            left = [each for each in opened if each[0] not in [tokens for tokens, _ in ends]]
            cut = [(tokens, log_p, False) for tokens, log_p in left]
        opened = [((*t, token), log_p) for t, token, log_p in ranked if token != end][:beam]
        if len(closed) == beam and opened:
            tokens, log_p, _ = closed[n_best - 1]
            if log_p / lp(len(tokens) + 1, alpha) >= opened[0][1] / lp(length + 2, alpha):
                break
    return (closed + cut if len(closed) < n_best else closed)[:n_best]


@pytest.mark.parametrize("alpha", [0.0, 0.6, 3.0])
@pytest.mark.parametrize("V", [2, 3])
def test_a_wide_beam_finds_the_best_of_all_sentences(V, alpha):
    most, end = 3, V - 1
    every = [
        (*tokens,) for n in range(most + 1) for tokens in itertools.product(range(end), repeat=n)
    ]
    found = beam_search(
        Talker([0, 1], 81, V=V),
        2,
        begin=end,
        end=end,
        most=[most] * 2,
        beam=81,
        n_best=len(every),
        alpha=alpha,
    )
    for source, said in enumerate(found):
        nats = {tokens: heard(tokens, source, end, V=V)[0] for tokens in every}
        best = sorted(every, key=lambda each: nats[each] / lp(len(each) + 1, alpha))
        assert [each.tokens for each in said] == best
        for each in said:
            assert each.finished
            assert each.nats == pytest.approx(nats[each.tokens], rel=1e-12)
            score = -nats[each.tokens] / lp(len(each.tokens) + 1, alpha)
            assert each.score == pytest.approx(score, rel=1e-12)


@pytest.mark.parametrize("seed", range(12))
def test_a_narrow_beam_is_as_defined(seed):
    draw = np.random.default_rng(seed)
    beam, V, alpha = 1 + seed % 4, int(draw.integers(2, 7)), float(draw.choice([0.0, 0.6, 1.5]))
    options = {"V": V, "seed": seed, "spread": float(draw.choice([0.3, 3.0]))}
    n_best, most = int(draw.integers(1, beam + 1)), draw.integers(1, 7, 3)
    found = beam_search(
        Talker([0, 1, 2], beam, **options),
        3,
        begin=0,
        end=0,
        most=most,
        beam=beam,
        n_best=n_best,
        alpha=alpha,
    )
    for source, said in enumerate(found):
        wanted = defined(
            source,
            end=0,
            most=int(most[source]),
            beam=beam,
            n_best=n_best,
            alpha=alpha,
            **options,
        )
        assert [(each.tokens, each.finished) for each in said] == [(t, f) for t, _, f in wanted]
        for each, (_, log_p, _) in zip(said, wanted, strict=True):
            assert each.nats == pytest.approx(-log_p, rel=1e-12)


@given(data=st.data())
def test_a_sentence_alone_is_as_in_a_batch(data):
    sources = data.draw(st.lists(st.integers(0, 19), min_size=2, max_size=5))
    most = [data.draw(st.integers(1, 7)) for _ in sources]
    beam = data.draw(st.integers(1, 4))
    rules = {
        "beam": beam,
        "n_best": data.draw(st.integers(1, beam)),
        "alpha": data.draw(st.sampled_from([0.0, 0.6, 2.0])),
        "shares": True,
    }
    options = {"seed": data.draw(st.integers(0, 5)), "spread": data.draw(st.sampled_from([0.5, 4]))}
    rules |= {"begin": 3, "end": 3}
    together = beam_search(Talker(sources, beam, **options), len(sources), most=most, **rules)
    at = data.draw(st.integers(0, len(sources) - 1))
    (alone,) = beam_search(Talker([sources[at]], beam, **options), 1, most=[most[at]], **rules)
    same(alone, together[at])


def ways(sources, most):
    """The same sentences said by every search."""
    rules = {"begin": 3, "end": 3, "most": most, "shares": True}
    yield beam_search(Talker(sources, 4), len(sources), beam=4, n_best=4, **rules)
    yield [[each] for each in greedy(Talker(sources), **rules)]
    drawn = sample(Talker(sources), Choice(), seeds=[*range(len(sources))], **rules)
    yield [[each] for each in drawn]


def test_nats_and_shares_are_those_of_the_sentence():
    sources, most = [3, 5, 8, 11, 2], [6, 1, 9, 2, 4]
    every = [*ways(sources, most)]
    assert {each.finished for found in every for said in found for each in said} == {False, True}
    for found in every:
        for source, limit, said in zip(sources, most, found, strict=True):
            for each in said:
                nats, shares = heard(each.tokens, source, 3, finished=each.finished)
                assert each.nats == pytest.approx(nats, rel=1e-12)
                length = len(each.tokens) + each.finished
                assert each.score == pytest.approx(-nats / lp(length, 0.6), rel=1e-12)
                assert each.shares.shape == (length, PLACES)
                np.testing.assert_allclose(each.shares, shares, rtol=1e-12)
                assert len(each.tokens) <= limit
                assert each.finished or len(each.tokens) == limit


def test_an_empty_sentence_has_the_end_alone():
    sure = [[-50.0, math.log(1 - math.exp(-50))]]
    (said,) = greedy(Table(sure), begin=1, end=1, most=[5], shares=True)
    assert (said.tokens, said.finished, said.shares.shape) == ((), True, (1, 1))
    assert beam_search(Talker([]), 0, begin=3, end=3, most=[], beam=5) == []
    assert greedy(Talker([]), begin=3, end=3, most=[]) == []


NEVER = [math.log(0.6), math.log(0.4), -math.inf]


@pytest.mark.parametrize("beam", [1, 2])
def test_sentences_that_are_over_leave_the_rows(beam):
    speaker = Table([NEVER] * 5, beam)
    said = beam_search(speaker, 5, begin=2, end=2, most=[1, 3, 3, 3, 5], beam=beam)
    assert [len(each[0].tokens) for each in said] == [1, 3, 3, 3, 5]
    # The first alone is too few of five to change the rows for.
    assert speaker.asked == [beam * n for n in (5, 5, 5, 5, 1, 1)]
    speaker = Table([NEVER] * 5)
    greedy(speaker, begin=2, end=2, most=[1, 3, 3, 3, 5])
    assert speaker.asked == [5, 5, 5, 5, 1, 1]


def test_the_search_ends_once_no_open_hypothesis_can_win():
    """The penalty at the limit is 3.4, or with an alpha of 1.9 it is 48; an end has log 0.7."""
    log_p = [[math.log(0.3), math.log(0.7)]]
    for most, alpha, ends in (40, 0.0, True), (1, 0.6, True), (40, 0.6, False), (40, 1.9, False):
        speaker = Table(log_p, 3)
        beam_search(speaker, 1, begin=1, end=1, most=[most], beam=3, alpha=alpha)
        assert (len(speaker.asked) == 1) == ends


def test_a_longer_sentence_wins_by_its_penalty():
    """An end costs log 0.4 wherever it stands, a word log 0.6: with an alpha of 3 the longer the
    better, however many are closed on the way.
    """
    table, rules = [[math.log(0.6), math.log(0.4)]], {"begin": 1, "end": 1, "most": [9], "beam": 4}
    ((short,),) = beam_search(Table(table, 4), 1, alpha=0.0, **rules)
    ((long,),) = beam_search(Table(table, 4), 1, alpha=3.0, **rules)
    assert (short.tokens, long.tokens) == ((), (0,) * 9)


class Sure(Table):
    """Says word 0 so many times and then the end, which at every step is all but sure."""

    def __init__(self, words, copies):
        super().__init__([[math.log(1e-6)] * 3], copies)
        self.words = words

    def step(self, tokens):
        self.log_p[:, 2 if len(self.asked) == self.words else 0] = math.log(1 - 2e-6)
        found = super().step(tokens)
        self.log_p[:] = math.log(1e-6)
        return found


def test_ends_that_nobody_believes_do_not_end_a_search():
    """Of hypotheses that are all but impossible some are closed in every step."""
    ((said,),) = beam_search(Sure(8, 3), 1, begin=2, end=2, most=[12], beam=3)
    assert (said.tokens, said.finished) == ((0,) * 8, True)


def test_equals_come_in_the_order_of_their_tokens():
    log_p = [[math.log(0.25)] * 4]
    (said,) = beam_search(Table(log_p, 3), 1, begin=3, end=3, most=[2], beam=3, n_best=3)
    assert [each.tokens for each in said] == [(0, 0), (0, 1), (0, 2)]
    assert not any(each.finished for each in said)
    assert greedy(Table(log_p), begin=3, end=3, most=[3])[0].tokens == (0, 0, 0)


def test_what_cannot_be_said_is_not_said():
    only = [-math.inf, 0.0, -math.inf]
    (said,) = beam_search(Table([only], 4), 1, begin=2, end=2, most=[3], beam=4, n_best=4)
    assert [(each.tokens, each.finished) for each in said] == [((1, 1, 1), False)]
    (said,) = beam_search(Table([[0.0]], 2), 1, begin=0, end=0, most=[3], beam=2, n_best=2)
    assert [(each.tokens, each.finished) for each in said] == [((), True)]


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"beam": 0}, "--beam is 0; it is at least 1"),
        ({"n_best": 0}, "--n-best is 0; it is at least 1"),
        ({"n_best": 3}, "--n-best is 3; --beam 2 finds at most 2"),
        ({"most": [4, 0]}, "--max-length is 0; it is at least 1 token"),
        ({"alpha": -0.1}, "--alpha is -0.1; it is at least 0, which ranks by log p alone"),
        ({"alpha": math.nan}, "--alpha is nan; it is at least 0, which ranks by log p alone"),
    ],
)
def test_an_option_that_does_not_fit_is_refused(rules, words):
    rules = {"begin": 3, "end": 3, "most": [4, 4], "beam": 2} | rules
    with pytest.raises(OptionError) as caught:
        beam_search(Talker([0, 1], 2), 2, **rules)
    assert str(caught.value) == words


def test_rows_limits_and_seeds_fit_one_another():
    rules = {"begin": 3, "end": 3}
    with pytest.raises(ShapeError, match=r"^the speaker has 3 rows; 2 x 2 fit$"):
        beam_search(Talker([0, 1, 2]), 2, most=[4, 4], beam=2, **rules)
    with pytest.raises(ShapeError, match=r"^most has shape \(2,\); \(3,\) fits, one number a "):
        greedy(Talker([0, 1, 2]), most=[4, 4], **rules)
    with pytest.raises(ShapeError, match=r"^there are 1 seeds; 2 fit, one a row$"):
        sample(Talker([0, 1]), Choice(), most=[4, 4], seeds=[1], **rules)


@pytest.mark.parametrize("value", [math.nan, -math.inf])
def test_scores_that_are_no_numbers_are_refused(value):
    def broken(copies=1):
        return Table([[-0.7, -0.7], [value, value]], copies)

    rules = {"begin": 1, "end": 1, "most": [4, 4]}
    for call in (
        lambda: beam_search(broken(2), 2, beam=2, **rules),
        lambda: greedy(broken(), **rules),
        lambda: sample(broken(), Choice(), seeds=[0, 1], **rules),
    ):
        with pytest.raises(TrainingError, match=r"^the model's scores are not finite; train it"):
            call()

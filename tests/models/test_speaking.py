"""Sentences said token after token, beside a beam of one and by their probabilities."""

import math

import numpy as np
import pytest
import torch
from tests.models.talker import Table, Talker, heard, same

from recurra.models import Choice, beam_search, greedy, sample


@pytest.mark.parametrize("alpha", [0.0, 0.6, 4.0])
@pytest.mark.parametrize("spread", [0.5, 4.0])
def test_greedy_is_a_beam_of_one(alpha, spread):
    sources, most = [*range(7)], [1, 3, 9, 2, 9, 9, 5]
    rules = {"begin": 3, "end": 3, "most": torch.tensor(most), "alpha": alpha, "shares": True}
    said = greedy(Talker(sources, spread=spread), **rules)
    beams = beam_search(Talker(sources, spread=spread), len(sources), beam=1, **rules)
    same(said, [each for (each,) in beams])
    assert {each.finished for each in said} == {False, True}


def test_greedy_takes_the_likeliest_token_each_time():
    (said,) = greedy(Talker([4]), begin=3, end=3, most=[6])
    for length in range(len(said.tokens)):
        nats = [
            heard((*said.tokens[:length], token), 4, 3, finished=False)[0] for token in range(5)
        ]
        assert said.tokens[length] == np.argmin(nats)


def test_a_draw_without_heat_is_greedy():
    sources, rules = [1, 6, 9], {"begin": 3, "end": 3, "most": [7, 7, 2]}
    for choice in (Choice(temperature=0.0), Choice(top_k=1)):
        same(
            sample(Talker(sources), choice, seeds=[0, 1, 2], **rules),
            greedy(Talker(sources), **rules),
        )


def test_what_a_row_draws_is_its_seeds_alone():
    sources, most, seeds = [1, 6, 9, 4, 4], [9, 2, 9, 8, 8], [5, 6, 7, 8, 9]
    rules = {"begin": 3, "end": 3, "shares": True}
    together = sample(Talker(sources), Choice(), most=most, seeds=seeds, **rules)
    for at, source in enumerate(sources):
        alone = sample(Talker([source]), Choice(), most=[most[at]], seeds=[seeds[at]], **rules)
        same(alone, [together[at]])
    assert together[3].tokens != together[4].tokens


def test_sentences_are_drawn_as_often_as_they_are_probable():
    """An end of probability 0.3: 2,000 lengths follow the geometric law within 4 deviations."""
    table, n = [[math.log(0.7), math.log(0.3)]], 2000
    said = sample(Table(table * n), Choice(), begin=1, end=1, most=[30] * n, seeds=[*range(n)])
    counts = np.bincount([len(each.tokens) for each in said])
    for length in range(4):
        p = 0.7**length * 0.3
        assert abs(counts[length] - n * p) < 4 * math.sqrt(n * p * (1 - p))

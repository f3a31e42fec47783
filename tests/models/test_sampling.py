"""Sampling beside its definitions, written out one token after another."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recurra.errors import OptionError, TrainingError
from recurra.models import Choice, Sampler, probabilities

CHOICES = [
    {},
    {"temperature": 0.3},
    {"temperature": 50.0},
    {"top_k": 1},
    {"top_k": 3},
    {"top_k": 1000},
    {"top_p": 0.5},
    {"top_p": 1e-9},
    {"min_p": 0.2},
    {"min_p": 1.0},
    {"temperature": 1.5, "top_k": 5, "top_p": 0.8, "min_p": 0.15},
    {"top_p": 0.8, "min_p": 0.3},
    {"top_k": 4, "min_p": 0.3},
]


def defined(scores, choice):
    """The distribution by its definition, of one row."""
    p = torch.softmax(torch.from_numpy(scores).double() / choice.temperature, 0).tolist()
    left = sorted(range(len(p)), key=lambda i: (-p[i], i))
    if choice.top_k:
        left = left[: choice.top_k]
    fewest, share, whole = [], 0.0, sum(p[i] for i in left)
    for i in left:
        fewest.append(i)
        share += p[i] / whole
        if share >= choice.top_p and choice.top_p < 1:
            break
    fewest = [i for i in fewest if p[i] >= choice.min_p * p[left[0]]]
    whole = sum(p[i] for i in fewest)
    return [p[i] / whole if i in fewest else 0.0 for i in range(len(p))]


def scores_of(rows, V, seed=0):
    return np.random.default_rng(seed).normal(0, 2, (rows, V)).astype(np.float32)


@pytest.mark.parametrize("options", CHOICES, ids=str)
@pytest.mark.parametrize("V", [1, 2, 13, 257, 700])
def test_probabilities_are_as_defined(options, V):
    scores, choice = scores_of(3, V), Choice(**options)
    found = probabilities(scores, choice)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-12)
    for row, p in zip(scores, found, strict=True):
        np.testing.assert_allclose(p, defined(row, choice), rtol=1e-9, atol=1e-300)


@given(
    scores=st.lists(st.sampled_from([-30.0, -1.0, 0.0, 0.5, 2.0]), min_size=1, max_size=9),
    top_k=st.integers(0, 9),
    min_p=st.sampled_from([0.0, 0.1, 0.9, 1.0]),
)
def test_of_equal_tokens_the_lower_numbers_are_left(scores, top_k, min_p):
    choice = Choice(top_k=top_k, min_p=min_p)
    row = np.array([scores])
    np.testing.assert_allclose(probabilities(row, choice)[0], defined(row[0], choice), rtol=1e-9)


def test_a_share_of_equals_takes_the_fewest_from_the_front():
    found = probabilities(np.zeros((1, 8)), Choice(top_p=0.5))
    np.testing.assert_allclose(found, [[0.25] * 4 + [0.0] * 4])


@pytest.mark.parametrize("options", [{}, {"top_k": 3}, CHOICES[10]], ids=str)
def test_tokens_come_as_often_as_they_are_probable(options):
    """Chi-square of 4,000 draws; its law has about 1 part in 10,000 beyond the bound."""
    scores, choice, n = scores_of(1, 7, 3), Choice(**options), 4000
    p = probabilities(scores, choice)[0]
    sampler = Sampler(choice, range(500))
    drawn = np.concatenate([sampler.draw(scores.repeat(500, 0)) for _ in range(n // 500)])
    counts = np.bincount(drawn, minlength=7)
    assert not counts[p == 0].any()
    expected = n * p[p > 0]
    assert (((counts[p > 0] - expected) ** 2) / expected).sum() < 27.9


def test_zero_takes_the_likeliest_and_of_equals_the_first():
    scores = np.array([[0.0, 3.0, 3.0], [5.0, 5.0, 1.0]], np.float32)
    assert Sampler(Choice(temperature=0.0), [0, 1]).draw(scores).tolist() == [1, 0]
    found = probabilities(scores, Choice(temperature=0.0))
    np.testing.assert_array_equal(found, [[0, 1, 0], [1, 0, 0]])


def test_a_low_temperature_is_nearly_greedy_whatever_the_scores():
    scores = np.array([[1e38, -1e38, 0.0]], np.float32)
    assert Sampler(Choice(temperature=1e-3), [0]).draw(scores).tolist() == [0]


@pytest.mark.parametrize("options", [{}, {"top_k": 5}, {"top_p": 0.9}], ids=str)
def test_what_a_row_draws_does_not_depend_on_those_beside_it(options):
    scores, choice = scores_of(4, 50), Choice(**options)
    together = Sampler(choice, [7, 8, 9, 10])
    alone = Sampler(choice, [9])
    for step in range(600):  # past two blocks of random numbers
        if step == 300:
            together.keep([1, 2])
            scores = scores[[1, 2]]
        at = 2 if step < 300 else 1
        assert together.draw(scores)[at] == alone.draw(scores[at : at + 1])[0]


def test_one_seed_is_one_sequence_and_two_are_two():
    def drawn(seed):
        sampler = Sampler(Choice(), [seed])
        return [int(sampler.draw(np.zeros((1, 1000)))[0]) for _ in range(50)]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_the_largest_random_number_never_draws_what_has_no_probability():
    scores = np.array([[0.0, 0.0, -np.inf, -np.inf]])
    sampler = Sampler(Choice(), [0])
    for number in (0.0, 1.0):
        sampler._random = [Constant(number)]
        sampler._used = 256
        assert sampler.draw(scores)[0] == number
    sampler = Sampler(Choice(top_k=3), [0])
    sampler._random = [Constant(1.0)]
    assert sampler.draw(scores)[0] == 1


class Constant:
    def __init__(self, number):
        self.number = number

    def random(self, count):
        return np.full(count, self.number)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("options", [{}, {"temperature": 0.0}, {"top_k": 2}], ids=str)
def test_scores_that_are_no_numbers_are_refused(value, options):
    scores = scores_of(2, 5)
    scores[1, 3] = value
    for call in (Sampler(Choice(**options), [0, 1]).draw, lambda s: probabilities(s, Choice())):
        with pytest.raises(TrainingError, match=r"^the model's scores are not finite; train it"):
            call(scores)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"temperature": -1.0}, "--temperature is -1.0; 0 fits, for the likeliest token, and "),
        ({"temperature": 1e-9}, "--temperature is 1e-09; 0 fits"),
        ({"temperature": float("nan")}, "--temperature is nan; 0 fits"),
        ({"top_k": -1}, "--top-k is -1; it is at least 1, or 0 for all tokens"),
        ({"top_p": 0.0}, "--top-p is 0.0; it lies above 0, and 1 leaves all tokens"),
        ({"top_p": 1.1}, "--top-p is 1.1; it lies above 0"),
        ({"min_p": 1.5}, "--min-p is 1.5; it lies in 0 … 1, and 0 leaves all tokens"),
    ],
)
def test_a_number_that_does_not_fit_is_refused(options, words):
    with pytest.raises(OptionError) as caught:
        Choice(**options)
    assert str(caught.value).startswith(words)

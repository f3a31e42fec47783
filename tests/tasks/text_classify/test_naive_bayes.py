"""Counted evidence, against scikit-learn's."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.naive_bayes import MultinomialNB

from recurra.tasks.text_classify.calibration import log_softmax
from recurra.tasks.text_classify.naive_bayes import NaiveBayes, features_of

V = 9


def texts(count, seed):
    random = np.random.default_rng(seed)
    return [random.integers(1, V, random.integers(0, 7)).astype(np.int64) for _ in range(count)]


def test_it_is_scikit_learns_multinomial_over_sets_of_words_and_pairs():
    training, asked = texts(60, 0), texts(20, 1)
    labels = np.arange(60) % 3
    found = NaiveBayes.fit(training, labels, 3, V)
    vectorizer = CountVectorizer(
        ngram_range=(1, 2), binary=True, tokenizer=str.split, token_pattern=None
    )

    def written(some):
        return [" ".join(map(str, text)) for text in some]

    peer = MultinomialNB(alpha=1.0)
    peer.fit(vectorizer.fit_transform(written(training)), labels)
    expected = peer.predict_log_proba(vectorizer.transform(written(asked)))
    np.testing.assert_allclose(log_softmax(found.scores(asked)), expected, atol=1e-5)


def test_features_are_words_and_pairs_each_once_and_the_unknown_is_none():
    assert features_of(np.array([2, 1, 2, 1]), V).tolist() == [1, 2, 1 * V + 2, 2 * V + 1]
    assert features_of(np.array([2, 0, 1]), V).tolist() == [1, 2]
    assert features_of(np.array([], np.int64), V).tolist() == []


def test_what_was_never_seen_says_nothing():
    found = NaiveBayes.fit([np.array([1, 2]), np.array([3])], np.array([0, 1]), 2, V)
    empty, new = found.scores([np.array([], np.int64), np.array([8, 7, 8])])
    np.testing.assert_array_equal(empty, found.prior)
    np.testing.assert_array_equal(new, found.prior)
    assert np.exp(found.prior) == pytest.approx([0.5, 0.5])
    assert found.scores([]).shape == (0, 2)

"""Texts as numbers: distinct words, their letters, and what a batch of them looks like."""

import numpy as np

from recurra.tasks.text_classify.corpus import MOST_LETTERS, Reader

TEXTS = ["A cat, a dog", "a cat", "", "a a a a a a a"]


def reader(**more):
    return Reader.learn(TEXTS, **{"lowercase": True, "most_words": 6, "min_count": 2, **more})


def test_the_frequent_words_have_the_first_numbers():
    found, frequent = reader()
    assert found.words.words == ("a", "cat", ",", "dog")
    assert frequent == 3
    assert set(found.letters.words) == {"a"}  # each other letter stands in one word alone
    assert reader(lowercase=False)[0].words.words == ("a", "cat", ",", "A", "dog")


def test_a_corpus_is_its_distinct_words_and_where_they_stand():
    found, _ = reader()
    corpus = found.read([*TEXTS, "a cow"])
    assert corpus.distinct == ("a", "cat", ",", "dog", "cow")
    assert corpus.numbers.tolist() == [1, 2, 3, 4, 0]
    assert corpus.lengths.tolist() == [5, 2, 0, 6, 2]
    assert corpus.cut == 1
    assert corpus.counts.tolist() == [1, 3, 1, 3, 3]
    assert corpus.letters[1].tolist() == [0, 1, 0]


def test_a_batch_is_padded_and_spells_each_word_once():
    corpus = reader()[0].read(["a cat", "", "dog a cat", "x" * 99])
    batch = corpus.batch(corpus.texts[:3], vocab_size=3)
    assert batch.lengths.tolist() == [2, 0, 3]
    assert batch.words.tolist() == [[1, 2, 1], [1, 1, 1], [0, 1, 2]]
    assert batch.letters.shape == (3, 3)
    spelt = batch.letters[batch.places]
    assert spelt[2, 2].tolist() == [0, 1, 0]
    assert corpus.batch(corpus.texts[3:], 3).letters.shape == (1, MOST_LETTERS)
    empty = corpus.batch([np.zeros(0, np.int64)], 3)
    assert (empty.words.shape, empty.lengths.tolist()) == ((1, 1), [0])
    nothing = reader()[0].read([""])
    assert nothing.batch(nothing.texts, 3).counts.tolist() == [1]

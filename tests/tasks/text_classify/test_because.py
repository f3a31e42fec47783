"""The words that mattered, of a model whose reasons are known."""

import numpy as np
import pytest

from recurra.tasks.text_classify.because import MOST_SPANS, NAMED, because
from recurra.tasks.text_classify.calibration import log_softmax
from recurra.tasks.text_classify.corpus import Reader

WORTH = {"fine": 2.0, "good": 1.0, "nice": 0.5, "well": 0.25, "bad": -3.0}


def reasons(*texts):
    """Of a model that adds up what its words are worth; and the texts that it was asked."""
    corpus = Reader.learn(texts, lowercase=True, most_words=400, min_count=1)[0].read(texts)
    asked = []

    def ask(some):
        asked.extend(some)
        worth = [sum(WORTH.get(corpus.distinct[word], 0.0) for word in text) for text in some]
        return log_softmax(np.array([[0.0, value] for value in worth]))

    logarithms = ask(corpus.texts)
    del asked[:]
    return because(corpus, logarithms, ask), asked


def test_the_words_that_spoke_most_for_the_answer_are_named_in_their_order():
    found, asked = reasons("well a good fine nice day", "a bad good day", "a day", "")
    assert found == ["fine, good, nice", "bad", "", ""]
    assert len(found[0].split(", ")) == NAMED
    assert len(asked) == 6 + 4 + 2 + 1


def test_a_word_that_comes_twice_is_named_once():
    assert reasons("fine fine good")[0] == ["fine, good"]


@pytest.mark.parametrize("words", [33, 64, 100])
def test_in_a_long_text_neighbours_go_together(words):
    text = " ".join(["so"] * (words - 2) + ["good", "fine"])
    found, asked = reasons(text)
    assert len(asked) == MOST_SPANS
    assert sum(words - len(one) for one in asked) == words
    assert "fine" in found[0].split(", ")[0].split()

"""What is held out: every text once, every class in its share."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recurra.errors import DataError
from recurra.tasks.text_classify.split import halves, stratified


@settings(max_examples=30)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(0, 9))
def test_every_text_is_in_one_part_and_every_class_in_its_share(sizes, seed):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    if max(sizes) < 3:
        with pytest.raises(DataError, match="no class with 3: none can be held out"):
            stratified(labels, seed)
        return
    parts = stratified(labels, seed)
    assert sorted(np.concatenate(parts)) == list(range(len(labels)))
    for label, size in enumerate(sizes):
        counts = [int((labels[part] == label).sum()) for part in parts]
        held = max(1, round(0.1 * size)) if size >= 3 else 0
        assert counts == [size - 2 * held, held, held]


def test_a_seed_says_what_is_held_out():
    labels = np.arange(100) % 2
    one, two, other = stratified(labels, 0), stratified(labels, 0), stratified(labels, 1)
    assert (one.test == two.test).all()
    assert (one.test != other.test).any()


def test_a_validation_file_is_halved_class_by_class():
    labels = np.array([0, 1] * 5 + [0] * 7 + [1] * 5 + [2])
    parts = halves(np.append(labels, [2]), 10, 0)
    assert parts.training.tolist() == list(range(10))
    assert sorted([*parts.validation, *parts.test]) == list(range(10, 24))
    for label, size in enumerate((7, 5, 2)):
        count = int((np.append(labels, [2])[parts.validation] == label).sum())
        assert count in (size // 2, size - size // 2)
    with pytest.raises(DataError, match="--valid has 1 texts; it takes several of each class"):
        halves(np.array([0, 1, 0]), 2, 0)

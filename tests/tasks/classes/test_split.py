"""What is held out: every text once, every class in its share."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recurra.errors import DataError
from recurra.tasks.classes.split import halves, stratified


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
    with pytest.raises(DataError, match="--valid has 1 examples; it takes several of each class"):
        halves(np.array([0, 1, 0]), 2, 0)


@settings(max_examples=30)
@given(st.lists(st.integers(1, 30), min_size=3, max_size=30), st.integers(0, 9))
def test_no_group_is_split_and_every_part_has_one(sizes, seed):
    random = np.random.default_rng(seed)
    groups = [str(g) for g in random.permutation(np.repeat(np.arange(len(sizes)), sizes))]
    labels = random.integers(0, 3, len(groups))
    parts = stratified(labels, seed, groups)
    assert sorted(np.concatenate(parts)) == list(range(len(groups)))
    own = [{groups[row] for row in part} for part in parts]
    assert all(own)
    assert len(own[0] | own[1] | own[2]) == sum(map(len, own))


def test_groups_are_held_out_so_that_each_class_has_its_share():
    groups = np.repeat([f"{g}" for g in range(30)], 20)
    random = np.random.default_rng(0)
    leaning = random.uniform(0.1, 0.9, 30)
    labels = (random.random(600) < np.repeat(leaning, 20)).astype(np.int64)
    parts = stratified(labels, 0, groups.tolist())
    for part, share in zip(parts, (0.8, 0.1, 0.1), strict=True):
        for label in (0, 1):
            assert (labels[part] == label).sum() / (labels == label).sum() == pytest.approx(
                share, abs=0.03
            )


def test_a_class_of_one_group_is_learned_from():
    groups = ["a", "b", "c", "d"]
    labels = np.array([0, 1, 0, 1])
    for seed in range(8):
        parts = stratified(labels, seed, groups)
        assert sorted(labels[parts.training]) == [0, 1]


def test_a_validation_file_is_halved_by_its_groups():
    groups = ["x"] * 5 + ["a", "a", "b", "b", "x", "x"]
    parts = halves(np.zeros(11, np.int64), 5, 0, groups)
    assert parts.training.tolist() == list(range(5))
    own = [{groups[row] for row in part} for part in parts[1:]]
    assert own[0] | own[1] == {"a", "b", "x"}
    assert not own[0] & own[1]


def test_too_few_groups_are_refused():
    with pytest.raises(DataError, match="4 texts come from 2 groups, and none may be split; it t"):
        stratified(np.array([0, 1, 0, 1]), 0, ["a", "a", "b", "b"], "texts")

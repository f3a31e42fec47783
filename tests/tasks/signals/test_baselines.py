"""Baselines: each against its definition, and what they make of made sequences."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.linear_model import Ridge as Reference

from recurra.data.signals import Examples, Sequences
from recurra.tasks.signals import nearest
from recurra.tasks.signals.baselines import baselines
from recurra.tasks.signals.linear import _logistic, _ridge
from recurra.tasks.signals.nearest import BAND, MOST_STEPS, Nearest, shortened
from recurra.tasks.signals.summaries import Standard, dense, of_sequences, of_steps
from recurra.tasks.signals.warping import warped

CLASSES = ("down", "up")


def sequences(rows, categories=None):
    values = np.concatenate(rows).astype(np.float32)
    offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    channels = tuple(f"c{f}" for f in range(values.shape[1]))
    names = tuple(map(str, range(len(rows))))
    return Sequences(values, offsets, channels, names, categories=categories or {})


def slopes(count, seed, per_step=False):
    """Noisy lines of 3 to 12 steps and two channels that go up or down."""
    random = np.random.default_rng(seed)
    rows, ups = [], np.arange(count) % 2
    for up in ups:
        t = np.arange(random.integers(3, 13))[:, None] * (2 * up - 1)
        rows.append(t + random.normal(0, 1, (len(t), 2)) + random.normal(0, 0.3))
    found = sequences(rows)
    each = np.repeat(ups, found.lengths) if per_step else ups
    labels = tuple(CLASSES[up] for up in each)
    return Examples(found, labels, each * 10.0 + 1, per_step)


def slow(query, other, band):
    """The recurrence, cell by cell."""
    n, m = len(query), len(other)
    D = np.full((n + 1, m + 1), np.inf)
    D[0, 0] = 0
    for i in range(n):
        for j in range(m):
            if abs(i * (m - 1) - j * (n - 1)) <= max(band * n * m, n, m):
                cost = ((query[i] - other[j]) ** 2).sum()
                D[i + 1, j + 1] = cost + min(D[i, j], D[i + 1, j], D[i, j + 1])
    return D[n, m]


@pytest.mark.parametrize("band", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("n", [1, 2, 7, 19])
def test_warped_distances_are_those_of_the_recurrence(n, band):
    random = np.random.default_rng(n)
    query, lengths = random.normal(size=(n, 3)), np.array([1, 2, 3, 11, 17, 13])
    others = random.normal(size=(6, 17, 3))
    expected = np.array(
        [slow(query, one[:m], band) for one, m in zip(others, lengths, strict=True)]
    )
    assert np.isfinite(expected).all()
    found = warped(query, others, lengths, band, np.inf)
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    best = float(np.median(expected))
    few = warped(query, others, lengths, band, best)
    np.testing.assert_allclose(few, np.where(expected < best, expected, np.inf), rtol=1e-10)


def test_the_nearest_is_that_of_a_plain_search():
    training, asked = slopes(20, 0).sequences, slopes(9, 1).sequences
    standard = Standard.fit(dense(training))
    found = Nearest(standard, training, np.arange(20.0)[:, None], False).answer(asked)
    own = [standard.of(training.row(r).astype(float)) for r in range(20)]
    for row in range(9):
        query = standard.of(asked.row(row).astype(float))
        assert found[row] == np.argmin([slow(query, one, BAND) for one in own])


def test_summaries_are_those_of_each_sequence():
    found = slopes(6, 2).sequences
    found.values[1, 0] = np.nan
    rows = of_sequences(found)
    for number in range(6):
        x = found.row(number).astype(np.float64)
        for f in range(2):
            t = np.flatnonzero(np.isfinite(x[:, f]))
            own = x[t, f]
            expected = [own.mean(), own.std(), own.min(), own.max(), own[0], own[-1]]
            expected.append(np.polyfit(t, own, 1)[0] if len(t) > 1 else 0)
            np.testing.assert_allclose(rows[number, f:14:2], expected, atol=1e-6)
        assert rows[number, -1] == pytest.approx(np.log(len(x)))


def test_what_is_nowhere_observed_has_no_weight():
    x = np.full((4, 2), np.nan)
    x[:, 0] = [1, 2, 3, 4]
    found = sequences([x[:2], x[2:]])
    for rows in (of_sequences(found), of_steps(found)):
        scaled = Standard.fit(rows).of(rows)
        assert np.isfinite(scaled).all()
        assert (scaled[:, 1:-1:2] == 0).all()


def test_steps_know_nothing_of_later_ones():
    x = np.random.default_rng(0).normal(size=(9, 2))
    whole, cut = of_steps(sequences([x, x])), of_steps(sequences([x[:4]]))
    np.testing.assert_array_equal(whole[:4], cut)
    np.testing.assert_array_equal(whole[9:], whole[:9])


def test_categories_become_one_column_each():
    found = dense(sequences([np.array([[0, 5], [2, 6], [np.nan, 7]])], {0: ("a", "b", "c")}))
    expected = [[1, 0, 0, 5], [0, 0, 1, 6], [np.nan, np.nan, np.nan, 7]]
    np.testing.assert_array_equal(found, expected)


def test_the_linear_maps_are_scikit_learns():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(60, 4)), random.integers(0, 3, 60)
    own = _logistic(x, y, 3, 0.1, np.zeros((5, 3)))
    reference = LogisticRegression(C=1 / (0.1 * 60), tol=1e-8, max_iter=1000).fit(x, y)
    np.testing.assert_allclose(own[:-1].T, reference.coef_, atol=2e-3)
    values = x @ [1.0, 2.0, 0.0, -1.0] + 3 + random.normal(size=60)
    own = _ridge(x, values, 0.5)
    ridge = Reference(alpha=0.5 * 60).fit(x, values)
    np.testing.assert_allclose(own[:, 0], [*ridge.coef_, ridge.intercept_], rtol=1e-8)


@pytest.mark.parametrize("per_step", [False, True])
def test_each_learns_its_part(per_step):
    training, validation = slopes(40, 0, per_step), slopes(16, 1, per_step)
    test = slopes(30, 2, per_step)
    found, told = baselines(training, validation, CLASSES, asked=30)
    names = ["majority", "linear on summaries", "nearest neighbour, time warped"]
    assert [one.name for one in found] == names[: 2 if per_step else 3]
    assert told == []
    labels = np.array([CLASSES.index(label) for label in test.labels])
    shares = [float((one.answer(test.sequences).argmax(1) == labels).mean()) for one in found]
    for one in found:
        np.testing.assert_allclose(one.answer(test.sequences).sum(axis=1), 1)
    assert min(shares[1:]) > 0.8
    values, _ = baselines(training, validation, None, asked=30)
    assert values[0].name == "mean"
    for one in values[1:]:
        answer = one.answer(test.sequences)
        assert ((answer >= 1) & (answer <= 11)).all()
        assert np.abs(answer - test.targets).mean() < 3.5


def test_what_is_compared_is_bounded_and_told():
    training, validation = slopes(60, 0), slopes(8, 1)
    each = training.sequences.lengths.mean() ** 2
    found, told = baselines(training, validation, CLASSES, asked=10, cells=10 * each * 30.5)
    assert told == ["time-warped neighbours among 30 of 60 sequences, drawn"]
    assert found[2].values.sum(axis=0).tolist() == [15, 15]
    found, told = baselines(training, validation, CLASSES, asked=10, cells=100.0)
    assert len(found) == 2
    assert told[0].startswith("no time-warped neighbours")


def test_long_sequences_are_compared_by_means_of_neighbours():
    steps = np.arange(2 * 1005, dtype=np.float64).reshape(1005, 2)
    found = shortened(steps)
    assert found.shape == (MOST_STEPS, 2)
    sizes = np.diff(np.arange(MOST_STEPS + 1) * 1005 // MOST_STEPS)
    assert set(sizes) == {10, 11}
    np.testing.assert_allclose((found * sizes[:, None]).sum(axis=0), steps.sum(axis=0))
    np.testing.assert_allclose(found[0], steps[:10].mean(axis=0))
    np.testing.assert_array_equal(shortened(steps[:MOST_STEPS]), steps[:MOST_STEPS])


def test_one_long_sequence_does_not_make_all_others_dear(monkeypatch):
    training, validation = slopes(20, 0), slopes(4, 1)
    long = np.repeat(training.sequences.row(0), 300, axis=0)
    values = np.concatenate([training.sequences.values, long])
    offsets = np.append(training.sequences.offsets, len(values))
    names = (*training.sequences.names, "long")
    whole = replace(training.sequences, values=values, offsets=offsets, names=names)
    training = replace(training, sequences=whole, labels=(*training.labels, training.labels[0]))
    asked = []
    plain = nearest.warped
    monkeypatch.setattr(
        nearest, "warped", lambda *given: (asked.append(given[1].shape), plain(*given))[1]
    )
    (*_, near), _ = baselines(training, validation, CLASSES, asked=4)
    said = near.answer(whole.take([len(whole) - 1])).argmax(axis=1)
    assert CLASSES[said[0]] == training.labels[0]
    assert max(shape[1] for shape in asked) <= nearest.MOST_STEPS

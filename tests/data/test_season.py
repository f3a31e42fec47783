"""Seasons of made-up series with trend, noise and gaps."""

import numpy as np
import pytest

from recurra.data.season import autocorrelation, calendar_lags, find_season


def waves(length, count=2000, noise=0.5, trend=0.0, gaps=0.0, seed=0):
    rng = np.random.default_rng(seed)
    t = np.arange(count)
    y = np.sin(2 * np.pi * t / length) + noise * rng.normal(size=count) + trend * (t / count) ** 2
    y[rng.random(count) < gaps] = np.nan
    return y


@pytest.mark.parametrize(
    ("length", "frequency"),
    [(24, "h"), (168, "h"), (7, "D"), (52, "W-SUN"), (12, "MS"), (4, "QE-DEC"), (144, "10min"),
     (365, "D"), (5, "B"), (60, "s"), (17, "h"), (33, "row")],
)  # fmt: skip
@pytest.mark.parametrize("seed", [0, 1])
def test_a_wave_is_found_under_trend_noise_and_gaps(length, frequency, seed):
    season = find_season([waves(length, trend=30.0, gaps=0.2, seed=seed)], frequency)
    assert season is not None
    exact = length in calendar_lags(frequency)
    assert abs(season.length - length) <= (0 if exact else 1)
    assert season.strength == pytest.approx(0.5 / 0.75, abs=0.1)


def test_the_calendar_is_preferred_and_the_shorter_of_two():
    day = waves(24, noise=0.3)
    assert find_season([day], "h").length == 24
    week = day + 2 * waves(168, noise=0.0) * np.sign(waves(168, noise=0.0))
    assert find_season([day + week], "h").length == 168


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("frequency", ["h", "D", "B", "row"])
def test_noise_and_random_walks_have_no_season(seed, frequency):
    steps = np.random.default_rng(seed).normal(size=3000)
    assert find_season([steps], frequency) is None
    assert find_season([np.cumsum(steps[:600])], frequency) is None


def test_a_season_needs_two_cycles():
    assert find_season([waves(24, 60, noise=0.1)], "h").length == 24
    assert find_season([waves(24, 47, noise=0.1)], "h") is None


def test_series_are_averaged():
    rng = np.random.default_rng(0)
    noisy = [waves(24, 200, noise=1.0, seed=k) for k in range(30)]
    mixed = [*noisy, rng.normal(size=200), np.full(200, 3.0), np.full(5, np.nan)]
    assert find_season(mixed, "h").length == 24


def test_nothing_has_no_season():
    assert find_season([], "h") is None
    assert find_season([np.full(100, 2.5)], "h") is None
    assert find_season([np.arange(100.0)], "h") is None


def test_the_autocorrelation_is_its_definition():
    series = waves(9, 101, gaps=0.3, seed=3)
    t = np.linspace(-1, 1, 101)
    seen = ~np.isnan(series)
    rest = np.where(seen, series - np.polyval(np.polyfit(t[seen], series[seen], 2), t), 0.0)
    expected = [
        (rest[: 101 - k] * rest[k:]).sum() / (seen[: 101 - k] & seen[k:]).sum() for k in range(71)
    ]
    np.testing.assert_allclose(
        autocorrelation(series), expected / np.array(expected[0]), atol=1e-12
    )


def test_lags_of_the_calendar():
    assert calendar_lags("h") == (24, 168, 8766)
    assert calendar_lags("10min")[:3] == (6, 144, 1008)
    assert calendar_lags("D") == (7, 365)
    assert calendar_lags("W-MON") == (52,)
    assert calendar_lags("MS") == (12,)
    assert calendar_lags("YS-JAN") == ()

"""The model of many workers, on numbers whose answer is known."""

import pytest
from bench.scaling import MESSAGES, Line, fit, predicted

LINE = Line(latency=1e-4, bandwidth=1e9)


def test_a_line_is_found_again():
    points = [(size, LINE.latency + size / LINE.bandwidth) for size in (4.0, 1e4, 1e6, 1e8)]
    found = fit(points)
    assert found.latency == pytest.approx(LINE.latency)
    assert found.bandwidth == pytest.approx(LINE.bandwidth)


def test_a_slow_start_does_not_hide_the_bandwidth():
    noisy = [(4.0, 3e-4), (1e3, 1e-4), (1e6, 1.1e-3), (1e8, 0.1)]
    assert fit(noisy).bandwidth == pytest.approx(1e9, rel=0.1)


def test_two_workers_send_the_gradient_once():
    assert predicted(2, 0.5, 1e9, LINE) == pytest.approx(0.5 + 1.0 + MESSAGES * 1e-4)


def test_many_send_it_twice_at_most_and_wait_for_each_doubling():
    many = predicted(512, 0.0, 1e9, LINE) - MESSAGES * 9 * 1e-4
    assert 1.99 < many < 2.0

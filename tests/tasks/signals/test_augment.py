"""Sequences a little otherwise: by how much, and where not at all."""

from dataclasses import fields

import numpy as np
import pytest

from recurra.errors import OptionError
from recurra.tasks.signals.augment import Augment

STEPS, CHANNELS = 50, 3
SCALES = (np.array([1.0, 10, 0], np.float32), np.array([2.0, 1, 1], np.float32))
# The last channel holds numbers of names.
NAMES = (2,)


def values():
    random = np.random.default_rng(0)
    found = random.normal(0, 1, (STEPS, CHANNELS)) * SCALES[1] + SCALES[0]
    found[:, 2] = random.integers(0, 4, STEPS)
    return found.astype(np.float32)


def changed(key=(0, 1, 2), gaps=None, **more):
    return Augment(**more).change(values(), gaps, SCALES, NAMES, key)


@pytest.mark.parametrize("field", fields(Augment), ids=lambda field: field.name)
def test_a_change_is_one_function_of_its_key(field):
    one, other, same = (
        changed(key, **{field.name: 0.6}) for key in ((0, 1, 2), (0, 2, 2), (0, 1, 2))
    )
    assert one.values.dtype == np.float32
    np.testing.assert_array_equal(one.values, same.values)
    assert one.values.shape != other.values.shape or not np.array_equal(one.values, other.values)
    assert not Augment()
    assert Augment(**{field.name: 0.6})


@pytest.mark.parametrize("name", ["noise", "scale", "shift"])
def test_numbers_move_in_deviations_of_their_channel_and_names_stay(name):
    found = [changed((0, 0, row), **{name: 0.5}) for row in range(200)]
    z = np.stack([(one.values - SCALES[0]) / SCALES[1] for one in found])
    own = (values() - SCALES[0]) / SCALES[1]
    for channel in (0, 1):
        if name == "scale":
            moved = np.log(z[:, :, channel] / own[:, channel])
        else:
            moved = z[:, :, channel] - own[:, channel]
        assert moved.std() == pytest.approx(0.5, rel=0.2)
        # One draw a channel, but for noise.
        assert (moved.std(axis=1).max() < 0.01) == (name != "noise")
    assert all(np.array_equal(one.values[:, 2], values()[:, 2]) for one in found)


def test_steps_cut_off_are_those_at_the_ends():
    lengths = set()
    for row in range(50):
        one = changed((0, 0, row), crop=0.4)
        np.testing.assert_array_equal(one.values, values()[one.places])
        assert (np.diff(one.places) == 1).all()
        lengths.add(len(one.values))
    assert min(lengths) >= 30
    assert len(lengths) > 10


def test_time_goes_faster_or_slower_on_lines_between_steps():
    one = changed((0, 0, 1), stretch=0.5)
    at = np.linspace(0, STEPS - 1, len(one.values))
    assert len(one.values) != STEPS
    for channel in (0, 1):
        expected = np.interp(at, np.arange(STEPS), values()[:, channel])
        np.testing.assert_allclose(one.values[:, channel], expected, atol=1e-4)
    np.testing.assert_array_equal(one.values[:, 2], values()[one.places, 2])
    gaps = np.ones(STEPS, np.float32)
    uneven = changed((0, 0, 1), gaps=gaps, stretch=0.5)
    np.testing.assert_array_equal(uneven.values, values())
    assert len(set(uneven.gaps.tolist())) == 1
    assert uneven.gaps[0] != 1


def test_what_is_taken_away_is_the_mean_and_no_name():
    for field, axis in (("mask_time", 1), ("mask_channels", 0)):
        hidden = [np.isnan(changed((0, 0, row), **{field: 0.5}).values[:, 2]) for row in range(50)]
        one = changed((0, 0, int(np.argmax([h.any() for h in hidden]))), **{field: 0.5})
        gone = np.isnan(one.values[:, 2])
        assert gone.any()
        if axis:
            assert (one.values[gone, :2] == SCALES[0][:2]).all()
            assert (np.diff(np.flatnonzero(gone)) == 1).all()
            assert np.array_equal(one.values[~gone], values()[~gone])
        else:
            assert gone.all()


def test_missing_values_stay_missing():
    own = values()
    own[3, 0] = np.nan
    found = Augment(noise=0.1, scale=0.1, shift=0.1).change(own, None, SCALES, NAMES, (0, 0, 0))
    assert np.isnan(found.values).sum() == 1
    assert np.isnan(found.values[3, 0])


@pytest.mark.parametrize("more", [{"noise": -0.1}, {"crop": 1.0}, {"stretch": 10.0}])
def test_what_is_no_measure_of_change_is_refused(more):
    name = next(iter(more))
    with pytest.raises(OptionError, match=rf"^--{name} is .*; it lies in 0"):
        Augment(**more)

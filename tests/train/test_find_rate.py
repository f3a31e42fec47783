"""The range test finds rates that learn, and leaves no trace."""

import pytest
import torch
from PIL import Image
from tests.train.lessons import Curve, weights

from recurra.errors import OptionError, TrainingError
from recurra.train import Plan, Recipe, find_rate, train


@pytest.fixture(autouse=True)
def _random_state():
    with torch.random.fork_rng(devices=[]):
        yield


def test_the_suggestion_learns_and_its_extremes_do_not():
    found = find_rate(Curve(), Recipe(), quiet=True)
    assert found.rates == sorted(found.rates)
    assert len(found.rates) == len(found.losses)
    assert found.suggested in found.rates

    def reached(rate):
        recipe = Recipe(learning_rate=rate, schedule="constant")
        return train(Curve(), Plan(recipe=recipe, epochs=8, quiet=True)).best.valid_loss

    assert reached(found.suggested) < 0.7 * reached(found.rates[0])
    assert reached(found.suggested) < reached(found.rates[-1])


def test_it_leaves_no_trace():
    lesson = Curve()
    lesson.model.eval()
    before, state = weights(lesson), torch.get_rng_state()
    find_rate(lesson, Recipe(), quiet=True)
    assert all(parameter.grad is None for parameter in lesson.model.parameters())
    assert lesson.carried == 0
    assert torch.equal(weights(lesson), before)
    assert torch.equal(torch.get_rng_state(), state)
    assert not lesson.model.training


def test_noise_before_the_fall_is_no_fall():
    """At rates too small to do anything, losses of batches differ by chance alone."""
    found = find_rate(Curve(), Recipe(), quiet=True)
    assert 1e-4 < found.suggested < 1e-1


def test_it_ends_when_the_loss_diverges():
    found = find_rate(Curve(), Recipe(optimizer="sgd"), quiet=True)
    assert found.rates[-1] < 10
    assert max(found.losses[-5:]) > found.losses[0]


def test_a_loss_that_is_never_finite_is_told():
    with pytest.raises(TrainingError, match="not finite even at the smallest rate"):
        find_rate(Curve(spoil=range(99)), Recipe(), quiet=True)


def test_it_is_drawn(tmp_path):
    find_rate(Curve(), Recipe(), quiet=True).plot(tmp_path / "rates.png")
    with Image.open(tmp_path / "rates.png") as picture:
        picture.load()
        assert picture.format == "PNG"


def test_a_name_that_is_no_pictures_is_refused(tmp_path):
    found = find_rate(Curve(), Recipe(), quiet=True)
    with pytest.raises(OptionError, match=r"rates.csv: what fits is a picture's name"):
        found.plot(tmp_path / "rates.csv")
    assert not any(tmp_path.iterdir())

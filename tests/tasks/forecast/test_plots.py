"""Pictures that open, and are the same each time."""

import pytest
from PIL import Image

from recurra.errors import NotFittedError, OptionError
from recurra.tasks import Forecaster


def test_a_forecast_and_a_training_are_drawn(trained, tmp_path):
    one = trained("forecast")
    forecast = one.estimator.predict()
    one.estimator.plot(forecast, tmp_path / "forecast.png", one.data)
    one.estimator.plot_history(tmp_path / "training.png")
    for name, least in (("forecast.png", (800, 400)), ("training.png", (600, 300))):
        with Image.open(tmp_path / name) as picture:
            picture.load()
            assert picture.format == "PNG"
            assert picture.size >= least
            colours = picture.convert("RGB").getcolors(1 << 20)
            assert len(colours) > 20, "something is drawn"


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_each_format_is_what_it_says(trained, tmp_path, ending):
    one = trained("forecast")
    path = tmp_path / f"x.{ending}"
    one.estimator.plot(one.estimator.predict(), path)
    begin = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[ending]
    assert path.read_bytes().startswith(begin)


def test_another_ending_is_refused_before_anything_is_written(trained, tmp_path):
    one = trained("forecast")
    for name in ("x.doc", "x"):
        with pytest.raises(OptionError, match=r"a picture's name with \.png, \.svg, \.pdf"):
            one.estimator.plot(one.estimator.predict(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_the_same_picture_has_the_same_bytes(trained, tmp_path):
    one = trained("forecast")
    for name in ("a.png", "b.png"):
        one.estimator.plot_history(tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_before_fit_there_is_nothing_to_draw(tmp_path):
    with pytest.raises(NotFittedError):
        Forecaster().plot_history(tmp_path / "x.png")

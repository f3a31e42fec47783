"""Pictures have the same bytes whenever they are drawn."""

import pytest
from matplotlib.figure import Figure

from recurra.errors import OptionError
from recurra.train import save_picture
from recurra.train.picture import FORMATS


def drawn(path):
    figure = Figure(figsize=(2, 1))
    axes = figure.add_subplot()
    axes.imshow([[0.0, 1.0]])
    axes.set_title("a title")
    save_picture(figure, path)
    return path.read_bytes()


@pytest.mark.parametrize("ending", FORMATS)
def test_the_day_of_a_picture_is_not_in_it(tmp_path, monkeypatch, ending):
    found = []
    for day in ("86400", "172800"):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", day)
        found.append(drawn(tmp_path / f"{day}{ending}"))
    assert found[0] == found[1]


def test_a_name_says_the_format(tmp_path):
    assert drawn(tmp_path / "a.svg").startswith(b"<?xml")
    assert drawn(tmp_path / "a.pdf").startswith(b"%PDF")
    with pytest.raises(OptionError, match=r"a\.doc: what fits is a picture's name with \.png, "):
        drawn(tmp_path / "a.doc")
    assert not (tmp_path / "a.doc").exists()

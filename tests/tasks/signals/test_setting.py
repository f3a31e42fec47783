"""What shapes a network for sequences: kept as it is, and refused in one line."""

import json

import pytest

from recurra.errors import OptionError
from recurra.tasks.signals.setting import Setting

FIELDS = {"cell": "gru", "hidden_size": 4, "channels": 3, "outputs": 2}


def test_a_setting_comes_back_from_json():
    one = Setting(**FIELDS, categories=((1, 4), (2, 5)), strands=(2, 1, 0), pooling=("last",))
    assert Setting.from_json(json.loads(json.dumps(one.to_json()))) == one
    assert Setting.from_json(Setting(**FIELDS).to_json()) == Setting(**FIELDS)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"cell": "gruu"}, '--cell is "gruu"; what fits: elman'),
        ({"cell": "conv_lstm"}, '--cell is "conv_lstm"'),
        ({"hidden_size": 0}, "--hidden-size is 0; it is 1"),
        ({"num_layers": True}, "--num-layers is True"),
        ({"downsample": 0}, "--downsample is 0"),
        ({"places": -1}, "--places is -1; it is 0"),
        ({"dropout": 1.0}, "--dropout is 1.0; it lies in 0"),
        ({"convolution": 4}, "--convolution is 4; an odd width fits, such as 5"),
        ({"self_attention": 3}, "--self-attention is 3; a divisor of 8 fits"),
        ({"pooling": ("median",)}, "--pooling is 'median'; it is one or more of mean,max"),
        ({"pooling": ()}, "--pooling is ''"),
        ({"per_step": True, "downsample": 2}, "--downsample 2 leaves no steps to be answered"),
        ({"per_step": True, "fcn": 8}, "--fcn 8 leaves no steps"),
        ({"missing": "zero"}, '--missing is "zero"; what fits: none, mark, interpolate'),
        ({"missing": "cell"}, "--cell gru does not take what is missing; --cell gru_d does"),
        ({"missing": "cell", "cell": "gru_d", "convolution": 3}, "--convolution stands before"),
        ({"categories": ((3, 2),)}, r"categories are \(\(3, 2\),\)"),
        ({"categories": ((1, 2), (1, 3))}, "categories are"),
        ({"strands": (0, 1, 1)}, "strands are not 0 … 2, each once"),
        ({"image": (1, 2, 2)}, r"an image of \(1, 2, 2\) is not 3 numbers"),
        ({"image": (1, 1, 3), "missing": "mark"}, "of images, --missing mean or interpolate"),
    ],
)
def test_what_does_not_fit_is_told(more, message):
    with pytest.raises(OptionError, match=message):
        Setting(**{**FIELDS, **more})

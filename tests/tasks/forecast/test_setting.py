"""A network's shape, checked before anything is built."""

from dataclasses import asdict, replace

import pytest
import torch

from recurra.errors import OptionError
from recurra.tasks.forecast.setting import FITTING, LIMITS, MODELS, Setting

GOOD = Setting("segment", "gru", 8, 7, 14, 2, 3, 1, 2, True, 0.1)


@pytest.mark.parametrize("cell", FITTING)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("hidden_size", [1, 7, 8])
def test_what_fits_is_built(model, cell, hidden_size):
    one = replace(GOOD, model=model, cell=cell, hidden_size=hidden_size)
    network = one.build()
    state = torch.random.get_rng_state()
    assert one.weights() == sum(weight.numel() for weight in network.parameters())
    assert torch.equal(torch.random.get_rng_state(), state)
    y = torch.randn(2, 14)
    answer = network(
        y, torch.tensor([0, -1]), torch.ones(2, 14, dtype=torch.bool), y[:, :, None],
        torch.randn(2, 21, 2),
    )  # fmt: skip
    assert answer.shape == (2, 7)


@pytest.mark.parametrize("cell", ["conv_gru", "conv_lstm"])
def test_a_cell_that_reads_images_is_refused(cell):
    with pytest.raises(OptionError) as caught:
        replace(GOOD, cell=cell)
    assert str(caught.value) == f'--cell is "{cell}"; what fits: {", ".join(FITTING)}'


@pytest.mark.parametrize("name", LIMITS)
def test_sizes_have_limits(name):
    least = 0 if name in ("past", "future") else 1
    for value in (least - 1, LIMITS[name] + 1, 10**30):
        with pytest.raises(
            OptionError, match=f"--{name.replace('_', '-')} is {value!r}; it is {least}"
        ):
            replace(GOOD, **{name: value})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cell": "nope"}, '--cell is "nope"; what fits: elman, gru, lstm'),
        ({"model": "nope"}, '--model is "nope"; what fits: segment, autoregressive'),
        ({"dropout": 1.0}, "--dropout is 1.0"),
        ({"dropout": -0.1}, "--dropout is -0.1"),
        ({"dropout": float("nan")}, "--dropout is nan"),
        ({"context": 15}, "context 15 is no multiple of segment 2"),
    ],
)
def test_what_does_not_fit_is_named(changes, said):
    with pytest.raises(OptionError, match=said):
        Setting(**{**asdict(GOOD), **changes})

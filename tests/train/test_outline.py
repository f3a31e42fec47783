"""A model's outline is the model without its numbers."""

import pytest
import torch
from torch import nn

from recurra.cells import CELLS
from recurra.train import outline


def described(model):
    return {name: (value.shape, value.dtype) for name, value in model.state_dict().items()}


@pytest.mark.parametrize("cell", CELLS)
def test_it_has_the_same_names_shapes_and_types(cell):
    def build():
        return nn.ModuleList([CELLS[cell](3, 5), nn.Linear(5, 2), nn.Embedding(4, 3)])

    state = torch.random.get_rng_state()
    shape = outline(build)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(value.is_meta for value in shape.state_dict().values())
    assert described(shape) == described(build())


def test_absurd_sizes_cost_nothing():
    model = outline(lambda: nn.Linear(10**9, 10**9))
    assert model.weight.shape == (10**9, 10**9)

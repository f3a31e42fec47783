"""A dilated cell is the plain cell on strided parts of the sequence."""

import pytest
import torch

from recurra.cells import GRU, LSTM, MinGRU
from recurra.engine import leaves, tree_map
from recurra.layers import Dilated


@pytest.mark.parametrize("d", [1, 2, 3, 8])
@pytest.mark.parametrize("make", [GRU, LSTM, MinGRU])
def test_it_is_the_cell_on_strided_parts(make, d):
    torch.manual_seed(0)
    cell, x = make(3, 4).double(), torch.randn(2, 11, 3).double()
    dilated = Dilated(cell, d)
    state = tree_map(torch.rand_like, dilated.initial_state(2))
    y, last = dilated.sequence(x, state)
    cell.form = "step"
    for k in range(d):
        part, end = cell.sequence(x[:, k::d], state.ring[k])
        torch.testing.assert_close(y[:, k::d], part, rtol=1e-12, atol=1e-12)
        # The ring turns: what is next stands first.
        found = last.ring[(k - 11) % d]
        torch.testing.assert_close(leaves(found), leaves(end), rtol=1e-12, atol=1e-12)


def test_a_context_holds_for_every_part():
    from recurra.layers import Zoneout

    torch.manual_seed(0)
    inner = Zoneout(GRU(3, 4).double(), 0.5)
    dilated, x = Dilated(inner, 2), torch.randn(2, 6, 3).double()
    context = dilated.sample_context(2)
    y, _ = dilated.sequence(x, context=context)
    for k in range(2):
        part, _ = inner.sequence(x[:, k::2], context=context)
        torch.testing.assert_close(y[:, k::2], part, rtol=1e-12, atol=1e-12)

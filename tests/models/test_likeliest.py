"""The largest of each row beside a sort of the row."""

import math

import numpy as np
import pytest
import torch

from recurra.models.likeliest import likeliest


@pytest.mark.parametrize("V", [1, 7, 263, 2000])
@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("values", [4, 10**6])
def test_the_likeliest_are_as_sorted(V, k, values):
    """Few values are all ties; many are hardly ever."""
    draw = np.random.default_rng(V * k)
    scores = draw.integers(-values, values, (17, V)).astype(np.float32)
    scores[draw.random((17, V)) < 0.3] = -np.inf
    scores[0] = -np.inf
    found, columns = likeliest(torch.from_numpy(scores), k)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    wanted = np.take_along_axis(scores, order, 1)
    np.testing.assert_array_equal(found, wanted)
    finite = wanted > -np.inf
    np.testing.assert_array_equal(columns[finite], order[finite])


@pytest.mark.parametrize("V", [7, 2000])
def test_what_is_no_number_comes_first_of_its_row(V):
    scores = torch.randn(3, V)
    scores[1, 5] = math.nan
    found, _ = likeliest(scores, 2)
    assert np.isnan(found[:, 0]).tolist() == [False, True, False]

"""A network from whole numbers to scores, for the tests of streams."""

import torch
from torch import nn

from recurra import GRU, LSTM, Each, Embedding, Stack
from recurra.engine import leaves


def language(seed=0):
    """A table, two cells and a head."""
    torch.manual_seed(seed)
    layers = [Embedding(11, 6), GRU(6, 8), LSTM(8, 7), Each(nn.Linear(7, 11))]
    return Stack(layers).eval().requires_grad_(False)


def same(a, b):
    """Whether two trees have the same bits."""
    return all(torch.equal(one, other) for one, other in zip(leaves(a), leaves(b), strict=True))

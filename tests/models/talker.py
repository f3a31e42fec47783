"""Speakers small enough to say every sentence of, and what a sentence of theirs should cost."""

import itertools

import numpy as np
import pytest
import torch

from recurra.models import Speaker

WIDTH, PLACES = 5, 3


class Talker(Speaker):
    """A small recurrence; each sentence has a vector of its own, and its shares follow the state.

    `asked` is how many rows each step had.
    """

    def __init__(self, sources, copies=1, *, V=5, seed=0, spread=2.0):
        draw = torch.Generator().manual_seed(seed)

        def normal(*shape):
            return torch.randn(*shape, generator=draw, dtype=torch.float64)

        self.size, self.asked = V, []
        self.words, self.turn, self.out = normal(V, WIDTH), normal(WIDTH, WIDTH), normal(V, WIDTH)
        self.own = normal(20, WIDTH)[sources].repeat_interleave(copies, 0)
        self.spread, self.h = spread, torch.zeros_like(self.own)

    @property
    def rows(self):
        return len(self.own)

    def step(self, tokens):
        self.asked.append(len(tokens))
        turned = (self.h[:, None] * self.turn).sum(2)
        self.h = torch.tanh(turned + self.words[tokens] + self.own)
        return (self.spread * (self.h[:, None] * self.out).sum(2)).log_softmax(1)

    def keep(self, rows):
        self.own, self.h = self.own[rows], self.h[rows]

    @property
    def shares(self):
        return self.h[:, :PLACES].softmax(1)


class Table(Speaker):
    """The same log p in every step, one line a sentence."""

    def __init__(self, log_p, copies=1):
        self.log_p, self.asked = torch.tensor(log_p).repeat_interleave(copies, 0), []
        self.size = self.log_p.shape[1]

    @property
    def rows(self):
        return len(self.log_p)

    def step(self, tokens):
        self.asked.append(len(tokens))
        return self.log_p.clone()

    def keep(self, rows):
        self.log_p = self.log_p[rows]

    @property
    def shares(self):
        return torch.ones(self.rows, 1)


def lp(length, alpha):
    return ((5 + length) / 6) ** alpha


def heard(tokens, source, end, *, finished=True, **options):
    """Nats and shares of a sentence, said by one row."""
    talker, nats, shares = Talker([source], **options), 0.0, []
    for before, token in itertools.pairwise([end, *tokens, *([end] if finished else [])]):
        nats -= float(talker.step(torch.tensor([before]))[0, token])
        shares.append(talker.shares[0].numpy())
    return nats, np.array(shares).reshape(-1, PLACES)


def same(some, others):
    for one, other in zip(some, others, strict=True):
        assert (one.tokens, one.finished) == (other.tokens, other.finished)
        assert one.nats == pytest.approx(other.nats, rel=1e-12)
        assert one.score == pytest.approx(other.score, rel=1e-12)
        if one.shares is not None:
            np.testing.assert_allclose(one.shares, other.shares, rtol=1e-12)

"""A probe chooses what is fast, within memory and time, and leaves no trace."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from recurra.errors import DataError, OptionError
from recurra.train import Lesson, Truncated, probe
from recurra.train.random_state import random_facts, random_tensors

ROOM = sys.modules[probe.__module__]
PLENTY = 1 << 30


class Costly(Lesson[torch.Tensor]):
    """A step that takes as many seconds as is said, by a clock of its own."""

    def __init__(self, model, seconds, watch, streams, window):
        self.model, self.steps = model, 9
        self._shape, self._seconds, self._watch = (streams, window), seconds, watch

    def batches(self, epoch, begin):
        return (torch.ones(self._shape) for _ in range(begin, self.steps))

    def loss(self, batch):
        self._watch[0] += self._seconds
        return self.model(batch[:, :1]).square().mean() * batch.mean()

    def validate(self):
        return 0.0


@pytest.fixture
def choose(monkeypatch):
    """What is chosen where a step of (streams, window) costs so much, what was tried, how long."""

    def search(cost, **options):
        watch, tried, model = [0.0], [], nn.Linear(1, 1)

        def clock():
            return watch[0]

        fake = SimpleNamespace(monotonic=clock, process_time=clock, perf_counter=clock)
        monkeypatch.setattr(ROOM, "time", fake)

        def build(streams, window):
            tried.append((streams, window))
            return Costly(model, cost(streams, window), watch, streams, window)

        given = {"windows": (8, 16, 32), "streams": (2, 4, 8, 16), "memory_bytes": PLENTY}
        return probe(build, **{**given, **options}), tried, watch[0]

    return search


def test_where_rows_are_free_it_takes_all_of_them(choose):
    found, _, spent = choose(lambda B, T: 1e-3 * T)
    assert (found.streams, found.window) == (16, 32)
    assert spent < 5


def test_where_speed_is_the_same_it_takes_long_windows_and_few_rows(choose):
    found, tried, _ = choose(lambda B, T: 1e-4 * B * T)
    assert (found.streams, found.window) == (2, 32)
    assert found.tokens_per_second == pytest.approx(10_000)
    # Lines and not the grid.
    assert len(tried) < 12
    assert found.said.startswith(
        "window 32, 2 streams: 10,000 tokens a second, 100% of the fastest of"
    )
    assert "\n" not in found.said


def test_a_step_that_costs_by_itself_wants_many_tokens(choose):
    """Of all windows of 32 only the one of 16 rows is within a twentieth of the fastest."""
    found, _, _ = choose(lambda B, T: 4e-3 + 1e-4 * B * T)
    assert (found.streams, found.window) == (16, 32)
    found, _, _ = choose(lambda B, T: 1e-3 + 1e-4 * B * T)
    assert (found.streams, found.window) == (8, 32)


def test_what_grows_slow_when_long_is_left_out(choose):
    found, _, _ = choose(lambda B, T: 1e-4 * B * T * (3 if T > 16 else 1))
    assert (found.streams, found.window) == (2, 16)


@pytest.mark.parametrize("seed", range(8))
def test_it_is_close_to_the_best_of_the_grid(choose, seed):
    """On machines made at random: a step's own cost, rows in tiles, a cache that overflows."""
    random = np.random.default_rng(seed)
    own, tile, step = 10 ** random.uniform(-4, -2.5), 2 ** random.integers(0, 5), 10**-4.5
    cache, slow = 2 ** random.integers(8, 14), random.uniform(1, 2)

    def cost(B, T):
        rows = -(-B // tile) * tile + 4
        return float(own + step * rows * T / 4 * (slow if cache < B * T else 1))

    windows, streams = (16, 32, 64, 128, 256), (4, 8, 16, 32, 64, 128)
    found, _, spent = choose(cost, windows=windows, streams=streams)
    best = max(B * T / cost(B, T) for B in streams for T in windows)
    assert found.tokens_per_second > 0.85 * best
    assert spent < 5.5


def test_memory_is_the_bound(choose):
    """The backward keeps about 4 bytes a token here, counted up to four times."""
    found, tried, _ = choose(lambda B, T: 1e-3 * T, memory_bytes=128 * 40)
    assert 16 < found.streams * found.window < 512
    assert max(streams * window for streams, window in tried) < 512
    with pytest.raises(OptionError, match="2 streams and a window of 8 take about 0 MiB"):
        choose(lambda B, T: 1e-3, memory_bytes=8)


@pytest.mark.parametrize("cost", [0.01, 0.1, 0.5, 3.0])
def test_time_is_the_bound(choose, cost):
    found, tried, spent = choose(lambda B, T: cost * B * T / 16)
    assert (found.streams, found.window) in tried
    # The smallest size is tried however long it takes: its memory, and two steps of it.
    assert spent <= max(5.0, 3 * cost)


class Language(nn.Module):
    """With dropout, which draws, and a buffer, which changes."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.cell = nn.Embedding(5, 4), nn.GRU(4, 4, batch_first=True)
        self.norm, self.drop, self.head = nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 5)

    def initial_state(self, batch_size):
        return (torch.zeros(1, batch_size, 4),)

    def forward(self, x, state, *, reset=None, checkpoint=None):
        y, after = self.cell(self.table(x), *state)
        return self.head(self.drop(self.norm(y.transpose(1, 2)).transpose(1, 2))), (after,)


def build_of(model, tokens):
    text = np.random.default_rng(0).integers(0, 5, tokens)
    return lambda streams, window: Truncated(model, text, streams=streams, window=window)


def test_weights_and_random_states_are_as_before():
    model = Language().eval()
    model.norm.train()
    model.head.weight.grad = torch.ones_like(model.head.weight)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    facts, tensors = random_facts(), random_tensors()
    probe(
        build_of(model, 2000),
        windows=(4, 8),
        streams=(2, 4),
        memory_bytes=PLENTY,
        seconds=0.2,
    )
    after = model.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    # Python's own is drawn from by the checks of annotations that the tests run under.
    assert random_facts()["numpy"] == facts["numpy"]
    assert torch.equal(random_tensors()["cpu"], tensors["cpu"])
    assert (model.training, model.norm.training, model.drop.training) == (False, True, False)
    assert model.head.weight.grad.eq(1).all()
    assert model.table.weight.grad is None


def test_sizes_that_the_data_does_not_fill_are_left_out():
    options = {"windows": (4, 8, 64), "memory_bytes": PLENTY, "seconds": 0.2}
    found = probe(build_of(Language(), 60), streams=(2, 4, 99), **options)
    assert found.streams <= 4
    assert found.window <= 8
    with pytest.raises(DataError, match="make no 99 streams"):
        probe(build_of(Language(), 60), streams=(99,), **options)


@pytest.mark.parametrize("wrong", [{"windows": ()}, {"streams": ()}, {"windows": (0, 4)}])
def test_there_must_be_something_to_choose_from(choose, wrong):
    with pytest.raises(OptionError, match="at least one each"):
        choose(lambda B, T: 1, **wrong)

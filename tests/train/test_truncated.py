"""Truncated BPTT: the gradient of the plain loop, and a state that goes on where it should."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells import GRU, LSTM
from recurra.engine import tree_map
from recurra.errors import DataError, OptionError, RunFolderError
from recurra.layers import Each, Embedding, Stack
from recurra.train import Course, Plan, Recipe, Streams, Truncated, train
from recurra.train.streams import variable_cuts

V, H, SEPARATOR = 7, 5, 3


class Network(nn.Module):
    """Two layers, and what stands around them."""

    def __init__(self, dropout: float = 0.0, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        torch.manual_seed(1)
        layers = [Embedding(V, H), LSTM(H, H), GRU(H, H), Each(nn.Linear(H, V))]
        self.stack = Stack(layers, dropout=dropout).to(dtype)
        self.asked: list[int | None] = []

    def initial_state(self, batch_size):
        return self.stack.initial_state(batch_size)

    def forward(self, x, state, *, reset=None, checkpoint=None):
        self.asked.append(checkpoint)
        return self.stack.sequence(x, state, reset=reset, checkpoint=checkpoint)


class Sliced:
    """Tokens that are no array, as those of a file in parts."""

    def __init__(self, tokens):
        self._tokens = tokens

    def __len__(self):
        return len(self._tokens)

    def __getitem__(self, part):
        assert isinstance(part, slice)
        return self._tokens[part]


def tokens(length: int, kind: type = np.uint16):
    return np.random.default_rng(0).integers(0, V, length).astype(kind)


def gradients(model: nn.Module, loss: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(loss, list(model.parameters())))


def plain(model: Network, x, state, reset=None):
    """Step by step, by definition."""
    scores, initial = [], model.initial_state(len(x))
    for t in range(x.shape[1]):
        if reset is not None:
            begins = reset[:, t, None]
            state = tree_map(lambda new, old, b=begins: torch.where(b, new, old), initial, state)
        y, state = model.stack.step(x[:, t], state)
        scores.append(y)
    return torch.stack(scores, dim=1), state


def nats(scores: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(scores.flatten(0, 1), targets.flatten())


@pytest.mark.parametrize("separator", [None, SEPARATOR])
@pytest.mark.parametrize("checkpoint", [None, 4])
@pytest.mark.parametrize("more", [0, 20])
def test_a_window_over_all_steps_has_the_gradient_of_all_time(separator, checkpoint, more):
    model, text = Network(), tokens(3 * 31 + 1)
    lesson = Truncated(
        model, text, streams=3, window=31 + more, separator=separator, checkpoint=checkpoint
    )
    (window,) = lesson.batches(1, 0)
    whole = torch.from_numpy(text.astype(np.int64))
    x, targets = whole[:-1].view(3, 31), whole[1:].view(3, 31)
    reset = None
    if separator is not None:
        reset = F.pad(x[:, :-1] == separator, (1, 0))
        assert reset.sum() > 3
    scores, _ = plain(model, x, model.initial_state(3), reset)
    true = nats(scores, targets)
    loss = lesson.loss(window)
    torch.testing.assert_close(loss, true, rtol=1e-12, atol=0)
    found, wanted = gradients(model, loss), gradients(model, true)
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-10)
    assert model.asked == [checkpoint]


def test_two_windows_have_the_gradients_of_two_detached_halves():
    model, text = Network(), tokens(2 * 24 + 1)
    lesson = Truncated(model, text, streams=2, window=12)
    found = [torch.zeros_like(p) for p in model.parameters()]
    for window in lesson.batches(1, 0):
        found = [a + b for a, b in zip(found, gradients(model, lesson.loss(window)), strict=True)]
    x = torch.from_numpy(text.astype(np.int64))
    x, targets = x[:-1].view(2, 24), x[1:].view(2, 24)

    def by_hand(cut):
        first, state = plain(model, x[:, :12], model.initial_state(2))
        second, _ = plain(model, x[:, 12:], tree_map(Tensor.detach, state) if cut else state)
        return gradients(model, nats(first, targets[:, :12]) + nats(second, targets[:, 12:]))

    torch.testing.assert_close(found, by_hand(cut=True), rtol=1e-10, atol=1e-10)
    # Where no gradient is cut off, it is another one.
    whole = by_hand(cut=False)
    assert max((a - b).abs().max() for a, b in zip(found, whole, strict=True)) > 1e-6


def read(windows):
    """What windows hold, side by side."""
    windows = list(windows)
    resets = [torch.zeros_like(w.inputs, dtype=torch.bool) for w in windows]
    resets = [a if w.reset is None else w.reset for a, w in zip(resets, windows, strict=True)]
    parts = ([w.inputs for w in windows], [w.targets for w in windows], resets)
    return [torch.cat(part, dim=1).numpy() for part in parts]


@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.int64])
@pytest.mark.parametrize("variable", [False, True])
@pytest.mark.parametrize("length", [2 * 60 + 1, 2 * 60 + 2, 2 * 67])
def test_streams_are_read_whole_and_in_order(kind, variable, length):
    text = tokens(length, kind)
    options = {"streams": 2, "window": 11, "separator": SEPARATOR, "variable": variable}
    lesson = Truncated(Network(), text, **options)
    windows = list(lesson.batches(1, 0))
    assert len(windows) == lesson.steps
    assert [window.first for window in windows] == [True] + [False] * (lesson.steps - 1)
    n = (length - 1) // 2
    inputs, targets, reset = read(windows)
    for row in range(2):
        own = text[row * n : row * n + n + 1]
        assert (inputs[row] == own[:-1]).all()
        assert (targets[row] == own[1:]).all()
        assert (reset[row] == np.append(False, own[:-2] == SEPARATOR)).all()


def test_a_memory_map_and_parts_of_a_file_read_like_an_array(tmp_path):
    text = tokens(101)
    text.tofile(tmp_path / "tokens")
    mapped = np.memmap(tmp_path / "tokens", np.uint16, "r")
    options = {"streams": 3, "window": 7, "separator": SEPARATOR}
    found = [Truncated(Network(), t, **options) for t in (text, mapped, Sliced(text), text[:])]
    wanted = read(found[0].batches(1, 0))
    for lesson in found:
        for a, b in zip(wanted, read(lesson.batches(1, 0)), strict=True):
            assert (a == b).all()
        assert lesson.validate() == found[0].validate()


def test_variable_windows_are_drawn_from_the_epoch_and_can_be_begun_anywhere():
    lesson = Truncated(Network(), tokens(4001), streams=4, window=40, variable=True, seed=3)
    lengths = []
    for epoch in (1, 2):
        every = list(lesson.batches(epoch, 0))
        lengths.append([window.inputs.shape[1] for window in every])
        for begin in (1, 7, len(every) - 1):
            for a, b in zip(every[begin:], lesson.batches(epoch, begin), strict=True):
                assert (a.inputs == b.inputs).all()
    assert lengths[0] != lengths[1]
    other = Truncated(Network(), tokens(4001), streams=4, window=40, variable=True, seed=4)
    assert [w.inputs.shape[1] for w in other.batches(1, 0)] != lengths[0]


@pytest.mark.parametrize(("length", "window"), [(100_000, 70), (100_000, 10), (50, 35), (4, 10)])
def test_variable_lengths_follow_their_law(length, window):
    spread = []
    for seed in range(20):
        ends = variable_cuts(length, window, np.random.default_rng(seed))
        lengths = np.diff(ends)
        assert (ends[0], ends[-1]) == (0, length)
        assert lengths.min() >= min(5, length)
        spread.append(lengths)
    if length < 1000 or window < 70:
        return
    every = np.concatenate(spread)
    assert every.mean() == pytest.approx(0.975 * window, rel=0.01)
    usual = every[every > 50]
    assert len(usual) / len(every) == pytest.approx(0.95, abs=0.01)
    assert usual.std() == pytest.approx(5, rel=0.05)


def test_a_variable_window_weighs_as_long_as_it_is():
    """Their mean is the mean over all targets: a step of SGD is as long as the window."""
    model, text = Network(), tokens(2 * 300 + 1)
    lesson = Truncated(model, text, streams=2, window=20, variable=True)
    total, state = 0.0, model.initial_state(2)
    losses = []
    for window in lesson.batches(1, 0):
        scores, state = plain(model, window.inputs, state)
        total += nats(scores, window.targets).item() * window.targets.numel()
        losses.append((lesson.loss(window).item(), lesson.weight(window)))
    mean = sum(loss * weight for loss, weight in losses) / sum(weight for _, weight in losses)
    assert mean == pytest.approx(total / 600, rel=1e-12)


def test_the_state_is_carried_within_an_epoch_and_begins_anew_with_the_next():
    model, text = Network(), tokens(2 * 30 + 1)
    lesson = Truncated(model, text, streams=2, window=8)
    losses = [[lesson.loss(w).item() for w in lesson.batches(epoch, 0)] for epoch in (1, 2)]
    assert losses[0] == losses[1]
    windows = list(lesson.batches(1, 0))
    # Asked ahead of the step, as a prefetching reader does.
    assert [lesson.loss(window).item() for window in windows] == losses[0]
    # Asked again, as after a step that was left out.
    lesson.loss(windows[0])
    assert [lesson.loss(windows[1]).item() for _ in range(3)] == [losses[0][1]] * 3
    lesson.forget()
    assert lesson.state() == {}
    assert lesson.loss(windows[1]).item() != losses[0][1]


@pytest.mark.parametrize("length", [2, 40, 3 * 50 + 3])
def test_validation_counts_every_target_once_and_in_order(length):
    model = Network()
    text = tokens(length)
    lesson = Truncated(model, tokens(99), streams=3, window=16, valid=text, separator=SEPARATOR)
    rows = max(1, min(3, (length - 1) // 16))
    n = (length - 1) // rows
    total = 0.0
    # The last row goes on to the end.
    for row in range(rows):
        end = length if row == rows - 1 else (row + 1) * n + 1
        own = torch.from_numpy(text[row * n : end].astype(np.int64))[None]
        reset = F.pad(own[:, :-2] == SEPARATOR, (1, 0))
        scores, _ = plain(model, own[:, :-1], model.initial_state(1), reset)
        total += nats(scores, own[:, 1:]).item() * (own.shape[1] - 1)
    with torch.no_grad():
        assert lesson.validate() == pytest.approx(total / (length - 1), rel=1e-12)


RECIPE = Recipe(learning_rate=0.02, optimizer="adamw", weight_decay=0.1)


class KilledError(Exception):
    pass


class Until(Truncated):
    """Dies in the middle of its n-th loss."""

    left = 1 << 30

    def loss(self, batch):
        self.left -= 1
        if self.left == 0:
            raise KilledError
        return super().loss(batch)


def lesson_of(kind, variable):
    model = Network(dropout=0.3, dtype=torch.float32)
    text = tokens(2 * 130 + 1)
    return kind(
        model, text, streams=2, window=20, valid=text[:50], separator=SEPARATOR, variable=variable
    )


@pytest.mark.parametrize("variable", [False, True])
@pytest.mark.parametrize("steps", [1, 4, 9])
def test_a_training_that_was_killed_goes_on_bit_for_bit(tmp_path, variable, steps):
    plan = Plan(epochs=2, recipe=RECIPE, quiet=True)
    with torch.random.fork_rng(devices=[]):
        whole = lesson_of(Truncated, variable)
        torch.manual_seed(5)
        history = train(whole, plan)
        killed = lesson_of(Until, variable)
        killed.left = steps + 1
        torch.manual_seed(5)
        with pytest.raises(KilledError):
            train(killed, plan, Course(tmp_path / "run", minutes=0.0))
        again = lesson_of(Truncated, variable)
        torch.manual_seed(6)
        resumed = train(again, plan, Course(tmp_path / "run", resume=True))
    assert [e.valid_loss for e in resumed.epochs] == [e.valid_loss for e in history.epochs]
    for a, b in zip(whole.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_checkpoint_of_other_streams_does_not_fit(tmp_path):
    plan = Plan(epochs=1, recipe=RECIPE, quiet=True)
    killed = lesson_of(Until, variable=False)
    killed.left = 3
    with pytest.raises(KilledError):
        train(killed, plan, Course(tmp_path / "run", minutes=0.0))
    other = Truncated(killed.model, tokens(261), streams=3, window=20)
    with pytest.raises(RunFolderError, match=r"does not fit: a carried state is \(2, 5\)"):
        train(other, plan, Course(tmp_path / "run", resume=True))


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"streams": 0}, "--streams is 0"),
        ({"window": 0}, "--window is 0; it is at least 1"),
        ({"window": 9, "variable": True}, "--window is 9; a variable one is at least 10"),
    ],
)
def test_options_that_make_no_sense_are_named(options, found):
    with pytest.raises(OptionError, match=found):
        Truncated(Network(), tokens(99), **{"streams": 2, "window": 20, **options})


def test_texts_that_cannot_be_cut_are_refused():
    with pytest.raises(DataError, match="5 tokens make no 5 streams"):
        Streams(tokens(5), 5, None)
    for wrong in (np.zeros((9, 2), int), np.zeros(9), np.zeros((9, 2), bool)):
        with pytest.raises(DataError, match="it is a row of whole numbers"):
            Streams(wrong, 2, None)
    assert math.isclose(Streams(tokens(6), 5, None).length, 1)


def test_the_streams_of_two_processes_are_those_of_one(monkeypatch):
    text = tokens(200)
    whole = list(Truncated(Network(), text, streams=3, window=8, separator=SEPARATOR).batches(1, 2))
    parts = []
    for rank in (0, 1):
        for name, value in {"RANK": rank, "WORLD_SIZE": 2, "MASTER_PORT": 0}.items():
            monkeypatch.setenv(name, str(value))
        monkeypatch.setenv("MASTER_ADDR", "localhost")
        lesson = Truncated(Network(), text, streams=3, window=8, separator=SEPARATOR)
        parts.append(list(lesson.batches(1, 2)))
        with torch.no_grad():
            lesson.loss(parts[-1][0])
        again = Truncated(Network(), text, streams=3, window=8, separator=SEPARATOR)
        again.restore(lesson.state())
        assert all(torch.equal(v, again.state()[k]) for k, v in lesson.state().items())
    for window, first, second in zip(whole, *parts, strict=True):
        assert torch.equal(window.inputs[::2], first.inputs)
        assert torch.equal(window.inputs[1::2], second.inputs)
        assert torch.equal(window.targets[1::2], second.targets)
        if window.reset is not None:
            assert torch.equal(window.reset[::2], first.reset)
        assert (first.first, second.first) == (window.first, window.first)
    with pytest.raises(OptionError, match="--streams is 1; it is at least 2"):
        Truncated(Network(), text, streams=1, window=8)


def test_label_smoothing_spreads_targets_while_learning_alone():
    model = Network()
    smooth = Truncated(model, tokens(100), streams=2, window=8, label_smoothing=0.1)
    sharp = Truncated(model, tokens(100), streams=2, window=8)
    window = next(smooth.batches(1, 0))
    scores, _ = model(window.inputs, model.initial_state(2))
    spread = 0.9 * F.one_hot(window.targets, V) + 0.1 / V
    expected = -(spread * scores.log_softmax(-1)).sum(-1).mean()
    torch.testing.assert_close(smooth.loss(window), expected)
    assert smooth.loss(window) != sharp.loss(window)
    assert smooth.validate() == sharp.validate()
    with pytest.raises(OptionError, match="--label-smoothing is 1"):
        Truncated(model, tokens(100), streams=2, window=8, label_smoothing=1.0)

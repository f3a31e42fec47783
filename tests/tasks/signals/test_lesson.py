"""Batches of sequences, their losses and answers, on a class that only order tells."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from recurra.data.signals.sequences import Sequences
from recurra.errors import OptionError
from recurra.tasks.signals.augment import Augment
from recurra.tasks.signals.lesson import Learning, SignalLesson, answer, steps_of
from recurra.tasks.signals.setting import Setting
from recurra.train import Plan, Recipe

ROWS = 60


def sequences(scale=1.0):
    """Ramps that rise or fall, of 2 to 6 steps, and their classes."""
    random = np.random.default_rng(0)
    lengths = random.integers(2, 7, ROWS)
    labels = random.integers(0, 2, ROWS)
    ramps = [
        np.linspace(-1, 1, n)[:: 1 if label else -1]
        for n, label in zip(lengths, labels, strict=True)
    ]
    values = np.stack([np.concatenate(ramps), random.normal(5, 3, lengths.sum())], axis=1)
    return (
        Sequences(
            (scale * values).astype(np.float32),
            np.cumsum([0, *lengths]),
            ("ramp", "noise"),
            tuple(map(str, range(ROWS))),
        ),
        labels,
    )


def lesson(answers=None, *, loss="classes", smoothing=0.0, batch_size=8, **more):
    found, labels = sequences()
    own = {k: more.pop(k) for k in ("class_weights", "augment") if k in more}
    learning = Learning(
        found,
        labels if answers is None else answers,
        training=np.arange(40),
        validation=np.arange(40, ROWS),
        **own,
    )
    outputs = 2 if loss == "classes" else 1
    setting = Setting(
        **{"cell": "gru", "hidden_size": 4, "channels": 2, "outputs": outputs, **more}
    )
    return SignalLesson(
        setting, learning, batch_size=batch_size, seed=1, loss=loss, smoothing=smoothing
    )


@pytest.fixture(scope="module")
def taught():
    plan = Plan(recipe=Recipe(learning_rate=0.03), epochs=4, quiet=True)
    return lesson().teach(plan)


def test_it_learns_what_only_order_tells(taught):
    model, history = taught
    found, labels = sequences()
    scores = answer(model, found, np.arange(ROWS))
    assert (scores.argmax(axis=1) == labels)[40:].mean() > 0.9
    logs = torch.log_softmax(torch.from_numpy(scores[40:]), dim=1)
    nats = -logs[torch.arange(20), torch.from_numpy(labels[40:])].mean()
    assert min(epoch.valid_loss for epoch in history.epochs) == pytest.approx(float(nats), rel=1e-6)


def test_answers_come_in_the_order_asked_for(taught):
    found, _ = sequences()
    scores = answer(taught[0], found, np.arange(ROWS))
    rows = np.array([7, 3, 59, 0])
    np.testing.assert_allclose(answer(taught[0], found, rows), scores[rows], rtol=0, atol=1e-6)
    assert answer(taught[0], found, rows[:0]).shape == (0, 2)


def test_scales_come_from_the_training_part_alone(taught):
    found, _ = sequences()
    known = found.values[: found.offsets[40]]
    np.testing.assert_allclose(taught[0].features.mean, known.mean(axis=0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(taught[0].features.scale, known.std(axis=0), rtol=1e-4)


def test_the_unit_of_what_was_measured_does_not_matter():
    one = lesson()
    other = lesson()
    other._learning = replace(other._learning, sequences=sequences(1000.0)[0])
    batches = [next(iter(each.batches(1, 0))) for each in (one, other)]
    losses = [each.build() and each.loss(b) for each, b in zip((one, other), batches, strict=True)]
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-3, atol=1e-4)


def test_every_sequence_once_and_the_loss_is_the_weighted_mean():
    one = lesson(class_weights=np.array([1.0, 3.0]), smoothing=0.1)
    batches = list(one.batches(1, 0))
    assert len(batches) == one.steps == 5
    assert sum(len(batch.target) for batch in batches) == 40
    assert len(list(one.batches(1, 3))) == 2
    one.build().eval()
    batch = batches[0]
    logs = torch.log_softmax(one.model(batch.steps), dim=1)
    targets = 0.9 * torch.eye(2)[batch.target] + 0.05
    weight = 1 + 2.0 * batch.target
    expected = (-(targets * logs).sum(dim=1) * weight).sum() / weight.sum()
    torch.testing.assert_close(one.loss(batch), expected)
    assert one.weight(batch) == weight.sum()


def test_each_step_is_answered_and_what_is_not_known_counts_nothing():
    found, labels = sequences()
    each = np.repeat(labels, found.lengths)
    each[1] = -1
    one = lesson(each, per_step=True, batch_size=40)
    (batch,) = one.batches(1, 0)
    assert batch.target.shape == batch.steps.values.shape[:2]
    assert batch.weight.sum() == found.offsets[40] - 1
    one.build().eval()
    logs = torch.log_softmax(one.model(batch.steps), dim=2)
    nats = -logs.gather(2, batch.target[..., None])[..., 0]
    torch.testing.assert_close(one.loss(batch), nats[batch.weight > 0].mean())
    scores = answer(one.model, found, np.array([5, 2]))
    assert scores.shape == (found.lengths[5] + found.lengths[2], 2)
    alone = one.model(steps_of(found, np.array([2])))[0]
    np.testing.assert_allclose(scores[-len(alone) :], alone.detach(), atol=1e-6)


@pytest.mark.parametrize("loss", ["numbers", "huber"])
def test_values_are_learned_in_their_deviation_and_validated_in_their_unit(loss):
    targets = 100 + 10.0 * sequences()[1]
    one = lesson(targets, loss=loss, batch_size=40)
    model = one.build().eval()
    assert float(model.answer_mean) == pytest.approx(targets[:40].mean(), rel=1e-5)
    assert float(model.answer_scale) == pytest.approx(targets[:40].std(), rel=1e-5)
    (batch,) = one.batches(1, 0)
    off = (model(batch.steps)[:, 0] - batch.target) / targets[:40].std()
    small = off.abs() < 1
    huber = torch.where(small, off.square() / 2, off.abs() - 0.5)
    expected = (off.square() if loss == "numbers" else huber).mean()
    torch.testing.assert_close(one.loss(batch), expected, check_dtype=False)
    found = answer(model, sequences()[0], np.arange(40, ROWS))[:, 0]
    assert one.validate() == pytest.approx(np.sqrt(np.mean((found - targets[40:]) ** 2)), rel=1e-6)


def test_a_seed_an_epoch_and_a_row_are_one_change_whatever_the_batch():
    augment = Augment(noise=0.1, crop=0.4, mask_time=0.3)
    few, many = lesson(augment=augment, batch_size=3), lesson(augment=augment, batch_size=40)
    for each in (few, many):
        each.build()

    def rows(one, epoch):
        found = set()
        for steps, _, _ in one.batches(epoch, 0):
            found |= {
                tuple(v[:n].flatten().tolist())
                for v, n in zip(steps.values, steps.lengths.tolist(), strict=True)
            }
        return found

    assert rows(few, 1) == rows(many, 1)
    assert len(rows(few, 1)) == 40
    assert not rows(few, 1) & rows(few, 2)


def test_another_loss_is_refused():
    with pytest.raises(OptionError, match="loss is 'hinge', one of classes, numbers, huber fits"):
        lesson(loss="hinge")

"""The loop against what it promises: the best weights, the plan's rate, an honest end."""

import math
import threading
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from recurra.errors import OptionError, TrainingError
from recurra.train import Lesson, Plan, Recipe, train
from recurra.train import loop as room

RATE = Recipe(learning_rate=0.01)
QUIET = {"quiet": True, "recipe": RATE}


class Line(nn.Module):
    """y = slope x, with a layer that has a name."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.slope.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.slope(x)


def x() -> Tensor:
    return torch.linspace(-1, 1, 8).unsqueeze(-1)


class Given(Lesson[object]):
    """A lesson from functions."""

    def __init__(self, model, batches, loss, validate, steps):
        self.model, self.steps = model, steps
        self._batches, self._loss, self._validate = batches, loss, validate

    def batches(self, epoch, begin):
        return list(self._batches(epoch))[begin:] if begin else self._batches(epoch)

    def loss(self, batch):
        return self._loss(batch)

    def validate(self):
        return self._validate()


def learn(model, plan, *, steps=3, validate=None, loss=None, batches=None):
    loss = loss or (lambda batch: (model(batch) - 3 * batch).square().mean())
    every = batches or (lambda epoch: [x()] * steps)
    validate = validate or (lambda: loss(x()).item())
    with torch.random.fork_rng(devices=[]):
        return train(Given(model, every, loss, validate, steps), plan)


def test_every_epoch_is_told_and_counted():
    model = Line()
    history = learn(model, Plan(epochs=4, **QUIET), steps=5)
    assert [epoch.epoch for epoch in history.epochs] == [1, 2, 3, 4]
    assert [epoch.steps for epoch in history.epochs] == [5, 10, 15, 20]
    assert history.ended == "epochs"
    losses = [epoch.valid_loss for epoch in history.epochs]
    assert losses == sorted(losses, reverse=True)
    assert history.best is history.epochs[-1]
    assert not model.training


def test_the_loss_of_an_epoch_is_the_mean_of_its_batches():
    model = Line()
    given = iter([1.0, 2.0, 6.0])
    history = learn(
        model,
        Plan(epochs=1, **QUIET),
        loss=lambda batch: 0 * model(batch).sum() + next(given),
        validate=lambda: 0.5,
    )
    assert history.epochs[0].train_loss == 3.0
    assert history.epochs[0].valid_loss == 0.5


@pytest.mark.parametrize("best", [1, 3, 5])
def test_early_stopping_keeps_exactly_the_best_weights(best):
    model, seen = Line(), []

    def validate() -> float:
        seen.append(model.slope.weight.detach().clone())
        return 1.0 + abs(len(seen) - best)

    history = learn(model, Plan(epochs=50, patience=2, **QUIET), validate=validate)
    assert len(history.epochs) == best + 2
    assert history.ended == "patience"
    assert history.best.epoch == best
    assert len({weight.item() for weight in seen}) == len(seen)
    torch.testing.assert_close(model.slope.weight, seen[best - 1], rtol=0, atol=0)


def test_of_equal_epochs_the_first_is_kept():
    history = learn(Line(), Plan(epochs=9, patience=3, **QUIET), validate=lambda: 1.0)
    assert history.best.epoch == 1
    assert len(history.epochs) == 4


def test_validation_sees_the_model_as_it_answers():
    model, modes = Line(), []

    def loss(batch):
        modes.append(model.training)
        return model(batch).mean()

    learn(
        model,
        Plan(epochs=2, **QUIET),
        loss=loss,
        validate=lambda: float(modes.append(model.training) or 1.0),
    )
    assert modes == [True] * 3 + [False] + [True] * 3 + [False]


def test_the_rate_is_constant_for_three_epochs_and_then_falls_by_a_fifth():
    plan = Plan(epochs=6, patience=9, **QUIET)
    history = learn(Line(), plan)
    rates = [epoch.learning_rate for epoch in history.epochs]
    assert rates == pytest.approx([0.01, 0.01, 0.01, 0.008, 0.0064, 0.00512], rel=1e-12)


def test_the_optimizer_goes_by_the_plan():
    """Adam's first step is the rate itself, whatever the gradient."""
    model = Line()
    learn(model, Plan(epochs=1, **QUIET), steps=1)
    assert model.slope.weight.item() == pytest.approx(0.01, rel=1e-5)


class Scaled(nn.Module):
    """The gradient of `weight` is what the loss multiplies it with."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(4, dtype=torch.float64))


def test_the_gradient_is_clipped_by_its_norm(monkeypatch):
    model, seen = Scaled(), []
    adam = torch.optim.Adam

    class Watched(adam):
        def step(self, closure=None):
            seen.append(model.weight.grad.norm().item())
            return super().step(closure)

    monkeypatch.setattr(torch.optim, "Adam", Watched)
    factors = [0.1, 2.0, 30.0]
    history = learn(
        model,
        Plan(epochs=1, quiet=True, recipe=Recipe(learning_rate=0.01, clip=1.0)),
        batches=lambda epoch: factors,
        loss=lambda factor: (model.weight * factor).sum(),
        validate=lambda: 1.0,
    )
    assert seen == pytest.approx([0.2, 1.0, 1.0], rel=1e-6)
    assert history.epochs[0].gradient_norm == pytest.approx(60.0)


def test_minutes_end_it_within_a_step_of_the_time(monkeypatch):
    clock = iter(range(10_000))
    monkeypatch.setattr(room.time, "monotonic", lambda: float(next(clock)))
    history = learn(Line(), Plan(epochs=99, patience=99, minutes=0.5, **QUIET), steps=200)
    assert history.ended == "minutes"
    assert len(history.epochs) == 1
    assert 10 < history.epochs[0].steps < 35
    assert 30 <= history.epochs[0].seconds < 40


def test_a_tiny_time_still_leaves_a_model():
    model = Line()
    history = learn(model, Plan(epochs=99, minutes=1e-9, **QUIET))
    assert (history.ended, history.epochs[0].steps) == ("minutes", 1)
    assert model.slope.weight.item() != 0


def test_a_wish_to_stop_ends_it_after_the_step(monkeypatch):
    import signal

    model = Line()

    def batches(epoch: int) -> Iterator[Tensor]:
        yield x()
        signal.raise_signal(signal.SIGINT)
        yield x()
        yield x()

    before = signal.getsignal(signal.SIGINT)
    history = learn(model, Plan(epochs=9, **QUIET), batches=batches)
    assert (history.ended, len(history.epochs), history.epochs[0].steps) == ("interrupted", 1, 2)
    assert signal.getsignal(signal.SIGINT) is before


def test_training_works_off_the_main_thread():
    result = []
    thread = threading.Thread(target=lambda: result.append(learn(Line(), Plan(epochs=2, **QUIET))))
    thread.start()
    thread.join()
    assert result[0].ended == "epochs"


class Explodes(nn.Module):
    """Its second layer gives inf from the n-th call on."""

    def __init__(self, call: int) -> None:
        super().__init__()
        self.first, self.second, self.third = nn.Linear(1, 2), Bomb(call), nn.Linear(2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.third(self.second(self.first(x)))


class Bomb(nn.Module):
    def __init__(self, call: int) -> None:
        super().__init__()
        self.calls, self.call = 0, call

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x / 0 if self.calls >= self.call else x


def test_a_loss_that_is_not_finite_stops_with_step_layer_and_norm():
    model = Explodes(call=5)
    with pytest.raises(TrainingError) as caught:
        learn(model, Plan(epochs=9, **QUIET), validate=lambda: 1.0)
    found = str(caught.value)
    assert "at step 5, first seen in layer second; the last gradient norm was" in found
    assert "--learning-rate" in found
    norm = float(found.split("norm was ")[1].split(";")[0])
    assert math.isfinite(norm)
    assert norm > 0


def test_a_gradient_that_is_not_finite_stops_too():
    model = Scaled()
    with pytest.raises(TrainingError, match=r"the gradient norm is nan at step 1, .* the loss its"):
        learn(
            model,
            Plan(**QUIET),
            loss=lambda batch: model.weight.sum().sqrt() * 0,
            validate=lambda: 1.0,
        )


def test_a_weight_that_is_not_finite_is_named():
    model = Line()
    nn.init.constant_(model.slope.weight, math.inf)
    with pytest.raises(TrainingError, match=r"at step 1, first seen in weight slope\.weight"):
        learn(model, Plan(**QUIET))


def test_a_rate_that_is_too_large_diverges_and_is_told():
    """A step of 9.9 overshoots a bowl so steep that the loss overflows; small steps do not."""

    def steep(model: Line) -> Tensor:
        return (2 * (model(torch.ones(1, 1)) - 1).square()).exp().sum()

    model = Line()
    plan = Plan(recipe=Recipe(learning_rate=9.9), quiet=True)
    with pytest.raises(
        TrainingError,
        match=r"loss is inf at step 2, first seen in the loss itself.* in 3 batches in a row",
    ):
        learn(model, plan, steps=9, loss=lambda batch: steep(model))
    model = Line()
    learn(model, Plan(**QUIET), steps=100, loss=lambda batch: steep(model))
    assert model.slope.weight.item() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_validation_loss_that_is_not_finite_stops(value):
    with pytest.raises(TrainingError, match=f"validation loss is {value} after epoch 1; a smaller"):
        learn(Line(), Plan(**QUIET), validate=lambda: value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0),
        ("patience", 0),
        ("minutes", 0.0),
        ("minutes", -1.0),
        ("minutes", math.nan),
    ],
)
def test_a_plan_that_makes_no_sense_names_its_option(field, value):
    with pytest.raises(OptionError, match="--" + field.replace("_", "-")):
        Plan(**{field: value})

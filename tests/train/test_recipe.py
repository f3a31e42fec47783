"""Optimizers, schedules, clipping and means against what they are defined as."""

import math

import pytest
import torch
from tests.train.lessons import Curve, weights
from torch import nn

from recurra.errors import OptionError
from recurra.layers import GatedNorm
from recurra.train import Plan, Recipe, train
from recurra.train.average import Average
from recurra.train.clip import clip_gradients, gradient_norm
from recurra.train.optimizer import make_optimizer
from recurra.train.schedule import factor
from recurra.train.stepper import Stepper


@pytest.fixture(autouse=True)
def _random_state():
    with torch.random.fork_rng(devices=[]):
        yield


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("learning_rate", 0.0),
        ("learning_rate", math.nan),
        ("learning_rate", 100.0),
        ("warmup", 1.0),
        ("warmup", -0.1),
        ("weight_decay", -1.0),
        ("clip", -1.0),
        ("clip", math.nan),
        ("accumulate", 0),
        ("average", 1.0),
        ("average", 0.0),
    ],
)
def test_a_recipe_that_makes_no_sense_names_its_option(field, value):
    with pytest.raises(OptionError, match="--" + field.replace("_", "-")):
        Recipe(**{field: value})


# --- the optimizer


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(5, 4)
        self.line = nn.Linear(4, 3)
        self.norm = nn.LayerNorm([2, 3])
        self.bias_of_heads = nn.Parameter(torch.ones(2, 3))


def test_decay_spares_biases_and_norms():
    model = Net()
    optimizer = make_optimizer(model, Recipe(optimizer="adamw", weight_decay=0.1))
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    decayed = {
        names[id(parameter)]
        for group in optimizer.param_groups
        if group["weight_decay"]
        for parameter in group["params"]
    }
    assert decayed == {"table.weight", "line.weight"}
    every = {names[id(p)] for group in optimizer.param_groups for p in group["params"]}
    assert every == set(names.values())


def test_the_catalogues_norms_are_spared_too():
    from recurra.cells import LSTM

    model = GatedNorm(LSTM(3, 4))
    optimizer = make_optimizer(model, Recipe(weight_decay=0.1))
    spared = [
        p for group in optimizer.param_groups if not group["weight_decay"] for p in group["params"]
    ]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    assert vectors
    assert {id(p) for p in vectors} <= {id(p) for p in spared}


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_the_optimizers_are_torchs(optimizer):
    """Ten steps beside torch's plain ones, nothing fused."""
    lesson, beside = Curve(dtype=torch.float64), Curve(dtype=torch.float64)
    for each in (lesson, beside):
        each.model[3].p = 0.0
    recipe = Recipe(1e-2, optimizer, "constant", clip=0.0, weight_decay=0.1)
    stepper = Stepper(lesson, recipe)
    matrices = [p for p in beside.model.parameters() if p.ndim > 1]
    vectors = [p for p in beside.model.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    plain = {
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
        "sgd": lambda groups, lr, **options: torch.optim.SGD(groups, lr, momentum=0.9, **options),
    }[optimizer](groups, lr=1e-2, foreach=False)
    for number in range(10):
        for batch in lesson.batches(number, 3):
            stepper.step([batch], 1.0)
            plain.zero_grad()
            beside.loss(batch).backward()
            plain.step()
    torch.testing.assert_close(weights(lesson), weights(beside), rtol=1e-12, atol=1e-14)


def test_accumulated_batches_are_one_large_batch():
    """Weighted by their targets, so that unlike sizes make no difference."""

    class Sized(Curve):
        def weight(self, batch):
            return float(len(batch))

    parts = [torch.rand(size, 1, dtype=torch.float64) for size in (3, 8, 1)]
    recipe = Recipe(1e-2, accumulate=3)
    several, one = Sized(dtype=torch.float64), Sized(dtype=torch.float64)
    for each in (several, one):
        each.model[3].p = 0.0
    first = Stepper(several, recipe).step(parts, 1.0)
    second = Stepper(one, recipe).step([torch.cat(parts)], 1.0)
    assert first.loss == pytest.approx(second.loss, rel=1e-12)
    assert first.norm == pytest.approx(second.norm, rel=1e-12)
    assert first.weight == second.weight == 12
    torch.testing.assert_close(weights(several), weights(one), rtol=1e-10, atol=1e-12)


def test_bfloat16_computes_products_in_it_and_keeps_weights_whole():
    seen = []

    class Watches(Curve):
        def loss(self, batch):
            seen.append(self.model[0](batch).dtype)
            return super().loss(batch)

    lesson = Watches()
    Stepper(lesson, Recipe(precision="bfloat16")).step([torch.rand(8, 1)], 1.0)
    assert seen == [torch.bfloat16]
    assert weights(lesson).dtype == torch.float32


# --- clipping


def gradients(*values):
    parameters = [nn.Parameter(torch.ones_like(value)) for value in values]
    for parameter, value in zip(parameters, values, strict=True):
        parameter.grad = value.clone()
    return parameters


def test_the_norm_is_that_of_all_gradients_and_clipping_scales_them_to_it():
    parameters = gradients(torch.tensor([3.0, 0.0]), torch.tensor([[4.0]]))
    norm = gradient_norm(parameters)
    assert norm == pytest.approx(5.0)
    clip_gradients(parameters, Recipe(clip=10.0), norm)
    assert gradient_norm(parameters) == norm
    clip_gradients(parameters, Recipe(clip=1.0), norm)
    assert gradient_norm(parameters) == pytest.approx(1.0)
    assert parameters[0].grad.tolist() == pytest.approx([0.6, 0.0])


def test_clipping_by_value_bounds_each_number():
    (parameter,) = gradients(torch.tensor([0.3, -7.0, 2.0]))
    clip_gradients([parameter], Recipe(clip=0.5, clip_by="value"), 8.0)
    assert parameter.grad.tolist() == pytest.approx([0.3, -0.5, 0.5])


def test_adaptive_clipping_bounds_a_unit_by_its_weights():
    (parameter,) = gradients(torch.tensor([[3.0, 4.0], [0.003, 0.004]]))
    parameter.data = torch.tensor([[6.0, 8.0], [6.0, 8.0]])
    clip_gradients([parameter], Recipe(clip=0.01, clip_by="adaptive"), 5.0)
    assert parameter.grad[0].norm().item() == pytest.approx(0.1)
    assert parameter.grad[1].tolist() == pytest.approx([0.003, 0.004])


def test_zero_clips_nothing():
    parameters = gradients(torch.tensor([300.0]))
    clip_gradients(parameters, Recipe(clip=0.0), 300.0)
    assert parameters[0].grad.item() == 300.0


# --- the schedule


def course(schedule, warmup=0.0, steps=100):
    recipe = Recipe(schedule=schedule, warmup=warmup)
    return [factor(recipe, step / steps, 1, []) for step in range(steps + 1)]


def test_the_cosine_falls_from_one_to_nothing():
    found = course("cosine")
    assert found[0] == 1
    assert found[50] == pytest.approx(0.5)
    assert found[100] == pytest.approx(0, abs=1e-12)
    assert found == sorted(found, reverse=True)


def test_a_warm_up_rises_to_one_and_joins():
    found = course("cosine", warmup=0.1)
    assert found[0] == 0
    assert found[5] == pytest.approx(0.5)
    assert found[10] == 1
    assert found[100] == pytest.approx(0, abs=1e-12)
    assert course("constant", warmup=0.1)[10:] == [1.0] * 91


def test_one_cycle_rises_and_falls():
    found = course("one-cycle")
    assert found[0] == pytest.approx(1 / 25)
    assert found.index(max(found)) == 30
    assert max(found) == pytest.approx(1)
    assert found[100] == pytest.approx(1e-4)


def test_a_plateau_halves_the_rate():
    recipe = Recipe(schedule="plateau")
    losses = [3.0, 2.0, 2.0, 2.5, 1.0, 1.5, 1.5, 1.5, 1.5]
    found = [factor(recipe, 0.0, 1, losses[:n]) for n in range(len(losses) + 1)]
    assert found == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125]


# --- means of the weights


def test_a_running_mean_answers_in_place_of_the_weights():
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    mean = Average(model, Recipe(average=0.9))
    expected = 0.0
    for step in range(1, 40):
        nn.init.constant_(model.weight, float(step))
        mean.update()
        keep = min(0.9, (1 + step) / (10 + step))
        expected = keep * expected + (1 - keep) * step
    with mean.in_place():
        assert model.weight.item() == pytest.approx(expected, rel=1e-5)
    assert model.weight.item() == 39


def test_nt_asgd_takes_the_plain_mean_once_validation_stands_still():
    model = nn.Linear(1, 1, bias=False)
    mean = Average(model, Recipe(optimizer="nt-asgd"))
    losses = [5.0, 4.0, 3.0, 2.0, 1.0, 1.5, 1.5, 1.5]
    for n in range(len(losses) + 1):
        mean.watch(losses[:n])
        assert not mean.state(), "each of these is better than what stood five epochs before"
    mean.watch([*losses, 1.5, 1.5])
    nn.init.constant_(model.weight, 2.0)
    mean.update()
    nn.init.constant_(model.weight, 4.0)
    mean.update()
    with mean.in_place():
        assert model.weight.item() == pytest.approx(3.0)


def test_the_weights_that_are_kept_are_the_mean():
    """The loss pulls all weights one way at one rate, so their mean lies behind them."""

    class Pulled(Curve):
        def loss(self, batch):
            return sum(p.sum() for p in self.model.parameters()) + 0 * batch.sum()

        def validate(self):
            return 1.0

    begun, last, mean = Pulled(), Pulled(), Pulled()
    recipe = {"learning_rate": 1e-2, "schedule": "constant", "optimizer": "sgd", "clip": 0.0}
    train(last, Plan(recipe=Recipe(**recipe), epochs=1, quiet=True))
    train(mean, Plan(recipe=Recipe(**recipe, average=0.9), epochs=1, quiet=True))
    way = (weights(mean) - weights(begun)) / (weights(last) - weights(begun))
    assert way.min() > 0.3
    assert way.max() < 0.9


def test_a_batch_without_targets_says_nothing():
    class Empty(Curve):
        def weight(self, batch):
            return 0.0

    lesson = Empty()
    begun = weights(lesson)
    done = Stepper(lesson, Recipe(optimizer="sgd")).step([torch.rand(8, 1)], 1.0)
    assert (done.loss, done.weight, done.norm) == (0.0, 0.0, 0.0)
    assert torch.equal(weights(lesson), begun)

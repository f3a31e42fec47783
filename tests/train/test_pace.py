"""Parts that learn at rates of their own: what is frozen does not move, what is slow is."""

import math

import pytest
import torch
from tests.train.lessons import Curve, DeathError, weights
from torch import nn

from recurra.errors import OptionError
from recurra.train import Course, Plan, Recipe, find_rate, train, unfrozen
from recurra.train.optimizer import make_optimizer
from recurra.train.pace import part_of
from recurra.train.stepper import Stepper

# The layers of a `Curve`, from the top; its norm has no name of its own here.
LAYERS = ("4", "0")
RECIPES = {
    "adam": Recipe(1e-2, weight_decay=0.1),
    "adamw, averaged": Recipe(1e-2, "adamw", weight_decay=0.1, average=0.9, accumulate=2),
    "sgd, adaptive": Recipe(1e-1, "sgd", "one-cycle", weight_decay=0.1, clip_by="adaptive"),
    "nt-asgd, by value": Recipe(1e-1, "nt-asgd", weight_decay=0.1, clip_by="value"),
}


class Waking(Curve):
    """A curve whose parts learn at the paces given, one an epoch; the last one holds on."""

    def __init__(self, *paces, **options):
        super().__init__(**options)
        self.paces = paces

    def pace(self, epoch):
        return self.paces[min(epoch, len(self.paces)) - 1]


# The first layer rests, learns slowly, rests again, and learns at the rate.
REST, SLOW, FULL = {"0": 0.0}, {"0": 0.25}, {"0": 1.0}
PACES = (REST, SLOW, REST, FULL)


@pytest.fixture(autouse=True)
def _random_state():
    with torch.random.fork_rng(devices=[]):
        yield


def part(lesson, number):
    return torch.cat([p.detach().flatten() for p in lesson.model[number].parameters()])


def learn(lesson, recipe, epochs, folder=None, **options):
    plan = Plan(recipe=recipe, epochs=epochs, patience=epochs, quiet=True)
    course = Course(folder=folder, minutes=0.0, **options) if folder else Course(**options)
    return train(lesson, plan, course)


def test_layers_wake_from_the_top_each_slower_than_the_one_above():
    assert unfrozen(["head", "high", "low"], 1) == {"head": 1, "high": 0, "low": 0}
    waking = unfrozen(["head", "high", "low"], 2)
    assert waking == {"head": 1, "high": pytest.approx(0.3846, abs=1e-4), "low": 0}
    awake = {"head": 1, "high": 0.5, "low": 0.25}
    assert unfrozen(["head", "high", "low"], 3, fall=2.0) == awake
    assert unfrozen(["head", "high", "low"], 9, fall=2.0) == awake


def test_a_parameter_belongs_to_the_longest_name_that_ends_at_a_dot():
    parts = ["", "layers", "layers.1", "scale"]
    assert part_of("layers.1.weight", parts) == "layers.1"
    assert part_of("layers.10.weight", parts) == "layers"
    assert part_of("scale", parts) == "scale"
    assert part_of("scaled", parts) == part_of("scaled", ["scale"]) == ""


def test_groups_are_cut_by_part_and_by_decay_and_keep_every_parameter():
    model = Curve().model
    optimizer = make_optimizer(model, Recipe(weight_decay=0.1), ["4"])
    found = [(g["part"], g["weight_decay"], len(g["params"])) for g in optimizer.param_groups]
    assert found == [("", 0.1, 1), ("", 0.0, 3), ("4", 0.1, 1), ("4", 0.0, 1)]


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_what_is_frozen_keeps_every_bit_and_nothing_is_gathered_of_it(recipe):
    lesson = Waking(*PACES)
    stepper = Stepper(lesson, recipe)
    stepper.average.watch([1.0] * 5 + [2.0])  # the mean of NT-ASGD has begun
    moved = []
    for epoch in range(1, 5):
        with stepper.paced(epoch):
            low, high = part(lesson, 0), part(lesson, 4)
            kept = _gathered(stepper, lesson.model[0])
            for batch in lesson.batches(epoch, 0):
                stepper.step([batch], 1.0)
            assert not torch.equal(part(lesson, 4), high)
            moved.append(not torch.equal(part(lesson, 0), low))
            if not moved[-1]:
                assert _same(_gathered(stepper, lesson.model[0]), kept)
    assert moved == [False, True, False, True]


def _gathered(stepper, module):
    """What the optimizer has kept of a module so far."""
    kept = [stepper.optimizer.state.get(p, {}) for p in module.parameters()]
    return [v.clone() for each in kept for v in each.values() if isinstance(v, torch.Tensor)]


def _same(some, others):
    return len(some) == len(others) and all(map(torch.equal, some, others))


def test_a_mean_of_the_weights_leaves_what_is_frozen_as_it_is():
    lesson = Waking(REST)
    begun = part(lesson, 0)
    learn(lesson, RECIPES["adamw, averaged"], 3)
    assert torch.equal(part(lesson, 0), begun)


def test_a_factor_is_one_on_the_rate():
    """One plain step from the same place: a quarter of the rate goes a quarter of the way."""
    ways = {}
    for factor in (1.0, 0.25):
        lesson = Waking({"4": factor}, dtype=torch.float64)
        stepper, begun = Stepper(lesson, Recipe(1e-2, "nt-asgd", clip=0.0)), part(lesson, 4)
        lesson.model.eval()
        with stepper.paced(1):
            stepper.step([torch.full((3, 1), 0.5, dtype=torch.float64)], 0.5)
        ways[factor] = part(lesson, 4) - begun
    assert ways[1.0].abs().min() > 0
    torch.testing.assert_close(ways[0.25], ways[1.0] / 4, rtol=1e-10, atol=1e-16)


@pytest.mark.parametrize("pace", [{}, {"": 1.0}, {"4": 1.0, "0": 1.0}], ids=str)
def test_a_pace_of_one_is_none(pace):
    plain = Curve()
    told = learn(plain, RECIPES["adam"], 3)
    paced = Waking(pace)
    found = learn(paced, RECIPES["adam"], 3)
    assert torch.equal(weights(paced), weights(plain))
    assert [e.valid_loss for e in found.epochs] == [e.valid_loss for e in told.epochs]


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("dies", [6, 14])
def test_it_goes_on_bit_for_bit(tmp_path, name, dies):
    whole = Waking(*PACES)
    told = learn(whole, RECIPES[name], 5)
    with pytest.raises(DeathError):
        learn(Waking(*PACES, dies=dies), RECIPES[name], 5, tmp_path / "run")
    again = Waking(*PACES, seed=99)
    history = learn(again, RECIPES[name], 5, tmp_path / "run", resume=True)
    assert torch.equal(weights(again), weights(whole))
    assert [e.valid_loss for e in history.epochs] == [e.valid_loss for e in told.epochs]


def test_everything_learns_again_once_it_is_over():
    lesson = Waking(REST)
    lesson.model[1].requires_grad_(False)
    learn(lesson, Recipe(), 1)
    learnable = [p.requires_grad for p in lesson.model.parameters()]
    assert learnable == [True, True, False, False, True, True]
    dying = Waking(REST, dies=2)
    with pytest.raises(DeathError):
        learn(dying, Recipe(), 1)
    assert all(p.requires_grad for p in dying.model.parameters())


def test_the_range_test_keeps_to_the_first_epochs_pace_and_leaves_no_trace():
    lesson = Waking(REST, FULL)
    begun, seen = weights(lesson), set()

    def watch(module, _inputs):
        seen.add(module.weight.requires_grad)

    lesson.model[0].register_forward_pre_hook(watch)
    find_rate(lesson, Recipe(), quiet=True)
    assert seen == {False}
    assert torch.equal(weights(lesson), begun)
    assert all(p.requires_grad for p in lesson.model.parameters())


@pytest.mark.parametrize(
    ("paces", "said"),
    [
        ([{"5": 0.5}], "the pace names '5', where the model has no parameter; it has 0, 1, 4$"),
        ([{"0": -1.0}], "the pace of '0' in epoch 1 is -1.0; it is a factor"),
        ([{"0": math.nan}], "the pace of '0' in epoch 1 is nan"),
        ([{"": 0.0}], "nothing learns in epoch 1; its pace freezes all$"),
        ([REST, {}], "epoch 2 names nothing, that of the first epoch 0; it names the same"),
        ([REST, {"0": 1.0, "4": 1.0}], "epoch 2 names 0, 4, that of the first epoch 0;"),
    ],
)
def test_a_pace_that_does_not_fit_is_refused(paces, said):
    with pytest.raises(OptionError, match=said):
        learn(Waking(*paces), Recipe(), 2)


def test_a_tied_weight_belongs_to_its_first_name():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = model[0].weight
    optimizer = make_optimizer(model, Recipe(), ["1"])
    assert [len(g["params"]) for g in optimizer.param_groups if g["part"] == "1"] == [1]

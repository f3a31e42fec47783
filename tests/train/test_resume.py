"""A training that died and went on ends with the bits of one that never did."""

import json
import random
import signal
import threading
from itertools import product

import numpy as np
import pytest
import torch
from tests.train.lessons import Curve, DeathError, weights

from recurra.errors import (
    MissingFileError,
    OptionError,
    RunFolderError,
    StorageError,
    TakenError,
    TerminatedError,
    TrainingError,
)
from recurra.train import Course, Plan, Recipe, checkpoint_file, read_checkpoint, train
from recurra.train import checkpoint as room
from recurra.train.random_state import random_facts, random_tensors, restore_random

RECIPES = {
    "adam": Recipe(1e-2),
    "adamw, cosine": Recipe(1e-2, "adamw", "cosine", warmup=0.2, weight_decay=0.1),
    "sgd, one cycle": Recipe(1e-1, "sgd", "one-cycle", clip_by="value"),
    "nt-asgd, plateau": Recipe(1e-1, "nt-asgd", "plateau", clip_by="adaptive"),
    "averaged, accumulated": Recipe(1e-2, average=0.9, accumulate=2),
    "bfloat16": Recipe(1e-2, precision="bfloat16"),
}


@pytest.fixture(autouse=True)
def _random_state():
    with torch.random.fork_rng(devices=[]):
        yield


def plan(recipe, epochs=12):
    return Plan(recipe=recipe, epochs=epochs, patience=epochs, quiet=True)


def course(folder, **options):
    return Course(folder=folder / "run", minutes=0.0, **options)


def undisturbed(recipe):
    lesson = Curve()
    return lesson, train(lesson, plan(recipe))


@pytest.mark.parametrize(("name", "dies"), list(product(RECIPES, [1, 8, 26, 59])))
def test_it_goes_on_bit_for_bit(tmp_path, name, dies):
    whole, told = undisturbed(RECIPES[name])
    with pytest.raises(DeathError):
        train(Curve(dies=dies), plan(RECIPES[name]), course(tmp_path))
    torch.manual_seed(99)
    again = Curve(seed=99)
    history = train(again, plan(RECIPES[name]), course(tmp_path, resume=True))
    assert torch.equal(weights(again), weights(whole))
    assert torch.equal(again.carried, whole.carried)
    timeless = [{**vars(epoch), "seconds": 0} for epoch in history.epochs]
    assert timeless == [{**vars(epoch), "seconds": 0} for epoch in told.epochs]


def test_checkpoints_change_nothing(tmp_path):
    whole, _ = undisturbed(RECIPES["adam"])
    kept = Curve()
    train(kept, plan(RECIPES["adam"]), course(tmp_path))
    assert torch.equal(weights(kept), weights(whole))


def test_an_ended_training_ends_again_at_once(tmp_path):
    first = Curve()
    told = train(first, plan(RECIPES["adam"]), course(tmp_path))
    again = Curve(seed=5, dies=1)
    history = train(again, plan(RECIPES["adam"]), course(tmp_path, resume=True))
    assert history == told
    assert torch.equal(weights(again), weights(first))


@pytest.mark.parametrize("blow", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_says_how_to_go_on(tmp_path, blow):
    class Blown(Curve):
        def loss(self, batch):
            if self.losses == 7:
                signal.raise_signal(blow)
            return super().loss(batch)

    whole, _ = undisturbed(RECIPES["adam"])
    way = course(tmp_path, command="recurra train toy --resume run")
    if blow is signal.SIGTERM:
        with pytest.raises(TerminatedError, match="after 8 steps; go on with recurra train toy"):
            train(Blown(), plan(RECIPES["adam"]), way)
    else:
        history = train(Blown(), plan(RECIPES["adam"]), way)
        assert (history.ended, len(history.epochs)) == ("interrupted", 2)
        assert history.may_go_on
    again = Curve(seed=3)
    train(again, plan(RECIPES["adam"]), course(tmp_path, resume=True))
    assert torch.equal(weights(again), weights(whole))


def test_without_a_folder_sigterm_is_left_alone():
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    class Looks(Curve):
        def loss(self, batch):
            seen.append(signal.getsignal(signal.SIGTERM))
            return super().loss(batch)

    train(Looks(), plan(RECIPES["adam"], epochs=1))
    assert set(seen) == {before}


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    fsync, calls = room.os.fsync, []

    def full(handle):
        calls.append(handle)
        if len(calls) > 8:
            raise OSError(28, "No space left on device")
        fsync(handle)

    monkeypatch.setattr(room.os, "fsync", full)
    with pytest.raises(StorageError) as caught:
        train(Curve(), plan(RECIPES["adam"]), course(tmp_path))
    monkeypatch.undo()
    said = str(caught.value)
    assert said.startswith(f"{checkpoint_file(tmp_path / 'run')}: no checkpoint written: No space")
    assert "the checkpoint before it is whole" in said
    assert [path.name for path in checkpoint_file(tmp_path / "run").parent.iterdir()] == [room.FILE]
    whole, _ = undisturbed(RECIPES["adam"])
    again = Curve(seed=3)
    train(again, plan(RECIPES["adam"]), course(tmp_path, resume=True))
    assert torch.equal(weights(again), weights(whole))


def test_what_killed_writers_left_is_swept_away(tmp_path):
    with pytest.raises(DeathError):
        train(Curve(dies=9), plan(RECIPES["adam"]), course(tmp_path))
    (tmp_path / ".run.abcdefgh").mkdir()
    (tmp_path / "run" / "checkpoint" / room.PART).write_bytes(b"half")
    (tmp_path / "runner").mkdir()
    train(Curve(), plan(RECIPES["adam"]), course(tmp_path, resume=True))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "runner"]
    assert [path.name for path in checkpoint_file(tmp_path / "run").parent.iterdir()] == [room.FILE]


def test_another_recipe_other_data_and_another_model_are_refused(tmp_path):
    first = course(tmp_path, same={"data": "abc"})
    with pytest.raises(DeathError):
        train(Curve(dies=9), plan(RECIPES["adam"]), first)
    again = course(tmp_path, resume=True, same={"data": "abc"})
    with pytest.raises(RunFolderError, match="began with another recipe"):
        train(Curve(), plan(RECIPES["bfloat16"]), again)
    other = course(tmp_path, resume=True, same={"data": "xyz"})
    with pytest.raises(RunFolderError, match=r"another data \('abc', now 'xyz'\)"):
        train(Curve(), plan(RECIPES["adam"]), other)
    lesson = Curve()
    lesson.model = torch.nn.Linear(1, 1)
    with pytest.raises(RunFolderError, match="its checkpoint does not fit"):
        train(lesson, plan(RECIPES["adam"]), again)
    with pytest.raises(MissingFileError, match="no checkpoint to go on from"):
        train(Curve(), plan(RECIPES["adam"]), course(tmp_path / "none", resume=True))
    with pytest.raises(OptionError, match="needs a folder"):
        train(Curve(), plan(RECIPES["adam"]), Course(resume=True))


def test_a_checkpoint_is_read_whole_while_others_take_its_place(tmp_path):
    """Each has a header of another length; whoever opens the file twice reads halves of two."""
    ended = threading.Event()

    def write():
        for number in range(400):
            facts = {"number": number, "padding": "x" * (8 * (number % 9))}
            room.write_checkpoint(room.Checkpoint({"x": torch.full((9,), number)}, facts), run)
        ended.set()

    run = tmp_path / "run"
    room.write_checkpoint(room.Checkpoint({"x": torch.zeros(9)}, {"number": 0}), run)
    thread = threading.Thread(target=write)
    thread.start()
    while not ended.is_set():
        found = read_checkpoint(run)
        assert (found.tensors["x"] == found.facts["number"]).all()
    thread.join()


DAMAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-7]),
    "garbage": lambda path: path.write_bytes(bytes(range(256)) * 9),
    "a link": lambda path: (path.rename(path.with_name("x")), path.symlink_to("x")),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_is_named(tmp_path, damage):
    with pytest.raises(DeathError):
        train(Curve(dies=9), plan(RECIPES["adam"]), course(tmp_path))
    path = checkpoint_file(tmp_path / "run")
    DAMAGE[damage](path)
    with pytest.raises(RunFolderError) as caught:
        read_checkpoint(tmp_path / "run")
    assert str(caught.value).startswith(f"{path}: ")


def test_a_folder_that_is_taken_is_left_alone(tmp_path):
    (tmp_path / "run").mkdir()
    with pytest.raises(TakenError, match="run: is there already"):
        train(Curve(dies=1), plan(RECIPES["adam"]), course(tmp_path))
    assert not list((tmp_path / "run").iterdir())
    train(Curve(), plan(RECIPES["adam"]), course(tmp_path, overwrite=True))
    assert checkpoint_file(tmp_path / "run").is_file()


def test_the_random_states_of_numpy_and_python_go_on_too():
    np.random.seed(1)  # noqa: NPY002
    random.seed(1)
    random.gauss()
    np.random.standard_normal()  # noqa: NPY002
    tensors, facts = random_tensors(), json.loads(json.dumps(random_facts()))
    # The first of Python's may be drawn by who checks types; the state itself is compared.
    state = random.getstate()
    drawn = (torch.rand(3), np.random.rand(3), np.random.standard_normal())  # noqa: NPY002
    random.seed(2)
    restore_random(tensors, facts)
    again = (torch.rand(3), np.random.rand(3), np.random.standard_normal())  # noqa: NPY002
    assert torch.equal(drawn[0], again[0])
    assert (drawn[1] == again[1]).all()
    assert drawn[2] == again[2]
    random.setstate(state)
    expected = [random.random() for _ in range(9)]
    restore_random(tensors, facts)
    found = [random.random() for _ in range(99)]
    assert any(found[n : n + 5] == expected[4:] for n in range(90))


HARM = {
    "the optimizer's": lambda tensors: tensors.update({"optimizer/0/exp_avg": torch.ones(3, 3)}),
    "a parameter that is not there": lambda tensors: tensors.update(
        {"optimizer/99/exp_avg": torch.ones(1)}
    ),
    "the best": lambda tensors: tensors.update({"best/0.weight": torch.ones(3, 3)}),
    "the mean": lambda tensors: tensors.update({"average/0": torch.ones(3, 3)}),
    "weights": lambda tensors: tensors.update({"model/0.weight": torch.ones(3, 3)}),
    "random states": lambda tensors: tensors.update({"random/cpu": torch.ones(3)}),
}


@pytest.mark.parametrize("harm", HARM)
def test_a_checkpoint_made_to_harm_is_refused_before_a_step(tmp_path, harm):
    recipe = RECIPES["averaged, accumulated"]
    with pytest.raises(DeathError):
        train(Curve(dies=30), plan(recipe), course(tmp_path))
    kept = read_checkpoint(tmp_path / "run")
    tensors = dict(kept.tensors)
    HARM[harm](tensors)
    room.write_checkpoint(room.Checkpoint(tensors, kept.facts), tmp_path / "run")
    with pytest.raises(RunFolderError, match="its checkpoint does not fit"):
        train(Curve(dies=1), plan(recipe), course(tmp_path, resume=True))


# --- numbers that are not finite


def test_a_step_that_is_not_finite_is_left_out_and_told(capfd):
    lesson = Curve(spoil=[3, 4])
    spoken = Plan(recipe=Recipe(1e-2), epochs=2, quiet=False)
    history = train(lesson, spoken)
    said = capfd.readouterr().err
    assert "the loss is inf at step 3, first seen in the loss itself" in said
    assert "step left out, rate now 0.5 of the plan's" in said
    assert "rate now 0.25 of the plan's" in said
    assert [epoch.steps for epoch in history.epochs] == [3, 8]
    assert history.epochs[0].learning_rate == pytest.approx(1e-2 / 4)
    assert lesson.forgot == 2


class Skips(Curve):
    """Never sees the first batch."""

    def batches(self, epoch, begin):
        return list(super().batches(epoch, begin))[1:]


def test_a_step_left_out_touches_neither_weights_nor_the_optimizer():
    """What comes after is, at half the rate, a training that never saw the batch."""
    spoilt, clean = Curve(spoil=[1]), Skips()
    for lesson in (spoilt, clean):
        lesson.model[3].p = 0.0
    train(spoilt, plan(Recipe(1e-2), epochs=1))
    train(clean, plan(Recipe(5e-3), epochs=1))
    assert torch.equal(weights(spoilt), weights(clean))


def test_an_epoch_without_a_step_ends_it():
    lesson = Curve(spoil=[1])
    begun, lesson.steps = weights(lesson), 1
    with pytest.raises(TrainingError, match="every step of epoch 1 was left out"):
        train(lesson, plan(Recipe(1e-2), epochs=1))
    assert torch.equal(weights(lesson), begun)


def test_three_in_a_row_end_it_with_a_diagnosis():
    lesson = Curve(spoil=[2, 4, 5, 6])
    with pytest.raises(TrainingError, match=r"loss is inf at step 3, .* 3 batches in a row"):
        train(lesson, plan(Recipe(1e-2)))
    assert lesson.losses == 6

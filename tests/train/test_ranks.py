"""Two processes against one: torchrun, gloo, and the same numbers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from tests.train.rank_lesson import CASES, SPOILT, learn

from recurra.data import ReadOptions, read_panel
from recurra.errors import OptionError
from recurra.tasks.forecast.fitting import Fit, Wishes
from recurra.tasks.forecast.network import WindowLesson
from recurra.train import Part, Plan, this_part
from recurra.train.checkpoint import read_checkpoint

ROOT = Path(__file__).parents[2]
# Between one process and two, in float64.
EXACT = 1e-9


def torchrun(*arguments, cwd):
    """Two processes, at a port that nobody else has."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*command, *map(str, arguments)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The folder in which two processes have left all their trainings."""
    folder = tmp_path_factory.mktemp("two")
    done = torchrun(ROOT / "tests" / "train" / "rank_lesson.py", folder, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return folder


def weights(folder, name, rank):
    return load_file(folder / f"{name}-{rank}.safetensors")


def epochs(folder, name, rank=0):
    return json.loads((folder / f"{name}-{rank}.json").read_text())


@pytest.mark.parametrize("case", CASES)
def test_two_processes_learn_what_one_learns(case, two):
    model, history = learn(case)
    for name, value in model.state_dict().items():
        there = weights(two, case, 0)[name]
        torch.testing.assert_close(there, value, rtol=0, atol=EXACT, msg=name)
        assert torch.equal(weights(two, case, 1)[name], there), name
    for here, found in zip(history.epochs, epochs(two, case), strict=True):
        assert found["steps"] == here.steps
        assert found["train_loss"] == pytest.approx(here.train_loss, abs=EXACT)
        assert found["valid_loss"] == pytest.approx(here.valid_loss, abs=EXACT)


def test_fifty_steps_were_taken_and_weights_moved(two):
    assert epochs(two, "clipped")[-1]["steps"] == 50
    moved = weights(two, "clipped", 0)["recurrent.cell.weight_hh"]
    assert moved.abs().max() > 0.01


def test_a_step_that_one_cannot_take_is_taken_by_nobody(two):
    assert SPOILT < epochs(two, "refused")[0]["steps"] == 24
    assert epochs(two, "refused", 0)[-1]["steps"] == epochs(two, "refused", 1)[-1]["steps"] == 48


def test_a_signal_to_one_ends_both_and_both_go_on_bit_for_bit(two):
    for rank in (0, 1):
        whole, resumed = (weights(two, name, rank) for name in ("noise", "resumed"))
        for name, value in whole.items():
            assert torch.equal(resumed[name], value), name


def test_each_draws_its_own_noise(two):
    kept = read_checkpoint(two / "cut")
    assert kept.facts["ranks"] == 2
    assert not torch.equal(kept.part("random")["cpu"], kept.part("rank1/random")["cpu"])


def test_a_command_makes_one_folder_and_says_everything_once(tmp_path):
    data = pd.DataFrame({"y": np.sin(np.arange(200) * 0.9) + np.arange(200) % 7})
    data.to_csv(tmp_path / "sea.csv", index=False)
    flags = [
        "--no-time",
        "--horizon",
        "4",
        "--context",
        "8",
        "--hidden-size",
        "8",
        "--batch-size",
        "5",
        "--epochs",
        "2",
    ]
    done = torchrun("-m", "recurra", "train", "forecast", "sea.csv", *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["sea-1"]
    assert done.stdout.count("saved") == done.stdout.count("verdict") == 1
    for line in ("learned ", "epoch 1/2", "epoch 2/2", "found "):
        assert done.stderr.count(line) == 1, done.stderr


def test_a_mistake_is_told_in_one_line(tmp_path):
    done = torchrun("-m", "recurra", "train", "forecast", "none.csv", cwd=tmp_path)
    assert done.returncode != 0
    assert done.stderr.count("none.csv") == done.stderr.count("recurra: ") == 1
    assert not any(tmp_path.iterdir())


def test_the_parts_of_a_batch_are_the_batch(monkeypatch):
    whole = list(lesson(None, monkeypatch).batches(1, 61))
    parts = [list(lesson(Part(rank, 2), monkeypatch).batches(1, 61)) for rank in (0, 1)]
    assert len(whole) == len(parts[0]) == len(parts[1]) == 3
    for batch, first, second in zip(whole, *parts, strict=True):
        assert torch.equal(batch.target[0::2], first.target)
        assert torch.equal(batch.target[1::2], second.target)


def test_who_has_no_row_of_a_batch_weighs_nothing(monkeypatch):
    spare = lesson(Part(5, 6), monkeypatch)
    batch = next(iter(spare.batches(1, 0)))
    spare.model = spare._setting.build()
    assert len(batch.target) == 1
    assert spare.weight(batch) == 0
    assert spare.loss(batch).item() == 0


def lesson(part, monkeypatch):
    """A forecaster's, in batches of five windows."""
    if part is not None:
        for name, value in environment(*part).items():
            monkeypatch.setenv(name, value)
    y = pd.DataFrame({"y": np.arange(120.0) % 7})
    wishes = Wishes(4, None, 8, "segment", "gru", 8, 0.0, 5, 0, False)
    fit = Fit(read_panel(y, ReadOptions(no_time=True)), wishes, Plan(quiet=True))
    return WindowLesson(fit.setting, fit.windows, fit.training, fit.validation, 5, 0)


def environment(rank, of):
    return {
        **{"RANK": str(rank), "WORLD_SIZE": str(of)},
        **{"MASTER_ADDR": "localhost", "MASTER_PORT": "0"},
    }


def test_the_environment_says_which_part_it_is(monkeypatch):
    assert this_part() == Part(0, 1)
    for name, value in environment(3, 8).items():
        monkeypatch.setenv(name, value)
    assert this_part() == Part(3, 8)
    monkeypatch.setenv("RANK", "8")
    with pytest.raises(OptionError, match="RANK is '8' and WORLD_SIZE '8'"):
        this_part()

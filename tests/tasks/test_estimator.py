"""The contract of an estimator, kept by every task."""

import json
import math
import shutil
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone

from recurra.errors import MissingFileError, NotFittedError, OptionError, RunFolderError
from recurra.tasks import TASKS, load
from recurra.tasks.estimator import Measures
from recurra.tasks.parameters import parameters

pytestmark = pytest.mark.parametrize("task", TASKS)
# An answer of each task that says nothing.
EMPTY = {
    "classify": pd.DataFrame(),
    "forecast": pd.DataFrame(),
    "language": "",
    "regress": pd.DataFrame(),
    "rewrite": pd.DataFrame(),
    "tag": pd.DataFrame(),
    "text-classify": pd.DataFrame(),
    "translate": pd.DataFrame(),
}


def weights(folder):
    return (folder / "model.safetensors").read_bytes()


def change(folder, task, path, value):
    """Put a value into run.json at a path of keys."""
    found = json.loads((folder / "run.json").read_text())
    inner = found
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    (folder / "run.json").write_text(json.dumps(found))
    return folder


def check_same(found, expected):
    """Two answers are equal in every bit."""
    if isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(found, expected, check_exact=True)
    else:
        assert found == expected


@pytest.fixture
def folder(task, trained, tmp_path):
    return Path(shutil.copytree(trained(task).folder, tmp_path / "run"))


def test_every_field_has_a_meaning_a_default_and_a_flag(task):
    known = parameters(TASKS[task])
    assert set(known) == {field.name for field in fields(TASKS[task]) if field.init}
    for parameter in known.values():
        assert len(parameter.meaning.split()) > 1, parameter.name
        assert not parameter.meaning.endswith("."), parameter.name
        value = parameter.default
        assert parameter.from_json(json.loads(json.dumps(value))) == value, parameter.name
    TASKS[task]()


def test_fields_are_scikit_learns_parameters(task, trained):
    kind, quick = TASKS[task], trained(task).fields
    estimator = kind(**quick)
    assert estimator.get_params() == {**kind().get_params(), **quick}
    name = next(iter(quick))
    assert kind().set_params(**quick) == estimator
    assert estimator.set_params(**{name: kind().get_params()[name]}) is estimator
    with pytest.raises(
        OptionError, match=f"{kind.__name__} has no parameter 'nope'; it has {name}"
    ):
        estimator.set_params(nope=1)


def test_scikit_learn_clones_it_without_what_was_learned(task, trained):
    one = trained(task)
    twin = clone(one.estimator)
    assert twin is not one.estimator
    assert twin == one.estimator
    assert [name for name in vars(twin) if name.endswith("_")] == []


def test_before_fit_it_says_so(task, tmp_path):
    estimator = TASKS[task]()
    for ask in (
        estimator.predict,
        lambda: estimator.evaluate("x"),
        lambda: estimator.measure("x"),
        lambda: estimator.save(tmp_path / "run"),
        lambda: estimator.plot(EMPTY[task], tmp_path / "x.png"),
    ):
        with pytest.raises(NotFittedError, match="nothing learned yet; call fit first"):
            ask()
    assert list(tmp_path.iterdir()) == []


def test_what_was_saved_answers_bit_for_bit(task, trained):
    one = trained(task)
    for back in (load(one.folder), TASKS[task].load(str(one.folder))):
        assert back == one.estimator
        for data in (None, one.data):
            check_same(back.predict(data), one.estimator.predict(data))
        assert back.measures_ == one.estimator.measures_
        assert back.interrupted_ is False
        assert back.evaluate(one.data) == one.estimator.evaluate(one.data)


def test_saving_what_was_loaded_changes_nothing(task, trained, tmp_path):
    one = trained(task)
    load(one.folder).save(tmp_path / "again")
    for path in one.folder.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name


def test_one_seed_one_result_and_nobody_elses_random_numbers(task, trained, tmp_path):
    one = trained(task)
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002
    state, legacy = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    again = TASKS[task](**one.fields)
    again.fit(one.data)
    again.save(tmp_path / "again")
    load(tmp_path / "again").predict()
    assert torch.equal(torch.random.get_rng_state(), state)
    assert (np.random.get_state()[1] == legacy).all()  # noqa: NPY002
    assert weights(tmp_path / "again") == weights(one.folder)
    other = TASKS[task](**one.fields, seed=1)
    other.fit(one.data)
    other.save(tmp_path / "other")
    assert weights(tmp_path / "other") != weights(one.folder)


def test_it_measures_itself_beside_baselines(task, trained):
    measures = trained(task).estimator.measures_
    assert measures.metrics
    assert measures.baselines
    for row in measures.baselines.values():
        assert set(row) <= set(measures.metrics)
    assert all(math.isfinite(value) for value in measures.metrics.values())
    assert measures.about
    assert any(name in measures.verdict for name in ("model", *measures.baselines))


def test_measures_survive_json_even_where_there_is_no_number(task):
    del task
    measures = Measures({"mase": math.nan, "mae": 1.5}, {"naive": {"mae": math.inf}}, "x", "y")
    found = json.loads(json.dumps(measures.to_json(), allow_nan=False))
    back = Measures.from_json(found, Path("run"))
    assert math.isnan(back.metrics["mase"])
    assert back.metrics["mae"] == 1.5
    assert math.isnan(back.baselines["naive"]["mae"])


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"metrics": {"x": "y"}, "baselines": {}, "about": "", "verdict": ""},
        {"metrics": [], "baselines": {}, "about": "", "verdict": ""},
        {"metrics": {}, "baselines": {"x": 1}, "about": "", "verdict": ""},
        {"metrics": {"x": 10**400}, "baselines": {}, "about": "", "verdict": ""},
    ],
)
def test_measures_that_are_none_are_damage(folder, task, found):
    with pytest.raises(RunFolderError, match=r"run: damaged measures"):
        load(change(folder, task, ["measures"], found))


def test_a_run_of_another_task_is_told(folder, task):
    change(folder, task, ["task"], "poetry")
    with pytest.raises(RunFolderError, match="a run of the task 'poetry'; known are classify, "):
        load(folder)
    with pytest.raises(RunFolderError, match=f"a run of the task 'poetry', not of '{task}'"):
        TASKS[task].load(folder)
    with pytest.raises(MissingFileError, match="no such run folder"):
        load(folder / "none")


def test_an_unknown_field_is_told(folder, task):
    change(folder, task, ["fields", "secret"], 1)
    with pytest.raises(RunFolderError, match=f"{TASKS[task].__name__} has no field 'secret'"):
        load(folder)


WRONG = {
    "an object": {"a": 1},
    "a list of numbers": [1, 2],
    "a huge number": 10**400,
    "a path": "../../etc/passwd",
    "null": None,
    "true": True,
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_field_of_another_type_is_told(folder, task, wrong):
    for name, parameter in parameters(TASKS[task]).items():
        value = WRONG[wrong]
        fits = (
            (value is None and parameter.optional)
            or (value is True and parameter.kind is bool)
            or (isinstance(value, str) and parameter.kind is str and not parameter.many)
            or (value == 10**400 and parameter.kind is int)
        ) and not (parameter.choices and value is not None)
        if fits:
            continue
        with pytest.raises(RunFolderError, match=f"the field {name} is .*; it is "):
            load(change(folder, task, ["fields", name], value))
        change(folder, task, ["fields", name], json.loads(json.dumps(parameter.default)))


def test_the_sample_is_a_few_kilobytes_and_always_the_same(task, tmp_path):
    one, two = (TASKS[task].sample(tmp_path / name) for name in "ab")
    assert one.read_bytes() == two.read_bytes()
    assert one.stat().st_size < 64_000


def test_every_field_stands_under_one_heading(task):
    listed = [field for group in TASKS[task].groups.values() for field in group]
    assert sorted(listed) == sorted(parameters(TASKS[task]))

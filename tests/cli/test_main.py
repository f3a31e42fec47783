"""From arguments to an exit status; flags from fields; numbers for people."""

import argparse
from functools import partial

import numpy as np
import pytest

from recurra.cli import COMMANDS, main
from recurra.cli.flags import add_fields, from_args, names
from recurra.cli.show import number, show_measures
from recurra.errors import DataError
from recurra.tasks import TASKS
from recurra.tasks.estimator import Measures
from recurra.tasks.parameters import parameters


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(capsys, name):
    with pytest.raises(SystemExit) as caught:
        main([name, "--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: recurra {name} ")
    assert COMMANDS[name].HELP in shown


@pytest.mark.parametrize("task", TASKS)
def test_every_field_of_a_task_is_a_flag_with_its_meaning(capsys, task, monkeypatch):
    monkeypatch.setenv("COLUMNS", "1000")
    with pytest.raises(SystemExit):
        main(["train", task, "--help"])
    shown = capsys.readouterr().out
    for parameter in parameters(TASKS[task]).values():
        assert f"--{parameter.name.replace('_', '-')}" in shown
        assert parameter.meaning in shown
        for choice in parameter.choices:
            assert choice in shown


@pytest.mark.parametrize("arguments", [[], ["nope"], ["train"], ["train", "nope"], ["predict"]])
def test_a_command_line_that_makes_no_sense(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: recurra" in capsys.readouterr().err


def parse(task, *arguments):
    parser = argparse.ArgumentParser()
    add_fields(parser, TASKS[task])
    return from_args(TASKS[task], parser.parse_args(arguments))


@pytest.mark.parametrize("task", TASKS)
def test_no_flags_are_the_defaults_and_flags_are_the_fields(task):
    assert parse(task) == TASKS[task]()
    for parameter in parameters(TASKS[task]).values():
        flag = "--" + parameter.name.replace("_", "-")
        if parameter.kind is bool:
            given, expected = [flag], True
        elif parameter.many:
            given, expected = [flag, 'a, "b, c"'], ("a", "b, c")
        elif parameter.choices:
            given, expected = [flag, parameter.choices[-1]], parameter.choices[-1]
        else:
            given, expected = [flag, "3"], parameter.kind("3")
        found = getattr(parse(task, *given), parameter.name)
        assert found == expected
        assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a", ("a",)),
        ("a,b", ("a", "b")),
        ("a, b", ("a", "b")),
        ('"a, b",c', ("a, b", "c")),
        ("", ()),
    ],
)
def test_names_stand_between_commas(text, found):
    assert names(text) == found


def test_a_traceback_comes_only_when_asked_for(tmp_path, capsys):
    command = ["predict", str(tmp_path / "none")]
    assert main(command) == 2
    shown = capsys.readouterr().err
    assert shown == (f"recurra: {tmp_path}/none: no such run folder; `recurra train` makes one\n")
    with pytest.raises(FileNotFoundError):
        main([*command, "--debug"])


def test_a_message_is_one_line_whatever_is_in_it(monkeypatch, capsys):
    def fail(args):
        raise DataError("a\n  b\r\nc")

    monkeypatch.setattr(COMMANDS["predict"], "run", fail)
    assert main(["predict", "x"]) == 2
    assert capsys.readouterr().err == "recurra: a b c\n"


def test_an_error_of_the_system_is_one_line_too(tmp_path, monkeypatch, capsys):
    def fail(args):
        raise PermissionError(13, "Permission denied", "/etc/x")

    monkeypatch.setattr(COMMANDS["predict"], "run", fail)
    monkeypatch.setattr("recurra.cli._close_output", lambda: None)
    assert main(["predict", "x"]) == 2
    assert capsys.readouterr().err == (
        "recurra: /etc/x: Permission denied; make room or choose another place\n"
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (1.23456, "1.235"),
        (12.3456, "12.35"),
        (1234.56, "1,235"),
        (123456.7, "123,457"),
        (0.0123456, "0.01235"),
        (0.001, "0.001000"),
        (-12.3456, "-12.35"),
        (0.000123456, "1.235e-04"),
        (1.5e9, "1.500e+09"),
        (np.nan, "–"),
        (np.inf, "–"),
    ],
)
def test_numbers_have_four_digits(value, shown):
    assert number(value) == shown


def test_a_table_lines_up(capsys):
    measures = Measures(
        {"mase": 0.5, "mae": 1234.5, "coverage_80": 0.7654},
        {"naive": {"mase": float("nan"), "mae": 2.0}},
        "on something",
        "the model wins",
    )
    show_measures(measures)
    assert capsys.readouterr().out == (
        "measured  on something\n"
        "                       MASE         MAE\n"
        "          model      0.5000       1,234\n"
        "          naive           –       2.000\n"
        "verdict   the model wins\n"
        "coverage  measured: 76.5% inside the 80 % interval\n"
    )


def test_the_demo_trains_tells_and_writes(tmp_path, monkeypatch, capsys):
    """With a small network; how well the real one does is measured elsewhere."""
    import recurra.tasks

    quick = partial(recurra.tasks.Forecaster, epochs=1, hidden_size=4, batch_size=4)
    monkeypatch.setattr(recurra.tasks, "Forecaster", quick)
    assert main(["demo", "--out", str(tmp_path / "demo")]) == 0
    shown, told = capsys.readouterr()
    assert "Mauna Loa" in shown
    assert "2,284 rows" in told
    assert "59 of 2,284 steps missing" in told
    for word in ("seasonal naive", "verdict", "coverage"):
        assert word in shown
    names = ["forecast.csv", "forecast.png", "run"]
    assert sorted(path.name for path in (tmp_path / "demo").iterdir()) == names
    assert recurra.tasks.load(tmp_path / "demo" / "run").predict()["y_hat"].between(340, 400).all()

"""The good paths through the real commands: train, predict, evaluate, Ctrl-C, help."""

import json
import os
import signal
import subprocess
import sys
from io import StringIO

import pandas as pd
import pytest
from PIL import Image

from recurra.cli import COMMANDS, main
from recurra.tasks import Forecaster, load

LEAST = ("--epochs", "1", "--hidden-size", "4", "--batch-size", "4")
COLUMNS = ["unique_id", "ds", "y_hat", "lo-80", "hi-80", "lo-95", "hi-95"]


@pytest.fixture(scope="session")
def bakery(trained):
    return pd.read_csv(trained("forecast").data).iloc[:150]


def test_from_a_csv_to_a_forecast(recurra, bakery, tmp_path):
    bakery.to_csv(tmp_path / "bakery.csv", index=False)
    done = recurra("train", "forecast", "bakery.csv", "--horizon", 5, *LEAST, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = done.stderr.splitlines()
    assert told[0] == (
        "found     bakery.csv: 150 rows, 2 series, daily (D), 2024-01-01 to 2024-05-29 from date; "
        "bread, cake"
    )
    assert [line.split()[0] for line in told[1:]] == [
        "season", "model", "epoch", "learned", "blended",
    ]  # fmt: skip
    shown = done.stdout.splitlines()
    assert shown[0].startswith("measured  on 2024-")
    assert shown[1].split() == ["MASE", "MAE", "RMSE"]
    rows = [line.rsplit(maxsplit=3) for line in shown[2:6]]
    assert [row[0].strip() for row in rows] == ["model", "naive", "seasonal naive", "nlinear"]
    assert all(float(number) > 0 for row in rows for number in row[1:])
    assert shown[6].startswith("verdict   the ")
    assert shown[7].startswith("coverage  measured: ")
    assert shown[8] == "saved     runs/bakery-1"
    run = tmp_path / "runs" / "bakery-1"
    names = ["forecast.png", "history.jsonl", "model.safetensors", "run.json", "training.png"]
    assert sorted(os.listdir(run)) == names
    assert os.listdir(tmp_path / "runs") == ["bakery-1"]

    # The command that it names next, word by word.
    assert shown[9].startswith("next      recurra predict runs/bakery-1 bakery.csv -o forecast.csv")
    done = recurra(*shown[9].split()[2:], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert done.stderr.splitlines() == ["drawn     forecast.png", "written   forecast.csv"]
    with Image.open(tmp_path / "forecast.png") as picture:
        picture.load()
        assert picture.format == "PNG"
    answer = pd.read_csv(tmp_path / "forecast.csv")
    assert list(answer.columns) == COLUMNS
    assert answer["ds"].iloc[0] == "2024-05-30"
    assert len(answer) == 10


def test_predict_prints_and_evaluate_measures(recurra, trained):
    one = trained("forecast")
    done = recurra("predict", one.folder)
    assert (done.returncode, done.stderr) == (0, "")
    shown = pd.read_csv(StringIO(done.stdout), parse_dates=["ds"])
    pd.testing.assert_frame_equal(
        shown, one.estimator.predict(), rtol=1e-7, check_dtype=False, check_exact=False
    )
    done = recurra("evaluate", one.folder, one.data, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["metrics"] == pytest.approx(one.estimator.evaluate(one.data))
    assert list(found["baselines"]) == ["naive", "seasonal naive", "nlinear"]
    assert found["verdict"].startswith("the ")


def test_evaluate_shows_a_table(trained, capsys):
    one = trained("forecast")
    assert main(["evaluate", str(one.folder), str(one.data)]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith("measured  on 108 forecasts of 7 steps of 2 series")
    assert [line.split()[0] for line in shown[2:]] == [
        "model", "naive", "seasonal", "nlinear", "verdict", "coverage",
    ]  # fmt: skip


def longer(bakery):
    return bakery.melt("date", var_name="shop", value_name="sold")


TABLES = {
    "wide.csv": (lambda frame, path: frame.to_csv(path, index=False), ()),
    "semicolons.csv": (lambda frame, path: frame.to_csv(path, sep=";", decimal=","), ()),
    "long.csv": (lambda frame, path: longer(frame).to_csv(path, index=False), ()),
    "packed.csv.gz": (lambda frame, path: frame.to_csv(path, index=False), ()),
    "wide.parquet": (lambda frame, path: frame.to_parquet(path, index=False), ()),
    "long.parquet": (
        lambda frame, path: longer(frame).to_parquet(path, index=False),
        ("--series", "shop"),
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_every_kind_of_file(bakery, tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    write, options = TABLES[name]
    write(bakery, name)
    command = ["train", "forecast", name, "--horizon", "5", "--out", "run", *LEAST, *options]
    assert main(command) == 0
    assert main(["predict", "run", name, "-o", "out.csv"]) == 0
    answer = pd.read_csv("out.csv")
    assert answer["unique_id"].tolist() == ["bread"] * 5 + ["cake"] * 5
    assert answer["ds"].iloc[0] == "2024-05-30"
    capsys.readouterr()


def test_covariates_by_name(bakery, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    table = bakery[["date", "bread"]].assign(holiday=range(150), **{"last, visitors": 1.5})
    table["holiday"] = (table["holiday"] % 9 == 0).astype(float)
    table.loc[10:, "last, visitors"] = 2.0
    ahead = table.copy()
    ahead.loc[145:, "bread"] = float("nan")
    ahead.to_csv("bakery.csv", index=False)
    command = ["train", "forecast", "bakery.csv", "--horizon", "5", "--target", "bread"]
    columns = ["--future", "holiday", "--past", '"last, visitors"']
    assert main([*command, *columns, *LEAST]) == 0
    assert main(["predict", "runs/bakery-1"]) == 0
    shown = capsys.readouterr().out
    assert "bread,2024-05-25," in shown
    # Without the days ahead the same run says what it lacks, and training still keeps its work.
    ahead.iloc[:145].to_csv("bakery.csv", index=False)
    assert main(["predict", "runs/bakery-1", "bakery.csv"]) == 2
    assert "known for 0 steps after its end, the horizon is 5" in capsys.readouterr().err
    assert main([*command, *columns, *LEAST]) == 0
    assert sorted(os.listdir("runs")) == ["bakery-1", "bakery-2"]


def test_another_column_by_target(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    one = trained("forecast")
    pd.read_csv(one.data).rename(columns={"bread": "rolls"}).to_csv("new.csv", index=False)
    command = ["predict", str(one.folder), "new.csv", "--target", "rolls"]
    assert main([*command, "--plot", "x.png"]) == 0
    assert "rolls,2025-02-04" in capsys.readouterr().out
    with Image.open("x.png") as picture:
        picture.verify()


def test_runs_are_numbered_and_never_overwritten_unasked(bakery, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    bakery.to_csv("bakery.csv", index=False)
    command = ["train", "forecast", "bakery.csv", "--horizon", "3", *LEAST, "--quiet"]
    fit = Forecaster.fit

    def meanwhile(self, data, valid=None, course=None):
        """Another training takes the number that was free when this one began."""
        (tmp_path / "runs" / "bakery-1").mkdir(parents=True, exist_ok=True)
        return fit(self, data, valid, course)

    with monkeypatch.context() as patch:
        patch.setattr(Forecaster, "fit", meanwhile)
        assert main(command) == 0
    assert "saved     runs/bakery-2\n" in capsys.readouterr().out
    assert os.listdir("runs/bakery-1") == []
    before = (tmp_path / "runs/bakery-2/model.safetensors").read_bytes()
    assert main([*command, "--out", "runs/bakery-2"]) == 2
    said = "recurra: --out runs/bakery-2 is there already; choose another, or add --overwrite\n"
    assert capsys.readouterr().err == said
    assert (tmp_path / "runs/bakery-2/model.safetensors").read_bytes() == before
    assert main([*command, "--out", "runs/bakery-2", "--overwrite", "--seed", "1"]) == 0
    assert (tmp_path / "runs/bakery-2/model.safetensors").read_bytes() != before
    assert load("runs/bakery-2").seed == 1
    assert main([*command, "--out", "bakery.csv", "--overwrite"]) == 2
    assert main([*command, "--out", "runs", "--overwrite"]) == 2
    assert "is no run folder, so --overwrite leaves it alone" in capsys.readouterr().err


def test_a_part_to_validate_on(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    whole = pd.read_csv(trained("forecast").data)
    whole.iloc[:150].to_csv("first.csv", index=False)
    whole.iloc[150:250].to_csv("second.csv", index=False)
    command = ["train", "forecast", "first.csv", "--horizon", "5", *LEAST]
    assert main([*command, "--valid", "second.csv"]) == 0
    assert "measured  on 2024-07-19 to 2024-09-06, held out" in capsys.readouterr().out
    assert main([*command, "--valid", "first.csv"]) == 2
    assert "--valid begins before the data ends" in capsys.readouterr().err


def test_ctrl_c_leaves_a_usable_run(recurra, trained, environment, tmp_path):
    """The signal comes once the first epoch's line has been seen, whenever that is."""
    command = [sys.executable, "-m", "recurra", "train", "forecast", str(trained("forecast").data)]
    options = ["--horizon", "7", "--epochs", "100000", "--learning-rate", "1e-9", "--out", "run"]
    with subprocess.Popen(
        [*command, *options, "--hidden-size", "8", "--batch-size", "4", "--context", "14"],
        cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("epoch 1/"):
                break
        process.send_signal(signal.SIGINT)
        shown, told = process.communicate()
    assert process.returncode == 130, told
    assert "ended by interrupted" in told
    assert "Traceback" not in told
    assert "saved     run" in shown
    assert os.listdir(tmp_path) == ["run"]
    done = recurra("predict", "run", cwd=tmp_path)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 1 + 14
    assert load(tmp_path / "run").interrupted_


def test_ctrl_c_before_anything_is_learned_writes_nothing(tmp_path, monkeypatch, capsys):
    def interrupted(self, data, valid=None, course=None):
        raise KeyboardInterrupt

    monkeypatch.setattr(Forecaster, "fit", interrupted)
    assert main(["train", "forecast", "x.csv", "--out", str(tmp_path / "run")]) == 130
    assert capsys.readouterr().err == "recurra: interrupted, nothing was written\n"
    assert list(tmp_path.iterdir()) == []


IMPORTS = """
import sys
from recurra.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    assert not end.code, end.code
heavy = {"torch", "pandas", "numpy", "sklearn", "matplotlib", "rich", "scipy"} & set(sys.modules)
print(sorted(heavy), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["predict", "--help"],
        ["evaluate", "--help"],
        ["generate", "--help"],
    ],
)
def test_help_imports_nothing_heavy(environment, arguments):
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS, *arguments],
        capture_output=True, text=True, env=environment, check=True,
    )  # fmt: skip
    assert done.stderr == "[]\n"
    if arguments == ["--help"]:
        for name, module in COMMANDS.items():
            assert f"    {name}" in done.stdout
            assert module.HELP in done.stdout


def test_predict_imports_neither_the_compiler_nor_the_pictures(environment, trained):
    code = (
        "import sys; from recurra.cli import main; status = main(sys.argv[1:]);"
        "print(status, sorted({'torch._dynamo', 'sympy', 'matplotlib', 'sklearn'}"
        " & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "predict", str(trained("forecast").folder)],
        capture_output=True, text=True, env=environment, check=True,
    )  # fmt: skip
    assert done.stderr == "0 []\n"


def test_a_reader_that_leaves_is_no_error(environment, trained):
    """As in `recurra predict run | head -1`."""
    with subprocess.Popen(
        [sys.executable, "-m", "recurra", "predict", str(trained("forecast").folder)],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 0

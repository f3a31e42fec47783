"""Each line of the list of bad input: one line says what, where and what mends it."""

import json
import os
import pickle
import re
import resource
import shutil

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file

from recurra.tasks import TASKS
from recurra.train import checkpoint_file, read_checkpoint

LEAST = ("--epochs", "1", "--hidden-size", "4", "--batch-size", "4")


def table(rows=100):
    random = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=rows).strftime("%Y-%m-%d")
    return pd.DataFrame(
        {"date": days, "bread": random.normal(size=rows), "cake": random.normal(size=rows)}
    )


def put(row, column, value):
    def change(frame):
        frame[column] = frame[column].astype(object)
        frame.loc[row, column] = value
        return frame

    return change


def without(column):
    return lambda frame: frame.drop(columns=[column])


def missing(frame):
    frame.loc[10:30, "cake"] = np.nan
    return frame


def twice(frame):
    return pd.concat([frame, frame.iloc[[40]]])


BAD = {
    "no date column": (
        without("date"),
        (),
        "data.csv: no date column found; columns: bread, cake; use --time COLUMN or --no-time",
    ),
    "an unreadable date": (
        put(50, "date", "soon"),
        (),
        'data.csv: column "date", row 52: "soon" is not a date; mend it, or use --time COLUMN or '
        "--no-time",
    ),
    "too short for the horizon": (
        lambda frame: frame.iloc[:40],
        ("--horizon", "24"),
        'series "bread" has 0 steps before what is held out to validate and test; horizon 24 with '
        "context 5 needs 29: --horizon 11 fits",
    ),
    "duplicated stamps": (
        twice,
        (),
        "data.csv: rows 42 and 102 share 2024-02-10; say --on-duplicate mean|first|last, or "
        "--series COLUMN if several series are stacked",
    ),
    "much is missing": (
        missing,
        (),
        'data.csv: series "cake" has 21 % missing; more than 10 % needs --missing interpolate or '
        "drop",
    ),
    "text among numbers": (
        put(50, "cake", "broken"),
        (),
        'data.csv: column "cake": 1 value is no number at row 52: "broken"; if that means missing, '
        'say --na "broken"',
    ),
    "a constant series": (
        lambda frame: frame.assign(cake=3.0),
        (),
        'data.csv: series "cake": all values are equal (3); --skip-constant leaves such series out',
    ),
    "an empty file": (
        lambda frame: None,
        (),
        "data.csv: empty; it takes a header with the columns' names and rows below it",
    ),
}


@pytest.mark.parametrize("bad", BAD)
def test_data_that_cannot_be_learned_from(refused, run_folder, untouched, tmp_path, bad):
    change, options, said = BAD[bad]
    frame = change(table())
    if frame is None:
        (tmp_path / "data.csv").write_bytes(b"")
    else:
        frame.to_csv(tmp_path / "data.csv", index=False)
    untouched()
    command = ("train", "forecast", "data.csv", "--out", "run", "--overwrite")
    assert refused(*command, *LEAST, *options, cwd=tmp_path) == said
    untouched()


def test_every_named_option_mends_its_line(tmp_path, monkeypatch, capsys):
    """What a line says is tried: the command that follows it succeeds."""
    from recurra.cli import main

    monkeypatch.chdir(tmp_path)
    mends = {
        "no date column": ("--no-time",),
        "too short for the horizon": ("--horizon", "11"),
        "duplicated stamps": ("--on-duplicate", "first"),
        "much is missing": ("--missing", "interpolate"),
        "text among numbers": ("--na", "broken"),
        "a constant series": ("--skip-constant",),
    }
    for bad, mend in mends.items():
        frame = BAD[bad][0](table())
        frame.to_csv("data.csv", index=False)
        command = ["train", "forecast", "data.csv", *LEAST, *mend]
        assert main(command) == 0, bad
    assert "recurra: " not in capsys.readouterr().err


def test_a_file_that_is_not_there(refused, run_folder, untouched):
    untouched()
    said = refused("predict", run_folder, "gone.csv", "-o", run_folder.parent / "out.csv")
    assert said == "gone.csv: no such file; it takes the path of a CSV or Parquet file"
    untouched()


def test_columns_missing_at_predict_are_named(refused, run_folder, untouched, tmp_path):
    table().drop(columns="cake").to_csv(tmp_path / "data.csv", index=False)
    untouched()
    said = refused("predict", run_folder, tmp_path / "data.csv", "-o", tmp_path / "out.csv")
    assert said == (
        "data.csv: the model expects 2 columns (bread, cake); missing cake; add them, or predict "
        "with --target NAME,…"
    )
    untouched()


def test_a_run_of_another_task(refused, run_folder, untouched):
    found = json.loads((run_folder / "run.json").read_text())
    (run_folder / "run.json").write_text(json.dumps({**found, "task": "poetry"}))
    untouched()
    said = refused("predict", run_folder)
    assert said == f"{run_folder}: a run of the task 'poetry'; known are {', '.join(TASKS)}"
    untouched()


# --- a disk that fills up


def limit(size):
    """Writes beyond `size` bytes fail in the child, as they do on a full disk."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_a_disk_that_fills_up_before_anything_is_learned(recurra, run_folder, untouched, tmp_path):
    """At 1,000 bytes the first checkpoint does not fit."""
    table().to_csv(tmp_path / "data.csv", index=False)
    untouched()
    command = ("train", "forecast", "data.csv", "--out", "run", "--overwrite")
    done = recurra(*command, *LEAST, cwd=tmp_path, preexec_fn=limit(1000))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1] == (
        "recurra: run/checkpoint/latest.safetensors: no checkpoint written: File too large; "
        "make room or choose another place with --out"
    )
    untouched()


def test_a_disk_that_fills_up_while_a_run_is_saved(recurra, run_folder, untouched, tmp_path):
    """At 80,000 bytes checkpoints and weights fit, and a picture does not."""
    table().to_csv(tmp_path / "data.csv", index=False)
    untouched()
    command = ("train", "forecast", "data.csv", "--out", "run", "--overwrite")
    done = recurra(*command, *LEAST, cwd=tmp_path, preexec_fn=limit(80_000))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1] == (
        f"recurra: {run_folder}: not saved, nothing there was changed: File too large; make room "
        "or choose another place with --out"
    )
    # What was learned is not lost: beside the old run lies where the new one can go on.
    assert read_checkpoint(run_folder).facts["history"]
    shutil.rmtree(checkpoint_file(run_folder).parent)
    untouched()


def test_a_disk_that_fills_up_while_a_forecast_is_written(refused, run_folder, untouched, tmp_path):
    out = tmp_path / "out.csv"
    out.write_text("what was there\n")
    untouched()
    said = refused("predict", run_folder, "-o", out, preexec_fn=limit(100))
    assert said == (
        f"{out}: not written, what was there is unchanged: File too large; make room or choose "
        "another place"
    )
    untouched()


def test_standard_output_that_is_full(recurra, run_folder, environment):
    import subprocess
    import sys

    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "recurra", "predict", str(run_folder)],
            stdout=full, stderr=subprocess.PIPE, text=True, env=environment, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert (
        done.stderr
        == "recurra: standard output: No space left on device; make room or choose another place\n"
    )


# --- run folders that are damaged or made to harm


def damage(name, change):
    def apply(folder):
        path = folder / name
        if change == "missing":
            path.unlink()
        elif change == "empty":
            path.write_bytes(b"")
        elif change == "cut":
            path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
        else:
            path.write_bytes(os.urandom(300))

    return apply


def described(*path, **to):
    """Change run.json at a path of keys."""

    def apply(folder):
        found = json.loads((folder / "run.json").read_text())
        inner = found
        for key in path:
            inner = inner[key]
        inner.update(to)
        (folder / "run.json").write_text(json.dumps(found))

    return apply


def tensor(name, change):
    """Change a tensor; `change` gives None to leave it out."""

    def apply(folder):
        found = load_file(folder / "model.safetensors")
        value = change(found.get(name))
        found.pop(name, None)
        if value is not None:
            found[name] = value
        save_file(found, folder / "model.safetensors")

    return apply


def written(name, data):
    return lambda folder: (folder / name).write_bytes(data)


def link(name):
    def apply(folder):
        (folder / name).rename(folder.parent / "outside")
        (folder / name).symlink_to(folder.parent / "outside")

    return apply


FILES = ("model.safetensors", "run.json", "history.jsonl")
SETTING = ("learned", "setting")
HARM = {
    **{
        f"{name} {change}": (damage(name, change), name)
        for name in FILES
        for change in ("missing", "empty", "cut", "garbage")
    },
    **{f"{name} leads out": (link(name), "leads out of the run folder") for name in FILES},
    "a pickle": (written("model.safetensors", pickle.dumps({"a": 1})), "no safetensors file"),
    "a zip": (written("model.safetensors", b"PK\x03\x04" + bytes(60)), "no safetensors file"),
    "a header of petabytes": (written("model.safetensors", b"\xff" * 6 + b"\0\0{}"), "no safetens"),
    "deep JSON": (written("run.json", b"[" * 10**6), "run.json: damaged"),
    "deep JSON in the history": (written("history.jsonl", b"[" * 10**6), "history.jsonl: damaged"),
    "NaN in JSON": (described("measures", "metrics", mae=float("nan")), "NaN is no JSON number"),
    "NaN in the history": (written("history.jsonl", b'{"epoch": NaN}\n'), "NaN is no JSON number"),
    "an unknown key": (described(extra=1), "'extra'"),
    "an unknown field": (described("fields", extra=1), "Forecaster has no field 'extra'"),
    "a field of another type": (described("fields", hidden_size="8"), "hidden_size is '8'"),
    "an unknown setting": (described(*SETTING, extra=1), "extra"),
    "a hidden size of millions": (described(*SETTING, hidden_size=10**7), "--hidden-size is 10000"),
    "a hidden size of thousands": (described(*SETTING, hidden_size=60_000), "(4, 30000)"),
    "a huge horizon": (described(*SETTING, horizon=10**12), "--horizon is 1000000000000"),
    "a large horizon": (described(*SETTING, horizon=100_000), "(15, 100000)"),
    "a huge context": (described(*SETTING, context=10**12), "--context is 1000000000000"),
    "a large context": (described(*SETTING, context=10**6, segment=1), "(1000001, 7)"),
    "a segment of 0": (described(*SETTING, segment=0), "--segment is 0"),
    "many series": (described(*SETTING, series=10**7), "2 names for 10000000 series"),
    "a negative size": (described(*SETTING, past=-1), "--past is -1"),
    "a size that is text": (described(*SETTING, horizon="7"), "--horizon is '7'"),
    "a size that is a fraction": (described(*SETTING, horizon=7.0), "--horizon is 7.0"),
    "a size that is true": (described(*SETTING, horizon=True), "--horizon is True"),
    "gaps that are text": (described(*SETTING, gaps="no"), "no model can be built"),
    "a cell that is a path": (described(*SETTING, cell="../../x"), '--cell is "../../x"'),
    "a cell that is a list": (described(*SETTING, cell=["gru"]), "--cell is \"['gru']\""),
    "a model that is a path": (described(*SETTING, model="/etc/passwd"), '--model is "/etc/pas'),
    "a setting that is a list": (described("learned", setting=[]), "damaged"),
    "a split that is a list": (described("learned", split=[]), "damaged"),
    "a split beyond time": (described("learned", "split", test=10**18), "test is 1000000000000000"),
    "a season of 0": (described("learned", season=0), "season is 0"),
    "a season that is text": (described("learned", season="7"), "season is '7'"),
    "names that are numbers": (described("learned", names=[1, 2]), "names are not a list of texts"),
    "no tail": (described("learned", tail_names=[]), "no series to go on from"),
    "a frequency that is none": (described("learned", "grid", frequency="x"), '--frequency "x"'),
    "a frequency of ages": (described("learned", "grid", frequency="9" * 30 + "D"), "damaged"),
    "an origin that is text": (described("learned", "grid", origin="2024"), "origin is '2024'"),
    "an origin beyond time": (described("learned", "grid", origin=2**61), "the years 1 to 9999"),
    "a day that is none": (described("learned", "grid", day=99), "day is 99"),
    "an unknown grid": (described("learned", "grid", extra=1), "extra"),
    "columns that are text": (described("learned", "schema", time="date"), "not a list of texts"),
    "an unknown schema": (described("learned", "schema", extra=1), "extra is unknown"),
    "a format of no date": (described("learned", "schema", time_format="%Q %"), "damaged"),
    "a choice that is none": (described("learned", "schema", missing="x"), '--missing "x"'),
    "more covariates than weights": (
        described("learned", "schema", past=["a"]),
        "differ in number",
    ),
    "measures that are none": (described(measures={}), "damaged measures"),
    "a weight too many": (
        tensor("network.network.extra", lambda _: np.ones(2, np.float32)),
        "network.extra is only in the file",
    ),
    "a weight too few": (
        tensor("network.network.head.bias", lambda _: None),
        "network.head.bias is only in the model that run.json describes",
    ),
    "a weight of another shape": (
        tensor("network.network.head.bias", lambda value: np.ones(99, np.float32)),
        "network.head.bias is (99,) float32",
    ),
    "a weight of another type": (
        tensor("network.network.head.bias", lambda value: value.astype(np.float64)),
        "float64",
    ),
    "a weight that is no number": (
        tensor("network.network.head.bias", lambda value: value * np.nan),
        "holds what is no finite number",
    ),
    "a stray tensor": (tensor("stray", lambda _: np.ones(1)), "stray is no tensor of a forecaster"),
    "a tensor too few": (tensor("nlinear", lambda _: None), "'nlinear'"),
    "a scale of 0": (tensor("scaler.std", lambda value: value * 0), "what is not above 0"),
    "a mean that is no number": (tensor("scaler.mean", lambda value: value * np.nan), "not finite"),
    "an endless interval": (tensor("intervals.low", lambda value: value - np.inf), "not finite"),
    "a length below 1": (tensor("tail.lengths", lambda value: value * 0), "do not fit"),
    "lengths without end": (tensor("tail.lengths", lambda value: value + 2**60), "what is no leng"),
    "a length too large": (tensor("tail.lengths", lambda value: value + 7), "do not fit"),
    "starts beyond time": (tensor("tail.starts", lambda value: value + 2**60), "do not fit"),
    "a tail that ends in nothing": (tensor("tail.values", lambda v: v * np.nan), "do not fit"),
    "a tail without end": (tensor("tail.values", lambda v: v + np.inf), "not finite"),
}

# In one process, for a process each would take minutes; without the shape checks of the tests,
# which would see a wrong type before the product does. Memory is bounded, so that what builds an
# absurd network fails.
EVERY = """
import json, resource, sys, time
from recurra.cli import main
from recurra.tasks import load
load(sys.argv[1]).predict()
begin, base = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for folder in sys.argv[2:]:
    print(json.dumps([folder, main(["predict", folder])]), file=sys.stderr)
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base
print(json.dumps(["grown", grown // 1024]), file=sys.stderr)
"""


def test_a_run_folder_that_is_damaged_or_made_to_harm(trained, tmp_path, environment):
    import subprocess
    import sys

    good = trained("forecast").folder
    folders = {}
    for number, (name, (apply, _)) in enumerate(HARM.items()):
        folders[name] = tmp_path / str(number) / "run"
        shutil.copytree(good, folders[name])
        apply(folders[name])
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    done = subprocess.run(
        [sys.executable, "-c", EVERY, str(good), *map(str, folders.values())],
        capture_output=True, text=True, env=environment, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout == ""
    *pairs, last = done.stderr.splitlines()
    assert len(pairs) == 2 * len(HARM), done.stderr
    for (name, (_, said)), line, status in zip(HARM.items(), pairs[::2], pairs[1::2], strict=True):
        assert json.loads(status) == [str(folders[name]), 2], name
        assert line.startswith(f"recurra: {folders[name]}"), name
        assert said in line, (name, line)
        assert len(line) < 1000, name
    assert json.loads(last)[1] < 200, "megabytes that the worst of them took"
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


@pytest.mark.parametrize("harm", ["a hidden size of thousands", "model.safetensors leads out"])
def test_harm_by_the_real_command(refused, run_folder, untouched, tmp_path, harm):
    apply, said = HARM[harm]
    apply(run_folder)
    untouched()
    assert re.search(re.escape(said), refused("evaluate", run_folder, tmp_path / "x.csv"))
    untouched()

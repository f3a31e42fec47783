"""A run folder is whole or not there, and what is read from one is not believed."""

import json
import os
import pickle
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save
from torch import nn

from recurra.errors import MissingFileError, RunFolderError, StorageError
from recurra.train import (
    Checkpoint,
    Epoch,
    History,
    Run,
    checkpoint_file,
    free_folder,
    load_run,
    load_weights,
    read_checkpoint,
    save_run,
)
from recurra.train import run_folder as room
from recurra.train.checkpoint import write_checkpoint

EPOCH = Epoch(1, 3, 0.5, 1.0, 2.0, 0.001, 0.25)
FILES = (room.WEIGHTS, room.RUN, room.HISTORY)


def a_run(value: float = 1.0) -> Run:
    return Run(
        task="toy",
        fields={"width": 3},
        learned={"names": ["a", "ü"]},
        tensors={"weight": torch.full((2, 3), value), "none": torch.zeros(0, 4)},
        history=History([EPOCH], "patience"),
        measures={"mae": 0.1},
        data={"name": "x.csv"},
    )


def content(folder):
    return {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.fixture
def folder(tmp_path):
    save_run(a_run(), tmp_path / "runs" / "toy-1", {})
    return tmp_path / "runs" / "toy-1"


def change(folder, **changes):
    path = folder / room.RUN
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_what_was_saved_is_loaded(folder):
    run, back = a_run(), load_run(folder, "toy")
    for name in ("task", "fields", "learned", "history", "measures", "data"):
        assert getattr(back, name) == getattr(run, name)
    assert back.tensors.keys() == run.tensors.keys()
    for name, tensor in run.tensors.items():
        torch.testing.assert_close(back.tensors[name], tensor, rtol=0, atol=0)


def test_it_holds_three_files_and_what_was_drawn(tmp_path):
    folder = tmp_path / "run"
    save_run(a_run(), folder, {"note.txt": lambda path: path.write_text("drawn")})
    assert sorted(path.name for path in folder.iterdir()) == sorted([*FILES, "note.txt"])
    assert (folder / "note.txt").read_text() == "drawn"
    assert os.listdir(tmp_path) == ["run"]
    versions = json.loads((folder / room.RUN).read_text())["versions"]
    assert versions["torch"] == torch.__version__


def test_the_same_run_has_the_same_bytes(tmp_path):
    save_run(a_run(), tmp_path / "one", {})
    save_run(a_run(), tmp_path / "two", {})
    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_a_new_run_replaces_an_old_one_whole(folder):
    (folder / "stray.png").write_bytes(b"old")
    save_run(a_run(2.0), folder, {})
    assert load_run(folder).tensors["weight"][0, 0] == 2
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    assert os.listdir(folder.parent) == ["toy-1"]


@pytest.mark.parametrize("blow", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("where", ["writing", "drawing", "swap", "first rename", "second rename"])
def test_a_failure_anywhere_leaves_the_old_run_and_no_litter(folder, monkeypatch, blow, where):
    before = content(folder)

    def fail(*_: object) -> None:
        raise blow

    renames = []
    rename = type(folder).rename

    def counted(self, target):
        renames.append(self)
        if len(renames) == (1 if where == "first rename" else 2):
            fail()
        return rename(self, target)

    if where == "writing":
        monkeypatch.setattr(room.os, "fsync", fail)
    elif where == "swap":
        monkeypatch.setattr(room, "swap", fail)
    elif "rename" in where:
        monkeypatch.setattr(room, "swap", lambda *_: False)
        monkeypatch.setattr(type(folder), "rename", counted)
    draw = {"x.png": fail} if where == "drawing" else {}
    kind = KeyboardInterrupt if isinstance(blow, KeyboardInterrupt) else StorageError
    with pytest.raises(kind) as caught:
        save_run(a_run(2.0), folder, draw)
    assert content(folder) == before
    assert os.listdir(folder.parent) == ["toy-1"]
    if kind is StorageError:
        assert str(caught.value) == (
            f"{folder}: not saved, nothing there was changed: No space left on device; "
            "make room or choose another place with --out"
        )


def test_an_old_run_that_cannot_come_back_is_not_thrown_away(folder, monkeypatch):
    before = content(folder)
    rename, renames = type(folder).rename, []

    def only_the_first(self, target):
        renames.append(self)
        if len(renames) > 1:
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(room, "swap", lambda *_: False)
    monkeypatch.setattr(type(folder), "rename", only_the_first)
    with pytest.raises(StorageError):
        save_run(a_run(2.0), folder, {})
    (aside,) = folder.parent.iterdir()
    assert content(aside / folder.name) == before


def test_without_a_swap_the_new_run_still_takes_the_place(folder, monkeypatch):
    monkeypatch.setattr(room, "swap", lambda *_: False)
    save_run(a_run(2.0), folder, {})
    assert load_run(folder).tensors["weight"][0, 0] == 2
    assert os.listdir(folder.parent) == ["toy-1"]


def test_a_training_that_has_not_ended_is_no_run_yet(tmp_path):
    folder = tmp_path / "run"
    write_checkpoint(Checkpoint({"x": torch.ones(2)}, {"a": 1}), folder)
    with pytest.raises(RunFolderError, match="has not ended; `recurra train … --resume"):
        load_run(folder)
    save_run(a_run(), folder, {})
    assert load_run(folder).task == "toy"
    assert not checkpoint_file(folder).exists()


def test_a_run_that_may_go_on_takes_its_checkpoint_along(folder):
    write_checkpoint(Checkpoint({"x": torch.ones(2)}, {"a": 1}), folder)
    assert load_run(folder).task == "toy"
    save_run(replace(a_run(2.0), checkpoint=folder), folder, {})
    assert read_checkpoint(folder).facts == {"a": 1}
    assert load_run(folder).tensors["weight"][0, 0] == 2


def test_a_place_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match=r"file/run: not saved.*--out"):
        save_run(a_run(), tmp_path / "file" / "run", {})


def test_what_is_no_run_folder_is_never_replaced(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "x.png").write_text("dear")
    (tmp_path / "file").write_text("dear")
    (tmp_path / "empty").mkdir()
    for name in ("photos", "file"):
        before = content(tmp_path)
        with pytest.raises(StorageError, match=f"{name}: no run folder, so it is left alone"):
            save_run(a_run(), tmp_path / name, {})
        assert content(tmp_path) == before
    save_run(a_run(), tmp_path / "empty", {})
    assert load_run(tmp_path / "empty").task == "toy"


def test_free_folders_are_numbered(tmp_path):
    assert free_folder(tmp_path, "x") == tmp_path / "x-1"
    (tmp_path / "x-1").mkdir()
    (tmp_path / "x-2").write_text("taken too")
    assert free_folder(tmp_path, "x") == tmp_path / "x-3"


def test_no_folder_and_another_task(folder, tmp_path):
    with pytest.raises(MissingFileError, match="no such run folder; `recurra train` makes one"):
        load_run(tmp_path / "none")
    with pytest.raises(RunFolderError, match="a run of the task 'toy', not of 'forecast'"):
        load_run(folder, "forecast")


DAMAGE = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3]),
    "garbage": lambda path: path.write_bytes(bytes(range(256)) * 9),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", FILES)
def test_damage_names_the_file(folder, name, damage):
    DAMAGE[damage](folder / name)
    with pytest.raises(RunFolderError) as caught:
        load_run(folder)
    assert str(caught.value).startswith(f"{folder / name}: ")


@pytest.mark.parametrize("name", FILES)
def test_a_link_must_not_leave_the_folder(folder, tmp_path, name):
    path = folder / name
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunFolderError, match="leads out of the run folder"):
        load_run(folder)
    path.unlink()
    path.symlink_to(path)
    with pytest.raises(RunFolderError):
        load_run(folder)


def test_a_link_within_the_folder_is_fine(folder):
    (folder / room.RUN).rename(folder / "real.json")
    (folder / room.RUN).symlink_to("real.json")
    assert load_run(folder).task == "toy"


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_too_large_is_not_read(folder, name, monkeypatch):
    path = folder / name
    os.truncate(path, room.MOST_BYTES[name] + 1)  # sparse: no byte of it exists
    read, opened = type(folder).read_bytes, []
    monkeypatch.setattr(
        type(folder), "read_bytes", lambda self: (opened.append(self), read(self))[1]
    )
    with pytest.raises(RunFolderError, match=r"more than the \d+ allowed"):
        load_run(folder)
    assert path not in opened


PICKLE = pickle.dumps({"weight": [1.0]})


@pytest.mark.parametrize(
    "data",
    [PICKLE, b"\x08\0\0\0\0\0\0\0{}      ", (2**63).to_bytes(8, "little") + b"{}"],
    ids=["pickle", "another header", "a huge header"],
)
def test_weights_that_are_something_else(folder, data):
    (folder / room.WEIGHTS).write_bytes(data)
    if data[8:10] == b"{}" and data[0] == 8:
        assert load_run(folder).tensors == {}
        return
    with pytest.raises(RunFolderError, match="no safetensors file"):
        load_run(folder)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"more": 1}, "'more'"),
        ({"format": 2}, "format 2; this version reads 1"),
        ({"format": "1"}, "format '1'"),
        ({"task": 1}, "task is 1; it is a word"),
        ({"ended": None}, "ended is None"),
        ({"fields": []}, r"fields is \[\]; it is an object"),
        ({"learned": "x"}, "learned is 'x'"),
        ({"measures": 1.0}, "measures is 1.0"),
        ({"data": None}, "data is None"),
        ({"fields": {"x": float("nan")}}, "NaN is no JSON number"),
        ({"fields": {"x": float("-inf")}}, "-Infinity is no JSON number"),
    ],
)
def test_a_description_that_does_not_fit(folder, changes, said):
    change(folder, **changes)
    with pytest.raises(RunFolderError, match=said):
        load_run(folder)


@pytest.mark.parametrize(
    "text",
    ["[]", "1", "null", "{}", "[" * 1_000_000, '{"a":' * 100_000, "9" * 10_000, '"\ud800"', "{,}"],
    ids=["list", "number", "null", "object", "deep list", "deep object", "digits", "half", "comma"],
)
def test_json_made_to_harm(folder, text):
    (folder / room.RUN).write_text(text, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(RunFolderError) as caught:
        load_run(folder)
    assert len(str(caught.value)) < 1000


# --- weights


def tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_weights_come_back_and_the_random_state_stays(tmp_path):
    kept = nn.Linear(3, 2)
    state = torch.random.get_rng_state()
    model = load_weights(lambda: nn.Linear(3, 2), tensors(kept), tmp_path)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.testing.assert_close(model.weight, kept.weight, rtol=0, atol=0)
    assert not model.training


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda found: found.pop("bias"), "bias is only in the model that run.json describes"),
        (lambda found: found.update(more=torch.ones(1)), "more is only in the file"),
        (lambda found: found.update(bias=torch.ones(3)), r"bias is \(3,\) float32; .* \(2,\) fl"),
        (lambda found: found.update(bias=torch.ones(2).double()), r"bias is \(2,\) float64"),
        (lambda found: found.update(bias=torch.ones(2) / 0), "bias holds what is no finite"),
    ],
)
def test_weights_that_do_not_fit_are_named(tmp_path, change, said):
    found = tensors(nn.Linear(3, 2))
    change(found)
    with pytest.raises(RunFolderError, match=said):
        load_weights(lambda: nn.Linear(3, 2), found, tmp_path)


def test_an_absurd_model_is_never_built(tmp_path):
    built = []

    def build() -> nn.Module:
        built.append(torch.get_default_device())
        return nn.Linear(10**6, 10**6)

    with pytest.raises(
        RunFolderError, match=r"weight is \(2, 3\) float32; .* \(1000000, 1000000\) fl"
    ):
        load_weights(build, tensors(nn.Linear(3, 2)), tmp_path)
    assert built == [torch.device("meta")]


def test_a_model_that_cannot_be_built_is_told(tmp_path):
    with pytest.raises(RunFolderError, match=r"run\.json: no model can be built"):
        load_weights(lambda: nn.Linear(-1, 2), {}, tmp_path)


def test_safetensors_of_the_format_itself(folder):
    """Another program's safetensors file is as good as ours."""
    (folder / room.WEIGHTS).write_bytes(save({"weight": torch.ones(1)}))
    assert load_run(folder).tensors["weight"] == 1

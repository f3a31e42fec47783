"""What the bench of signals promises of its sets: whole parts, nothing in two of them."""

import gzip
import io
import wave
import zipfile

import numpy as np
import pytest
from bench.signals_data import Samples

from bench import signals_data as data


def samples(count, groups=None):
    x = [np.full((2, 1), number, np.float32) for number in range(count)]
    return Samples(x, ["ab"[number % 2] for number in range(count)], groups)


def numbers(part):
    return [int(steps[0, 0]) for steps in part.x]


def test_each_sample_is_tested_in_one_fold():
    splits = list(data.folds(samples(23), 5))
    assert sorted(n for split in splits for n in numbers(split.test)) == list(range(23))
    for split in splits:
        assert sorted(numbers(split.train) + numbers(split.test)) == list(range(23))
        assert 4 <= len(split.test.y) <= 5
        assert abs(split.test.y.count("a") - split.test.y.count("b")) <= 1


def test_a_group_is_whole_in_one_fold():
    groups = np.array(["long"] * 10 + ["short"] * 2 + ["middle"] * 5 + ["other"] * 3)
    splits = list(data.folds(samples(20, groups), 3))
    held = [set(split.test.groups) for split in splits]
    assert sorted(map(sorted, held)) == [["long"], ["middle"], ["other", "short"]]
    assert all(not held & set(split.train.groups) for held, split in zip(held, splits, strict=True))


def test_a_share_of_each_kind_is_tested():
    kinds = np.array([1] * 9 + [2] * 6)
    split = data.parted(samples(15), kinds, 1 / 3)
    assert sorted(numbers(split.train) + numbers(split.test)) == list(range(15))
    assert np.bincount(kinds[numbers(split.test)]).tolist() == [0, 3, 2]


def test_a_share_of_values_is_deleted_and_nothing_else():
    whole = Samples([np.arange(2000, dtype=np.float32).reshape(-1, 2)], ["a"])
    (found,) = data.holed(whole, 0.5, seed=3).x
    gone = np.isnan(found)
    assert 0.45 < gone.mean() < 0.55
    assert (found[~gone] == whole.x[0][~gone]).all()
    assert not np.array_equal(gone, np.isnan(data.holed(whole, 0.5, seed=4).x[0]))


def test_an_archive_is_cut_where_its_sequences_begin(tmp_path):
    folder = tmp_path / "sensors" / "made"
    folder.mkdir(parents=True)
    parts = {
        "X_train": np.arange(12, dtype=np.float32).reshape(6, 2),
        "X_train_offsets": np.array([0, 1, 4, 6]),
        "y_train": np.array([0, 1, 0]),
        "X_test": np.zeros((4, 2), np.float32),
        "X_test_offsets": np.array([0, 3, 4]),
        "y_test": np.array([1, 1]),
    }
    np.savez(folder / "made.npz", classes=np.array(["no", "yes"]), **parts)
    split = data.archive(tmp_path, "made")
    assert [len(steps) for steps in split.train.x] == [1, 3, 2]
    assert [len(steps) for steps in split.test.x] == [3, 1]
    assert split.train.y == ["no", "yes", "no"]
    assert split.train.x[1].tolist() == [[2, 3], [4, 5], [6, 7]]


def test_an_engine_counts_down_to_its_failure(tmp_path):
    folder = tmp_path / "sensors" / "cmapss_fd001"
    folder.mkdir(parents=True)
    head = ",".join(["unit", "cycle", *data.SETTINGS, *data.SENSORS])

    def row(unit, cycle):
        return ",".join(map(str, [unit, cycle, 0, 0, 0, cycle, *[7] * 20]))

    def write(part, lengths):
        lines = [row(unit, t + 1) for unit, T in enumerate(lengths, 1) for t in range(T)]
        with gzip.open(folder / f"{part}_FD001.csv.gz", "wt") as file:
            file.write("\n".join([head, *lines]))

    write("train", (130, 3))
    write("test", (2, 4))
    (folder / "RUL_FD001.csv").write_text("unit,rul\n1,140\n2,9\n")
    split = data.engines(tmp_path)
    assert split.train.y[0][:6].tolist() == [125] * 5 + [124]
    assert split.train.y[1].tolist() == [2, 1, 0]
    # Of all channels the first sensor alone moves.
    assert [run.shape for run in split.test.x] == [(2, 1), (4, 1)]
    assert split.test.y == [140, 9]


@pytest.fixture
def recordings(tmp_path):
    folder = tmp_path / "speech" / "fsdd"
    folder.mkdir(parents=True)
    lines = ["file,digit,speaker,index,split"]
    with zipfile.ZipFile(folder / "fsdd_wav.zip", "w") as packed:
        for speaker in ("anna", "bert"):
            for number, part in ((0, "test"), (5, "train"), (6, "train")):
                name = f"3_{speaker}_{number}.wav"
                packed.writestr(name, recording())
                lines.append(f"{name},3,{speaker},{number},{part}")
    (folder / "labels.csv").write_text("\n".join(lines))
    return tmp_path


def recording():
    held = io.BytesIO()
    with wave.open(held, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(800))
    return held.getvalue()


def test_recordings_are_unpacked_with_their_speakers(recordings, tmp_path):
    clips, tested = data.spoken(recordings, tmp_path / "unpacked")
    assert tested.tolist() == [True, False, False] * 2
    assert clips.groups.tolist() == ["anna"] * 3 + ["bert"] * 3
    assert set(clips.y) == {"3"}
    with wave.open(clips.x[4]) as file:
        assert file.getnframes() == 400

"""The front for video: clips to vectors of a frame, whole and in chunks."""

from dataclasses import asdict

import numpy as np
import pytest
from bench.moving_shapes import MOTIONS, frames, write_clip

from recurra.errors import DataError, OptionError
from recurra.tasks.signals.fronts import FRONTS, Video, video


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips") / "moves.mp4"
    write_clip(path, frames("left", np.random.default_rng(0)))
    return path


@pytest.mark.parametrize("grey", [True, False])
def test_a_clip_is_frames_as_vectors(clip, grey):
    front = Video(size=16, grey=grey)
    [(name, raw)] = front.read(clip)
    steps = front.turn(raw, name)
    C, height, width = front.image()
    assert (name, C) == ("moves", 1 if grey else 3)
    assert steps.shape == (len(raw), C * height * width)
    assert steps.dtype == np.float32
    np.testing.assert_array_equal(steps.reshape(raw.shape), raw.astype(np.float32) / 255)
    names = front.channels(steps.shape[1])
    assert len(set(names)) == len(names) == steps.shape[1]
    assert FRONTS["video"](**asdict(front)) == front
    np.testing.assert_array_equal(np.concatenate([*front.chunks(clip)]), steps)


def test_chunks_do_not_wait_for_the_end(clip, monkeypatch):
    monkeypatch.setattr(video, "CHUNK", 4)
    whole = Video(most_frames=1000).read(clip)[0][1]
    # The limit is for clips that are taken whole.
    chunks = [*Video(most_frames=1).chunks(clip)]
    assert len(chunks) == -(-len(whole) // 4)


def test_frames_in_memory_are_taken():
    front = Video(size=4)
    floats = np.linspace(0, 1, 32).reshape(2, 4, 4)
    np.testing.assert_array_equal(front.turn(floats, "x"), floats.reshape(2, 16).astype(np.float32))
    np.testing.assert_array_equal(front.turn(floats[:, None], "x"), front.turn(floats, "x"))


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (
            np.zeros((2, 4, 5)),
            r"clip: float64 of shape \(2, 4, 5\); frames \(T, 1, 4, 4\) of uint8",
        ),
        (np.zeros((2, 4, 4), np.int64), "clip: int64"),
        (np.zeros((0, 4, 4)), "clip: 0 frames; 1 to 3 fit, --most-frames"),
        (np.zeros((4, 4, 4)), "clip: 4 frames"),
    ],
    ids=str,
)
def test_frames_that_do_not_fit(raw, says):
    with pytest.raises(DataError, match=says):
        Video(size=4, most_frames=3).turn(raw, "clip")


@pytest.mark.parametrize("fields", [{"rate": -1.0}, {"size": 0}, {"most_frames": 0}])
def test_options_that_do_not_fit(fields):
    with pytest.raises(OptionError, match=next(iter(fields))):
        Video(**fields)


@pytest.mark.parametrize("motion", MOTIONS)
def test_shapes_move_as_their_folder_says(motion):
    clip = frames(motion, np.random.default_rng(1)).astype(float)
    y, x = np.mgrid[:64, :64]
    places, sizes = [], []
    for picture in clip[[0, -1]]:
        shape = np.abs(picture - np.median(picture, axis=(0, 1))).mean(-1) > 50
        places.append(np.array([x[shape].mean(), y[shape].mean()]))
        sizes.append(shape.sum())
    way = places[1] - places[0]
    want = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}.get(motion, (0, 0))
    np.testing.assert_array_equal(np.where(np.abs(way) > 5, np.sign(way), 0), want)
    assert (sizes[1] > 1.5 * sizes[0]) == (motion == "grow")

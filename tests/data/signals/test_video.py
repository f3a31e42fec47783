"""Video from files: even times, small squares, chunks, and files that are none."""

import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from bench.moving_shapes import write_clip

from recurra.data.signals import video
from recurra.data.signals.video import Look, read_video, video_chunks
from recurra.errors import DataError, MissingFileError, MissingPackageError, OptionError

T = 12


def greys() -> np.ndarray:
    """Frames that are brighter from one to the next, by 20."""
    return np.repeat(20 * np.arange(T), 32 * 48 * 3).reshape(T, 32, 48, 3).astype(np.uint8)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips") / "greys.mp4"
    write_clip(path, greys(), rate=10)
    return path


def numbers(frames: np.ndarray) -> list[int]:
    """Which frame of the file each is."""
    assert frames.dtype == np.uint8
    return np.rint(frames.mean((1, 2, 3)) / 20).astype(int).tolist()


@pytest.mark.parametrize(
    ("rate", "want"),
    [
        (10.0, [*range(T)]),
        (5.0, [0, 2, 4, 6, 8, 10]),
        (20.0, [0, *(number for number in range(1, T) for _ in range(2))]),
        (4.0, [0, 3, 5, 8, 10]),
        (0.5, [0]),
    ],
)
def test_frames_come_at_the_rate_asked_for(clip, rate, want):
    found = numbers(read_video(clip, Look(rate, size=8), 100))
    assert found == want


def test_times_that_were_rounded_leave_no_frame_out(tmp_path):
    # A third of a tenth of a second cannot be written in the milliseconds of this container.
    write_clip(tmp_path / "a.mkv", greys(), rate=30)
    assert numbers(read_video(tmp_path / "a.mkv", Look(30.0, size=8), 100)) == [*range(T)]


def test_times_are_those_of_the_nearest_frame():
    shown = [
        video._Shown(np.array([k], np.uint8), Fraction(t, 10), Fraction(1, 10))
        for k, t in enumerate([3, 5, 13])
    ]
    found = [int(image[0]) for image in video._at_even_times(iter(shown), Fraction(5))]
    # From the first frame on: 0, .2 and 1 second; halfway the later one is taken.
    assert found == [0, 1, 1, 2, 2, 2]


def test_chunks_are_the_whole(clip):
    whole = read_video(clip, Look(size=8), 100)
    chunks = [*video_chunks(clip, Look(size=8), chunk=5)]
    assert [len(chunk) for chunk in chunks] == [5, 5, 2]
    np.testing.assert_array_equal(np.concatenate(chunks), whole)


def test_no_more_is_decoded_than_is_asked_for(clip, monkeypatch):
    seen = []
    small = video._small
    monkeypatch.setattr(video, "_small", lambda *way: seen.append(1) or small(*way))
    assert len(next(video_chunks(clip, Look(size=8), chunk=3))) == 3
    assert len(seen) == 4


def test_frames_are_small_squares_by_area(tmp_path):
    picture = np.zeros((T, 32, 48, 3), np.uint8)
    picture[:, :16, :24] = (255, 0, 0)
    write_clip(tmp_path / "red.mp4", picture)
    colours = read_video(tmp_path / "red.mp4", Look(size=4, grey=False), 100)
    assert colours.shape == (T, 3, 4, 4)
    assert colours[0, 0, 0, 0] > 220 > 40 > colours[0, 1:, 0, 0].max()
    assert colours[0, :, 3, 3].max() < 30
    grey = read_video(tmp_path / "red.mp4", Look(size=4), 100)
    assert grey.shape == (T, 1, 4, 4)
    assert 50 < grey[0, 0, 0, 0] < 100


def test_a_clip_that_was_filmed_on_its_side_stands_upright(tmp_path):
    picture = np.zeros((32, 32, 3), np.uint8)
    picture[:, :16] = 255
    with av.open(str(tmp_path / "side.mp4"), "w") as file:
        stream = file.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        stream.set_display_rotation(90)
        file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode())
    turned = read_video(tmp_path / "side.mp4", Look(size=2), 100)[0, 0]
    np.testing.assert_array_equal(turned > 128, np.rot90([[True, False], [True, False]]))


def spoilt(clip: Path) -> dict[str, bytes]:
    whole = clip.read_bytes()
    middle = len(whole) // 2
    return {
        "empty.mp4": b"",
        "junk.mp4": b"no video at all " * 20,
        "cut.mp4": whole[:middle],
        "list.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{clip}\n".encode(),
        "cat.mp4": f"ffconcat version 1.0\nfile {clip}\n".encode(),
    }


@pytest.mark.parametrize("name", ["empty.mp4", "junk.mp4", "cut.mp4", "list.mp4", "cat.mp4"])
def test_a_file_that_is_no_video_is_named(clip, tmp_path, name):
    (tmp_path / name).write_bytes(spoilt(clip)[name])
    with pytest.raises(DataError, match=rf"{name}: (cannot be|an empty|no video).*--skip-bad"):
        read_video(tmp_path / name, Look(), 100)


def test_sound_alone_is_no_video(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(800), 8000)
    with pytest.raises(DataError, match=r"a\.wav: no video in it"):
        read_video(tmp_path / "a.wav", Look(), 100)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(MissingFileError, match=r"away\.mp4"):
        read_video(tmp_path / "away.mp4", Look(), 100)


def test_too_many_frames_are_refused(clip):
    with pytest.raises(DataError, match=r"more than 11 frames at 10 a second; .*--most-frames"):
        read_video(clip, Look(), T - 1)
    assert len(read_video(clip, Look(), T)) == T


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"rate": 0.0}, "rate is 0 frames"),
        ({"rate": float("nan")}, "rate is nan"),
        ({"size": 0}, "size is 0"),
    ],
)
def test_looks_that_do_not_fit(fields, says):
    with pytest.raises(OptionError, match=says):
        Look(**fields)


def test_without_pyav_one_is_told_what_to_install(clip, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'recurra\[video\]'"):
        read_video(clip, Look(), 100)

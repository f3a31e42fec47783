"""Clips of a shape that moves in one of six ways, written as MP4.

    python -m bench.moving_shapes FOLDER --train 600 --test 300

Shape, size, place, speed, colours, noise and the frame at which a clip begins and ends are drawn,
so no single frame tells the motion. The folder holds `train/` and `test/`, each with a folder a
motion; a clip is a function of its motion, the seed and its number.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOTIONS = ("left", "right", "up", "down", "grow", "spin")
SHAPES = ("square", "cross", "triangle", "bar")
SIDE, RATE = 64, 10
FEWEST, MOST = 16, 32

Picture = NDArray[np.float64]


def write_clips(folder: Path, per_motion: int, seed: int) -> list[Path]:
    """So many clips of each motion as `folder/motion/number.mp4`."""
    found = []
    for number, motion in enumerate(MOTIONS):
        (folder / motion).mkdir(parents=True, exist_ok=True)
        for clip in range(per_motion):
            path = folder / motion / f"{clip:04}.mp4"
            write_clip(path, frames(motion, np.random.default_rng([seed, number, clip])))
            found.append(path)
    return found


def write_clip(path: Path, pictures: NDArray[np.uint8], rate: int = RATE) -> None:
    """Pictures (T, height, width, 3) as a video in MPEG-4."""
    import av

    with av.open(str(path), "w") as file:
        video: Any = file.add_stream("mpeg4", rate=rate)
        video.height, video.width = pictures.shape[1:3]
        video.pix_fmt, video.bit_rate = "yuv420p", 400_000
        for picture in pictures:
            file.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(video.encode())


def frames(motion: str, drawn: np.random.Generator) -> NDArray[np.uint8]:
    """A clip (T, 64, 64, 3) of a motion."""
    T = int(drawn.integers(FEWEST, MOST + 1))
    shape = SHAPES[drawn.integers(len(SHAPES))]
    part = np.linspace(0, 1, T)
    size, turn = drawn.uniform(8, 14), drawn.uniform(0, 2 * np.pi)
    centre = drawn.uniform(22, 42, 2)
    sizes, turns = np.full(T, size), np.full(T, turn)
    way = np.zeros((T, 2))
    if motion == "grow":
        sizes = size * (0.5 + drawn.uniform(0.6, 1.2) * part)
    elif motion == "spin":
        turns = turn + drawn.choice([-1, 1]) * drawn.uniform(0.1, 0.3) * np.arange(T)
    else:
        axis = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}[motion]
        way = drawn.uniform(16, 36) * (part[:, None] - 0.5) * np.array(axis)
    back, ink = _colours(drawn)
    noise = drawn.uniform(0, 12)
    made = []
    for t in range(T):
        inside = _inside(shape, centre + way[t], sizes[t], turns[t])[..., None]
        picture = back + (ink - back) * inside + noise * drawn.standard_normal((SIDE, SIDE, 1))
        made.append(np.clip(np.rint(picture), 0, 255).astype(np.uint8))
    return np.stack(made)


def _colours(drawn: np.random.Generator) -> tuple[Picture, Picture]:
    """Of the background and of the shape: one is dark, either of them."""
    dark, bright = drawn.uniform(0, 90, 3), drawn.uniform(150, 255, 3)
    return (dark, bright) if drawn.random() < 0.5 else (bright, dark)


def _inside(shape: str, centre: Picture, size: float, turn: float) -> Picture:
    """How much of each pixel is covered, nearly: 0 … 1."""
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    x, y = x - centre[0], y - centre[1]
    u, v = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
    # How far a pixel lies outside of the shape, in pixels; below 0 inside.
    square = np.maximum(abs(u), abs(v)) - size
    flat, tall = (np.maximum(abs(a) - size, abs(b) - size / 3) for a, b in ((u, v), (v, u)))
    out = {
        "square": square,
        "bar": flat,
        "cross": np.minimum(flat, tall),
        "triangle": np.maximum(-v - size / 2, (np.sqrt(3) * abs(u) + v) / 2 - size / 2),
    }[shape]
    return np.clip(0.5 - out, 0, 1)


def main() -> None:
    """Write both parts."""
    parser = argparse.ArgumentParser(description="Clips of moving shapes as MP4.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--train", type=int, default=600, help="clips to learn from, in all")
    parser.add_argument("--test", type=int, default=300, help="clips to test on, in all")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    for part, (name, count) in enumerate({"train": args.train, "test": args.test}.items()):
        write_clips(args.folder / name, count // len(MOTIONS), 2 * args.seed + part)


if __name__ == "__main__":
    main()

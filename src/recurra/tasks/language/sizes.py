"""How many streams a text is cut into, and how long the windows are."""

import os
from collections.abc import Callable
from pathlib import Path

from recurra.errors import RunFolderError
from recurra.train import Course, Found, Recipe, Truncated, probe, read_checkpoint

# Steps that an epoch has, before streams are made fewer and windows shorter.
FEWEST_STEPS = 16
LEAST_STREAMS, LEAST_WINDOW = 4, 16
PROBED_STREAMS, PROBED_WINDOWS = (4, 8, 16, 32, 64, 128), (16, 32, 64, 128, 256)


def fitting(tokens: int, streams: int, window: int, *, variable: bool = False) -> tuple[int, int]:
    """Streams and a window of which an epoch has some steps, at most those wished for.

    Streams become fewer first: the longer window is what a network learns to remember from.
    """
    while tokens < FEWEST_STEPS * streams * window and streams > LEAST_STREAMS:
        streams = max(LEAST_STREAMS, streams // 2)
    while tokens < FEWEST_STEPS * streams * window and window > LEAST_WINDOW:
        window = max(LEAST_WINDOW, window // 2)
    return max(1, min(streams, tokens // (2 * window))), window


def probed(lesson: Callable[[int, int], Truncated], tokens: int, recipe: Recipe) -> Found:
    """Streams and a window that learn fast here, found by trying steps for seconds.

    Args:
        lesson: makes one of (streams, window).
        tokens: that are learned from.
        recipe: by which steps are taken.
    """
    streams, window = fitting(tokens, max(PROBED_STREAMS), max(PROBED_WINDOWS))
    return probe(
        lesson,
        windows=[size for size in PROBED_WINDOWS if size <= window],
        streams=[rows for rows in PROBED_STREAMS if rows <= streams],
        memory_bytes=os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2,
        recipe=recipe,
    )


def told(streams: int, window: int) -> str:
    """What a checkpoint says of them."""
    return f"{streams} x {window}"


def begun_with(course: Course) -> tuple[int, int]:
    """What a probe had found when the training began; today it might find something else.

    Raises:
        MissingFileError, RunFolderError: there is no checkpoint, or it does not say.
    """
    folder = Path(course.folder or "")
    same = read_checkpoint(folder).facts.get("same")
    parts = str(same.get("sizes") if isinstance(same, dict) else None).split(" x ")
    if len(parts) != 2 or not all(part.isdecimal() and 0 < int(part) < 10**5 for part in parts):
        raise RunFolderError(f"{folder}: its training was not begun with --probe; begin anew")
    return int(parts[0]), int(parts[1])

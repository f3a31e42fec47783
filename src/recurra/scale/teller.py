"""What the first worker says, brought to who started the training."""

import io
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from recurra import errors
from recurra.errors import RecurraError

# Seconds between two looks.
EVERY = 0.5


class Teller:
    """Lives on the cluster: keeps texts until they are taken, and why the work was refused."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._refusal: tuple[str, str] | None = None

    def tell(self, text: str) -> None:
        """Keep a text."""
        self._texts.append(text)

    def take(self) -> str:
        """All texts since the last time."""
        texts, self._texts = self._texts, []
        return "".join(texts)

    def refuse(self, kind: str, text: str) -> None:
        """The work cannot be done, however often it is tried."""
        self._refusal = (kind, text)

    def refusal(self) -> tuple[str, str] | None:
        """The name of an error of ours and its text, if there was one."""
        return self._refusal


class Voice(io.TextIOBase):
    """A stream that a teller hears.

    Args:
        teller: the handle of a remote `Teller`.
    """

    def __init__(self, teller: Any) -> None:
        self._teller = teller

    def write(self, text: str) -> int:
        self._teller.tell.remote(text)
        return len(text)


@contextmanager
def heard(ray: Any, teller: Any) -> Iterator[None]:
    """What the teller hears is printed on standard error, as it comes."""
    ended = threading.Event()

    def listen() -> None:
        while not ended.wait(EVERY):
            _print(ray, teller)

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        _print(ray, teller)


def _print(ray: Any, teller: Any) -> None:
    print(ray.get(teller.take.remote()), end="", file=sys.stderr, flush=True)


def error_of(refusal: tuple[str, str]) -> RecurraError:
    """The error that a worker met."""
    kind, text = refusal
    known = {k.__name__: k for k in vars(errors).values() if isinstance(k, type)}
    found: RecurraError = known[kind](text)
    return found

"""Ctrl-C and SIGTERM as a wish to stop soon, not as a blow in the middle of a step."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType

Asked = Callable[[], signal.Signals | None]


@contextmanager
def wish_to_stop(*signals: signal.Signals) -> Iterator[Asked]:
    """Give a function that says which signal came, None while none did.

    The first signal only sets the answer; a second one of the same kind acts as usual. Off the main
    thread, where Python delivers no signals, the answer stays None.

    Args:
        signals: those to wait for; Ctrl-C alone when not given.
    """
    came: list[signal.Signals] = []

    def asked() -> signal.Signals | None:
        return came[0] if came else None

    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    with ExitStack() as stack:
        for number in signals or (signal.SIGINT,):
            stack.enter_context(_caught(number, came))
        yield asked


@contextmanager
def _caught(number: signal.Signals, came: list[signal.Signals]) -> Iterator[None]:
    def note(_signal: int, _frame: FrameType | None) -> None:
        came.append(number)
        signal.signal(number, previous)

    previous = signal.signal(number, note)
    try:
        yield
    finally:
        signal.signal(number, previous)

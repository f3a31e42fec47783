"""The next batches, prepared while a step runs."""

import atexit
import os
import threading
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Generic

from recurra.errors import OptionError, UnsupportedError
from recurra.train.lesson import Batch

# Seconds that the end of the interpreter waits for a batch that is being prepared.
PATIENCE = 5.0


@dataclass(frozen=True)
class _End:
    """Nothing comes any more, because of `error` where there is one."""

    error: BaseException | None


class _Producer(Generic[Batch]):
    """The thread that prepares, and what stands between it and its consumer.

    Args:
        batches: asked for one at a time.
        depth: batches that wait.
    """

    def __init__(self, batches: Iterable[Batch], depth: int) -> None:
        self._batches = batches
        self._room = threading.Semaphore(depth)
        self._ready: SimpleQueue[Batch | _End] = SimpleQueue()
        self._stopped = False
        self._process = os.getpid()
        # A daemon, that no interpreter waits for it; `atexit` ends it while it still can run.
        self._thread = threading.Thread(target=self._run, name="recurra-ahead", daemon=True)

    def start(self) -> None:
        """Begin to prepare."""
        self._check_process()
        atexit.register(self._stop_at_exit)
        self._thread.start()

    def take(self) -> Batch | _End:
        """The next batch, once it is there."""
        self._check_process()
        found = self._ready.get()
        self._room.release()
        return found

    def stop(self, patience: float | None = None) -> None:
        """End the thread; a batch that is being prepared is finished first."""
        # After a fork the thread is in the other process, perhaps with a lock in its hand.
        if self._stopped or os.getpid() != self._process:
            return
        self._stopped = True
        atexit.unregister(self._stop_at_exit)
        self._room.release()
        # The garbage collector may close the iterator from any thread.
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(patience)

    def _stop_at_exit(self) -> None:
        self.stop(PATIENCE)

    def _run(self) -> None:
        self._ready.put(_End(self._outcome()))

    def _outcome(self) -> BaseException | None:
        try:
            self._prepare(iter(self._batches))
        except BaseException as error:  # whatever it is, it is the consumer's
            return error
        return None

    def _prepare(self, batches: Iterator[Batch]) -> None:
        try:
            while self._room.acquire() and not self._stopped:
                self._ready.put(next(batches))
        except StopIteration:
            pass
        finally:
            if isinstance(batches, Generator):
                batches.close()

    def _check_process(self) -> None:
        if os.getpid() != self._process:
            raise UnsupportedError(
                "ahead: begun before a fork; begin it in the process that takes the batches"
            )


def ahead(batches: Iterable[Batch], depth: int = 2) -> Iterator[Batch]:
    """The same batches in the same order, prepared by one thread beside.

    The thread begins with the first batch asked for, and ends with the last one, with an error, or
    when the iterator is closed or forgotten. What prepares batches runs while steps do: it draws no
    numbers from torch's own generator and touches nothing that a step reads or writes. It is worth
    it where a batch costs much more than the 20 µs of handing it over: files, decoding, long rows.

    Args:
        batches: asked for one at a time.
        depth: most batches that wait for a step.

    Raises:
        OptionError: `depth` is below 1.
        UnsupportedError: it was begun before a fork, in the other process.
        Exception: whatever preparing a batch raised, after the batches before it.
    """
    if depth < 1:
        raise OptionError(f"ahead: depth is {depth}; at least one batch is prepared")
    return _handed_over(_Producer(batches, depth))


def _handed_over(producer: _Producer[Batch]) -> Iterator[Batch]:
    try:
        producer.start()
        while not isinstance(found := producer.take(), _End):
            yield found
            # Else the batch would live until the next one is there.
            del found
        if found.error is not None:
            raise found.error
    finally:
        producer.stop()

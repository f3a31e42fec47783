"""Ctrl-C as a wish."""

import signal
import threading

import pytest

from recurra.train.interrupt import wish_to_stop


def test_the_first_is_a_wish_and_the_second_a_blow():
    before = signal.getsignal(signal.SIGINT)
    with wish_to_stop() as asked:
        assert not asked()
        signal.raise_signal(signal.SIGINT)
        assert asked()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert asked()
    assert signal.getsignal(signal.SIGINT) is before


def test_an_error_inside_restores_the_handler():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ZeroDivisionError), wish_to_stop():
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGINT) is before


def test_one_wish_does_not_last_into_the_next_training():
    with wish_to_stop() as asked:
        signal.raise_signal(signal.SIGINT)
        assert asked()
    with wish_to_stop() as asked:
        assert not asked()


def test_off_the_main_thread_it_says_nothing():
    seen = []

    def work() -> None:
        before = signal.getsignal(signal.SIGINT)
        with wish_to_stop() as asked:
            seen.append(asked())
            seen.append(signal.getsignal(signal.SIGINT) is before)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [None, True]

"""Batches prepared ahead are the same ones, in order; nothing is left behind, however it ends."""

import gc
import subprocess
import sys
import threading
import weakref

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recurra.errors import OptionError
from recurra.train import ahead

PATIENCE = 60


def helpers():
    return [each for each in threading.enumerate() if each.name == "recurra-ahead"]


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    yield
    assert not helpers()


@given(st.lists(st.integers()), st.integers(1, 5))
def test_the_same_batches_come_in_the_same_order(batches, depth):
    assert list(ahead(batches, depth)) == batches
    assert list(ahead(iter(batches), depth)) == batches


def test_batches_are_prepared_by_another_thread_and_handed_over_as_they_are():
    made = []

    def batches():
        for _ in range(3):
            made.append((threading.get_ident(), torch.zeros(2)))
            yield made[-1][1]

    found = list(ahead(batches()))
    assert all(one is other for one, (_, other) in zip(found, made, strict=True))
    assert {ident for ident, _ in made}.isdisjoint({threading.get_ident()})


def test_the_next_batch_is_prepared_while_a_step_runs():
    prepared = [threading.Event() for _ in range(4)]

    def batches():
        for number, event in enumerate(prepared):
            event.set()
            yield number

    coming = ahead(batches(), depth=2)
    assert next(coming) == 0
    # Inside the first step: two more lie ready, or come without being asked for.
    assert prepared[1].wait(PATIENCE)
    assert prepared[2].wait(PATIENCE)
    assert list(coming) == [1, 2, 3]


@given(st.integers(1, 4), st.integers(0, 9))
def test_no_more_than_the_depth_is_prepared(depth, taken):
    made, most = 0, 0

    def batches():
        nonlocal made
        for number in range(20):
            made += 1
            yield number

    coming = ahead(batches(), depth)
    for number in range(taken + 1):
        assert next(coming) == number
        most = max(most, made - number - 1)
    coming.close()
    assert most <= depth
    assert made <= taken + 1 + depth


def test_no_batch_outlives_its_step():
    """Of the batches handed over, the one in hand alone is alive."""
    alive = weakref.WeakSet()

    def batches():
        for _ in range(50):
            batch = torch.zeros(3)
            alive.add(batch)
            yield batch
            del batch

    most = 0
    for batch in ahead(batches(), depth=2):
        most = max(most, len(alive))
        del batch
    assert most <= 1 + 2
    assert len(alive) == 0


def test_an_error_comes_after_the_batches_before_it():
    def batches():
        yield 1
        yield 2
        raise OptionError("the third file is damaged")

    found = []
    with pytest.raises(OptionError, match="the third file is damaged") as raised:
        found.extend(ahead(batches()))
    assert found == [1, 2]
    assert raised.traceback[-1].name == "batches"


def test_an_error_before_the_first_batch_comes_too():
    class Broken:
        def __iter__(self):
            raise KeyError("no batches")

    with pytest.raises(KeyError, match="no batches"):
        next(ahead(Broken()))


def test_after_the_end_there_is_nothing():
    coming = ahead([1])
    assert list(coming) == [1]
    assert next(coming, None) is None


def endless(ended):
    try:
        number = 0
        while True:
            yield number
            number += 1
    finally:
        ended.append(threading.current_thread().name)


def close(coming):
    coming.close()


def forget(coming):
    del coming
    gc.collect()


def fail(coming):
    def step(number):
        return 1 / (number - 1)

    with pytest.raises(ZeroDivisionError):
        list(map(step, coming))


@pytest.mark.parametrize("leave", [close, forget, fail])
def test_who_leaves_early_ends_the_thread_and_the_producer(leave):
    ended = []

    def begin():
        coming = ahead(endless(ended))
        next(coming)
        return coming

    leave(begin())
    gc.collect()
    assert ended == ["recurra-ahead"]
    assert not helpers()


def test_what_was_never_asked_begins_no_thread():
    ahead(endless([]))
    assert not helpers()


def test_an_iterator_inside_a_cycle_may_be_collected_by_its_own_thread():
    ended = []
    begun, collect = threading.Event(), threading.Event()

    def batches():
        yield from range(2)
        begun.set()
        collect.wait(PATIENCE)
        gc.collect()
        ended.append(threading.current_thread().name)

    gc.disable()
    try:
        holder = {"coming": ahead(batches(), depth=3)}
        holder["self"] = holder
        next(holder["coming"])
        assert begun.wait(PATIENCE)
        (thread,) = helpers()
        del holder
        collect.set()
        thread.join(PATIENCE)
    finally:
        gc.enable()
    assert ended == ["recurra-ahead"]


def test_a_depth_below_one_is_refused_at_once():
    with pytest.raises(OptionError, match="depth is 0; at least one batch is prepared"):
        ahead([1, 2], depth=0)


def run(code):
    """What a script prints; it ends by itself, or the test fails."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout.split()


# Each begins one and keeps it beyond the end of its script.
LEFT_OPEN = """
import itertools
from recurra.train import ahead
coming = ahead(itertools.count())
print(next(coming))
"""
FORKED = """
import os
from recurra.errors import UnsupportedError
from recurra.train import ahead
coming = ahead(range(9))
next(coming)
child = os.fork()
if not child:
    print(*ahead(range(3)), flush=True)
    try:
        next(coming)
    except UnsupportedError as error:
        print(str(error).split(":")[0], flush=True)
    raise SystemExit
assert os.waitpid(child, 0)[1] == 0
print(*coming)
"""


def test_the_interpreter_ends_though_batches_are_left():
    assert run(LEFT_OPEN) == ["0"]


def test_both_sides_of_a_fork_prepare_their_own():
    assert run(FORKED) == ["0", "1", "2", "ahead", *"12345678"]

"""A stream for long, many streams, and several threads."""

import copy
import gc
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from tests.layers.networks import language

from recurra import LSTM, Stack, Stream
from recurra.engine import leaves
from recurra.errors import ShapeError, UnsupportedError


def test_ten_million_steps_need_no_more_memory_and_stay_finite():
    torch.manual_seed(0)
    stream = Stream(LSTM(1, 4))
    x = torch.randn(1, 500_000, 1)
    out = torch.empty(1, 500_000, 4)
    resident = []
    for _ in range(20):
        assert stream.push(x, out) is out
        assert out.sum().isfinite()
        resident.append(_resident())
    assert max(resident[5:]) - resident[4] < 1 << 20
    assert all(state.isfinite().all() for state in leaves(stream.state))


def test_streams_give_their_memory_back():
    net = Stack([LSTM(64, 256), LSTM(256, 64)])
    sizes = []
    for _ in range(30):
        stream = Stream(net, 8)
        stream.push(torch.zeros(8, 64))
        stream.add(3)
        del stream
        gc.collect()
        sizes.append(_resident())
    assert max(sizes[10:]) - sizes[9] < 4 << 20


def _resident():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def test_two_threads_at_once_do_no_harm():
    stream = Stream(LSTM(64, 64), 4)
    x = torch.randn(4, 400, 64)
    errors = []

    def push():
        for _ in range(40):
            try:
                assert stream.push(x).isfinite().all()
            except UnsupportedError as error:
                errors.append(str(error))

    threads = [threading.Thread(target=push) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all("another thread" in error for error in errors)
    assert all(state.isfinite().all() for state in leaves(stream.state))


def test_streams_of_their_own_threads_do_not_meet():
    net = language()
    x = torch.randint(0, 11, (2, 300))
    whole, _ = net.sequence(x)
    found = {}

    def push(name):
        stream = Stream(net, 2)
        found[name] = torch.stack([stream.push(x[:, t]) for t in range(300)], dim=1)

    threads = [threading.Thread(target=push, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(torch.equal(each, whole) for each in found.values())


LONG = """
import os, signal, threading, time, torch
from recurra import LSTM, Stream
stream = Stream(LSTM(1, 2048))
x, sent = torch.randn(1, 20_000, 1), []
def interrupt():
    sent.append(time.monotonic())
    os.kill(os.getpid(), signal.SIGINT)
stream.push(x[:, :1])
threading.Timer(1.0, interrupt).start()
try:
    stream.push(x)
    print("it was over before")
except KeyboardInterrupt:
    print(time.monotonic() - sent[0])
stream.reset()
assert stream.push(x[:, :2]).isfinite().all()
"""


def test_ctrl_c_ends_a_long_chunk():
    made = subprocess.run(
        [sys.executable, "-c", LONG], capture_output=True, text=True, check=True, timeout=60
    )
    assert float(made.stdout) < 3.0


def test_a_long_chunk_goes_on_from_piece_to_piece(monkeypatch):
    net = language()
    x = torch.randint(0, 11, (3, 50))
    whole, _ = net.sequence(x)
    monkeypatch.setattr("recurra.engine.stream.LONG", 7 * Stream(net, 3)._runner.flow._work)
    stream = Stream(net, 3)
    assert torch.equal(stream.push(x), whole)
    before = stream.state
    x[2, 40] = 11
    with pytest.raises(IndexError):
        stream.push(x)
    same = zip(leaves(stream.state), leaves(before), strict=True)
    assert all(torch.equal(a, b) for a, b in same)


def test_a_stream_is_neither_copied_nor_pickled():
    stream = Stream(LSTM(3, 4))
    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(UnsupportedError, match=r"snapshot\(\) gives its state"):
            copied(stream)


def test_rows_that_come_and_go_under_another_threads_push_do_no_harm():
    """One of them is refused, or pushes on rows that were; memory stays."""
    stream, x, done = Stream(LSTM(3, 4), 2), torch.randn(2, 3), threading.Event()

    def push():
        while not done.is_set():
            try:
                assert stream.push(x).shape == (2, 4)
            except (ShapeError, UnsupportedError):
                continue

    pusher = threading.Thread(target=push)
    pusher.start()
    changed = 0
    while changed < 300:
        try:
            stream.add() if stream.rows == 2 else stream.drop(0)
            changed += 1
        except UnsupportedError:
            continue
    done.set()
    pusher.join()
    assert stream.rows == 2
    assert stream.push(x).isfinite().all()

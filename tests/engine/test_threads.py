"""Torch's threads and the library's own: the same bits, and one line where a wish does not fit."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[2]
LAYERS = """
    import hashlib, torch
    torch.set_num_threads(3)
    from recurra.cells import LSTM
    from recurra.engine import native

    torch.manual_seed(0)
    cell, x = LSTM(40, 130), torch.randn(23, 31, 40, requires_grad=True)
    seen = hashlib.sha256()
    for lengths in (None, torch.arange(23) + 5):
        cell.zero_grad()
        y, _ = cell.sequence(x, lengths=lengths)
        y.square().sum().backward()
        for part in (y.detach(), *(p.grad for p in cell.parameters())):
            seen.update(part.numpy().tobytes())
    print(native.team() is None, seen.hexdigest())
"""


def run(code, wish):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        env={**os.environ, "RECURRA_THREADS": wish},
    )
    return done.returncode, done.stdout.split(), done.stderr.strip().splitlines()


def test_the_librarys_own_threads_give_the_same_bits():
    status, (alone, bits), errors = run(LAYERS, "own")
    assert status == 0, errors
    assert alone == "True"
    status, (_, same), errors = run(LAYERS, "")
    assert status == 0, errors
    assert bits == same


def test_torchs_threads_serve_where_they_can_be_had():
    status, said, errors = run(LAYERS, "torch")
    if sys.platform == "linux":
        assert (status, said[0]) == (0, "False"), errors
    else:
        assert "OptionError: RECURRA_THREADS=torch: " in errors[-1]


def test_another_wish_is_refused():
    status, _, errors = run(LAYERS, "some")
    assert status == 1
    assert "OptionError: RECURRA_THREADS: got 'some'; own or torch fits, or nothing" in errors[-1]

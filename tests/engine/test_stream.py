"""The stream of the library: what it refuses, and that a push allocates nothing."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from recurra.cells import GRU, LSTM
from recurra.engine.stream import Flow, lookup, stage
from recurra.errors import UnsupportedError

HERE = Path(__file__).parent


def stage_of(cell):
    x = torch.zeros(1, 1, cell.input_size, dtype=cell.weight_hh.dtype)
    return stage(cell.step, x, cell.initial_state(1))


def run(flow, x, width):
    y = torch.full((*x.shape[:2], width), torch.nan, dtype=flow.dtype)
    flow.run([x], y)
    return y


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("rows", [1, 4, 70])
def test_stages_give_the_bits_of_sequences(rows, dtype):
    torch.manual_seed(0)
    cells = [GRU(6, 19, dtype=dtype), LSTM(19, 40, dtype=dtype)]
    table = torch.randn(7, 6, dtype=dtype)
    ids = torch.randint(0, 7, (rows, 301))
    with torch.no_grad():
        middle, h = cells[0].sequence(table[ids])
        whole, hc = cells[1].sequence(middle)
    flow = Flow([lookup(table), *map(stage_of, cells)], rows)
    found = [run(flow, ids[:, a:b].contiguous(), 40) for a, b in ((0, 1), (1, 270), (270, 301))]
    assert torch.equal(torch.cat(found, dim=1), whole)
    for state, last in zip(flow.states, (*h, *hc), strict=True):
        assert torch.equal(state, last)
    # Weights that are packed already serve others, and nobody's states.
    wider = Flow(flow._stages, rows + 3, flow)
    del flow
    more = torch.cat([ids, ids[:1].expand(3, -1)]).contiguous()
    assert torch.equal(run(wider, more, 40)[:rows], whole)


def test_stages_that_do_not_fit_are_refused():
    gru, lstm = stage_of(GRU(3, 4)), stage_of(LSTM(4, 5))
    double = stage_of(GRU(4, 4, dtype=torch.float64))
    other = Flow([gru], 1)
    for stages, rows, like, says in (
        ([lstm, gru], 1, None, "does not take what the one before it gives"),
        ([gru, lookup(torch.zeros(4, 4))], 1, None, "does not take what"),
        ([gru, double], 1, None, "two types"),
        ([lookup(torch.zeros(4, 4))], 1, None, "no program"),
        ([], 1, None, "no stages"),
        ([gru], 0, None, "no rows"),
        ([gru], 1 << 40, None, "no rows"),
        ([gru, lstm], 1, other, "other stages"),
        ([lstm], 1, other, "other stages"),
        ([replace(gru, inputs=[gru.inputs[0], 2])], 1, None, "not those of the program"),
        ([replace(gru, inputs=[99, 3])], 1, None, "not those of the program"),
        ([replace(gru, output=-1)], 1, None, "not those of the program"),
        ([replace(gru, states=[0, 1, 3])], 1, None, "not those of the program"),
        ([replace(gru, states=[])], 1, None, "is null"),
        ([replace(gru, arguments=[0] * len(gru.arguments))], 1, None, "is null"),
        ([replace(gru, arguments=gru.arguments[4:])], 1, None, "not those of the program"),
    ):
        with pytest.raises(UnsupportedError, match=says):
            Flow(stages, rows, like)


COUNT = """
import ctypes, sys, torch
from recurra import GRU, LSTM, Each, Embedding, Stack, Stream
counting = ctypes.CDLL(None)
counting.counting_end.restype = ctypes.c_long
net = Stack([Embedding(9, 8), LSTM(8, 32), GRU(32, 16), Each(torch.nn.Linear(16, 3))])
for model, rows, one in ((LSTM(4, 32), 1, torch.randn(1, 4)), (net, 70, torch.ones(70).long())):
    stream = Stream(model, rows)
    many = one[:, None].repeat(1, 300, *[1] * (one.ndim - 1))
    for x in (one, many):
        out = torch.empty_like(stream.push(x))
        push = stream.push
        counting.counting_begin()
        for _ in range(500):
            push(x, out)
        print(counting.counting_end())
counting.counting_begin()
torch.empty(100)
print(counting.counting_end())
"""


def test_a_push_allocates_nothing(tmp_path):
    named = (os.environ.get("CXX", ""), "c++", "clang++")
    compiler = next(found for found in map(shutil.which, named) if found)
    shared = tmp_path / "counting.so"
    source = str(HERE / "counting.c")
    subprocess.run(
        [compiler, "-x", "c", "-O1", "-fPIC", "-shared", source, "-o", shared], check=True
    )
    made = subprocess.run(
        [sys.executable, "-c", COUNT],
        env=os.environ | {"LD_PRELOAD": str(shared)},
        capture_output=True,
        text=True,
        check=True,
    )
    *pushes, control = map(int, made.stdout.split())
    assert pushes == [0] * 4
    assert control > 0

"""What the timing benches promise: their rows, the same numbers as their peers, and JSON."""

import argparse
import json
import re

import pytest
import torch
from bench.memory import peak_memory
from bench.rows import Row, write_rows
from bench.timing import Budget, Timing, compare, on_threads, summary
from bench.work import Shape, check

from bench import cells, dropin, layers, precision, stream

TINY = dict.fromkeys(("S", "M", "H256", "L"), Shape(12, 4, 3))
BRIEF = Budget(0.0, 2)
PROMISED = {"case", "mode", "threads", "peer", "ours_ms", "peer_ms", "ratio"}
COMMON = {"case", "metric", "value", "unit", "peer", "peer_value", "ratio"}
SPREADS = {"ours_spread", "peer_spread"}
MACHINE = {"cpu", "torch"}


@pytest.fixture(scope="module")
def on_one():
    rows = layers.rows(r"^(LSTM|GRU|Elman|ragged)", 1, BRIEF, TINY)
    own = cells.rows("^(?!first|bfloat16)", 1, BRIEF, TINY["M"], Shape(9, 2, 5))
    return [*rows, *own]


def test_rows_have_what_was_promised(on_one, tmp_path):
    write_rows(str(tmp_path / "rows.json"), on_one)
    for row in json.loads((tmp_path / "rows.json").read_text()):
        assert row.keys() == PROMISED | COMMON | SPREADS | MACHINE
        assert row["mode"] in ("infer", "train")
        assert row["threads"] == 1
        assert row["ratio"] == pytest.approx(row["peer_ms"] / row["ours_ms"])
        assert row["ours_ms"] > 0
        assert (row["metric"], row["unit"]) == (row["mode"], "ms")
        assert (row["value"], row["peer_value"]) == (row["ours_ms"], row["peer_ms"])


def test_steps_in_bfloat16_are_beside_those_in_float32():
    rows = list(precision.rows("GRU", 1, BRIEF, {"tiny": precision.Net(2, 17, 3, 5)}))
    assert {row.case for row in rows} == {"bfloat16 GRU tiny"}
    peers = ["recurra float32", "torch nn.GRU bfloat16", "torch nn.GRU float32"]
    assert [row.peer for row in rows] == peers


def test_rows_of_other_benches_have_the_common_names(tmp_path):
    rows = [Row("a", "MSE", 3.0, "scaled", "b", 2.0), Row("a", "minutes", 1.0, "min")]
    write_rows(str(tmp_path / "rows.json"), rows)
    beside, alone = json.loads((tmp_path / "rows.json").read_text())
    assert beside.keys() == alone.keys() == COMMON | MACHINE | {"threads"}
    assert (beside["ratio"], alone["ratio"]) == (1.5, None)


def test_no_case_is_left_out(on_one):
    found = {(row.case, row.mode, row.peer) for row in on_one if not re.match("onnx|jax", row.peer)}
    classic = {"LSTM": "LSTM", "GRU": "GRU", "Elman": "RNN"}
    pairs = [
        (f"{ours} {k}", f"torch nn.{theirs}") for ours, theirs in classic.items() for k in TINY
    ]
    pairs += [("LSTM projection M", "torch nn.LSTM")]
    pairs += [("ragged LSTM M", p) for p in ("torch packed nn.LSTM", "recurra, every row full")]
    pairs += [("layer-norm LSTM M", p) for p in ("Python loop", "recurra LSTM")]
    pairs += [(case, "Python loop") for case in cells.OWN]
    loops = ("Python loop", "Python loop over x[:, t]")
    pairs += [("elementwise T256 B8 D256", p) for p in loops]
    assert found == {(case, mode, peer) for case, peer in pairs for mode in ("infer", "train")}


def test_the_modules_are_beside_torchs(tmp_path):
    rows = list(dropin.rows("", 1, BRIEF, TINY))
    write_rows(str(tmp_path / "rows.json"), rows)
    for row in json.loads((tmp_path / "rows.json").read_text()):
        assert row.keys() >= COMMON | MACHINE | {"threads"}
    timed = {(row.case, row.mode, row.peer) for row in rows if isinstance(row, Timing)}
    classic = {"LSTM": "LSTM", "GRU": "GRU", "Elman": "RNN"}
    sizes = ("S", "M", "2 layers, both ways M", "packed M", "one step S")
    cases = [
        (f"{ours} module{', ' if ' ' in size else ' '}{size}", f"torch nn.{theirs}")
        for ours, theirs in classic.items()
        for size in sizes
    ]
    cell = "recurra, the cell itself"
    cases += [(f"{kind} module {size}", cell) for kind in classic for size in ("S", "M")]
    assert timed == {(case, mode, peer) for case, peer in cases for mode in ("infer", "train")}
    over = [(row.case, row.metric, row.unit) for row in rows if isinstance(row, Row)]
    modes = ("infer", "forward of train")
    assert over == [(f"overhead {kind}", mode, "us") for kind in classic for mode in modes]


def test_a_stream_is_beside_what_steps_elsewhere():
    with torch.inference_mode():
        rows = list(stream.rows("", BRIEF, (32,)))
    assert all(row.unit == "us" and row.ours_ms > 0 and row.peer_ms > 0 for row in rows)
    found = {(row.case, row.mode, row.peer) for row in rows if not re.match("onnx|jax", row.peer)}
    assert found == {
        *((f"push {k} 32", m, f"torch nn.{k}Cell") for k in stream.CELLS for m in ("push", "out")),
        ("chunk LSTM 32", "chunk", "torch nn.LSTM"),
        ("chunk LSTM 32", "chunk", "RTNeural, on a Zen 5"),
        ("bfloat16 LSTM 32", "push", "recurra, float32"),
        ("network GRU 128", "push", "torch, inference mode"),
        ("rows LSTM 128", "push", "torch nn.LSTMCell"),
    }


def test_several_threads_are_beside_one():
    before = torch.get_num_threads()
    rows = list(layers.rows("^threads|^both", 2, BRIEF, TINY))
    torch.set_num_threads(before)
    assert {row.threads for row in rows} == {2}
    cases = ["threads LSTM M", "threads LSTM L", "both directions LSTM M"]
    assert [row.case for row in rows] == [case for case in cases for _ in range(2)]


def test_only_picks_cases():
    rows = list(layers.rows("^GRU M$", 1, BRIEF, TINY))
    assert {row.case for row in rows} == {"GRU M"}
    assert not list(cells.rows("no such case", 1, BRIEF))


def test_run_prints_and_gives_its_threads_back(capsys):
    args = argparse.Namespace(quick=True, threads=1, only="no such case")
    before = torch.get_num_threads()
    assert [*layers.run(args), *cells.run(args), *dropin.run(args)] == []
    assert torch.get_num_threads() == before
    printed = capsys.readouterr().out
    assert "1 thread(s)" in printed
    assert "ratio" in printed


def test_lengths_are_evenly_spread():
    lengths = layers.even_lengths(Shape(128, 32, 1)).sort().values
    assert (lengths[0], lengths[-1]) == (10, 128)
    assert set(lengths.diff().tolist()) == {3, 4}


def test_a_spread_is_the_distance_of_the_quartiles():
    assert summary([0.001, 0.002, 0.003]) == (pytest.approx(2.0), pytest.approx(1.0))
    assert summary([0.005]) == (5.0, 0.0)


def test_every_call_is_made_in_every_round(monkeypatch):
    monkeypatch.setattr("bench.timing.SHORTEST", 0.0)
    made = []
    calls = {name: lambda name=name: made.append(name) for name in "ab"}
    rows = compare("case", "infer", 1, calls["a"], calls, Budget(0.0, 5))
    assert "".join(made[-10:]) == 5 * "ab"
    assert made.count("a") > 2 * made.count("b")
    assert [row.peer for row in rows] == ["a", "b"]
    assert all(isinstance(row, Timing) for row in rows)


def test_a_call_may_have_threads_of_its_own():
    before = torch.get_num_threads()
    assert on_threads(2, torch.get_num_threads)() == 2
    torch.set_num_threads(before)


def test_what_differs_is_not_timed():
    check(lambda: torch.ones(2), lambda: torch.ones(2) + 1e-5)
    for other in (torch.zeros(2), torch.full((2,), float("nan"))):
        with pytest.raises(RuntimeError, match="differ"):
            check(lambda: torch.ones(2), lambda other=other: other)


def test_memory_is_told_in_mib():
    (row,) = layers.rows("^peak memory LSTM L$", 1, BRIEF, dict.fromkeys("ML", Shape(8, 8, 16)))
    written = row.written()
    assert (written["case"], written["unit"]) == ("peak memory LSTM L", "MiB")
    assert written["value"] == written["ours_ms"] > 0


def test_memory_is_that_of_the_step():
    # The outputs and the gradient of x alone are 2 x 4 MiB.
    taken = peak_memory("torch", Shape(64, 64, 256), 1).ms
    assert 8 < taken < 100

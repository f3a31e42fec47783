"""What the bench of training promises: its cases, and that both sides take the same step."""

import argparse

import pytest
import torch
from bench.timing import Budget
from bench.work import Shape

from bench import overhead, probing, training
from recurra.train import Plan, Recipe, Truncated, train

TINY = dict.fromkeys(("S", "M", "H256"), Shape(12, 4, 3))
BRIEF = Budget(0.0, 2)


def test_the_loop_is_beside_the_bare_step():
    rows = list(overhead.rows("head S|streams M", Budget(0.0, 1), TINY, 3))
    cases = ["overhead S", "overhead of streams M"]
    assert [(row.case, row.unit) for row in rows] == [
        (case, unit) for case in cases for unit in ("us a step", "%")
    ]
    for absolute, share in zip(rows[::2], rows[1::2], strict=True):
        assert absolute.peer_value > 0
        assert share.value == pytest.approx(100 * absolute.value / absolute.peer_value)


def test_both_sides_learn_the_same():
    """The bare step is a step of the loop, where nothing is clipped and no state is carried."""
    plan = Plan(epochs=1, quiet=True, recipe=Recipe(clip=0.0))
    torch.manual_seed(0)
    bare, model = overhead.Bare(3, plan), overhead.Language(overhead.VOCABULARY, 3)
    model.load_state_dict(bare.model.state_dict())
    windows = list(Truncated(model, overhead.text(97), streams=4, window=6).batches(1, 0))
    timed = overhead.Timed(overhead.Given(model, windows), bare)
    train(timed, plan)
    assert len(timed.bare) == len(timed.whole) == 4
    for a, b in zip(bare.model.parameters(), model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_what_a_probe_chose_is_beside_the_best_of_the_grid():
    rows = list(probing.rows("probe S", BRIEF, TINY, (4, 8), (2, 4), 0.2))
    assert [(row.case, row.metric) for row in rows] == [
        ("probe S", "throughput"),
        ("probe S", "time taken"),
    ]
    assert 0 < rows[0].value <= rows[0].peer_value


def test_run_takes_the_cases_that_are_wanted(capsys):
    args = argparse.Namespace(quick=True, threads=1, only="no such case")
    before = torch.get_num_threads()
    assert list(training.run(args)) == []
    assert torch.get_num_threads() == before
    assert capsys.readouterr().out.startswith("training: ")

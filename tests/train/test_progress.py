"""What is shown while training: a bar on a terminal, a line an epoch elsewhere."""

import io
from functools import partial

import pytest
from rich.console import Console

from recurra.train import Epoch
from recurra.train import progress as room

FIRST = Epoch(1, 3, 2.4, 1.0, 0.5, 0.001, 0.25)
SECOND = Epoch(2, 6, 4.6, 1.0, 0.75, 0.001, 0.25)


@pytest.fixture
def screen(monkeypatch):
    """A place for what is shown, and whether it is a terminal."""

    def make(terminal: bool) -> io.StringIO:
        shown = io.StringIO()

        def console(stderr: bool, quiet: bool) -> Console:
            assert stderr
            return Console(file=shown, quiet=quiet, force_terminal=terminal, width=120)

        monkeypatch.setattr(room, "Console", console)
        return shown

    return make


def run(report: room.Report) -> None:
    with report:
        for epoch in (FIRST, SECOND):
            for _ in range(3):
                report.step()
            report.epoch(epoch, FIRST)


def test_a_line_an_epoch_elsewhere(screen):
    shown = screen(terminal=False)
    run(room.Report(epochs=2, steps=3, minutes=None, quiet=False))
    assert shown.getvalue().splitlines() == [
        "epoch 1/2  validation 0.5000  2 s",
        "epoch 2/2  validation 0.7500 (best 0.5000 in epoch 1)  5 s",
    ]


@pytest.mark.parametrize("minutes", [None, 1.0])
def test_a_bar_with_the_time_left_on_a_terminal(screen, minutes):
    shown = screen(terminal=True)
    run(room.Report(epochs=2, steps=3, minutes=minutes, quiet=False))
    text = shown.getvalue()
    assert "━" in text
    assert "at most" in text
    assert "left" in text
    assert "epoch 2/2  validation 0.7500 (best 0.5000 in epoch 1)" in text
    assert " s\n" not in text, "the lines are for where there is no bar"


def test_with_a_time_limit_the_bar_measures_time(screen, monkeypatch):
    screen(terminal=True)
    clock = iter([0.0, 30.0, 15.0, 59.0])
    monkeypatch.setattr(room.time, "monotonic", partial(next, clock))
    report = room.Report(epochs=10, steps=10, minutes=1.0, quiet=False)
    done = []
    for _ in range(3):
        report.step()
        done.append(report._bar.tasks[0].completed)
    assert done == pytest.approx([50, 50, 59 / 60 * 100]), "it never goes back"


@pytest.mark.parametrize("terminal", [False, True])
def test_quiet_is_quiet(screen, terminal):
    shown = screen(terminal)
    run(room.Report(epochs=2, steps=3, minutes=None, quiet=True))
    assert shown.getvalue() == ""

"""The garbage collector waits while a step is traced, and only then."""

import gc

import pytest
import torch

from recurra.cells import GRU
from recurra.engine.collector import waiting
from recurra.engine.simplify import simplify


@pytest.fixture
def collections():
    """The generations that were collected, while every few objects set a collection off."""
    found = []

    def note(phase, info):
        if phase == "start":
            found.append(info["generation"])

    before = gc.get_threshold()
    gc.callbacks.append(note)
    gc.set_threshold(10, 1, 1)
    yield found
    gc.set_threshold(*before)
    gc.callbacks.remove(note)


def test_nothing_is_collected_meanwhile_and_the_youngest_afterwards(collections):
    with waiting():
        collections.clear()
        kept = [[] for _ in range(1000)]
        assert collections == []
    assert collections[0] == 0
    assert gc.isenabled()
    assert len(kept) == 1000


def test_it_is_left_as_it_was():
    gc.disable()
    try:
        with waiting():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
    with pytest.raises(KeyError), waiting():
        raise KeyError
    assert gc.isenabled()


def test_a_first_call_traces_without_a_collection(collections, monkeypatch):
    seen = []

    def simplified(step):
        seen.append(len(collections))
        made = simplify(step)
        seen.append(len(collections))
        return made

    monkeypatch.setattr("recurra.engine.traced.simplify", simplified)
    GRU(3, 29).sequence(torch.zeros(1, 2, 3))  # of a width that no other test has
    assert len(seen) == 2
    assert seen[0] == seen[1]

"""A counter of native calls, without which a silent way round would pass."""

import pytest
import torch

from recurra.engine import machine, native


@pytest.fixture
def calls(monkeypatch):
    """How many jobs each native call had."""
    found, inner = [], native.run

    def counted(jobs, threads):
        found.append(len(jobs))
        return inner(jobs, threads)

    monkeypatch.setattr(native, "run", counted)
    return found


@pytest.fixture
def poison(monkeypatch):
    """Memory that nobody has filled is not a number."""
    inner = machine.blank

    def poisoned(*given, **options):
        return inner(*given, **options).fill_(float("nan"))

    monkeypatch.setattr("recurra.nn.packed.blank", poisoned)


@pytest.fixture
def compilers():
    """torch.compile without a memory of other tests."""
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()

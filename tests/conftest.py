"""Shapes in annotations are checked while tests run; one small training is shared by many tests."""

import os
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("MPLBACKEND", "Agg")

import jaxtyping
import pytest
import torch
from hypothesis import settings
from jaxtyping import install_import_hook

# Two test processes share two cores; two threads each would wait for one another.
torch.set_num_threads(1)

# A law that is slow on a busy machine is still a law, and one commit has one result.
settings.register_profile("recurra", deadline=None, derandomize=True)
settings.load_profile("recurra")

# Shapes stand in annotations of what users call. What traces and plans in the engine holds no
# tensor shapes, and a step's plan takes ten thousand of its calls: mypy alone watches it.
_ROOMS = ["cells", "cli", "data", "errors", "layers", "models", "tasks", "train"]
_ENGINE = ["machine", "native", "plain", "reverse", "rows", "run", "together", "tree"]
_WATCHED = [*_ROOMS, *(f"engine.{name}" for name in _ENGINE)]
_HOOK = install_import_hook([f"recurra.{name}" for name in _WATCHED], "beartype.beartype")

# Fields with which each task learns its sample in a second.
QUICK: dict[str, dict[str, Any]] = {
    "classify": {
        "kind": "numbers",
        "hidden_size": 8,
        "batch_size": 8,
        "epochs": 6,
        "learning_rate": 2e-2,
        "quiet": True,
    },
    "forecast": {
        "horizon": 7,
        "context": 14,
        "hidden_size": 8,
        "batch_size": 4,
        "epochs": 2,
        "quiet": True,
    },
    "language": {
        "tokens": "characters",
        "hidden_size": 8,
        "streams": 8,
        "window": 32,
        "learning_rate": 0.02,
        "epochs": 2,
        "quiet": True,
    },
    "regress": {
        "kind": "numbers",
        "hidden_size": 8,
        "batch_size": 8,
        "epochs": 4,
        "learning_rate": 2e-2,
        "quiet": True,
    },
    "rewrite": {
        "beam": 2,
        "cell": "gru",
        "hidden_size": 8,
        "embedding_size": 4,
        "batch_tokens": 1000,
        "epochs": 1,
        "quiet": True,
    },
    "tag": {
        "output": "crf",
        "word_size": 8,
        "char_size": 4,
        "hidden_size": 8,
        "epochs": 2,
        "quiet": True,
    },
    "text-classify": {
        "text": "text",
        "hidden_size": 8,
        "word_size": 8,
        "char_size": 4,
        "batch_size": 16,
        "dropout": 0.1,
        "word_dropout": 0.1,
        "epochs": 8,
        "learning_rate": 4e-2,
        "average": 0.9,
        "quiet": True,
    },
    "translate": {
        "beam": 2,
        "vocab_size": 300,
        "cell": "gru",
        "hidden_size": 8,
        "embedding_size": 4,
        "batch_tokens": 1000,
        "epochs": 1,
        "precision": "float32",
        "quiet": True,
    },
}


class Trained(NamedTuple):
    """An estimator that has learned its own sample, and its run folder; neither to be changed."""

    fields: dict[str, Any]
    data: Path
    estimator: Any
    folder: Path


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Trained]:
    """One small training a task and test process."""

    @cache
    def learn(task: str) -> Trained:
        from recurra.tasks import TASKS

        place = tmp_path_factory.mktemp(task)
        data = TASKS[task].sample(place)
        estimator = TASKS[task](**QUICK[task])
        estimator.fit(data)
        estimator.save(place / "run")
        return Trained(QUICK[task], data, estimator, place / "run")

    return learn


@pytest.fixture
def run_folder(trained: Callable[[str], Trained], tmp_path: Path) -> Path:
    """A forecaster's run folder that a test may break."""
    return Path(shutil.copytree(trained("forecast").folder, tmp_path / "run"))


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Compiles a function whole; torch forgets it afterwards."""
    torch._dynamo.reset()
    # What watches the shapes in these tests is not there where users compile.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    yield lambda f: torch.compile(f, fullgraph=True, backend="aot_eager")
    torch._dynamo.reset()

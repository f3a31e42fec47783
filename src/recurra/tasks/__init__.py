"""One folder a problem: data, network, loss and metric put together."""

from pathlib import Path

from recurra.errors import RunFolderError
from recurra.tasks.classify import SequenceClassifier
from recurra.tasks.estimator import Estimator
from recurra.tasks.forecast import Forecaster
from recurra.tasks.language import LanguageModel
from recurra.tasks.regress import SequenceRegressor
from recurra.tasks.rewrite import Transducer
from recurra.tasks.tag import Tagger
from recurra.tasks.text_classify import TextClassifier
from recurra.tasks.translate import Translator
from recurra.train import load_run

TASKS: dict[str, type[Estimator]] = {
    "classify": SequenceClassifier,
    "forecast": Forecaster,
    "language": LanguageModel,
    "regress": SequenceRegressor,
    "rewrite": Transducer,
    "tag": Tagger,
    "text-classify": TextClassifier,
    "translate": Translator,
}

__all__ = [
    "TASKS",
    "Estimator",
    "Forecaster",
    "LanguageModel",
    "SequenceClassifier",
    "SequenceRegressor",
    "Tagger",
    "TextClassifier",
    "Transducer",
    "Translator",
    "load",
]


def load(folder: str | Path) -> Estimator:
    """Read a run folder of any task.

    Raises:
        MissingFileError, RunFolderError: no run, a damaged one, or one of an unknown task.
    """
    task = load_run(Path(folder)).task
    if task not in TASKS:
        raise RunFolderError(f"{folder}: a run of the task {task!r}; known are {', '.join(TASKS)}")
    return TASKS[task].load(folder)

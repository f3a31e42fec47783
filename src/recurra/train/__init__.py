"""The loop that learns, and the folder that keeps what was learned."""

from recurra.train.history import Epoch, History
from recurra.train.loop import Plan, train
from recurra.train.outline import outline
from recurra.train.run_folder import Run, free_folder, load_run, load_weights, save_run
from recurra.train.threads import one_thread
from recurra.train.whole import write_whole

__all__ = [
    "Epoch",
    "History",
    "Plan",
    "Run",
    "free_folder",
    "load_run",
    "load_weights",
    "one_thread",
    "outline",
    "save_run",
    "train",
    "write_whole",
]

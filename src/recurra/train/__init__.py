"""The loop that learns, and the folder that keeps what was learned."""

from recurra.train.checkpoint import Checkpoint, read_checkpoint
from recurra.train.course import Course
from recurra.train.diagnose import Diagnosis, diagnose
from recurra.train.history import Epoch, History
from recurra.train.lesson import Lesson
from recurra.train.loop import train
from recurra.train.outline import outline
from recurra.train.plan import Plan, Recipe
from recurra.train.run_folder import Run, free_folder, load_run, load_weights, save_run
from recurra.train.threads import one_thread
from recurra.train.whole import write_whole

__all__ = [
    "Checkpoint",
    "Course",
    "Diagnosis",
    "Epoch",
    "History",
    "Lesson",
    "Plan",
    "Recipe",
    "Run",
    "diagnose",
    "free_folder",
    "load_run",
    "load_weights",
    "one_thread",
    "outline",
    "read_checkpoint",
    "save_run",
    "train",
    "write_whole",
]

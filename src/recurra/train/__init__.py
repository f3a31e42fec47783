"""The loop that learns, and the folder that keeps what was learned."""

from recurra.train.ahead import ahead
from recurra.train.checkpoint import Checkpoint, checkpoint_file, read_checkpoint
from recurra.train.course import Course
from recurra.train.diagnose import Diagnosis, diagnose
from recurra.train.find_rate import Rates, find_rate
from recurra.train.history import Epoch, History
from recurra.train.lesson import Lesson
from recurra.train.loop import train
from recurra.train.outline import outline
from recurra.train.pace import unfrozen
from recurra.train.picture import check_picture, save_picture
from recurra.train.plan import Plan, Recipe
from recurra.train.probe import Found, probe
from recurra.train.progress import progress_bar
from recurra.train.ranks import Part, this_part
from recurra.train.run_folder import Run, free_folder, load_run, load_weights, save_run
from recurra.train.streams import Streams, Tokens, Window
from recurra.train.threads import one_thread
from recurra.train.truncated import Network, Predictor, Truncated
from recurra.train.whole import write_whole

__all__ = [
    "Checkpoint",
    "Course",
    "Diagnosis",
    "Epoch",
    "Found",
    "History",
    "Lesson",
    "Network",
    "Part",
    "Plan",
    "Predictor",
    "Rates",
    "Recipe",
    "Run",
    "Streams",
    "Tokens",
    "Truncated",
    "Window",
    "ahead",
    "check_picture",
    "checkpoint_file",
    "diagnose",
    "find_rate",
    "free_folder",
    "load_run",
    "load_weights",
    "one_thread",
    "outline",
    "probe",
    "progress_bar",
    "read_checkpoint",
    "save_picture",
    "save_run",
    "this_part",
    "train",
    "unfrozen",
    "write_whole",
]

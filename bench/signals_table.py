"""The cases of `bench.signals`: what was asked for, and the fields that are no defaults."""

from functools import partial
from typing import Any

from bench import signals_data as data
from bench.signals_cases import (
    Case,
    above_baseline,
    classified,
    dealt,
    heterogeneous,
    holed,
    homogeneous,
    lives,
    moving_shapes,
    one,
    spoken,
)
from bench.signals_scores import accuracy, error, matthews

# Chosen on parts of the training data alone. All of a schedule's epochs are learned, and the
# weights that answer are the mean over the last steps.
RECIPE: dict[str, Any] = {
    "optimizer": "adamw",
    "weight_decay": 0.01,
    "learning_rate": 3e-3,
    "schedule": "one-cycle",
    "average": 0.99,
    "epochs": 60,
    "patience": 60,
    "hidden_size": 64,
    "batch_size": 16,
    "convolution": 0,
    "pooling": ("mean", "max", "attention"),
}
BESIDE = RECIPE | {"fcn": 64}
STROKES = RECIPE | {
    **{"epochs": 20, "batch_size": 64, "learning_rate": 6e-3, "hidden_size": 96},
    **{"scale": 0.1, "shift": 0.1, "noise": 0.05},
}
SPEECH = RECIPE | {
    **{"epochs": 24, "batch_size": 32, "learning_rate": 4e-3, "convolution": 5},
    **{"stretch": 0.2, "mask_time": 0.2, "mask_channels": 0.1},
}
POSES = RECIPE | {
    "kind": "joints",
    "distances": True,
    "batch_size": 32,
    "stretch": 0.25,
    "crop": 0.2,
}
ENGINES = RECIPE | {
    **{"one_way": True, "num_layers": 2, "learning_rate": 5e-3, "batch_size": 8},
}
ROWS = RECIPE | {
    **{"minutes": 10.0, "epochs": 20, "batch_size": 128, "hidden_size": 128, "precision": "auto"},
    **{"convolution": 5, "noise": 0.1},
}
CLIPS = RECIPE | {"epochs": 20, "batch_size": 32}
DNA = RECIPE | {"kind": "dna", "strands": "one", "epochs": 12, "batch_size": 64, "convolution": 7}

# Published figures stand here where a set's page says that they were read again, or that they are
# usual; others there are quoted from memory, and say so.
CASES = {
    "japanese_vowels": Case(
        "accuracy",
        98.0,
        99.2,
        one(partial(data.archive, name="japanese_vowels")),
        classified(accuracy),
        needs="sensors/japanese_vowels",
        fields=BESIDE,
        quoted=("LSTM-FCN family, as quoted", 99.0),
    ),
    "basic_motions": Case(
        "accuracy",
        97.5,
        100.0,
        one(partial(data.archive, name="basic_motions")),
        classified(accuracy),
        needs="sensors/basic_motions",
        fields=RECIPE,
        quoted=("DTW_D nearest neighbour, as quoted", 97.5),
    ),
    "pendigits": Case(
        "accuracy",
        97.3,
        98.5,
        one(data.pendigits),
        classified(accuracy),
        needs="handwriting/pendigits",
        fields=STROKES,
        quoted=("3 nearest neighbours, as quoted", 97.8),
    ),
    "fsdd": Case(
        "accuracy",
        97.0,
        99.0,
        partial(spoken, by_speaker=False),
        classified(accuracy),
        needs="speech/fsdd",
        fields=SPEECH,
    ),
    "fsdd_speakers": Case(
        "accuracy",
        78.0,
        90.0,
        partial(spoken, by_speaker=True),
        classified(accuracy),
        needs="speech/fsdd",
        folds=True,
        fields=SPEECH,
    ),
    "movement_aal": Case(
        "accuracy",
        90.0,
        96.0,
        homogeneous,
        classified(accuracy),
        needs="sensors/movement_aal",
        fields=BESIDE,
        quoted=("echo state network, as quoted", 96.0),
    ),
    "movement_aal, heterogeneous": Case(
        "accuracy",
        None,
        None,
        heterogeneous,
        classified(accuracy),
        needs="sensors/movement_aal",
        fields=BESIDE,
        quoted=("echo state network, as quoted", 90.0),
    ),
    "hmp_adl": Case(
        "macro F1 above baseline",
        5.0,
        None,
        dealt(data.daily, 5),
        above_baseline,
        needs="sensors/hmp_adl",
        folds=True,
        fields=RECIPE,
    ),
    "jhmdb_pose, split 1": Case(
        "accuracy",
        65.0,
        77.0,
        lambda folder: (split for split in data.poses(folder) if split.name == "split 1"),
        classified(accuracy),
        needs="video/jhmdb_pose",
        fields=POSES,
        quoted=("DD-Net of 0.50 M weights, as quoted", 73.7),
    ),
    "jhmdb_pose, three splits": Case(
        "accuracy",
        None,
        None,
        data.poses,
        classified(accuracy),
        needs="video/jhmdb_pose",
        folds=True,
        fields=POSES,
    ),
    "cmapss_fd001": Case(
        "RMSE",
        15.0,
        12.6,
        one(data.engines),
        lives,
        unit="cycles",
        needs="sensors/cmapss_fd001",
        fields=ENGINES,
        quoted=("deep CNN, as quoted", 12.61),
    ),
    "splice": Case(
        "error",
        6.0,
        4.0,
        dealt(partial(data.bases, name="splice"), 10),
        classified(error),
        needs="genomes/splice",
        folds=True,
        fields=DNA,
    ),
    "ecoli_promoters": Case(
        "Matthews correlation",
        0.80,
        0.88,
        dealt(partial(data.bases, name="ecoli_promoters"), 5),
        classified(matthews),
        unit="",
        needs="genomes/ecoli_promoters",
        folds=True,
        fields=DNA,
        quoted=("CNNProm, as quoted", 0.84),
    ),
    "mnist": Case(
        "accuracy",
        98.5,
        99.2,
        one(data.digits),
        classified(accuracy),
        needs="long_range/mnist",
        fields=ROWS,
    ),
    "missing": Case(
        "points above means",
        1.0,
        None,
        one(partial(data.archive, name="japanese_vowels")),
        holed,
        needs="sensors/japanese_vowels",
        fields=RECIPE,
    ),
    "moving_shapes": Case(
        "accuracy", 97.0, 100.0, moving_shapes, classified(accuracy), fields=CLIPS
    ),
}

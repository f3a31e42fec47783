"""Electricity transformer temperature by the standard protocol.

12, 4 and 4 months of 30 days to learn, validate and test; each of the 7 channels scaled by its
training rows; every window of the test part, the last ones too; errors on scaled values, averaged
over windows, steps and channels.

Source: Zhou et al., "Informer", 2021, arXiv:2012.07436, section 5.1; as in the code of Zeng et
al., "Are Transformers Effective for Time Series Forecasting?", 2023, with no batch dropped.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

import numpy as np

from bench.rows import Row, wanted
from recurra.data import CovariateScaler, Scaler, Windows, read_panel
from recurra.tasks.forecast.baselines import Naive, NLinear
from recurra.tasks.forecast.network import WindowLesson, answer, blend
from recurra.tasks.forecast.setting import Setting
from recurra.train import Plan, Recipe

VALID, TEST, END = 8640, 11520, 14400
CONTEXT, SEGMENT = 96, 24
CHANNELS = 7
# SegRNN with a look-back of 96: its repository's README, lss-1138/SegRNN. Repeating the last
# value: Zeng et al. 2023, table 2.
PUBLISHED = {
    ("ETTh1", 96): {"model": (0.368, 0.395), "naive": (1.295, 0.713)},
    ("ETTh1", 192): {"model": (0.408, 0.419), "naive": (1.325, 0.733)},
    ("ETTh1", 336): {"model": (0.444, 0.440), "naive": (1.323, 0.744)},
    ("ETTh1", 720): {"model": (0.446, 0.457), "naive": (1.339, 0.756)},
    ("ETTh2", 96): {"model": (0.278, 0.335), "naive": (0.432, 0.422)},
    ("ETTh2", 192): {"model": (0.359, 0.389), "naive": (0.534, 0.473)},
    ("ETTh2", 336): {"model": (0.421, 0.436), "naive": (0.591, 0.508)},
    ("ETTh2", 720): {"model": (0.432, 0.455), "naive": (0.588, 0.517)},
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the data is and how much of it to run."""
    parser.add_argument(
        "--data", type=Path, default=Path("../shared/data/forecasting"), help="holds etth1/, etth2/"
    )
    parser.add_argument("--horizons", default="96", help="any of 96,192,336,720")
    parser.add_argument("--seeds", type=int, default=3, help="runs to average")


def run(args: argparse.Namespace) -> Iterator[Row]:
    """The rows of every data set and horizon that is wanted."""
    for name in ("ETTh1", "ETTh2"):
        path = args.data / name.lower() / f"{name}.csv.gz"
        for horizon in map(int, args.horizons.split(",")):
            case = f"{name} {horizon}"
            if not wanted(case, args.only):
                continue
            if not path.exists():
                print(f"{case}: {path} is not there; --data FOLDER says where it is")
                continue
            for row in _case(case, name, path, horizon, args.seeds):
                row.show()
                yield row


def _case(case: str, name: str, path: Path, horizon: int, seeds: int) -> Iterator[Row]:
    panel = read_panel(path)
    training_ends = np.full(len(panel.names), VALID)
    scaler = Scaler.fit(panel.names, panel.values, training_ends)
    covariates = CovariateScaler.fit(panel, training_ends)
    windows = Windows(panel, scaler, covariates, CONTEXT, horizon)
    training = windows.origins(0, VALID)
    validation = windows.origins(VALID, TEST)
    test = windows.origins(TEST, END)
    nlinear = NLinear.fit(windows, training, validation)
    published = PUBLISHED[name, horizon]
    naive = _errors(windows, test, Naive().predict(windows, test))
    yield from _rows(f"{case} repeat last", naive, "Zeng et al. 2023", published["naive"])
    kept = _without_last_batch(windows, test)
    naive = _errors(windows, kept, Naive().predict(windows, kept))
    yield from _rows(f"{case} repeat last, dropped", naive, "Zeng et al. 2023", published["naive"])
    linear = _errors(windows, test, nlinear.predict(windows, test))
    yield from _rows(f"{case} nlinear {CONTEXT}", linear, None, None)
    results, minutes = [], []
    for seed in range(seeds):
        begun = time.monotonic()
        lesson = WindowLesson(setting(horizon), windows, training, validation, BATCH, seed)
        network, history = lesson.teach(PLAN)
        blend(network, nlinear, windows, validation)
        minutes.append((time.monotonic() - begun) / 60)
        results.append(_errors(windows, test, answer(network, windows, test, windows.series(test))))
        held = _errors(
            windows, validation, answer(network, windows, validation, windows.series(validation))
        )
        print(
            f"{case} seed {seed}: validation {held[0]:.4f} / {held[1]:.4f}, test "
            f"{results[-1][0]:.4f} / {results[-1][1]:.4f}, epoch {history.best.epoch} of "
            f"{len(history.epochs)}, {network.share:.0%} linear, {minutes[-1]:.1f} min",
            flush=True,
        )
    averaged = (mean(mse for mse, _ in results), mean(mae for _, mae in results))
    yield from _rows(f"{case} recurra", averaged, "SegRNN", published["model"])
    yield Row(f"{case} recurra", "minutes a seed, longest", max(minutes), "min")


def setting(horizon: int) -> Setting:
    """The network, alike for every horizon."""
    return Setting(
        model="segment",
        cell="gru",
        hidden_size=256,
        horizon=horizon,
        context=CONTEXT,
        segment=SEGMENT,
        series=CHANNELS,
        past=0,
        future=0,
        gaps=False,
        dropout=0.5,
    )


def _without_last_batch(windows: Windows, origins: np.ndarray) -> np.ndarray:
    """What the published code was measured on: its loader dropped the last, partial batch of 32.

    Only this reproduces the published figures to the last digit; every other row is of all windows.
    """
    times = windows.times(origins)
    return origins[times < TEST + len(np.unique(times)) // 32 * 32]


BATCH = 128 * CHANNELS
PLAN = Plan(recipe=Recipe(learning_rate=2e-3), epochs=30, patience=5)


def _errors(windows: Windows, origins: np.ndarray, predicted: np.ndarray) -> tuple[float, float]:
    error = (predicted - windows.targets(origins).y).astype(np.float64)
    return float((error**2).mean()), float(np.abs(error).mean())


def _rows(
    case: str,
    errors: tuple[float, float],
    peer: str | None,
    published: tuple[float, float] | None,
) -> Iterator[Row]:
    for position, metric in enumerate(("MSE", "MAE")):
        value = None if published is None else published[position]
        yield Row(case, metric, errors[position], "scaled", peer, value)

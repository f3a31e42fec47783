"""What is said of sequences while their steps come."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from recurra.errors import DataError, ShapeError
from recurra.models import Steps
from recurra.tasks.signals.learned import Learned
from recurra.train import one_thread

Floats = NDArray[np.float64]


class SequenceStream:
    """Sequences side by side whose steps come one by one, or some at a time.

    What is said after a push is what `predict` says of all steps so far, to rounding.

    Args:
        learned: a model whose network needs nothing that comes later.
        rows: how many sequences, B.

    Raises:
        UnsupportedError: the network needs what comes later.
    """

    def __init__(self, learned: Learned, rows: int = 1) -> None:
        self._learned, self._rows = learned, rows
        self._memory = learned.network.begin(rows)

    def push(self, steps: Any, gaps: Any = None) -> Floats:
        """Read steps, as `read` does; probabilities (B, K), or numbers (B,), of all so far."""
        self.read(steps, gaps)
        return self.answer()

    def read(self, steps: Any, gaps: Any = None) -> None:
        """Read steps.

        Args:
            steps: (B, T, F), or (B, F) for one; NaN where a value is missing.
            gaps: (B, T), or (B,) for one: the time since the step before, in the unit that the
                model learned with.

        Raises:
            ShapeError: they are of another shape.
            DataError: something is missing, and nothing was said of that in `fit`; or gaps are
                missing that the model learned with.
        """
        values, times = self._checked(np.asarray(steps, np.float32), gaps)
        lengths = torch.full((self._rows,), values.shape[1])
        given = Steps(
            torch.from_numpy(values), lengths, None if times is None else torch.from_numpy(times)
        )
        with torch.inference_mode(), one_thread():
            self._memory = self._learned.network.feed(self._memory, given)

    def answer(self) -> Floats:
        """What is said of all steps so far."""
        with torch.inference_mode(), one_thread():
            scores = self._learned.network.finish(self._memory).double().numpy()
        return self._learned.aim.values(scores)

    def reset(self) -> None:
        """Begin new sequences."""
        self._memory = self._learned.network.begin(self._rows)

    def _checked(
        self, values: NDArray[np.float32], gaps: Any
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        setting = self._learned.setting
        values = values[:, None] if values.ndim == 2 else values
        fits = (self._rows, values.shape[1] if values.ndim == 3 else 1, setting.channels)
        if values.shape != fits:
            raise ShapeError(f"stream: steps are {values.shape}; (B, T, F) is {fits}")
        if setting.missing == "none" and np.isnan(values).any():
            raise DataError("stream: a value is missing (NaN); train with --missing mark or cell")
        if setting.timed != (gaps is not None):
            came = "no gaps, and the model learned with them" if setting.timed else "gaps, and the "
            raise DataError(f"stream: {came}" + ("" if setting.timed else "model learned without"))
        if gaps is None:
            return np.ascontiguousarray(values), None
        times = np.asarray(gaps, np.float32).reshape(values.shape[0], -1)
        if times.shape != values.shape[:2]:
            raise ShapeError(f"stream: gaps are {times.shape}; (B, T) is {values.shape[:2]}")
        return np.ascontiguousarray(values), times / np.float32(self._learned.header.unit or 1.0)

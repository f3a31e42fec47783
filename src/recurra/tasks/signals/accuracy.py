"""How far values are from the true ones.

rmse    root of the mean squared error, in the unit of the targets
mae     mean absolute error, in the unit of the targets
r2      1 - squared errors / squared distances of the targets from their mean
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def errors(said: Floats, true: Floats) -> dict[str, float]:
    """All of them; `r2` is NaN where all targets are equal. Both are (N,)."""
    off = said - true
    spread = float(((true - true.mean()) ** 2).sum())
    return {
        "rmse": float(np.sqrt((off**2).mean())),
        "mae": float(np.abs(off).mean()),
        "r2": 1 - float((off**2).sum()) / spread if spread > 0 else float("nan"),
    }

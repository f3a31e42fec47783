"""Dynamic time warping: how far two sequences are apart when time may stretch.

    D(i, j) = |q_i - r_j|² + min(D(i-1, j), D(i, j-1), D(i-1, j-1))

over all channels together, for i = 0 … n - 1 and j = 0 … m - 1 inside a band around the diagonal,
|i (m - 1) - j (n - 1)| <= max(band n m, n, m), in which there is always a path. A diagonal i + j of
many pairs is one operation.

Source: Sakoe and Chiba, "Dynamic Programming Algorithm Optimization for Spoken Word Recognition",
1978; Shokoohi-Yekta et al., "Generalizing DTW to the multi-dimensional case", 2017 (dependent).
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
# Diagonals after which pairs that are too far apart are given up.
LOOK = 8


def warped(query: Floats, others: Floats, lengths: Indices, band: float, best: float) -> Floats:
    """The distance from one sequence to each of several, (R,); infinite where it is `best` or more.

    Args:
        query: (n, C)
        others: (R, m, C), padded on the right.
        lengths: (R,) their true steps, at least 1.
        band: share of the length by which one may run ahead of the other.
        best: a distance that is of interest no more.
    """
    n, m = len(query), others.shape[1]
    cost = _costs(query, others)
    left, far = np.arange(len(others)), np.full(len(others), np.inf)
    before = np.full((len(left), n + 1), np.inf)
    now = before.copy()
    for k in range(n + m - 1):
        low, high = max(0, k - m + 1), min(n - 1, k)
        i = np.arange(low, high + 1)
        step = cost[:, low * (m - 1) + k : high * (m - 1) + k + 1 : max(1, m - 1)]
        # Column i + 1 holds row i; column 0 is what lies before the first step.
        reached = np.minimum(np.minimum(now[:, i], now[:, i + 1]), before[:, i])
        reached = np.zeros_like(reached) if k == 0 else reached
        after = np.full_like(now, np.inf)
        after[:, i + 1] = np.where(_inside(i, k, n, lengths, band), step + reached, np.inf)
        over = k == n + lengths - 2
        far[left[over]] = after[over, n]
        before, now = now, after
        if k % LOOK == LOOK - 1:
            keep = (np.minimum(before, now).min(axis=1) < best) & (k < n + lengths - 2)
            if not keep.any():
                break
            left, cost, lengths = left[keep], cost[keep], lengths[keep]
            before, now = before[keep], now[keep]
    return np.where(far < best, far, np.inf)


def _costs(query: Floats, others: Floats) -> Floats:
    """Squared distances of steps, (R, n m)."""
    square = (query**2).sum(axis=1)[:, None] + (others**2).sum(axis=2)[:, None, :]
    cost = square - 2 * np.matmul(query, others.transpose(0, 2, 1))
    found: Floats = np.maximum(cost, 0).reshape(len(others), -1)
    return found


def _inside(i: Indices, k: int, n: int, lengths: Indices, band: float) -> NDArray[np.bool_]:
    m = lengths[:, None]
    j = k - i
    off = np.abs(i * np.maximum(1, m - 1) - j * max(1, n - 1))
    inside: NDArray[np.bool_] = (off <= np.maximum(band * n * m, np.maximum(n, m))) & (j < m)
    return inside

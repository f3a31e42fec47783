"""A matrix a head as the memory: one recurrence for every linear cell that has one.

    S_t = diag(D_t) S_{t-1} - a_t (b_t^T S_{t-1}) + c_t d_t^T
    o_t = S_t^T q_t

`advance` is one step. `chunked` takes all steps in chunks: inside one, everything is a product of
matrices, and from chunk to chunk there is one product a head. With u_t = S_{t-1}^T b_t, with
P(t,s) = D_t … D_{s+1} and with S_0 before the chunk,

    S_t = P(t,0) S_0 + Σ_{s≤t} P(t,s) (c_s d_s^T - a_s u_s^T)
    (I + L) U = B S_0 + M d,   L[t,s] = b_t^T P(t-1,s) a_s,   M[t,s] = b_t^T P(t-1,s) c_s,   s < t

so U comes of one triangular solve for all chunks at once, and with it every o and the next S_0 are
affine in S_0.

The decays are never divided by, and no logarithm of them is taken: neighbouring blocks of steps are
joined until one block is a chunk, and a pair of steps on either side of a border has the product
after it times the product before it. So nothing overflows or cancels, whatever the decays; a decay
may be 0 or negative, and has its gradient there.

Source: Yang et al., "Parallelizing Linear Transformers with the Delta Rule over Sequence Length",
2024, arXiv:2406.06484, section 3.2, for D = 1, a = c and b = k; here for any D, a, b and c.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

CHUNK = 64
# Blocks of fewer steps meet in sums: a batch of tiny products of matrices is slower.
SMALL = 4


class MatrixInputs(NamedTuple):
    """What the recurrence takes at every step; `…` is (B,), or (B, T) for all steps.

    A cell whose a is c gives the same tensor for both, which saves a product of each kind.

    Attributes:
        decay: (…, N), a number a head, or (…, N, K), one a row of its matrix.
        a, b: (…, N, K); None where nothing is read before it is written.
        c, q: (…, N, K).
        d: (…, N, V).
    """

    decay: Tensor
    a: Tensor | None
    b: Tensor | None
    c: Tensor
    d: Tensor
    q: Tensor


def advance(inputs: MatrixInputs, S: Tensor) -> tuple[Tensor, Tensor]:
    """One step of S (B, N, K, V): o (B, N, V), and the new S."""
    decay, a, b, c, d, q = inputs
    kept = (decay[..., None] if decay.ndim == c.ndim else decay[..., None, None]) * S
    if a is None or b is None:
        S = kept + _outer(c, d)
    elif a is c:
        S = kept + _outer(c, d - _read(S, b))
    else:
        S = kept - _outer(a, _read(S, b)) + _outer(c, d)
    return _read(S, q), S


def _outer(k: Tensor, v: Tensor) -> Tensor:
    return k[..., :, None] * v[..., None, :]


def _read(S: Tensor, k: Tensor) -> Tensor:
    return (k[..., None, :] @ S)[..., 0, :]


def chunked(inputs: MatrixInputs, S: Tensor) -> tuple[Tensor, Tensor]:
    """All steps (B, T, …) from S (B, N, K, V): o (B, T, N, V), and the last S."""
    T = inputs.c.shape[1]
    C = min(CHUNK, 1 << (T - 1).bit_length())
    decay, a, b, c, d, q = _chunks(inputs, C)
    wide = decay if decay.ndim == c.ndim else decay[..., None]
    rows = [q * wide] if b is None else [q * wide, b]
    columns = [c] if a is None or a is c else [c, a]
    pairs = _pairs(decay, torch.stack(rows, -2), torch.stack(columns, -2))
    own = (q * c).sum(-1)
    o_from_d = pairs.products[..., 0, :, 0, :] + torch.diag_embed(own)
    o_from_S, to_S, total = pairs.rows[..., 0, :, :], pairs.columns[..., 0, :, :].mT, pairs.total
    if a is None:
        made, states = o_from_d @ d, _decayed(total, to_S @ d, S)
    elif a is c:
        # W = d - U is what is written.
        W_from_S, W = _solved(pairs.products[..., 1, :, 0, :], pairs.rows[..., 1, :, :], d)
        made, o_from_S = o_from_d @ W, o_from_S - o_from_d @ W_from_S
        states = _moved(total, to_S @ W_from_S, to_S @ W, S)
    else:
        U_from_d = pairs.products[..., 1, :, 0, :] @ d
        U_from_S, U = _solved(pairs.products[..., 1, :, 1, :], pairs.rows[..., 1, :, :], U_from_d)
        o_from_U = pairs.products[..., 0, :, 1, :] + torch.diag_embed((q * a).sum(-1))
        erase = pairs.columns[..., 1, :, :].mT
        made, o_from_S = o_from_d @ d - o_from_U @ U, o_from_S - o_from_U @ U_from_S
        states = _moved(total, erase @ U_from_S, to_S @ d - erase @ U, S)
    o = made + o_from_S @ torch.stack(states[:-1], 2)
    return o.flatten(2, 3)[:, :, :T].transpose(1, 2), states[-1]


def _chunks(inputs: MatrixInputs, C: int) -> MatrixInputs:
    """Every part (B, T, N, …) as (B, N, chunks, C, …); steps that change nothing fill the last."""
    decay, a, b, c, d, q = inputs

    def cut(part: Tensor, fill: float = 0.0) -> Tensor:
        missing = -part.shape[1] % C
        part = F.pad(part, [0, 0] * (part.ndim - 2) + [0, missing], value=fill)
        return _split(part.transpose(1, 2), 2, -1, C)

    cut_c = cut(c)
    cut_a = cut_c if a is c else None if a is None else cut(a)
    return MatrixInputs(
        cut(decay, 1.0), cut_a, None if b is None else cut(b), cut_c, cut(d), cut(q)
    )


class _Pairs(NamedTuple):
    """Rows x and columns y of a chunk, and what joins them, each for R kinds of x and Z of y.

    Attributes:
        products: (…, R, C, Z, C) x_t^T P(t-1,s) y_s for s < t, else 0.
        rows: (…, R, C, K) P(t-1,0) x_t.
        columns: (…, Z, C, K) P(C,s) y_s.
        total: (…, 1) or (…, K), P(C,0).
    """

    products: Tensor
    rows: Tensor
    columns: Tensor
    total: Tensor


def _pairs(decay: Tensor, rows: Tensor, columns: Tensor) -> _Pairs:
    """Join neighbouring blocks of m = 1, 2, 4, … steps.

    Args:
        decay: (…, C) or (…, C, K).
        rows, columns: (…, C, R, K) and (…, C, Z, K).
    """
    if decay.ndim == rows.ndim - 2:
        return _scalar_pairs(decay, rows, columns)
    # From here on (…, blocks, R, m, K).
    x, y, total = rows.unsqueeze(-2), columns.unsqueeze(-2), decay
    products = x.new_zeros(*x.shape[:-1], columns.shape[-2], 1)
    while total.shape[-2] > 1:
        (x1, x2), (y1, y2), (total1, total2) = (
            _halves(x, -4),
            _halves(y, -4),
            _halves(total, -2),
        )
        low = _inner(x2, y1)
        above, below = _halves(products, -5)
        products = _joined(above, low, below)
        x = torch.cat([x1, x2 * total1[..., None, None, :]], -2)
        y = torch.cat([y1 * total2[..., None, None, :], y2], -2)
        total = total1 * total2
    return _Pairs(products.squeeze(-5), x.squeeze(-4), y.squeeze(-4), total.squeeze(-2))


def _split(part: Tensor, dim: int, *sizes: int) -> Tensor:
    """One dimension as several."""
    apart: Tensor = part.unflatten(dim, sizes)
    return apart


def _halves(part: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """The first and the second of every two blocks."""
    first, second = _split(part, dim, -1, 2).unbind(dim)
    return first, second


def _inner(x: Tensor, y: Tensor) -> Tensor:
    """(…, R, m, K) by (…, Z, m, K), as (…, R, m, Z, m)."""
    R, m, Z = x.shape[-3], x.shape[-2], y.shape[-3]
    if m < SMALL:
        return (x[..., :, :, None, None, :] * y[..., None, None, :, :, :]).sum(-1)
    return _split(_split(x.flatten(-3, -2) @ y.flatten(-3, -2).mT, -1, Z, m), -3, R, m)


def _joined(first: Tensor, low: Tensor, second: Tensor) -> Tensor:
    """[[first, 0], [low, second]] over t and s, (…, R, t, Z, s)."""
    above = torch.cat([first, torch.zeros_like(low)], -1)
    return torch.cat([above, torch.cat([low, second], -1)], -3)


def _scalar_pairs(decay: Tensor, rows: Tensor, columns: Tensor) -> _Pairs:
    """With one decay a step, (…, C), the products need it once a pair."""
    # `before` is P(t-1,s) within a block, `from_start` P(t-1,0) and `to_end` P(m,s).
    total = decay[..., None]
    from_start = to_end = torch.ones_like(total)
    before = torch.zeros_like(total)[..., None]
    while total.shape[-2] > 1:
        (total1, total2), (start1, start2) = _halves(total, -2), _halves(from_start, -2)
        (end1, end2), (before1, before2) = _halves(to_end, -2), _halves(before, -3)
        low = start2[..., :, None] * end1[..., None, :]
        above = torch.cat([before1, torch.zeros_like(low)], -1)
        before = torch.cat([above, torch.cat([low, before2], -1)], -2)
        from_start = torch.cat([start1, start2 * total1], -1)
        to_end = torch.cat([end1 * total2, end2], -1)
        total = total1 * total2
    x, y = rows.transpose(-3, -2), columns.transpose(-3, -2)
    R, Z, C = x.shape[-3], y.shape[-3], x.shape[-2]
    flat = x.flatten(-3, -2) @ y.flatten(-3, -2).mT
    products = _split(_split(flat, -1, Z, C), -3, R, C) * before[..., None, :]
    return _Pairs(
        products,
        x * from_start[..., None],
        y * to_end[..., None],
        total.squeeze(-2),
    )


def _solved(L: Tensor, from_S: Tensor, rest: Tensor) -> tuple[Tensor, Tensor]:
    """(I + L) X = from_S and (I + L) Y = rest, for the strictly lower L."""
    K, V = from_S.shape[-1], rest.shape[-1]
    both = torch.linalg.solve_triangular(
        L, torch.cat([from_S, rest], -1), upper=False, unitriangular=True
    )
    X, Y = torch.split(both, [K, V], -1)
    return X, Y


def _decayed(total: Tensor, add: Tensor, S: Tensor) -> list[Tensor]:
    """S before every chunk and after the last, where nothing is read."""
    states = [S]
    for keep, new in zip(total[..., None].unbind(2), add.unbind(2), strict=True):
        states.append(keep * states[-1] + new)
    return states


def _moved(total: Tensor, erase: Tensor, add: Tensor, S: Tensor) -> list[Tensor]:
    """S before every chunk and after the last: S becomes (diag(total) - erase) S + add."""
    keep = torch.diag_embed(total.expand(erase.shape[:-1])) - erase
    states = [S]
    for each, new in zip(keep.unbind(2), add.unbind(2), strict=True):
        states.append(each @ states[-1] + new)
    return states

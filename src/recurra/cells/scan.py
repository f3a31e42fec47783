"""h_t = keep_t * h_{t-1} + add_t: as steps for the engine, and all steps at once."""

from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

Pair: TypeAlias = tuple[Tensor, Tensor]  # the real and the imaginary part


class ScanInputs(NamedTuple):
    """`keep` and `add`, (B, …)."""

    keep: Tensor
    add: Tensor


class ScanState(NamedTuple):
    """`h` (B, …)."""

    h: Tensor


class Scan(nn.Module):
    """h_t = keep_t * h_{t-1} + add_t, for the engine."""

    def step(
        self, x: ScanInputs, state: ScanState, context: None = None
    ) -> tuple[Tensor, ScanState]:
        h = x.keep * state.h + x.add
        return h, ScanState(h)


SCAN = Scan()


class TurnInputs(NamedTuple):
    """The parts of complex `keep` and `add`, (B, …)."""

    keep_real: Tensor
    keep_imag: Tensor
    add_real: Tensor
    add_imag: Tensor


class TurnState(NamedTuple):
    """The parts of a complex h, (B, …)."""

    real: Tensor
    imag: Tensor


class Turn(nn.Module):
    """h_t = keep_t * h_{t-1} + add_t on complex numbers, for the engine."""

    def step(
        self, x: TurnInputs, state: TurnState, context: None = None
    ) -> tuple[Tensor, TurnState]:
        h = turned((x.keep_real, x.keep_imag), (x.add_real, x.add_imag), state)
        return torch.stack(h, -1), TurnState(*h)


TURN = Turn()


def turned(keep: Pair, add: Pair, h: Pair) -> Pair:
    """keep * h + add of complex numbers, each a pair of tensors (B, …)."""
    real = keep[0] * h[0] - keep[1] * h[1] + add[0]
    imag = keep[0] * h[1] + keep[1] * h[0] + add[1]
    return real, imag


def associate(keep: Tensor, add: Tensor) -> Tensor:
    """Every h_t = keep_t * h_{t-1} + add_t from h_0 = 0, in about 2 log2(T) parallel steps.

    Neighbours are joined to half as many steps, those are solved, and the steps between filled in.

    Args:
        keep, add: (B, T, …).

    Source: Blelloch, "Prefix Sums and Their Applications", 1990, section 1.4.
    """
    T = add.shape[1]
    if T == 1:
        return add
    even, odd = slice(0, T - T % 2, 2), slice(1, None, 2)
    ends = associate(keep[:, odd] * keep[:, even], keep[:, odd] * add[:, even] + add[:, odd])
    between = add[:, 2::2] + keep[:, 2::2] * ends[:, : (T - 1) // 2]
    between = torch.cat([add[:, :1], between], 1)
    return _interleave(between, ends)


def _interleave(even: Tensor, odd: Tensor) -> Tensor:
    both = torch.stack([even[:, : odd.shape[1]], odd], 2).flatten(1, 2)
    return both if even.shape[1] == odd.shape[1] else torch.cat([both, even[:, -1:]], 1)

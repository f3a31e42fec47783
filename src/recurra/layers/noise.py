"""Noise that is new at every step, from three numbers a unit that are drawn once a sequence.

    s_t = frac(s_{t-1} + c)
    p_t = frac(p_{t-1} + frac(b + s_t))                     s_0 = p_0 = 0
    u_t = frac(a + p_t) = frac(a + b t + c t (t + 1) / 2)

With a, b and c uniform on [0, 1), every u_t is, and any three of them are independent: the map from
(a, b, c) to them is an invertible integer polynomial, which spreads evenly on a torus. A sequence
of random numbers a step would not do: neither its length is known when a context is drawn, nor
where in it a step stands. The numbers are multiples of 2^-23, so that the sums are exact in float32
and no rounding adds up.

Source: Carter and Wegman, "Universal Classes of Hash Functions", 1979, Journal of Computer and
System Sciences 18(2): polynomials of degree k - 1 are k-wise independent.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

GRID = 2**23


class Seeds(NamedTuple):
    """What is drawn once a sequence."""

    start: Float[Tensor, "B N"]
    speed: Float[Tensor, "B N"]
    change: Float[Tensor, "B N"]


class Phase(NamedTuple):
    """Where the noise of each unit stands."""

    place: Float[Tensor, "B N"]
    speed: Float[Tensor, "B N"]


def first_phase(like: Tensor, batch_size: int, units: int) -> Phase:
    """The phase before the first step."""
    zeros = like.new_zeros(batch_size, units)
    return Phase(zeros, zeros)


def draw_seeds(like: Tensor, batch_size: int, units: int) -> Seeds:
    """The noise of one sequence."""
    drawn = torch.randint(0, GRID, (3, batch_size, units), device=like.device)
    return Seeds(*(drawn.to(like.dtype) / GRID))


def next_noise(seeds: Seeds, phase: Phase) -> tuple[Float[Tensor, "B N"], Phase]:
    """One number in [0, 1) a unit, and where the noise stands then."""
    speed = frac(phase.speed + seeds.change)
    place = frac(phase.place + frac(seeds.speed + speed))
    return frac(seeds.start + place), Phase(place, speed)


def normal(u: Float[Tensor, "B N"]) -> Float[Tensor, "B N"]:
    """Numbers of mean 0 and variance 1 from as many in [0, 1), an even number of them.

    Source: Box and Muller, "A Note on the Generation of Random Normal Deviates", 1958, Annals of
    Mathematical Statistics 29(2).
    """
    one, two = u.chunk(2, -1)
    # 1 - u is never 0.
    radius, angle = torch.sqrt(-2 * torch.log(1 - one)), 2 * math.pi * two
    return torch.cat([radius * torch.cos(angle), radius * torch.sin(angle)], -1)


def frac(u: Tensor) -> Tensor:
    """The part behind the point of what is not below 0."""
    return u - torch.floor(u)

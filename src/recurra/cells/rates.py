"""First values of decays exp(-rate * softplus(… + bias)): rates, and biases that are time steps."""

import math

import torch
from torch import nn

from recurra.cells.check import positive
from recurra.errors import OptionError


def log_rates(
    size: int,
    low: float,
    high: float,
    *,
    device: torch.device | str | None,
    dtype: torch.dtype | None,
) -> nn.Parameter:
    """Logarithms of rates that are uniform between two bounds."""
    return nn.Parameter(torch.empty(size, device=device, dtype=dtype).uniform_(low, high).log_())


def time_step_bias(
    size: int, *, device: torch.device | str | None, dtype: torch.dtype | None
) -> nn.Parameter:
    """Biases whose softplus is log-uniform between 0.001 and 0.1.

    Source: Gu and Dao, "Mamba", 2023, arXiv:2312.00752, section 3.6.
    """
    exponent = torch.empty(size, device=device, dtype=dtype)
    step = exponent.uniform_(math.log(1e-3), math.log(1e-1)).exp()
    return nn.Parameter(step + torch.log(-torch.expm1(-step)))


def convolution(
    where: str,
    channels: int,
    conv_size: int,
    *,
    device: torch.device | str | None,
    dtype: torch.dtype | None,
) -> nn.Parameter:
    """The weight (C, W) of a causal convolution, uniform as that of `nn.Conv1d`.

    Raises:
        OptionError: the convolution sees no step before.
    """
    positive(where, conv_size=conv_size)
    if conv_size < 2:
        raise OptionError(f"{where}: conv_size is {conv_size}, it must be at least 2")
    bound = conv_size**-0.5
    weight = torch.empty(channels, conv_size, device=device, dtype=dtype)
    return nn.Parameter(weight.uniform_(-bound, bound))

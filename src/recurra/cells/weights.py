"""The parameters that the classic cells share, as torch names, shapes and draws them."""

import torch
from torch import nn


def add_weights(
    cell: nn.Module,
    gates: int,
    input_size: int,
    hidden_size: int,
    *,
    bias: bool,
    proj_size: int | None = None,
    device: torch.device | str | None,
    dtype: torch.dtype | None,
) -> None:
    """Give a cell weight_ih (G F), weight_hh (G H), bias_ih (G) and bias_hh (G), all U(±1/√H).

    With a projection weight_hh is (G P), and weight_hr (P H) comes last.

    Drawn in torch's order, so that one seed makes the same cell here and there.

    Args:
        gates: how many gates are stacked; G = gates · H.
        bias: whether the cell adds biases; else both are None.
        proj_size: P; weight_hr is None when it is 0, and does not exist when it is not given.
    """
    G = gates * hidden_size
    shapes: dict[str, tuple[int, ...] | None] = {
        "weight_ih": (G, input_size),
        "weight_hh": (G, proj_size or hidden_size),
        "bias_ih": (G,) if bias else None,
        "bias_hh": (G,) if bias else None,
    }
    if proj_size is not None:
        shapes["weight_hr"] = (proj_size, hidden_size) if proj_size else None
    bound = hidden_size**-0.5
    for name, shape in shapes.items():
        if shape is None:
            cell.register_parameter(name, None)
            continue
        values = torch.empty(shape, device=device, dtype=dtype).uniform_(-bound, bound)
        cell.register_parameter(name, nn.Parameter(values))


def uniform(
    bound: float, *shape: int, device: torch.device | str | None, dtype: torch.dtype | None
) -> nn.Parameter:
    """A parameter, U(±bound)."""
    return nn.Parameter(torch.empty(shape, device=device, dtype=dtype).uniform_(-bound, bound))

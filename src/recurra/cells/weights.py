"""The four parameters that the classic cells share, as torch names, shapes and draws them."""

import torch
from torch import nn


def add_weights(
    cell: nn.Module,
    gates: int,
    input_size: int,
    hidden_size: int,
    *,
    bias: bool,
    device: torch.device | str | None,
    dtype: torch.dtype | None,
) -> None:
    """Give a cell weight_ih (G F), weight_hh (G H), bias_ih (G) and bias_hh (G), all U(±1/√H).

    Drawn in torch's order, so that one seed makes the same cell here and there.

    Args:
        gates: how many gates are stacked; G = gates · H.
        bias: whether the cell adds biases; else both are None.
    """
    G = gates * hidden_size
    shapes = {"weight_ih": (G, input_size), "weight_hh": (G, hidden_size)}
    biases = {"bias_ih": (G,), "bias_hh": (G,)}
    bound = hidden_size**-0.5
    for name, shape in {**shapes, **biases}.items():
        if name in biases and not bias:
            cell.register_parameter(name, None)
            continue
        values = torch.empty(shape, device=device, dtype=dtype).uniform_(-bound, bound)
        cell.register_parameter(name, nn.Parameter(values))

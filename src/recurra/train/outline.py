"""A model without numbers: names, shapes and types alone."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

DRAWS = (
    Tensor.normal_,
    Tensor.uniform_,
    nn.init.normal_,
    nn.init.uniform_,
    nn.init.kaiming_uniform_,
)


class _Undrawn(TorchFunctionMode):
    """Leaves out the drawing: without memory there is nothing to draw into.

    torch would go through its compiler to find that out, whose import alone takes a second.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in DRAWS:
            return args[0] if args else kwargs["tensor"]
        return (torch.empty if func is torch.randn else func)(*args, **kwargs)


def outline(build: Callable[[], nn.Module]) -> nn.Module:
    """Build a model on the meta device: in no time and memory, whatever its sizes."""
    with torch.device("meta"), _Undrawn():
        return build()

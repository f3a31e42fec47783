"""Where the numbers stopped being finite."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


def culprit(model: nn.Module, forward: Callable[[], Tensor]) -> str:
    """Name the first thing in `model` that is not finite, by running the batch once more.

    Args:
        model: the network in training.
        forward: computes the loss of the batch that failed.
    """
    for name, parameter in model.named_parameters():
        if not parameter.isfinite().all():
            return f"weight {name}"
    found: list[str] = []

    def look(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and not output.isfinite().all():
                found.append(f"layer {name}")

        return hook

    hooks = [m.register_forward_hook(look(name)) for name, m in model.named_modules() if name]
    try:
        with torch.no_grad():
            forward()
    finally:
        for hook in hooks:
            hook.remove()
    return found[0] if found else "the loss itself"

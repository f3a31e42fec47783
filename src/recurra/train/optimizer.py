"""What makes a step from gradients: torch's optimizers, and who is spared from decay."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from recurra.train.plan import Recipe

MOMENTUM = 0.9


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimizer over the model's parameters, one fused kernel a step where it fits.

    Weight decay spares biases, norms, and whatever else is no matrix.
    """
    spared = set(_spared(model))
    groups: list[dict[str, Any]] = [
        {"params": [p for p in _learned(model) if p not in spared]},
        {"params": [p for p in _learned(model) if p in spared], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    fused = all(p.is_floating_point() for p in _learned(model))
    shared: dict[str, Any] = {
        "lr": recipe.learning_rate,
        "weight_decay": recipe.weight_decay,
        "fused": fused or None,
    }
    if recipe.optimizer == "adam":
        return torch.optim.Adam(groups, **shared)
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, **shared)
    momentum = MOMENTUM if recipe.optimizer == "sgd" else 0.0
    return torch.optim.SGD(groups, momentum=momentum, **shared)


def _learned(model: nn.Module) -> Iterator[nn.Parameter]:
    return (parameter for parameter in model.parameters() if parameter.requires_grad)


def _spared(model: nn.Module) -> Iterator[nn.Parameter]:
    for module in model.modules():
        norm = "Norm" in type(module).__name__
        for name, parameter in module.named_parameters(recurse=False):
            if norm or parameter.ndim < 2 or name.startswith("bias"):
                yield parameter

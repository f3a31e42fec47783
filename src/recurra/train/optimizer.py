"""What makes a step from gradients: torch's optimizers, and who is spared from decay."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn

from recurra.train.pace import part_of
from recurra.train.plan import Recipe

MOMENTUM = 0.9


def make_optimizer(
    model: nn.Module, recipe: Recipe, parts: Sequence[str] = ()
) -> torch.optim.Optimizer:
    """The recipe's optimizer over the model's parameters, one fused kernel a step where it fits.

    Weight decay spares biases, norms, and whatever else is no matrix.

    Args:
        parts: of the model, each with groups of its own, which say under "part" whose they are; ""
            is the part of all others.
    """
    spared = set(_spared(model))
    named = _learned(model)
    groups: list[dict[str, Any]] = []
    for part in sorted({"", *parts}):
        own = [parameter for name, parameter in named.items() if part_of(name, parts) == part]
        decayed = [parameter for parameter in own if parameter not in spared]
        still = [parameter for parameter in own if parameter in spared]
        groups.append({"params": decayed, "part": part})
        groups.append({"params": still, "part": part, "weight_decay": 0.0})
    groups = [group for group in groups if group["params"]]
    fused = all(p.is_floating_point() for p in named.values())
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


def _learned(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: each for name, each in model.named_parameters() if each.requires_grad}


def _spared(model: nn.Module) -> Iterator[nn.Parameter]:
    for module in model.modules():
        norm = "Norm" in type(module).__name__
        for name, parameter in module.named_parameters(recurse=False):
            if norm or parameter.ndim < 2 or name.startswith("bias"):
                yield parameter

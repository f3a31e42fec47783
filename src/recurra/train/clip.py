"""Gradients kept within bounds.

Sources: Pascanu et al., "On the difficulty of training recurrent neural networks", 2013 (the norm);
Brock et al., "High-Performance Large-Scale Image Recognition Without Normalization", 2021, section
4 (adaptive: each unit's gradient against its weights).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from recurra.train.plan import Recipe

# Weights that begin at 0 must be able to leave it.
LEAST_NORM = 1e-3


def gradient_norm(parameters: Sequence[nn.Parameter]) -> float:
    """The norm of all gradients together; not finite where one of them is not."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    if not gradients:
        return 0.0
    if not gradients[0].is_cpu:
        return nn.utils.get_total_norm(gradients, foreach=True).item()
    # Where reading a number costs nothing, a sum of few is not worth torch's three operations.
    return math.hypot(*[norm.item() for norm in torch._foreach_norm(gradients)])


def clip_gradients(parameters: Sequence[nn.Parameter], recipe: Recipe, norm: float) -> None:
    """Bound the gradients in place, as the recipe says.

    Args:
        parameters: whose gradients.
        recipe: what is bounded, and by what.
        norm: of all gradients, from `gradient_norm`.
    """
    limit = recipe.limit
    if limit == 0:
        return
    if recipe.clip_by == "value":
        nn.utils.clip_grad_value_(parameters, limit, foreach=True)
    elif recipe.clip_by == "adaptive":
        for parameter in parameters:
            if parameter.grad is not None:
                _clip_units(parameter.detach(), parameter.grad, limit)
    elif norm > limit:
        torch._foreach_mul_([p.grad for p in parameters if p.grad is not None], limit / norm)


def _clip_units(weight: Tensor, gradient: Tensor, limit: float) -> None:
    most = limit * _unit_norm(weight).clamp(min=LEAST_NORM)
    norm = _unit_norm(gradient)
    gradient.mul_(torch.where(norm > most, most / norm, torch.ones_like(norm)))


def _unit_norm(weight: Tensor) -> Tensor:
    """Over all that leads to a unit: a row of a matrix; a vector counts as one unit."""
    along = tuple(range(1, weight.ndim)) if weight.ndim > 1 else None
    norm: Tensor = torch.linalg.vector_norm(weight, dim=along, keepdim=True)
    return norm

"""How large the gradients of weights are, and how far a step of the optimizer moves them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from recurra.train.clip import clip_gradients, gradient_norm
from recurra.train.optimizer import make_optimizer
from recurra.train.plan import Recipe


@dataclass(frozen=True)
class Weight:
    """One parameter.

    Args:
        shape: of the parameter.
        weight: its norm.
        gradient: the norm of the loss's gradient, before clipping.
        update: the norm of what a step of the optimizer adds.
    """

    name: str
    shape: tuple[int, ...]
    weight: float
    gradient: float
    update: float

    @property
    def ratio(self) -> float | None:
        """The update over the weight; None of a weight that is 0."""
        return self.update / self.weight if self.weight else None


def weights_of(
    model: nn.Module,
    gradients: Sequence[Tensor | None],
    optimizer: torch.optim.Optimizer | None,
) -> list[Weight]:
    """Every learned parameter, moved by a step and put back.

    Args:
        gradients: one for each of `learned`.
        optimizer: whose step; the first of Adam by a `Recipe` as it stands when not given.
    """
    recipe, named = Recipe(), learned(model)
    if not named:
        return []
    before = [(each, each.grad, each.detach().clone()) for each in named.values()]
    state = None if optimizer is None else _copied(optimizer)
    try:
        for each, gradient in zip(named.values(), gradients, strict=True):
            each.grad = None if gradient is None else gradient.clone()
        if optimizer is None:
            clip_gradients([*named.values()], recipe, gradient_norm([*named.values()]))
        (optimizer or make_optimizer(model, recipe)).step()
        moved = [(each.detach() - old).norm().item() for each, _, old in before]
    finally:
        with torch.no_grad():
            for each, grad, old in before:
                each.grad = grad
                each.copy_(old)
        if optimizer is not None and state is not None:
            optimizer.load_state_dict(state)
    return [
        Weight(
            name, tuple(old.shape), old.norm().item(), 0.0 if g is None else g.norm().item(), step
        )
        for name, g, step, (_, _, old) in zip(named, gradients, moved, before, strict=True)
    ]


def learned(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that a training changes."""
    return {name: each for name, each in model.named_parameters() if each.requires_grad}


def _copied(optimizer: torch.optim.Optimizer) -> dict[str, object]:
    """The state of an optimizer, with its tensors as they are now."""
    now = optimizer.state_dict()
    states = {
        key: {name: v.clone() if isinstance(v, Tensor) else v for name, v in values.items()}
        for key, values in now["state"].items()
    }
    return {**now, "state": states}

"""A look at a training that leaves no trace."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from recurra.train.lesson import Lesson
from recurra.train.random_state import random_facts, random_tensors, restore_random


@contextmanager
def untouched(subject: nn.Module | Lesson[Any]) -> Iterator[None]:
    """Whatever is done inside, afterwards all is as it was, bit for bit, also after an error.

    That is the model's numbers, gradients and modes, what a lesson carries from batch to batch,
    and the random states. Inside there are no gradients yet.

    Args:
        subject: a model, or a lesson with its model.
    """
    model = subject.model if isinstance(subject, Lesson) else subject
    kept = [(each, each.detach().clone()) for each in (*model.parameters(), *model.buffers())]
    gradients = [(parameter, parameter.grad) for parameter in model.parameters()]
    modes = [(module, module.training) for module in model.modules()]
    carried = _copied(subject) if isinstance(subject, Lesson) else {}
    tensors, facts = random_tensors(), random_facts()
    for parameter, _ in gradients:
        parameter.grad = None
    try:
        yield
    finally:
        restore_random(tensors, facts)
        with torch.no_grad():
            for each, before in kept:
                each.copy_(before)
        for parameter, gradient in gradients:
            parameter.grad = gradient
        for module, mode in modes:
            module.training = mode
        if isinstance(subject, Lesson):
            subject.restore(carried) if carried else subject.forget()


def _copied(lesson: Lesson[Any]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in lesson.state().items()}

"""One step of the optimizer: gradients of one or more batches, looked at, bounded, followed."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any, Generic, NamedTuple

import torch
from torch import Tensor

from recurra.errors import OptionError, TrainingError
from recurra.train.average import Average
from recurra.train.clip import clip_gradients, gradient_norm
from recurra.train.finite import culprit
from recurra.train.lesson import Batch, Lesson
from recurra.train.optimizer import make_optimizer
from recurra.train.pace import check_pace, check_parts
from recurra.train.plan import Recipe
from recurra.train.ranks import ALONE, Ranks

# Steps in a row whose numbers are not finite before training gives up, and what is left of the
# rate after each.
MOST_REFUSED, BRAKE = 3, 0.5


@dataclass
class Count:
    """What a stepper has seen.

    Args:
        steps: taken.
        refused: in a row, because a number was not finite.
        brake: what refused steps have left of the rate.
        last_norm: of the last gradient that was followed.
        averaged: steps in the running mean of the weights.
    """

    steps: int = 0
    refused: int = 0
    brake: float = 1.0
    last_norm: float | None = None
    averaged: int = 0


class Done(NamedTuple):
    """A step: its mean loss, over so many targets, and its gradient's norm before clipping."""

    loss: float
    weight: float
    norm: float


class Stepper(Generic[Batch]):
    """Takes steps, and leaves out those that would spoil the weights.

    Args:
        lesson: the model and its loss.
        recipe: how weights follow gradients.
        ranks: the processes that step together.

    Raises:
        OptionError: the lesson's pace names what its model does not have.
    """

    def __init__(self, lesson: Lesson[Batch], recipe: Recipe, ranks: Ranks = ALONE) -> None:
        self.count = Count()
        self._lesson, self._recipe, self._ranks = lesson, recipe, ranks
        self._loss = ranks.loss_of(lesson)
        self._parameters = [p for p in lesson.model.parameters() if p.requires_grad]
        self._parts = sorted(lesson.pace(1))
        check_parts(self._parts, lesson.model)
        self.optimizer = make_optimizer(lesson.model, recipe, self._parts)
        groups = self.optimizer.param_groups
        self._numbered = [parameter for group in groups for parameter in group["params"]]
        self.average = Average(lesson.model, recipe)
        self._rate, self._pace = math.nan, dict[str, float]()
        half = recipe.precision == "bfloat16"
        device = self._parameters[0].device.type
        # Either may be entered again and again.
        self._precision: Any = torch.autocast(device, torch.bfloat16) if half else nullcontext()

    @contextmanager
    def paced(self, epoch: int) -> Iterator[None]:
        """Steps inside go at the lesson's pace for this epoch; what it freezes wakes afterwards.

        Raises:
            OptionError: the pace freezes all there is, or does not fit.
        """
        pace = dict(self._lesson.pace(epoch))
        check_pace(pace, self._parts, epoch)
        still = [g for g in self.optimizer.param_groups if pace.get(g["part"]) == 0]
        frozen = [parameter for group in still for parameter in group["params"]]
        if len(frozen) == len(self._parameters):
            raise OptionError(f"training: nothing learns in epoch {epoch}; its pace freezes all")
        self._rate, self._pace = math.nan, pace
        for parameter in frozen:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in frozen:
                parameter.requires_grad_()

    def step(self, batches: Sequence[Batch], factor: float) -> Done | str:
        """Follow the gradient of the mean loss over all targets of `batches`.

        Args:
            batches: one, or more where gradients are accumulated.
            factor: what the schedule makes of the rate.

        Returns:
            What was done; or in words what was not finite, and then no weight was touched.

        Raises:
            TrainingError: that came three times in a row; the message names the step and layer.
        """
        self._set_rate(factor * self._recipe.learning_rate * self.count.brake)
        self.optimizer.zero_grad()
        weights = [self._lesson.weight(batch) for batch in batches]
        whole = self._ranks.total(sum(weights))
        # A batch in which nothing was observed has nothing to say.
        own = self._backwards(batches, [weight / (whole or 1.0) for weight in weights])
        loss = self._ranks.total(own)
        norm = gradient_norm(self._parameters)
        if not (math.isfinite(loss) and math.isfinite(norm)):
            return self._refuse(batches[-1], own, loss, norm)
        clip_gradients(self._parameters, self._recipe, norm)
        self.optimizer.step()
        self.average.update()
        self.count.steps += 1
        self.count.refused, self.count.last_norm = 0, norm
        return Done(loss, whole, norm)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and facts for a checkpoint."""
        self.count.averaged = self.average.count
        tensors = {f"average/{key}": value for key, value in self.average.state().items()}
        for number, values in self.optimizer.state_dict()["state"].items():
            found = {key: value for key, value in values.items() if isinstance(value, Tensor)}
            tensors |= {f"optimizer/{number}/{key}": value for key, value in found.items()}
        return tensors, asdict(self.count)

    def restore(
        self, optimizer: Mapping[str, Tensor], average: Mapping[str, Tensor], count: dict[str, Any]
    ) -> None:
        """Go on with what `state` gave.

        Raises:
            ValueError: it is that of another model.
        """
        self.count = Count(**count)
        self.average.restore(average, self.count.averaged)
        states: dict[int, dict[str, Any]] = {}
        for name, value in optimizer.items():
            number, _, key = name.partition("/")
            states.setdefault(int(number), {})[key] = value
            # What an optimizer keeps of a weight is a number or as large as the weight.
            if value.ndim and value.shape != self._numbered[int(number)].shape:
                raise ValueError(f"what the optimizer keeps, {name}, is {tuple(value.shape)}")
        now = self.optimizer.state_dict()
        self.optimizer.load_state_dict({**now, "state": states})

    def _backwards(self, batches: Sequence[Batch], shares: Sequence[float]) -> float:
        """The gradients of all; only those of the last go out to other processes, with the rest."""
        loss = 0.0
        for batch, share in zip(batches[:-1], shares[:-1], strict=True):
            with self._ranks.apart():
                loss += self._backward(batch, share)
        return loss + self._backward(batches[-1], shares[-1])

    def _backward(self, batch: Batch, share: float) -> float:
        with self._precision:
            loss = self._loss(batch)
        # Gradients are averaged over the processes, and are to be summed.
        factor = share * self._ranks.part.of
        torch.autograd.backward(loss if factor == 1 else loss * factor)
        return share * loss.item()

    def _set_rate(self, rate: float) -> None:
        if rate != self._rate:
            self._rate = rate
            for group in self.optimizer.param_groups:
                group["lr"] = rate * self._pace.get(group["part"], 1.0)

    def _refuse(self, batch: Batch, own: float, loss: float, norm: float) -> str:
        """Brake, and say why; give up at the third time in a row."""
        self.optimizer.zero_grad()
        count = self.count
        count.refused += 1
        count.brake *= BRAKE
        what, value = ("gradient norm", norm) if math.isfinite(loss) else ("loss", loss)
        if math.isfinite(own) and not math.isfinite(loss):
            where = "the part of another process"
        else:
            where = culprit(self._lesson.model, lambda: self._lesson.loss(batch))
        self._lesson.forget()
        norm_before = count.last_norm
        before = "" if norm_before is None else f"; the last gradient norm was {norm_before:.3g}"
        found = f"the {what} is {value} at step {count.steps + 1}, first seen in {where}{before}"
        if count.refused == MOST_REFUSED:
            raise TrainingError(
                f"training: {found}; it stayed so in {MOST_REFUSED} batches in a row, at a rate "
                f"down to {self._rate:.3g}; a smaller --learning-rate or --clip may help"
            )
        return f"{found}; step left out, rate now {count.brake:g} of the plan's"

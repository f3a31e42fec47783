"""One loop for every model: Adam, clipping by norm, early stopping, the best weights kept."""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from recurra.errors import OptionError, TrainingError
from recurra.train.finite import culprit
from recurra.train.history import Epoch, History
from recurra.train.interrupt import wish_to_stop
from recurra.train.progress import Report

Batch = TypeVar("Batch")

PLATEAU = 3
DECAY = 0.8


@dataclass(frozen=True)
class Plan:
    """How long and how fast to learn.

    Args:
        learning_rate: Adam's step size, per step; constant for three epochs, then .8 of the last
            in each further one.
        epochs: most passes over the training windows.
        patience: epochs without a lower validation loss after which training stops.
        minutes: stop after so long, or None.
        clip: largest norm of the gradient; above it the gradient is scaled down.
        quiet: show no progress.
    """

    learning_rate: float = 1e-3
    epochs: int = 30
    patience: int = 5
    minutes: float | None = None
    clip: float = 1.0
    quiet: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.learning_rate < 10:
            raise OptionError(f"--learning-rate is {self.learning_rate}; it lies in 0 … 10")
        if self.epochs < 1:
            raise OptionError(f"--epochs is {self.epochs}; it is at least 1")
        if self.minutes is not None and not self.minutes > 0:
            raise OptionError(f"--minutes is {self.minutes}; it is above 0")

    def rate(self, epoch: int) -> float:
        """The step size in an epoch counted from 1."""
        return self.learning_rate * DECAY ** max(0, epoch - PLATEAU)


def train(
    model: nn.Module,
    batches: Callable[[int], Iterable[Batch]],
    loss: Callable[[Batch], Tensor],
    validate: Callable[[], float],
    plan: Plan,
    *,
    steps: int,
) -> History:
    """Teach `model` in place; leave it with its best weights, in evaluation mode.

    Ctrl-C and the end of the time ask for a stop: the step is finished, the model validated, and
    everything returns as after the last epoch.

    Args:
        model: the network.
        batches: the batches of an epoch, counted from 1.
        loss: the loss of a batch, a scalar with its graph.
        validate: the validation loss of the model as it stands.
        plan: how long and how fast.
        steps: batches an epoch, for the time left.

    Raises:
        TrainingError: the loss or the gradient is not finite; the message names the step, the
            layer and the last gradient norm.
    """
    begun = time.monotonic()
    history = History()
    best: dict[str, Tensor] = {}
    stepper = _Stepper(model, loss, plan)
    with Report(plan.epochs, steps, plan.minutes, plan.quiet) as report, wish_to_stop() as asked:

        def stop() -> bool:
            if asked():
                history.ended = "interrupted"
            elif plan.minutes is not None and time.monotonic() - begun > 60 * plan.minutes:
                history.ended = "minutes"
            return history.ended != "epochs"

        for number in range(1, plan.epochs + 1):
            model.train()
            mean, norm = stepper.epoch(number, batches(number), stop, report)
            model.eval()
            valid = _finite(validate(), number)
            seconds = time.monotonic() - begun
            rate = plan.rate(number)
            epoch = Epoch(number, stepper.steps, seconds, mean, valid, rate, norm)
            history.epochs.append(epoch)
            if history.best is epoch:
                best = {name: value.clone() for name, value in model.state_dict().items()}
            report.epoch(epoch, history.best)
            if number - history.best.epoch >= plan.patience and not stop():
                history.ended = "patience"
            if stop():
                break
    model.load_state_dict(best)
    return history


def _finite(valid: float, epoch: int) -> float:
    if not math.isfinite(valid):
        raise TrainingError(
            f"training: the validation loss is {valid} after epoch {epoch}; "
            "a smaller --learning-rate may help"
        )
    return valid


class _Stepper(Generic[Batch]):
    """Optimizer steps, counted, each with a look at whether the numbers are still finite."""

    def __init__(self, model: nn.Module, loss: Callable[[Batch], Tensor], plan: Plan) -> None:
        self.steps = 0
        self._model, self._loss, self._plan = model, loss, plan
        self._optimizer = torch.optim.Adam(model.parameters(), plan.learning_rate)
        self._last_norm = math.nan

    def epoch(
        self, number: int, batches: Iterable[Batch], stop: Callable[[], bool], report: Report
    ) -> tuple[float, float]:
        """Take a step for each batch until asked to stop; the mean loss and the largest norm."""
        for group in self._optimizer.param_groups:
            group["lr"] = self._plan.rate(number)
        losses, norms = [], []
        for batch in batches:
            loss, norm = self._step(batch)
            losses.append(loss)
            norms.append(norm)
            report.step()
            if stop():
                break
        return sum(losses) / len(losses), max(norms)

    def _step(self, batch: Batch) -> tuple[float, float]:
        self._optimizer.zero_grad()
        loss = self._loss(batch)
        value = loss.item()
        if not math.isfinite(value):
            self._complain("loss", value, batch)
        torch.autograd.backward(loss)
        parameters = self._model.parameters()
        norm = nn.utils.clip_grad_norm_(parameters, self._plan.clip, foreach=True).item()
        if not math.isfinite(norm):
            self._complain("gradient norm", norm, batch)
        self._last_norm = norm
        self._optimizer.step()
        self.steps += 1
        return value, norm

    def _complain(self, what: str, value: float, batch: Batch) -> None:
        where = culprit(self._model, lambda: self._loss(batch))
        raise TrainingError(
            f"training: the {what} is {value} at step {self.steps + 1}, first seen in {where}; "
            f"the last gradient norm was {self._last_norm:.3g}; a smaller --learning-rate may help"
        )

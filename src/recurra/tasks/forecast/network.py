"""Windows through the network: how it learns from them and answers them."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recurra.data import Context, Windows
from recurra.models import Blend
from recurra.tasks.forecast.baselines import NLinear
from recurra.tasks.forecast.setting import Setting
from recurra.train import Course, History, Lesson, Plan, one_thread, this_part, train

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]

FEWEST_STEPS, MOST_STEPS = 64, 200
MOST_VALIDATION = 4096
ANSWER_ROWS = 1024


class Batch(NamedTuple):
    """What the network is given and what it should have said."""

    inputs: tuple[Tensor | None, ...]
    target: Tensor  # (B, P)
    observed: Tensor  # (B, P)


class WindowLesson(Lesson[Batch]):
    """The batches of every epoch, drawn from the training windows by a seed.

    The loss is the mean absolute error over the observed targets, in the series' deviations. The
    model, which is built from the seed too, learns in place; the caller's random state is left as
    it was.

    Args:
        setting: shapes the network.
        windows: the panel's windows.
        training: origins to learn from.
        validation: origins to validate on; at most 4,096 of them are used, spread evenly.
        batch_size: windows a batch; chosen by their number when None.
        seed: of the weights, of dropout and of the order.
    """

    def __init__(
        self,
        setting: Setting,
        windows: Windows,
        training: Indices,
        validation: Indices,
        batch_size: int | None,
        seed: int,
    ) -> None:
        self._setting, self._windows, self._training, self._seed = setting, windows, training, seed
        self._held_out = _few(validation)
        self._true = windows.targets(self._held_out)
        self.batch_size = batch_size or _batch_size(len(training))
        self._part = this_part()
        self.steps = int(np.clip(len(training) // self.batch_size, FEWEST_STEPS, MOST_STEPS))

    def teach(self, plan: Plan, course: Course | None = None) -> tuple[Blend, History]:
        """Build the network and teach it; its weights are those of the best validated epoch."""
        with torch.random.fork_rng(devices=[]), one_thread():
            model = self.build()
            history = train(self, plan, course)
        return model, history

    def build(self) -> Blend:
        """The network as it begins; draws from torch's random state, which it seeds."""
        torch.manual_seed(self._seed)
        model = self._setting.build()
        self.model = model
        return model

    def batches(self, epoch: int, begin: int) -> Iterator[Batch]:
        """The batches of an epoch: few windows come more than once, of many only a part."""
        random = np.random.default_rng([self._seed, epoch])
        drawn = self._draw(random, self.steps * self.batch_size)
        for low in range(begin * self.batch_size, len(drawn), self.batch_size):
            yield self._of_this_part(drawn[low : low + self.batch_size])

    def loss(self, batch: Batch) -> Tensor:
        error: Tensor = (self.model(*batch.inputs) - batch.target).abs()
        return error.where(batch.observed, 0).sum() / batch.observed.sum().clamp(min=1)

    def weight(self, batch: Batch) -> float:
        return float(batch.observed.sum())

    def validate(self) -> float:
        series = self._windows.series(self._held_out)
        error = np.abs(answer(self.model, self._windows, self._held_out, series) - self._true.y)
        return float(error[self._true.observed].mean())

    def _of_this_part(self, origins: Indices) -> Batch:
        """The windows of a batch that this process learns from."""
        rank, of = self._part
        if rank < len(origins):
            return batch(self._windows, origins[rank::of])
        spare = batch(self._windows, origins[:1])
        return spare._replace(observed=torch.zeros_like(spare.observed))

    def _draw(self, random: np.random.Generator, count: int) -> Indices:
        rounds = -(-count // len(self._training))
        if rounds == 1:
            return random.choice(self._training, count, replace=False, shuffle=True)
        return np.concatenate([random.permutation(self._training) for _ in range(rounds)])[:count]


def _batch_size(windows: int) -> int:
    """A power of two between 16 and 256, about a 64th of the windows."""
    return int(2 ** np.clip(np.round(np.log2(max(1, windows) / FEWEST_STEPS)), 4, 8))


def batch(windows: Windows, origins: Indices) -> Batch:
    """The windows at `origins` as tensors."""
    targets = windows.targets(origins)
    return Batch(
        inputs(windows.at(origins), windows.series(origins)),
        torch.from_numpy(targets.y),
        torch.from_numpy(targets.observed),
    )


def inputs(context: Context, series: Indices) -> tuple[Tensor | None, ...]:
    """The arguments of a forecaster's `forward`."""
    parts = (context.y, series, context.observed, context.past, context.future)
    return tuple(None if part is None else torch.from_numpy(part) for part in parts)


def blend(model: Blend, linear: NLinear, windows: Windows, validation: Indices) -> None:
    """Give the linear baseline the share, in twentieths, that validates best."""
    held_out = _few(validation)
    true = windows.targets(held_out)
    learned = answer(model, windows, held_out, windows.series(held_out))
    straight = linear.predict(windows, held_out)

    def loss(share: float) -> float:
        error = np.abs((1 - share) * learned + share * straight - true.y)
        return float(error[true.observed].mean())

    model.linear.copy_(torch.from_numpy(linear.weight))
    model.share.fill_(min(np.arange(21) / 20, key=loss))


def _few(origins: Indices) -> Indices:
    return origins[:: max(1, -(-len(origins) // MOST_VALIDATION))]


def answer(model: nn.Module, windows: Windows, origins: Indices, series: Indices) -> Floats:
    """What the network says at `origins`, (N, P), scaled.

    Args:
        model: in evaluation mode.
        windows: of any panel.
        origins: (N,)
        series: (N,) the network's number of each origin's series, -1 for one it never saw.
    """
    parts = []
    with torch.inference_mode(), one_thread():
        for low in range(0, len(origins), ANSWER_ROWS):
            part = slice(low, low + ANSWER_ROWS)
            parts.append(model(*inputs(windows.at(origins[part]), series[part])).numpy())
    return np.concatenate(parts)

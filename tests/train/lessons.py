"""A small lesson with dropout, and one that ends in the middle, for the tests of the loop."""

import torch
from torch import nn

from recurra.train import Lesson


class DeathError(Exception):
    """As kill -9 would: nothing more is done."""


class Curve(Lesson[torch.Tensor]):
    """y = sin x learned with dropout from batches drawn by epoch.

    Args:
        dies: number of the loss, counted over all epochs from 1, before which it dies.
        spoil: numbers of losses that are not finite.
    """

    def __init__(self, dies=None, spoil=(), dtype=torch.float32, seed=0):
        torch.manual_seed(seed)
        self.model = nn.Sequential(
            nn.Linear(1, 16), nn.LayerNorm(16), nn.Tanh(), nn.Dropout(0.2), nn.Linear(16, 1)
        ).to(dtype)
        self.steps, self.dies, self.spoil, self.losses = 5, dies, set(spoil), 0
        self.carried = torch.zeros(1)
        self.forgot = 0
        self._dtype = dtype

    def batches(self, epoch, begin):
        random = torch.Generator().manual_seed(epoch)
        drawn = [torch.rand(8, 1, generator=random, dtype=self._dtype) for _ in range(self.steps)]
        return iter(drawn[begin:])

    def loss(self, batch):
        if torch.is_grad_enabled():
            self.losses += 1
            self.carried = self.carried + batch.detach().sum()
        if self.losses == self.dies:
            raise DeathError
        loss = (self.model(batch) - torch.sin(6 * batch)).square().mean()
        return loss * torch.inf if self.losses in self.spoil else loss

    def validate(self):
        x = torch.linspace(0, 1, 64, dtype=self._dtype).unsqueeze(1)
        with torch.no_grad():
            return (self.model(x) - torch.sin(6 * x)).square().mean().item()

    def state(self):
        return {"carried": self.carried}

    def restore(self, state):
        self.carried = state["carried"]

    def forget(self):
        self.forgot += 1


def weights(lesson):
    """The model's weights in one row."""
    return torch.cat([p.detach().flatten() for p in lesson.model.parameters()])

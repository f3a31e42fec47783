"""A lesson that several processes share, and the trainings that each of them does.

    torchrun --standalone --nproc-per-node 2 tests/train/rank_lesson.py FOLDER

writes the weights of every training and what its history says to FOLDER, by process; and keeps
checkpoints there.
"""

import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from recurra.cells import GRU
from recurra.errors import TerminatedError
from recurra.layers import Recurrent
from recurra.train import Course, Lesson, Plan, Recipe, this_part, train, unfrozen

F, H, STEPS = 3, 5, 25
# Rows of the batches: odd, more, one alone, of which the second process has none.
ROWS = (7, 12, 1, 4, 2)
CASES = {
    "clipped": Recipe(clip=0.5),
    "accumulated": Recipe(accumulate=2, schedule="cosine", warmup=0.1),
    "averaged": Recipe(optimizer="adamw", weight_decay=0.1, average=0.9, clip_by="adaptive"),
    "refused": Recipe(),
    "waking": Recipe(optimizer="adamw", weight_decay=0.1, accumulate=2),
}
# A step of the case that is refused, and the row whose number is no number: the second process's.
SPOILT, SPOILT_ROW = 11, 1
TERMINATED_AT = 31


class Batch(NamedTuple):
    """Sequences of different lengths, and which of their steps have a target."""

    x: Tensor
    y: Tensor
    lengths: Tensor
    known: Tensor


class Network(nn.Module):
    """A GRU, noise, a readout."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.recurrent = Recurrent(GRU(F, H))
        self.dropout = nn.Dropout(dropout)
        self.readout = nn.Linear(H, 1)
        self.unused = nn.Parameter(torch.ones(2))

    def forward(self, batch: Batch) -> Tensor:
        y, _ = self.recurrent(batch.x, lengths=batch.lengths)
        return self.readout(self.dropout(y)).squeeze(-1)


class Shared(Lesson[Batch]):
    """Two epochs of 25 steps; in the first of a waking one the readout learns alone."""

    def __init__(self, spoilt=False, dropout=0.0, term=None, waking=False):
        torch.manual_seed(3)
        self.model = Network(dropout).double()
        self.steps = STEPS
        self._spoilt, self._term, self._seen, self._waking = spoilt, term, 0, waking

    def batches(self, epoch, begin):
        rank, of = this_part()
        for step in range(begin, self.steps):
            whole = self._batch(epoch, step)
            part = Batch(*(values[rank::of] for values in whole))
            if len(part.x) == 0:
                part = Batch(*(values[:1] for values in whole))
                part = part._replace(known=torch.zeros_like(part.known))
            yield part

    def pace(self, epoch):
        return unfrozen(["readout", "recurrent"], epoch) if self._waking else {}

    def loss(self, batch):
        self._seen += self.model.training
        if self._seen == self._term and this_part().rank == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        error = (self.model(batch) - batch.y).square()
        return error.where(batch.known, 0).sum() / batch.known.sum().clamp(min=1)

    def weight(self, batch):
        return float(batch.known.sum())

    def validate(self):
        with torch.no_grad():
            return self.loss(self._batch(0, 1)).item()

    def _batch(self, epoch, step):
        draw = torch.Generator().manual_seed(1000 * epoch + step)
        B, T = ROWS[step % len(ROWS)], 6
        x = torch.randn(B, T, F, dtype=torch.float64, generator=draw)
        known = torch.rand(B, T, generator=draw) < 0.6
        known[:, 0] = True
        if self._spoilt and step == SPOILT:
            x[SPOILT_ROW] = torch.nan
        lengths = torch.randint(1, T + 1, (B,), generator=draw)
        return Batch(x, x.cumsum(1).sum(-1).tanh(), lengths, known)


def learn(case):
    """Fifty steps; the model and the history."""
    lesson = Shared(spoilt=case == "refused", waking=case == "waking")
    history = train(lesson, Plan(CASES[case], epochs=2, quiet=True))
    return lesson.model, history


def learn_with_noise(folder, term=None, resume=False):
    """The same with dropout and checkpoints."""
    lesson = Shared(dropout=0.3, term=term)
    course = Course(folder=folder, resume=resume)
    history = train(lesson, Plan(Recipe(), epochs=2, quiet=True), course)
    return lesson.model, history


def run(folder: Path) -> None:
    """Every training, in this process's part."""
    found = {case: learn(case) for case in CASES}
    found["noise"] = learn_with_noise(folder / "whole")
    try:
        learn_with_noise(folder / "cut", term=TERMINATED_AT)
        raise RuntimeError("SIGTERM did not end it")
    except TerminatedError:
        found["resumed"] = learn_with_noise(folder / "cut", resume=True)
    rank = this_part().rank
    for name, (model, history) in found.items():
        save_file(model.state_dict(), folder / f"{name}-{rank}.safetensors")
        said = json.dumps([asdict(epoch) for epoch in history.epochs])
        (folder / f"{name}-{rank}.json").write_text(said)


if __name__ == "__main__":
    torch.set_num_threads(1)
    run(Path(sys.argv[1]))

"""Steps of training under autocast to bfloat16, and without it, beside torch's layers.

A step is an embedding, the layers, a head, the loss, the backward and Adam, as a model of bytes
takes it.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.rows import wanted
from bench.timing import Budget, Call, Timing, compare
from recurra.cells import GRU, LSTM
from recurra.layers import Recurrent, Stack

VOCABULARY = 65
# How far the losses of a first step may be apart: roundings to 8 bits, averaged over all steps.
AGREE = 1e-2
KINDS = {"LSTM": (LSTM, nn.LSTM), "GRU": (GRU, nn.GRU)}


class Net(NamedTuple):
    """Layers of a width, on so many rows and steps."""

    layers: int
    H: int
    B: int
    T: int


NETS = {"1x512": Net(1, 512, 32, 64), "2x400": Net(2, 400, 20, 70)}


class Language(nn.Module):
    """Logits of what comes next."""

    def __init__(self, layers: nn.Module, H: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, H)
        self.layers = layers
        self.head = nn.Linear(H, VOCABULARY)

    def forward(self, ids: Tensor) -> Tensor:
        """(B, T) to (B, T, V)."""
        logits: Tensor = self.head(self.layers(self.embed(ids))[0])
        return logits


def rows(only: str, threads: int, budget: Budget, nets: dict[str, Net] = NETS) -> Iterator[Timing]:
    """Ours in bfloat16 beside ours in float32, and torch's in both."""
    for kind in KINDS:
        for size, net in nets.items():
            case = f"bfloat16 {kind} {size}"
            if wanted(case, only):
                yield from compare(case, "train", threads, *_sides(kind, net), budget)


def _sides(kind: str, net: Net) -> tuple[Call, dict[str, Call]]:
    ids = torch.randint(VOCABULARY, (net.B, net.T + 1))
    ours, theirs = KINDS[kind]
    stack = Recurrent(Stack([ours(net.H, net.H) for _ in range(net.layers)]))
    layers = theirs(net.H, net.H, net.layers, batch_first=True)
    with torch.no_grad():
        for mine, other in zip(stack.parameters(), layers.parameters(), strict=True):
            other.copy_(mine)
    models = [Language(stack, net.H), Language(layers, net.H)]
    models[1].embed, models[1].head = models[0].embed, models[0].head
    calls = [_step(model, ids, half) for model in models for half in (True, False)]
    losses = [call() for call in calls]
    if max(losses) - min(losses) > AGREE * max(losses):
        raise AssertionError(f"{kind}: the losses are {losses}")
    names = ("recurra float32", f"torch nn.{kind} bfloat16", f"torch nn.{kind} float32")
    return calls[0], dict(zip(names, calls[1:], strict=True))


def _step(model: Language, ids: Tensor, half: bool) -> Call:
    adam = torch.optim.Adam(model.parameters(), 1e-5, fused=True)

    def step() -> float:
        context: AbstractContextManager[object] = nullcontext()
        if half:
            context = torch.autocast("cpu", torch.bfloat16)
        with context:
            logits = model(ids[:, :-1])
        loss = F.cross_entropy(logits.float().flatten(0, 1), ids[:, 1:].flatten())
        adam.zero_grad()
        loss.backward()
        adam.step()
        return float(loss.detach())

    return step

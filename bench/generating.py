"""Text from a language model, character by character, one text at a time.

The peer is the same network of torch's modules, in the loop that one writes with them.
"""

import argparse
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.memory import status
from bench.rows import Row, wanted
from bench.timing import FULL, QUICK, Budget, Call, interleave
from recurra.cells import Cell
from recurra.data import fit_vocabulary
from recurra.models import Choice
from recurra.tasks.language import Writer
from recurra.tasks.language.learned import Learned
from recurra.tasks.language.setting import Setting

V, E, H = 66, 256, 512
# Characters of one measurement, and those over which memory must not grow.
PIECE, MANY, FEW = 50, 1_000_000, 20_000
NARROW = 64
CHOICES = {"": Choice(), ", top_p .9": Choice(top_p=0.9)}


def rows(args: argparse.Namespace) -> Iterator[Row]:
    """Characters a second, and what memory grows by over very many of them."""
    budget = QUICK if args.quick else FULL
    for precision in ("float32", "bfloat16"):
        for name, choice in CHOICES.items():
            case = f"lstm {H}, {precision}{name}"
            if wanted(f"generate {case}", args.only):
                yield speed(case, precision, choice, budget)
    if wanted("generate memory", args.only):
        yield growth(FEW if args.quick else MANY)


def speed(case: str, precision: str, choice: Choice, budget: Budget, width: int = H) -> Row:
    """Characters a second, by the CPU's clock of one thread."""
    learned = untaught(width)
    text = Writer(learned, choice, [0], precision=precision).write()
    ours, theirs = interleave([lambda: _read(text), _torch(learned)], 1, budget)
    speeds = [1e3 * PIECE / each.ms for each in (ours, theirs)]
    return Row(case, "generating", speeds[0], "chars/s", "torch nn.LSTM", speeds[1])


def growth(characters: int) -> Row:
    """MiB that the process takes more after so many characters than after a tenth of them."""
    text = Writer(untaught(NARROW), Choice(), [0]).write()
    _skip(text, characters // 10)
    before = status("VmRSS")
    _skip(text, characters - characters // 10)
    grown = (status("VmRSS") - before) / 2**10
    return Row(f"{characters:,} characters", "memory grown by", grown, "MiB")


def untaught(width: int) -> Learned:
    """An LSTM of random weights over V - 1 characters."""
    torch.manual_seed(0)
    vocabulary = fit_vocabulary("characters", ["".join(map(chr, range(32, 32 + V - 2)))])
    noise = ("dropout", "layer_dropout", "embedding_dropout", "input_dropout", "weight_dropout")
    still: dict[str, Any] = dict.fromkeys((*noise, "activation_penalty", "temporal_penalty"), 0.0)
    setting = Setting(
        vocab_size=len(vocabulary),
        cell="lstm",
        hidden_size=width,
        num_layers=1,
        embedding_size=min(E, width),
        tied=False,
        adaptive=False,
        **still,
    )
    network = setting.build().eval()
    return Learned(setting, vocabulary, network, False, np.zeros(1, np.int32))


def _read(text: Iterator[str]) -> object:
    return [*islice(text, PIECE)]


def _skip(text: Iterator[str], count: int) -> None:
    for _ in islice(text, count):
        pass


def of_torch(cell: Cell[Any]) -> nn.LSTM:
    """The same layer of torch's."""
    layer = nn.LSTM(cell.input_size, cell.output_size, batch_first=True)
    layer.load_state_dict({f"{k}_l0": v for k, v in cell.state_dict().items()})
    return layer


def _torch(learned: Learned) -> Call:
    """The same table, layer and head of torch's, one step after another."""
    table, cell, head = learned.network.as_cell().layers
    layer = of_torch(cell)
    state: tuple[Tensor, Tensor] | None = None
    token = torch.zeros(1, 1, dtype=torch.int64)

    @torch.inference_mode()
    def call() -> object:
        nonlocal state, token
        text = []
        for _ in range(PIECE):
            y, state = layer(table.weight[token], state)
            scores = head.project(y[:, 0])
            token = torch.multinomial(torch.softmax(scores, dim=-1), 1)
            text.append(learned.vocabulary.decode(token[0].numpy()))
        return text

    return call

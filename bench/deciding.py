"""How long a decoder takes for one step: a sentence, five hypotheses, 512 units, 8,000 pieces."""

import time
from collections.abc import Iterator
from statistics import median

import torch

from bench.rows import Row
from recurra.models import Source, build_seq2seq

BEAM, PIECES, PLACES, STEPS = 5, 8000, 16, 300


def step_rows() -> Iterator[Row]:
    """The median of many steps, one thread, the head and its softmax among them."""
    for name, weights in {"float32": None, "bfloat16 weights": torch.bfloat16}.items():
        for attention in ("additive", "general"):
            case = f"decoder step, {attention}, {name}"
            yield Row(case, "a step, beam 5", 1e3 * _seconds(attention, weights), "ms")


def _seconds(attention: str, weights: torch.dtype | None) -> float:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        torch.manual_seed(0)
        network = build_seq2seq(
            source_size=PIECES,
            target_size=PIECES,
            begin=PIECES - 1,
            end=PIECES - 1,
            cell="lstm",
            hidden_size=512,
            embedding_size=256,
            attention=attention,
        )
        source = Source(torch.randint(0, PIECES, (1, PLACES)), torch.tensor([PLACES]))
        speaker = network.speaker(source, BEAM, weights=weights)
        taken = []
        for _ in range(STEPS):
            tokens = torch.randint(0, PIECES, (BEAM,))
            begun = time.perf_counter()
            speaker.step(tokens)
            speaker.keep(torch.tensor([0, 0, 1, 2, 3]))
            taken.append(time.perf_counter() - begun)
        return median(taken)
    finally:
        torch.set_num_threads(threads)

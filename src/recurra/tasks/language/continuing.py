"""How a text goes on, token by token."""

from collections.abc import Iterator

import numpy as np

from recurra.layers import Stream
from recurra.models import Choice, Sampler
from recurra.tasks.language.learned import Learned
from recurra.train import Tokens

# Tokens of a prompt that are read at once.
STEPS = 1024
# Tokens at its end that the next one may belong to: those of one character.
OPEN = 4


def continued(
    learned: Learned, prompt: Tokens, length: int, choice: Choice, seed: int
) -> Iterator[str]:
    """The text after a prompt as it becomes certain; it ends where a document does.

    Args:
        learned: the model.
        prompt: ids of what was said before; may be empty.
        length: most tokens.
        choice: how each one is chosen.
        seed: of the choice.
    """
    stream, decoder = Stream(learned.network.as_cell()), learned.vocabulary.decoder()
    sampler = Sampler(choice, [seed])
    scores = stream.push(np.array([learned.start]))
    if learned.separated:
        # The state begins anew after a separator, as it did while learning.
        stream.reset()
    for begin in range(0, len(prompt), STEPS):
        part = np.asarray(prompt[begin : min(begin + STEPS, len(prompt))], np.int64)
        scores = stream.push(part[None])[:, -1]
    # What a prompt leaves open: a blank, or a character of which bytes are missing.
    for token in np.asarray(prompt[max(0, len(prompt) - OPEN) :]).tolist():
        decoder.push(token)
    for _ in range(length):
        token = sampler.draw(scores)
        if token[0] == learned.separator:
            break
        yield decoder.push(int(token[0]))
        scores = stream.push(token)
    yield decoder.finish()

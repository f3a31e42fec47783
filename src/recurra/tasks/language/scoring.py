"""What each token of a text was worth to the network, in nats, from the first to the last.

The first token follows the one that a text begins with: a separator where documents have one, else
a newline. The state goes on to the end of the text, and begins anew after a separator.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from recurra.models import LanguageNetwork
from recurra.train import Tokens

Floats = NDArray[np.float32]
# Steps that the network takes at once.
STEPS = 1024
NO_TOKEN = -1


class Scored(NamedTuple):
    """A token of a text, and how surprising it was.

    Args:
        id: in the vocabulary.
        token: for people; what cannot be seen is escaped.
        nats: -log p, after all tokens before it.
    """

    id: int
    token: str
    nats: float


def nats_of(
    network: LanguageNetwork,
    ids: Tokens,
    start: int,
    separator: int | None,
    steps: int = STEPS,
) -> Iterator[Floats]:
    """-log p of each token, `steps` of them at once.

    Args:
        network: in evaluation mode.
        ids: the text.
        start: what stands before it.
        separator: what ends a document; None where nothing does.
        steps: tokens at once; the answers agree to rounding whatever it is.
    """
    state, last, before = network.initial_state(1), start, NO_TOKEN
    for begin, end in pairwise([*range(0, len(ids), steps), len(ids)]):
        targets = np.asarray(ids[begin:end]).astype(np.int64)
        inputs = np.concatenate([[before, last], targets[:-1]])
        # As while learning: the state begins anew before the token after a separator.
        reset = inputs[:-1] == (-2 if separator is None else separator)
        with torch.inference_mode():
            found, state = network.nats(
                torch.from_numpy(inputs[1:])[None],
                torch.from_numpy(targets)[None],
                state,
                reset=torch.from_numpy(reset)[None] if reset.any() else None,
            )
        before, last = int(inputs[-1]), int(targets[-1])
        yield found[0].float().numpy()

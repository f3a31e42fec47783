"""Scheduled sampling in two passes: some inputs are words that the network would have said.

Source: Bengio et al., "Scheduled Sampling for Sequence Prediction with Recurrent Neural Networks",
2015, arXiv:1506.03099; in two passes: Mihaylova and Martins, "Scheduled Sampling for Transformers",
2019, arXiv:1906.07651, section 3.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from recurra.layers import Head
from recurra.models.copying import mixture
from recurra.models.decoder import Answers

# Rows of scores that are held at once.
ROWS = 256


def own_words(
    inputs: Int[Tensor, "B T"],
    answers: Answers,
    head: Head,
    copied: Int[Tensor, "B S"] | None,
    share: float,
) -> Int[Tensor, "B T"]:
    """The inputs, some of them but the first replaced by draws from the answers one step before.

    Args:
        answers: to these inputs.
        copied: which token each place of the source is, where the decoder copies.
        share: probability that an input is replaced.
    """
    chosen = torch.rand(inputs[:, 1:].shape, device=inputs.device) < share
    b, t = chosen.nonzero(as_tuple=True)
    found = inputs.clone()
    for rows, steps in zip(b.split(ROWS), t.split(ROWS), strict=True):
        found[rows, steps + 1] = torch.multinomial(_p(answers, head, copied, rows, steps), 1)[:, 0]
    return found


def _p(
    answers: Answers, head: Head, copied: Tensor | None, rows: Tensor, steps: Tensor
) -> Float[Tensor, "N W"]:
    """The probability of each token, at some steps of some rows."""
    scores = head.step(answers.h[rows, steps], ())[0].to(answers.shares.dtype)
    if answers.gate is None or copied is None:
        return torch.softmax(scores, 1)
    gate = answers.gate[rows, steps].to(scores.dtype)
    size = max(scores.shape[1], int(copied.max()) + 1)
    return mixture(scores, gate, answers.shares[rows, steps], copied[rows], size).exp()

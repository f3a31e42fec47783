"""Small networks from a sequence to a sequence, and what they read and say."""

import torch

from recurra.models import Source, Target, build_seq2seq

BEGIN = 6
SMALL = {
    "source_size": 9,
    "target_size": 7,
    "begin": BEGIN,
    "unknown": 1,
    "cell": "lstm",
    "hidden_size": 6,
    "embedding_size": 5,
    "heads": 2,
    "places": 12,
}
# Copied tokens 7 and 8 are none of the target's vocabulary.
SOURCE = Source(
    torch.tensor([[1, 2, 3, 4, 8], [5, 5, 7, 0, 0], [2, 0, 0, 0, 0]]),
    torch.tensor([5, 3, 1]),
    torch.tensor([[1, 2, 3, 7, 8], [5, 5, 7, 0, 0], [2, 0, 0, 0, 0]]),
)
TARGET = Target(
    torch.tensor([[3, 1, 4, BEGIN], [5, BEGIN, -1, -1], [0, 2, BEGIN, -1]]),
    torch.tensor([4, 2, 3]),
)
# What only a network that copies can say.
STRANGE = TARGET._replace(ids=TARGET.ids.where(TARGET.ids != 4, 8).where(TARGET.ids != 5, 7))


def network(attention="additive", **more):
    """In float64 and in evaluation, with weights of some size, so that nothing is all but even."""
    torch.manual_seed(0)
    made = build_seq2seq(**SMALL | {"attention": attention} | more).double().eval()
    for weight in made.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    return made


def alone(b):
    """One of the rows, without padding."""
    S, T = int(SOURCE.lengths[b]), int(TARGET.lengths[b])
    one = slice(b, b + 1)
    source = Source(SOURCE.ids[one, :S], SOURCE.lengths[one], SOURCE.copied[one, :S])
    return source, Target(TARGET.ids[one, :T], TARGET.lengths[one])

"""Which channels and steps of one sequence mattered to what is said of it."""

import numpy as np
import torch
from torch import Tensor

from recurra.data.signals import Sequences
from recurra.errors import DataError, OptionError
from recurra.models import Steps
from recurra.tasks.signals.learned import Learned, check_missing
from recurra.tasks.signals.mattering import Mattering, mattering
from recurra.train import one_thread


def because(learned: Learned, sequences: Sequences, name: str, where: str) -> Mattering:
    """What each value of a sequence added to its score: of the likeliest class, against the others.

    Args:
        sequences: among which it is.
        name: of the sequence.
        where: the sequences come from, for messages.

    Raises:
        OptionError: no sequence has this name.
        DataError: each step is answered, so none of them has one score.
    """
    if learned.setting.per_step:
        raise DataError(f"{where}: --because explains one answer a sequence, not one a step")
    if name not in sequences.names:
        few = ", ".join(sequences.names[:3])
        raise OptionError(f'{where}: --because "{name}": no such sequence; there are {few}, …')
    one = sequences.take([sequences.names.index(name)])
    check_missing(one, learned.setting.missing, where)
    network = learned.network
    gaps = None if one.gaps is None else torch.from_numpy(one.gaps)
    named = torch.from_numpy(one.values)
    categories = list(one.categories)

    def scores(values: Tensor, lengths: Tensor) -> Tensor:
        # A name lies between no others: it stays what it is on the whole path.
        values = values.clone()
        values[:, :, categories] = named[:, categories]
        times = None if gaps is None else gaps.expand(len(values), -1)
        found: Tensor = network(Steps(values, lengths, times))
        return found - found.mean(dim=1, keepdim=True) if found.shape[1] > 1 else found

    means = network.features.mean.numpy()
    place = int(np.argmax(learned.values(one, where)[0])) if learned.setting.outputs > 1 else 0
    with one_thread():
        return mattering(scores, one.values, one.channels, means, place)

"""Our modules beside torch's, with the same weights, and all that both give."""

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from recurra import nn as ours

F, H, P, T, B = 3, 5, 2, 6, 4
KINDS = {
    "rnn": ("RNN", {}),
    "rnn relu": ("RNN", {"nonlinearity": "relu"}),
    "gru": ("GRU", {}),
    "lstm": ("LSTM", {}),
    "lstm proj": ("LSTM", {"proj_size": P}),
}
LENGTHS = {
    "packed": [6, 4, 4, 1],
    "packed unsorted": [2, 6, 1, 5],
    "packed alike": [6, 6, 6, 6],
}
FORMS = ("time first", "batch first", "unbatched", *LENGTHS)


def pair(kind, dtype=torch.float64, **options):
    """Ours and torch's."""
    name, own = KINDS[kind]
    torch.manual_seed(len(options))
    theirs = getattr(nn, name)(F, H, dtype=dtype, **own, **options)
    mine = getattr(ours, name)(F, H, dtype=dtype, **own, **options)
    mine.load_state_dict(theirs.state_dict())
    return mine, theirs


def given(form, dtype=torch.float64):
    """An input, and the tensor that it was made of."""
    torch.manual_seed(1)
    shape = {"time first": (T, B, F), "unbatched": (T, F)}.get(form, (B, T, F))
    x = torch.randn(shape, dtype=dtype, requires_grad=True)
    if form not in LENGTHS:
        return x, x
    lengths, falls = torch.tensor(LENGTHS[form]), form != "packed unsorted"
    return pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=falls), x


def states(module, form):
    """First states of a module, at random."""
    count = module.num_layers * (1 + module.bidirectional)
    widths = [module.proj_size or H, H] if module.mode == "LSTM" else [H]
    rows = () if form == "unbatched" else (B,)
    dtype = module.weight_ih_l0.dtype
    made = [torch.randn(count, *rows, w, dtype=dtype, requires_grad=True) for w in widths]
    return tuple(made) if module.mode == "LSTM" else made[0]


def flat(part):
    """All tensors in a result."""
    if isinstance(part, PackedSequence):
        return [part.data]
    return [part] if torch.is_tensor(part) else [leaf for each in part for leaf in flat(each)]


def weighed(outputs):
    """A number that every output and every last state is a part of."""
    return sum((o * torch.linspace(-1, 2, o.numel()).to(o).view_as(o)).sum() for o in outputs)


def results(module, input, x, hx=None):
    """Outputs, last states, and the gradients of both to x, to first states and to weights."""
    outputs = flat(module(input, hx))
    inputs = [x, *([] if hx is None else flat(hx)), *module.parameters()]
    return [*outputs, *torch.autograd.grad(weighed(outputs), inputs, retain_graph=True)]


def assert_close(got, want, tolerance=1e-10):
    for mine, theirs in zip(got, want, strict=True):
        assert mine.dtype == theirs.dtype
        torch.testing.assert_close(mine, theirs, rtol=tolerance, atol=tolerance)

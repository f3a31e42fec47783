"""What torch refuses is refused in torch's words, and what it warns of is warned of."""

import re
import warnings

import pytest
import torch
from tests.nn.pairs import KINDS, F, H, pair
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from recurra import nn as ours


def said(do):
    """What is raised, and the warnings before it."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            do()
        except Exception as error:
            # Addresses and our place in the list of frames are not what is meant.
            text = re.sub(r"0x[0-9a-f]+", "", str(error))
            return type(error), text, [(each.category, str(each.message)) for each in heard]
    return None, None, [(each.category, str(each.message)) for each in heard]


CONSTRUCTED = {
    "no width": ((F, 0), {}),
    "no features": ((0, H), {}),
    "width of a kind": ((F, 2.5), {}),
    "no layer": ((F, H), {"num_layers": 0}),
    "much dropout": ((F, H), {"dropout": 1.5}),
    "true dropout": ((F, H), {"dropout": True}),
    "dropout of one layer": ((F, H), {"dropout": 0.5}),
    "bias of a kind": ((F, H), {"bias": 1}),
    "batch first of a kind": ((F, H), {"batch_first": None}),
    "wide projection": ((F, H), {"proj_size": H}),
    "negative projection": ((F, H), {"proj_size": -1}),
    "unknown option": ((F, H), {"momentum": 1}),
    "unknown nonlinearity": ((F, H), {"nonlinearity": "sine"}),
    "nothing": ((), {}),
}


@pytest.mark.parametrize("case", CONSTRUCTED)
@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_it_is_made_or_refused_as_torchs(name, case):
    given, options = CONSTRUCTED[case]
    want = said(lambda: getattr(nn, name)(*given, **options))
    assert said(lambda: getattr(ours, name)(*given, **options)) == want
    assert any(want)


def x(*shape, dtype=torch.float64):
    return torch.zeros(shape, dtype=dtype)


def pack():
    return pack_padded_sequence(x(4, 3, F), torch.tensor([4, 2, 1]))


def both(h, c=None):
    """A state as the kind takes it."""
    return lambda module: (h, h if c is None else c) if module.mode == "LSTM" else h


CALLED = {
    "nothing": lambda m: m(),
    "a list": lambda m: m([1.0]),
    "None": lambda m: m(None),
    "one dimension": lambda m: m(x(F)),
    "four dimensions": lambda m: m(x(1, 2, 3, F)),
    "other features": lambda m: m(x(4, 2, F + 1)),
    "other features, one row": lambda m: m(x(4, F + 1)),
    "another type": lambda m: m(x(4, 2, F, dtype=torch.float32)),
    "whole numbers": lambda m: m(x(4, 2, F, dtype=torch.int64)),
    "half": lambda m: m(x(4, 2, F, dtype=torch.float16)),
    "complex": lambda m: m(x(4, 2, F, dtype=torch.complex64)),
    "no steps": lambda m: m(x(0, 2, F)),
    "no rows": lambda m: m(x(4, 0, F)),
    "another device": lambda m: m(x(4, 2, F).to("meta")),
    "sparse": lambda m: m(x(4, 2, F).to_sparse()),
    "state of other rows": lambda m: m(x(4, 2, F), both(x(1, 3, H))(m)),
    "state of other width": lambda m: m(x(4, 2, F), both(x(1, 2, H + 1))(m)),
    "state of other layers": lambda m: m(x(4, 2, F), both(x(2, 2, H))(m)),
    "state of two dimensions": lambda m: m(x(4, 2, F), both(x(2, H))(m)),
    "state of three, one row": lambda m: m(x(4, F), both(x(1, 1, H))(m)),
    "state of another type": lambda m: m(
        x(4, 2, F), both(x(1, 2, m.proj_size or H).float(), x(1, 2, H).float())(m)
    ),
    "memory of other width": lambda m: m(
        x(4, 2, F), both(x(1, 2, m.proj_size or H), x(1, 2, H + 1))(m)
    ),
    "state alone": lambda m: m(x(4, 2, F), x(1, 2, H)),
    "three states": lambda m: m(x(4, 2, F), (x(1, 2, H),) * 3),
    "a pair": lambda m: m(x(4, 2, F), (x(1, 2, H), x(1, 2, H))),
    "no state": lambda m: m(x(4, 2, F), ()),
    "packed, other features": lambda m: m(PackedSequence(x(7, F + 1), pack().batch_sizes)),
    "packed, another type": lambda m: m(PackedSequence(x(7, F).float(), pack().batch_sizes)),
    "packed, state of other rows": lambda m: m(pack(), both(x(1, 4, H))(m)),
    "packed, fewer steps than rows": lambda m: m(PackedSequence(x(6, F), pack().batch_sizes)),
}


@pytest.mark.parametrize("case", CALLED)
@pytest.mark.parametrize("kind", KINDS)
def test_a_call_is_refused_in_torchs_words(kind, case):
    mine, theirs = pair(kind)
    want = said(lambda: CALLED[case](theirs))
    assert said(lambda: CALLED[case](mine)) == want


def spoil(module, name, value):
    setattr(module, name, None)
    delattr(module, name)
    if value is not None:
        setattr(module, name, value)


SPOILT = {
    "a weight is gone": ("weight_hh_l0", None),
    "a weight of another type": ("weight_hh_l0", nn.Parameter(torch.zeros(4 * H, H))),
    "a weight of another shape": ("weight_ih_l0", nn.Parameter(x(4 * H, F + 1))),
}


@pytest.mark.parametrize("case", SPOILT)
@pytest.mark.parametrize("kind", KINDS)
def test_weights_that_do_not_fit(kind, case):
    found = []
    for module in pair(kind):
        spoil(module, *SPOILT[case])
        found.append(said(lambda module=module: module(x(4, 2, F))))
    assert found[0] == found[1]


def test_the_mistakes_are_mistakes():
    _, theirs = pair("gru")
    right = [case for case, do in CALLED.items() if said(lambda do=do: do(theirs))[0] is None]
    assert right == ["no rows", "memory of other width", "state alone"]

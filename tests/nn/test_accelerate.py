"""A user's model becomes native in place, learns on, and becomes torch's again."""

import copy
import warnings
from collections import OrderedDict

import pytest
import torch
from tests.nn.pairs import KINDS, F, H, assert_close, flat, given, pair, results
from torch import nn
from torch.nn.utils import parametrizations, parametrize

import recurra
from recurra import nn as ours
from recurra.errors import OptionError, RecurraError


class Tagger(nn.Module):
    """What people write: an embedding, attention, layers in lists, one of them shared."""

    def __init__(self, width=8):
        super().__init__()
        self.embed = nn.Embedding(11, width)
        self.attend = nn.TransformerEncoderLayer(width, 2, 16, dropout=0.0, batch_first=True)
        self.encoder = nn.LSTM(width, width, 2, batch_first=True, bidirectional=True)
        self.layers = nn.ModuleList([nn.GRU(2 * width, width, batch_first=True), nn.Tanh()])
        self.parts = nn.ModuleDict({"last": nn.RNN(width, width, batch_first=True)})
        self.again = self.parts["last"]
        self.cell = nn.GRUCell(width, width)
        self.head = nn.Linear(width, 3)

    def forward(self, tokens):
        y, _ = self.encoder(self.attend(self.embed(tokens)))
        y, _ = self.layers[0](y)
        y, h = self.parts["last"](self.layers[1](y))
        y, _ = self.again(y, h)
        return self.head(self.cell(y[:, -1]))


SWAPPED = {"encoder": "LSTM", "layers.0": "GRU", "parts.last": "RNN"}


def learn(model, optimizer, steps, seed=0):
    torch.manual_seed(seed)
    losses = []
    for _ in range(steps):
        tokens, tags = torch.randint(11, (6, 9)), torch.randint(3, (6,))
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(tokens), tags)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_training_goes_on(calls):
    torch.manual_seed(0)
    model = Tagger().double()
    other = copy.deepcopy(model)
    found = []
    for each in (model, other):
        optimizer = torch.optim.Adam(each.parameters(), 1e-2)
        losses = learn(each, optimizer, 4)
        before = [id(part) for part in (*each.modules(), *each.parameters())]
        if each is model:
            recurra.accelerate(each)
        losses += learn(each, optimizer, 6, seed=1)
        if each is model:
            assert len(calls) == 6 * 2 * 5
            recurra.restore(each)
        losses += learn(each, optimizer, 3, seed=2)
        assert before == [id(part) for part in (*each.modules(), *each.parameters())]
        found.append(torch.tensor(losses, dtype=torch.float64))
    assert len(calls) == 60
    assert_close(found[:1], found[1:], 1e-8)
    assert_close(model.parameters(), other.parameters(), 1e-7)


def test_what_was_done_is_told():
    model = Tagger()
    swaps = recurra.accelerate(model)
    assert isinstance(swaps, ours.Swaps)
    assert swaps.swapped == SWAPPED
    assert swaps.left == {"cell": "a GRUCell runs a single step, which torch does best"}
    assert str(swaps) == (
        "encoder: LSTM swapped\nlayers.0: GRU swapped\nparts.last: RNN swapped\n"
        "cell: left, a GRUCell runs a single step, which torch does best"
    )
    assert isinstance(model.encoder, nn.LSTM)
    assert model.again is model.parts["last"]
    assert str(recurra.accelerate(nn.Linear(2, 2))) == "no recurrent module"


def test_there_and_back():
    model = Tagger()
    state = {name: vars(module).copy() for name, module in model.named_modules()}
    kinds = {name: type(module) for name, module in model.named_modules()}
    recurra.accelerate(model)
    again = recurra.accelerate(model)
    assert again.swapped == {}
    assert {again.left[name] for name in SWAPPED} == {"it is that already"}
    assert recurra.restore(model).swapped == SWAPPED
    assert {name: type(module) for name, module in model.named_modules()} == kinds
    assert {name: vars(module) for name, module in model.named_modules()} == state
    assert {recurra.restore(model).left[name] for name in SWAPPED} == {"it is that already"}


@pytest.mark.parametrize("kind", KINDS)
def test_the_model_itself_may_be_one(kind, calls):
    _, theirs = pair(kind)
    x, _ = given("time first")
    want = flat(theirs(x))
    assert str(recurra.accelerate(theirs)).startswith("(the model itself): ")
    assert_close(flat(theirs(x)), want)
    assert calls == [1]
    assert type(theirs).__module__ == "recurra.nn.modules"


@pytest.mark.parametrize("kind", KINDS)
def test_parametrised_modules(kind, calls):
    _, theirs = pair(kind)
    x, _ = given("time first")
    parametrizations.weight_norm(theirs, "weight_hh_l0")
    before = type(theirs)
    twin = copy.deepcopy(theirs)
    want = results(twin, x, x)
    name = KINDS[kind][0]
    assert recurra.accelerate(theirs).swapped == {"": name}
    assert recurra.accelerate(theirs).left == {"": "it is that already"}
    assert type(theirs).__name__ == before.__name__
    assert parametrize.is_parametrized(theirs, "weight_hh_l0")
    assert_close(results(theirs, x, x), want)
    assert calls == [1, 1]
    parametrizations.weight_norm(theirs, "weight_ih_l0")
    parametrizations.weight_norm(twin, "weight_ih_l0")
    assert_close(results(copy.deepcopy(theirs), x, x), results(twin, x, x))
    assert recurra.restore(theirs).swapped == {"": name}
    assert type(theirs).__bases__ == before.__bases__
    calls.clear()
    assert_close(results(theirs, x, x), results(twin, x, x))
    assert calls == []
    recurra.accelerate(theirs)
    for weight in ("weight_hh_l0", "weight_ih_l0"):
        parametrize.remove_parametrizations(theirs, weight)
    assert type(theirs) is getattr(ours, name)


def test_hooks_stay(calls):
    module, seen = nn.GRU(F, H), []
    module.register_forward_hook(lambda *given: seen.append("after"))
    module.register_forward_pre_hook(lambda *given: seen.append("before"))
    recurra.accelerate(module)
    module(torch.zeros(4, 2, F))
    assert seen == ["before", "after"]
    assert calls == [1]


class Doubled(nn.GRU):
    def forward(self, input, hx=None):
        return super().forward(2 * input, hx)


class Named(nn.LSTM):
    pass


class LSTM(nn.Module):
    pass


@pytest.mark.filterwarnings("ignore:.torch.jit", "ignore:torch.ao.quantization")
def test_what_is_left_has_a_reason():
    replaced = nn.GRU(F, H)
    replaced.forward = lambda input: input
    with warnings.catch_warnings(action="ignore"):
        quantized = torch.ao.quantization.quantize_dynamic(
            nn.ModuleDict({"inner": nn.LSTM(F, H)}), {nn.LSTM}
        )
    parts = {
        "doubled": Doubled(F, H),
        "named": Named(F, H),
        "replaced": replaced,
        "scripted": torch.jit.script(nn.LSTM(F, H)),
        "other script": torch.jit.script(nn.Tanh()),
        "quantized": quantized,
        "own": LSTM(),
        "cell": nn.RNNCell(F, H),
    }
    model = nn.ModuleDict(OrderedDict(parts))
    kinds = [type(module) for module in model.modules()]
    swaps = recurra.accelerate(model)
    assert swaps.swapped == {}
    assert [type(module) for module in model.modules()] == kinds
    place = __name__
    assert swaps.left == {
        "doubled": f"its class is {place}.Doubled, torch.nn's alone are swapped",
        "named": f"its class is {place}.Named, torch.nn's alone are swapped",
        "replaced": "its forward was replaced",
        "scripted": "a LSTM that torch.jit compiled",
        "quantized.inner": "its class is torch.ao.nn.quantized.dynamic.modules.rnn.LSTM, "
        "torch.nn's alone are swapped",
        "own": f"its class is {place}.LSTM, torch.nn's alone are swapped",
        "cell": "a RNNCell runs a single step, which torch does best",
    }


def test_any_device_and_type_is_swapped_for_later(calls):
    model = nn.Sequential(nn.GRU(F, H, device="meta", dtype=torch.bfloat16))
    assert recurra.accelerate(model).swapped == {"0": "GRU"}
    model.to_empty(device="cpu").to(torch.float32)
    model(torch.zeros(4, 2, F))
    assert calls == [1]


@pytest.mark.parametrize("function", [recurra.accelerate, recurra.restore])
def test_what_is_no_module_is_refused(function):
    message = f"^{function.__name__}: model is a list, a torch.nn.Module fits$"
    with pytest.raises(OptionError, match=message) as caught:
        function([nn.GRU(F, H)])
    assert isinstance(caught.value, RecurraError)

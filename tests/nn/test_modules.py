"""What else people do with a module: weights, copies, hooks, parametrisations, compilers."""

import copy
import io
import pickle

import pytest
import torch
from tests.nn.pairs import FORMS, KINDS, F, H, assert_close, flat, given, pair, results
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune
from torch.nn.utils import weight_norm as old_weight_norm

import recurra
from recurra import nn as ours

every_kind = pytest.mark.parametrize("kind", KINDS)
unwarned = pytest.mark.filterwarnings


def x():
    return given("time first")[0]


def test_the_names_are_torchs():
    assert recurra.nn is ours
    assert "nn" in dir(recurra)
    for name in ("RNN", "LSTM", "GRU"):
        kind = getattr(ours, name)
        assert issubclass(kind, getattr(nn, name))
        assert repr(kind(F, H, 2)) == repr(getattr(nn, name)(F, H, 2))
    for name in ("RNNCell", "LSTMCell", "GRUCell"):
        assert getattr(ours, name) is getattr(nn, name)


@every_kind
def test_a_seed_draws_torchs_weights(kind):
    name, own = KINDS[kind]
    made = []
    for room in (ours, nn):
        torch.manual_seed(7)
        made.append(getattr(room, name)(F, H, 2, bidirectional=True, **own).state_dict())
    assert list(made[0]) == list(made[1])
    assert all(map(torch.equal, made[0].values(), made[1].values()))


@every_kind
def test_a_call_draws_no_numbers(kind):
    name, own = KINDS[kind]
    module = getattr(ours, name)(F + 7, H, **own)  # sizes that nobody else has
    before = torch.get_rng_state()
    module(torch.zeros(2, 2, F + 7))
    assert torch.equal(torch.get_rng_state(), before)


@every_kind
def test_weights_go_both_ways(kind):
    mine, theirs = pair(kind, num_layers=2)
    with torch.no_grad():
        for parameter in mine.parameters():
            parameter.mul_(0.5)
    theirs.load_state_dict(mine.state_dict())
    assert_close(flat(mine(x())), flat(theirs(x())))


def through_file(module):
    buffer = io.BytesIO()
    torch.save(module, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)


COPIES = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda module: pickle.loads(pickle.dumps(module)),
    "torch.save": through_file,
}


@pytest.mark.parametrize("way", COPIES)
@every_kind
def test_a_copy_is_its_own(kind, way, calls):
    mine, theirs = pair(kind, bidirectional=True)
    for warm in (False, True):
        if warm:
            mine(x())
        other = COPIES[way](mine)
        assert type(other) is type(mine)
        assert vars(other).keys() == vars(mine).keys() == vars(theirs).keys()
        with torch.no_grad():
            mine.weight_hh_l0.zero_()
        calls.clear()
        assert_close(flat(other(x())), flat(theirs(x())))
        assert calls == [2]
        mine.load_state_dict(theirs.state_dict())


def test_weights_alone_from_a_file():
    mine, theirs = pair("lstm")
    buffer = io.BytesIO()
    torch.save(mine.state_dict(), buffer)
    buffer.seek(0)
    theirs.load_state_dict(torch.load(buffer, weights_only=True))
    assert_close(flat(mine(x())), flat(theirs(x())))


@every_kind
def test_from_meta_to_memory(kind, calls):
    name, own = KINDS[kind]
    mine = getattr(ours, name)(F, H, 2, device="meta", dtype=torch.float64, **own)
    y, _ = mine(x().to("meta"))
    assert y.is_meta
    assert calls == []
    _, theirs = pair(kind, num_layers=2)
    mine.to_empty(device="cpu").load_state_dict(theirs.state_dict())
    assert_close(flat(mine(x())), flat(theirs(x())))
    assert len(calls) == 2
    mine.load_state_dict(theirs.to(torch.float64).state_dict(), assign=True)
    assert_close(flat(mine(x())), flat(theirs(x())))


def test_other_types_are_torchs(calls):
    for dtype in (torch.bfloat16, torch.float16):
        mine, theirs = pair("gru", dtype)
        assert torch.equal(mine(x().to(dtype))[0], theirs(x().to(dtype))[0])
    assert calls == []
    mine.double()
    mine(x())
    assert calls == [1]


@every_kind
@unwarned("ignore:LSTM with projections")
def test_autocast_is_torchs(kind, calls):
    mine, theirs = pair(kind, torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got, want = flat(mine(x().float())), flat(theirs(x().float()))
    assert [each.dtype for each in got] == [each.dtype for each in want]
    assert all(map(torch.equal, got, want))
    assert calls == []


def test_hooks_see_what_they_see_of_torchs(calls):
    seen = []
    for module in pair("gru"):
        own = []
        module.register_forward_pre_hook(lambda m, args: (args[0] * 2,))
        module.register_forward_hook(lambda m, args, out: (out[0] + 1, out[1]))
        module.register_full_backward_hook(lambda m, dx, dy, own=own: own.extend([*dx, *dy]))
        module.weight_hh_l0.register_hook(lambda gradient, own=own: own.append(gradient))
        y, h = module(x())
        (y.square().sum() + h.sum()).backward()
        seen.append([*own, y, h])
    assert len(seen[0]) == 6
    assert_close(*seen)
    assert len(calls) == 2


def pruned(module):
    prune.random_unstructured(module, "weight_ih_l0", 0.3)
    return prune.l1_unstructured(module, "weight_hh_l0", 0.5)


DRESSES = {
    "weight norm": lambda module: parametrizations.weight_norm(module, "weight_hh_l0"),
    "old weight norm": lambda module: old_weight_norm(module, "weight_hh_l0"),
    "pruning": pruned,
}
every_dress = pytest.mark.parametrize("dress", DRESSES)
old = unwarned("ignore:.torch.nn.utils.weight_norm. is deprecated")


@old
@pytest.mark.parametrize("form", FORMS[:4])
@every_dress
@every_kind
def test_dressed_weights_are_the_ones_used(kind, dress, form, calls):
    modules = pair(kind)
    found = []
    input, own = given(form)
    for module in modules:
        torch.manual_seed(2)
        DRESSES[dress](module)
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.mul_(1.5)
        module.batch_first = form == "batch first"
        found.append(results(module, input, own))
    assert calls == [1, 1]
    assert_close(*found)


@every_kind
def test_dresses_come_off(kind, calls):
    mine, theirs = pair(kind)
    before = type(mine)
    DRESSES["weight norm"](mine)
    assert isinstance(mine, before)
    parametrize.remove_parametrizations(mine, "weight_hh_l0")
    assert type(mine) is before
    assert_close(flat(mine(x())), flat(theirs(x())))
    prune.remove(prune.l1_unstructured(mine, "weight_hh_l0", 0.5), "weight_hh_l0")
    theirs.load_state_dict(mine.state_dict())
    assert_close(flat(mine(x())), flat(theirs(x())))
    assert calls == [1, 1]


@every_kind
def test_functional_calls(kind, calls):
    modules = pair(kind)
    found = []
    for module in modules:
        weights = {k: v.detach() * 2 for k, v in module.named_parameters()}
        for each in weights.values():
            each.requires_grad_()
        y, *_ = flat(torch.func.functional_call(module, weights, (x(),)))
        found.append([y, *torch.autograd.grad(y.square().sum(), list(weights.values()))])
        assert_close(flat(module(x())), flat(modules[1](x())))
    assert_close(*found)
    assert calls == [1, 1, 1]


def test_transforms_are_torchs(calls):
    found = []
    for module in pair("gru"):
        weights = dict(module.named_parameters())

        def loss(weights, module=module):
            return torch.func.functional_call(module, weights, (x(),))[0].square().sum()

        found.append(list(torch.func.grad(loss)(weights).values()))
    assert_close(*found)
    assert calls == []


@unwarned("ignore:.torch.jit.script")
def test_forward_mode_is_torchs(calls):
    found = []
    for module in pair("gru"):
        with torch.autograd.forward_ad.dual_level():
            dual = torch.autograd.forward_ad.make_dual(x().detach(), torch.ones_like(x()))
            found.append(torch.autograd.forward_ad.unpack_dual(module(dual)[0]).tangent)
    assert_close(found[:1], found[1:])
    assert calls == []


def test_an_output_may_be_written_over(calls):
    mine, _ = pair("lstm")
    y, (h, _) = mine(x())
    want = results(mine, *[x()] * 2)[:1]
    assert_close([y.detach()], want)
    y.relu_()
    h.mul_(2)
    (y.sum() + h.sum()).backward()
    assert torch.isfinite(mine.weight_hh_l0.grad).all()
    assert len(calls) == 4


def test_checkpoints_compute_again(calls):
    mine, theirs = pair("gru")
    for reentrant in (False, True):
        own = x()
        y, _ = torch.utils.checkpoint.checkpoint(mine, own, use_reentrant=reentrant)
        got = torch.autograd.backward(y.square().sum()) or own.grad
        assert_close([got], torch.autograd.grad(theirs(want := x())[0].square().sum(), want))
    assert len(calls) == 6


def test_modes_that_look_on_see_torchs_operations(calls):
    from torch.utils.flop_counter import FlopCounterMode

    counts = []
    for module in pair("gru"):
        with FlopCounterMode(display=False) as counter:
            module(x())
        counts.append(counter.get_total_flops())
    assert counts[0] == counts[1] > 0
    with torch.device("meta"):
        assert mine_is_close()
    assert calls == []
    torch.set_default_device("cpu")
    try:
        assert mine_is_close()
    finally:
        torch.set_default_device(None)
    assert calls == [1]


def mine_is_close():
    own = torch.zeros(4, 2, F, dtype=torch.float64, device="cpu")
    kinds = [kind(F, H, dtype=torch.float64, device="cpu") for kind in (ours.GRU, nn.GRU)]
    kinds[1].load_state_dict(kinds[0].state_dict())
    return torch.allclose(kinds[0](own)[0], kinds[1](own)[0])


def test_without_the_library_it_is_torchs(monkeypatch, calls):
    mine, theirs = pair("gru")
    monkeypatch.setattr("recurra.engine.native.library", lambda: None)
    for form in FORMS:
        input, _ = given(form)
        assert all(map(torch.equal, flat(mine(input)), flat(theirs(input))))
    assert calls == []


def test_inference_may_come_first(calls):
    module = ours.GRU(F + 2, H + 4)  # sizes that nobody else has
    with torch.inference_mode():
        module(torch.zeros(2, 2, F + 2))
    module(torch.zeros(2, 2, F + 2))[0].sum().backward()
    assert module.weight_hh_l0.grad is not None
    assert len(calls) == 3

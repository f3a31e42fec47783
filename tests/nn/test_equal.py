"""Every option of torch.nn's modules: the same outputs, states and gradients, and natively."""

import pytest
import torch
from tests.nn.pairs import FORMS, KINDS, T, assert_close, flat, given, pair, results, states

every_kind = pytest.mark.parametrize("kind", KINDS)
every_form = pytest.mark.parametrize("form", FORMS)
both_ways = pytest.mark.parametrize("both", [False, True], ids=["one way", "both ways"])
# torch tells that its fast road has no projection.
unwarned = pytest.mark.filterwarnings("ignore:LSTM with projections")


@pytest.mark.parametrize("start", [False, True], ids=["from zero", "from a state"])
@every_form
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@both_ways
@pytest.mark.parametrize("layers", [1, 2])
@every_kind
def test_it_is_torchs(kind, layers, both, bias, form, start, calls, poison):
    first = form == "batch first"
    options = {"num_layers": layers, "bidirectional": both, "bias": bias, "batch_first": first}
    mine, theirs = pair(kind, **options)
    input, x = given(form)
    hx = states(theirs, form) if start else None
    got = results(mine, input, x, hx)
    assert calls == [1 + both] * 2 * layers  # forward and backward
    assert_close(got, results(theirs, input, x, hx))


@unwarned
@every_form
@both_ways
@every_kind
def test_in_float32_it_is_close(kind, both, form, calls):
    mine, theirs = pair(kind, torch.float32, num_layers=2, bidirectional=both)
    input, x = given(form, torch.float32)
    got = results(mine, input, x)
    assert len(calls) == 4
    assert_close(got, results(theirs, input, x), 1e-5)


@unwarned
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@every_form
@pytest.mark.parametrize("layers", [1, 2])
@both_ways
@every_kind
def test_results_have_torchs_form(kind, both, layers, form, dtype):
    first = form == "batch first"
    options = {"num_layers": layers, "bidirectional": both, "batch_first": first}
    mine, theirs = pair(kind, dtype, **options)
    input, _ = given(form, dtype)
    (got, last), (want, last_want) = mine(input), theirs(input)
    assert type(got) is type(want)
    assert type(last) is type(last_want)
    if form in FORMS[3:]:
        assert got.batch_sizes is want.batch_sizes is input.batch_sizes
        for name in ("sorted_indices", "unsorted_indices"):
            assert getattr(got, name) is getattr(want, name)
    for one, other in zip(flat((got, last)), flat((want, last_want)), strict=True):
        assert one.shape == other.shape
        assert one.stride() == other.stride()
        assert one.requires_grad


@every_kind
def test_any_input_in_memory_will_do(kind, calls):
    mine, theirs = pair(kind)
    wide = torch.randn(4, 7, 6, dtype=torch.float64)
    for x in (
        wide[..., ::2],
        wide[:, 1:, :3],
        wide[:1, :, :3].expand(4, 7, 3),
        wide[..., :3].mT.mT,
    ):
        assert_close(flat(mine(x)), flat(theirs(x)))
    turned = torch.complex(wide, wide).conj().imag[..., :3]
    assert turned.is_neg()
    before = len(calls)
    assert_close(flat(mine(turned)), flat(theirs(turned)))
    assert len(calls) == before


@every_kind
def test_any_state_and_weight_in_memory_will_do(kind, calls):
    mine, theirs = pair(kind, bidirectional=True)
    x, _ = given("time first")
    hx = states(theirs, "time first")
    wide = tuple(part[:, :1].expand_as(part) for part in (hx if kind[:4] == "lstm" else (hx,)))
    turned = {name: w.detach().mT.clone().mT for name, w in mine.named_parameters() if w.ndim == 2}
    found = [
        flat(torch.func.functional_call(module, turned, (), {"hx": start, "input": x}))
        for module, start in (
            (mine, list(wide) if kind[:4] == "lstm" else wide[0]),
            (theirs, wide if kind[:4] == "lstm" else wide[0]),
        )
    ]
    assert calls == [2]
    assert_close(*found)


@every_kind
def test_inference_has_the_bits_of_training(kind, calls):
    mine, _ = pair(kind, num_layers=2)
    x, _ = given("time first")
    want = flat(mine(x))
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            assert all(map(torch.equal, flat(mine(x)), want))
    assert len(calls) == 6


@every_kind
def test_an_order_of_gradients(kind):
    mine, theirs = pair(kind, bidirectional=True)
    for form in ("time first", "packed"):
        input, x = given(form)
        found = []
        for module in (mine, theirs):
            y, *_ = flat(module(input))
            weights = [x, *module.parameters()]
            (slope,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
            found.append(torch.autograd.grad(slope.square().sum(), weights, retain_graph=True))
        assert_close(*found)


@pytest.mark.parametrize("part", ["input", "hx", "weights"])
@every_kind
def test_gradients_of_one_part_alone(kind, part):
    modules = pair(kind)
    found = []
    for module in modules:
        x, _ = given("time first")
        torch.manual_seed(3)
        hx = states(module, "time first")
        module.requires_grad_(part == "weights")
        x.requires_grad_(part == "input")
        for each in flat(hx):
            each.requires_grad_(part == "hx")
        outputs = flat(module(x, hx))
        inputs = {"input": [x], "hx": flat(hx), "weights": list(module.parameters())}[part]
        found.append(torch.autograd.grad(sum(o.square().sum() for o in outputs), inputs))
    assert_close(*found)


@every_form
@every_kind
def test_dropout_draws_torchs_masks(kind, form, calls):
    options = {"num_layers": 3, "dropout": 0.4, "bidirectional": True}
    mine, theirs = pair(kind, batch_first=form == "batch first", **options)
    input, x = given(form)
    found = []
    for module in (mine, theirs):
        torch.manual_seed(5)
        found.append(results(module, input, x))
    assert len(calls) == 6
    assert_close(*found)
    torch.manual_seed(5)
    once, twice = flat(mine(input))[0], flat(mine(input))[0]
    assert not torch.equal(once, twice)
    assert torch.equal(*(flat(mine.eval()(input))[0] for _ in range(2)))
    assert_close(results(mine, input, x), results(theirs.eval(), input, x))


def test_a_single_step_is_torchs_where_that_is_faster(calls):
    for kind in KINDS:
        mine, theirs = pair(kind)
        x, _ = given("time first")
        calls.clear()
        assert_close(flat(mine(x[:1])), flat(theirs(x[:1])))
        assert len(calls) == kind.startswith("lstm")


@every_kind
def test_a_sequence_may_be_cut(kind):
    mine, _ = pair(kind, num_layers=2)
    x, _ = given("time first")
    whole, last = mine(x)
    first, state = mine(x[:2])
    rest, state = mine(x[2:], state)
    assert torch.equal(torch.cat([first, rest]), whole)
    assert all(map(torch.equal, flat(state), flat(last)))
    assert len(whole) == T

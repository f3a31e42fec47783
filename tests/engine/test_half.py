"""Inference with the matrices of products in bfloat16."""

import copy

import jaxtyping
import pytest
import torch
from tests.engine.subjects import SUBJECTS, example
from tests.engine.truth import assert_same, by_rows, by_steps
from torch.func import vmap

from recurra.cells import GRU, LSTM, Elman
from recurra.engine import autograd, leaves, loop, run, tree_map
from recurra.engine.place import NotNativeError
from recurra.errors import OptionError
from recurra.layers import Bidirectional, Recurrent, Stack

HALF = torch.bfloat16
# Two run in plain torch, step after step; two multiply with what they make of their parameter, and
# one, where everything is seen, a parameter with ones, which is done once a call and not rounded.
OTHERS = ["counting", "careless", "orthogonal", "antisymmetric", "gru_d", "gru_d over time"]
NAMES = [name for name in SUBJECTS if name not in OTHERS]
WITHOUT = ["scan", "ltc", "ltc over time"]  # a product
# Parameters of more than one dimension that no product takes, by class.
SYNAPSES = {
    f"{of}.{each}" for of in ("neurons", "sensors") for each in ("raw_w", "sigma", "mu", "erev")
}
ELEMENTWISE = {
    "ConvLSTM": {"weight_peephole"},
    "LTC": SYNAPSES,
    "Mamba": {"A_log", "conv1d.weight"},
    "Mamba2": {"conv_weight"},
    "S4D": {"A_log_real", "A_imag", "C_real", "C_imag"},
    "DeltaNet": {"conv_weight"},
    "GatedDeltaNet": {"conv_weight"},
    "KDA": {"conv_weight"},
    "RWKV7": {"mix", "bonus"},
}
every_cell = pytest.mark.parametrize("name", NAMES)
LENGTHS = torch.tensor([6, 2, 0, 5])


def still(name, B=4, T=6, F=5, H=17):
    """A case in which nothing has a gradient."""
    case = example(name, B, T, F, H, torch.float32)
    case.cell.requires_grad_(False)
    return case._replace(
        **{k: tree_map(torch.detach, getattr(case, k)) for k in ("x", "state", "context")}
    )


def rounded(cell):
    """A copy whose matrices have been through bfloat16."""
    cell = copy.deepcopy(cell)
    elementwise = ELEMENTWISE.get(type(cell).__name__, set())
    for name, each in (*cell.named_parameters(), *cell.named_buffers()):
        beside = name in elementwise or "bias" in name
        if each.ndim > 1 and not beside:
            each.data = each.data.to(HALF).to(each.dtype)
    return cell


def outputs(y, state):
    return [y, *leaves(state)]


@pytest.fixture(params=[True, False], ids=["native", "torch"])
def natively(request, monkeypatch):
    """With the library, and without it."""
    if not request.param:
        monkeypatch.setattr(autograd, "machine", _missing)
    return request.param


def _missing(*_, **__):
    raise NotNativeError("the library is away")


@every_cell
def test_it_is_the_cell_with_rounded_matrices(name, natively):
    case = still(name)
    twin = case._replace(cell=rounded(case.cell))
    got = outputs(*case.sequence(weights=HALF))
    assert_same(got, outputs(*by_steps(twin)), 1e-5)
    exact = outputs(*case.sequence())
    apart = max((a - b).abs().max() for a, b in zip(got, exact, strict=True))
    assert (apart > 1e-4) == (name not in WITHOUT)


@pytest.mark.parametrize("reverse", [False, True], ids=["ahead", "back"])
@pytest.mark.parametrize("name", ["elman", "gru", "lstm", "headed lstm", "attending"])
def test_ragged_batches_with_resets(name, reverse, natively):
    case, reset = still(name), torch.zeros(4, 6, dtype=torch.bool)
    reset[0, [0, 3]] = reset[3, 2] = True
    twin = case._replace(cell=rounded(case.cell))
    options = {"lengths": LENGTHS, "reset": reset}
    layer = Recurrent(case.cell, reverse=reverse)
    got = outputs(*layer(case.x, case.state, case.context, **options, weights=HALF))
    assert_same(got, outputs(*by_rows(twin, **options, reverse=reverse)), 1e-5)


@every_cell
def test_the_bits_of_a_row_are_its_own_and_those_of_its_chunks(name):
    case = still(name, 13, 7)
    lengths = torch.arange(13) * 3 % 8
    together = outputs(*case.sequence(lengths=lengths, weights=HALF))
    for begin, end in [(0, 1), (4, 9)]:
        parts = (case.x, case.state, case.context)
        some = (tree_map(lambda p, a=begin, b=end: p[a:b], tree) for tree in parts)
        alone = case.cell.sequence(*some, lengths=lengths[begin:end], weights=HALF)
        assert all(map(torch.equal, outputs(*alone), [p[begin:end] for p in together]))
    whole = outputs(*case.sequence(weights=HALF))
    ys, state, begin = [], case.state, 0
    for length in (3, 0, 1, 3):
        x = tree_map(lambda p, a=begin, n=length: p[:, a : a + n], case.x)
        y, state = case.cell.sequence(x, state, case.context, weights=HALF)
        ys.append(y)
        begin += length
    assert all(map(torch.equal, outputs(torch.cat(ys, dim=1), state), whole))


@pytest.mark.parametrize("first", [None, HALF])
def test_both_kinds_of_weights_are_kept_apart(first):
    torch.manual_seed(0)
    cell, x = GRU(3, 6).requires_grad_(False), torch.randn(2, 5, 3)
    second = HALF if first is None else None
    found = {which: cell.sequence(x, weights=which)[0] for which in (first, second, first, second)}
    assert not torch.equal(found[None], found[HALF])
    assert_same([found[None]], [by_loop(cell, x)], 1e-5)
    assert_same([found[HALF]], [by_loop(rounded(cell), x)], 1e-5)


def by_loop(cell, x):
    return loop(cell.step, x, cell.initial_state(len(x)))[0]


def test_weights_may_change_between_calls():
    cell, x = LSTM(3, 4), torch.randn(2, 5, 3)
    with torch.no_grad():
        cell.sequence(x, weights=HALF)
        cell.weight_hh.mul_(-1)
        y, _ = cell.sequence(x, weights=HALF)
        assert_same([y], [rounded(cell).sequence(x)[0]], 1e-5)


def test_layers_hand_it_on():
    torch.manual_seed(0)
    layer = Stack([Bidirectional(GRU(3, 4), LSTM(3, 4)), Elman(8, 5)]).eval()
    x = torch.randn(4, 6, 3)
    with torch.no_grad():
        for reverse in (False, True):
            got = Recurrent(layer, reverse)(x, lengths=LENGTHS, weights=HALF)
            want = Recurrent(rounded(layer), reverse)(x, lengths=LENGTHS)
            assert_same(outputs(*got), outputs(*want), 1e-5)
        packed = torch.nn.utils.rnn.pack_sequence([x[0], x[1, :4]])
        got, _ = Recurrent(layer)(packed, weights=HALF)
        assert_same([got.data], [Recurrent(rounded(layer))(packed)[0].data], 1e-5)


def test_under_autocast_and_with_nothing_to_do():
    cell, x = GRU(3, 4).requires_grad_(False), torch.randn(2, 5, 3)
    want, _ = cell.sequence(x, weights=HALF)
    with torch.autocast("cpu", dtype=HALF):
        assert torch.equal(cell.sequence(x, weights=HALF, checkpoint=2)[0], want)
    assert cell.sequence(x[:, :0], weights=HALF)[0].shape == (2, 0, 4)
    assert cell.sequence(x[:0], weights=HALF)[0].shape == (0, 5, 4)


def refused(message, call):
    with pytest.raises(OptionError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_what_does_not_fit_is_refused():
    cell, x = GRU(3, 4), torch.randn(2, 5, 3)
    double = GRU(3, 4, dtype=torch.float64)
    refused("a gradient is asked for", lambda: cell.sequence(x, weights=HALF))
    refused("a gradient is asked for", lambda: Stack([cell]).sequence(x, weights=HALF))
    refused("a gradient is asked for", lambda: cell.sequence(x, weights=HALF, checkpoint=2))
    with torch.no_grad():
        for other in (torch.float16, torch.float32, torch.int8):
            message = rf"^run: weights is {other}, torch\.bfloat16 fits"
            refused(message, lambda other=other: cell.sequence(x, weights=other))
        refused("beside torch.float64", lambda: double.sequence(x.double(), weights=HALF))
        refused("torch.func", lambda: vmap(lambda x: cell.sequence(x, weights=HALF)[0])(x[None]))
        state = cell.initial_state(2)
        refused("the method of a module", lambda: run(_step, x, state, weights=HALF))
    watched = GRU(3, 4).requires_grad_(False)
    refused("a gradient", lambda: watched.sequence(x.clone().requires_grad_(), weights=HALF))


def _step(x, state, context=None):
    return x, state


def test_a_compiler_is_refused_as_well(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    cell, x = GRU(3, 4).requires_grad_(False), torch.randn(2, 5, 3)
    torch._dynamo.reset()
    compiled = torch.compile(lambda: cell.sequence(x, weights=HALF)[0], backend="eager")
    refused("None fits under torch.compile", compiled)
    torch._dynamo.reset()


@pytest.mark.parametrize("name", ["counting", "careless"])
def test_a_step_whose_products_nobody_knows_is_refused(name):
    case = still(name)
    refused(r"^run: weights is torch\.bfloat16, ", lambda: case.sequence(weights=HALF))

"""Native runs among torch's other machines: compilers, transforms, autocast, hooks, checkpoints."""

import copy
import pickle

import pytest
import torch
from tests.engine.subjects import example
from tests.engine.truth import assert_same, by_steps, measure
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.utils.checkpoint import checkpoint

from recurra.cells import CELLS, GRU, LSTM, Cell, Elman
from recurra.engine import leaves, ops, refill, traced
from recurra.errors import OptionError, UnsupportedError
from recurra.layers import Bidirectional, Recurrent, Stack

LENGTHS = torch.tensor([6, 3, 0, 1])
RESET = torch.zeros(4, 6, dtype=torch.bool)
RESET[0, [0, 3, 4]] = RESET[1, 1] = RESET[3, 2] = True
RAGGED = {
    "dense": {},
    "lengths": {"lengths": LENGTHS},
    "resets": {"reset": RESET},
    "both": {"lengths": LENGTHS, "reset": RESET},
}
every_batch = pytest.mark.parametrize("options", RAGGED.values(), ids=RAGGED)
# One whose step is native, one with a norm, one that keeps two dimensions, one that draws a mask.
SOME = ["elman", "gru", "lstm", "layer_norm_lstm", "softmax memory"]


class Outputs(nn.Module):
    """The outputs of a cell alone."""

    def __init__(self, cell):
        super().__init__()
        self.cell = cell

    def forward(self, x):
        return self.cell.sequence(x)[0]


def double(cell, *sizes, **options):
    torch.manual_seed(0)
    return cell(*sizes, dtype=torch.float64, **options)


def batch(B=4, T=6, F=3):
    torch.manual_seed(1)
    return torch.randn(B, T, F, dtype=torch.float64, requires_grad=True)


def results(y, state, inputs):
    """Outputs, last state and the gradients of both."""
    parts = [y, *leaves(state)]
    value = sum((part * part + part).sum() for part in parts)
    return [*parts, *torch.autograd.grad(value, inputs)]


@every_batch
@pytest.mark.parametrize("reverse", [False, True], ids=["ahead", "back"])
def test_a_compiled_layer_gives_the_same(compiled, options, reverse):
    layer, x = Recurrent(double(GRU, 3, 5), reverse=reverse), batch()
    inputs = [x, *layer.parameters()]
    want = results(*layer(x, **options), inputs)
    got = results(*compiled(lambda x: layer(x, **options))(x), inputs)
    assert all(map(torch.equal, got, want))


def test_a_compiled_model_gives_the_same(compiled):
    model = nn.ModuleDict(
        {
            "stack": Stack(
                [
                    Bidirectional(double(LSTM, 3, 5), double(LSTM, 3, 5)),
                    double(Elman, 10, 4),
                ]
            ),
            "head": nn.Linear(4, 2, dtype=torch.float64),
        }
    )

    def run(x):
        y, state = model["stack"].sequence(x, lengths=LENGTHS)
        return model["head"](y.tanh()), state

    x = batch()
    inputs = [x, *model.parameters()]
    once = compiled(run)
    assert_same(results(*once(x), inputs), results(*run(x), inputs), 1e-12)
    with torch.no_grad():
        assert_same([once(x)[0]], [run(x)[0]], 1e-12)


def test_a_compiled_run_takes_any_batch_and_notices_a_setting(compiled):
    cell = double(Elman, 3, 5)
    run = compiled(lambda x: cell.sequence(x)[0])
    for B, T in [(4, 6), (2, 7), (5, 3), (1, 9)]:
        x = batch(B, T)
        (got,) = torch.autograd.grad(run(x).square().sum(), x)
        (want,) = torch.autograd.grad(cell.sequence(x)[0].square().sum(), x)
        assert torch.equal(got, want)
    cell.nonlinearity = "relu"
    assert torch.equal(run(x), cell.sequence(x)[0])


def test_a_plan_has_one_name():
    cell, x = double(LSTM, 3, 5), batch()
    for _ in range(2):
        vmap(lambda x: cell.sequence(x)[0])(x[None])
    before, twin = len(ops._ENTRIES), double(LSTM, 3, 5)
    vmap(lambda x: twin.sequence(x)[0])(x[None])
    assert len(ops._ENTRIES) == before


def arguments(name, B=3, T=4):
    """What the operations take for this cell."""
    case = example(name, B, T)
    weights = traced.tensors_of(case.cell)
    function = type(case.cell).step
    found = traced.traced(case.cell, function, weights, case.x, case.state, case.context)
    states, inputs = leaves(case.state), leaves(case.x)
    tensors = [*weights.values(), *inputs, *states]
    counts = (len(weights), len(inputs), len(states), 0)
    return tensors, ops.name_of(found, torch.float64, counts)


@pytest.mark.parametrize("lengths", [None, torch.tensor([4, 0, 2])], ids=["dense", "ragged"])
@pytest.mark.parametrize("name", ["lstm", "layer_norm_lstm"])
def test_torch_finds_nothing_wrong_with_the_operations(name, lengths):
    tensors, plan = arguments(name)
    needs = [True] * len(tensors)
    torch.library.opcheck(ops.train, (tensors, lengths, plan, False, needs))
    still = [each.detach() for each in tensors]
    torch.library.opcheck(ops.infer, (still, lengths, plan, True))
    y, *last, kept = ops.train(still, lengths, plan, False, needs)
    cotangents = [torch.randn_like(each) for each in (y, *last)]
    given = (still, lengths, plan, False, needs, kept, cotangents)
    torch.library.opcheck(ops.backward, given)


@pytest.mark.parametrize("name", SOME)
def test_the_operations_without_the_library_give_the_same(name, monkeypatch):
    tensors, plan = arguments(name)
    lengths, needs = torch.tensor([4, 0, 2]), [True] * len(tensors)

    def both():
        y, *last, _ = ops.train(tensors, lengths, plan, False, needs)
        value = sum(each.square().sum() for each in (y, *last))
        inferred = ops.infer([each.detach() for each in tensors], lengths, plan, False)
        return [y, *last, *inferred, *torch.autograd.grad(value, tensors, materialize_grads=True)]

    want = both()
    monkeypatch.setattr(ops.Entry, "machine", lambda entry, wanted: None)
    assert_same(both(), want, 1e-10)


@pytest.mark.parametrize("kind", [LSTM, Elman])
def test_vmap(kind):
    cell = double(kind, 3, 5)
    x = torch.stack([batch(), batch() * 2])
    lengths = torch.stack([LENGTHS, LENGTHS.flip(0)])
    got = vmap(lambda x, lengths: cell.sequence(x, lengths=lengths)[0])(x, lengths)
    want = [cell.sequence(*each)[0] for each in zip(x)]
    want = [cell.sequence(a, lengths=b)[0] for a, b in zip(x, lengths, strict=True)]
    assert torch.equal(got, torch.stack(want))
    weights = [*cell.parameters()]
    assert_same(
        torch.autograd.grad(got.square().sum(), weights),
        torch.autograd.grad(torch.stack(want).square().sum(), weights),
        1e-12,
    )


def test_gradients_by_function():
    model, x = Outputs(double(LSTM, 3, 5)), batch().detach()
    weights = {name: each.detach() for name, each in model.named_parameters()}

    def loss(weights, x):
        return functional_call(model, weights, (x,)).square().sum()

    want = torch.autograd.grad(model(x).square().sum(), [*model.parameters()])
    assert_same(grad(loss)(weights, x).values(), want, 1e-12)
    pieces = x[:, None]  # one row each
    rows = vmap(grad(loss), (None, 0))(weights, pieces)
    assert_same([each.sum(0) for each in rows.values()], want, 1e-12)
    over = grad(lambda weights: vmap(lambda x: loss(weights, x))(pieces).sum())(weights)
    assert_same(over.values(), want, 1e-12)
    many = {name: torch.stack([each, each * 2]) for name, each in weights.items()}
    outputs = vmap(lambda weights: functional_call(model, weights, (x,)))(many)
    assert torch.equal(outputs[0], model(x))


class LowRank(Cell):
    """h = tanh(x + h a b): its gradients end in products of parameters, which are torch's."""

    def __init__(self, size):
        super().__init__()
        self.input_size = self.output_size = size
        self.a = nn.Parameter(torch.randn(size, 2))
        self.b = nn.Parameter(torch.randn(2, size))

    def initial_state(self, batch_size):
        return (self.a.new_zeros(batch_size, self.output_size),)

    def step(self, x, state, context=None):
        h = torch.tanh(x + state[0] @ (self.a @ self.b))
        return h, (h,)


@pytest.mark.parametrize("both", [False, True])
def test_a_backward_inside_autocast_is_not_rounded(both):
    torch.manual_seed(0)
    layer = Bidirectional(LowRank(8), LowRank(8)) if both else LowRank(8)
    x, found = torch.randn(4, 6, 8), []
    for on in (False, True):
        value = layer.sequence(x)[0].square().sum()
        with torch.autocast("cpu", enabled=on):
            found.append(torch.autograd.grad(value, [*layer.parameters()]))
    assert all(map(torch.equal, *found))


def test_a_cell_may_be_met_first_inside_a_transform():
    cell, x = double(GRU, 3, 23), batch(2, 3).detach()  # of a width that no other test has

    def value(x):
        return cell.sequence(x)[0].square().sum()

    first = grad(value)(x)
    x.requires_grad_()
    (want,) = torch.autograd.grad(value(x), x)
    assert_same([first], [want], 1e-12)


def test_a_second_derivative_by_function_is_refused():
    cell = double(GRU, 3, 5)

    def value(x):
        return cell.sequence(x)[0].square().sum()

    with pytest.raises(UnsupportedError, match="create_graph=True"):
        grad(lambda x: grad(value)(x).sum())(batch(2, 3).detach())


@pytest.mark.parametrize("name", ["gru", "lstm", "layer_norm_lstm"])
def test_second_derivatives(name):
    case = example(name, 2, 3, 2, 2)
    inputs = (case.x, *leaves(case.state), *case.cell.parameters())
    lengths = torch.tensor([3, 2])

    def run(x, *rest):
        state = type(case.state)(*rest[: len(case.state)])
        weights = dict(zip(names, rest[len(case.state) :], strict=True))
        y, last = functional_call(Sequence(case.cell), weights, (x, state, lengths))
        return (y, *leaves(last))

    names = [f"cell.{name}" for name, _ in case.cell.named_parameters()]
    assert torch.autograd.gradcheck(run, inputs)
    assert torch.autograd.gradgradcheck(run, inputs)


class Sequence(nn.Module):
    """A cell's sequence, as a call."""

    def __init__(self, cell):
        super().__init__()
        self.cell = cell

    def forward(self, x, state, lengths):
        return self.cell.sequence(x, state, lengths=lengths)


@pytest.mark.parametrize("name", SOME)
def test_a_penalty_on_the_gradient_is_the_loops(name):
    case = example(name, 3, 4)

    def penalty(y, last):
        value = sum(part.square().sum() for part in (y, *leaves(last)))
        inputs = [case.x, *leaves(case.state), *case.cell.parameters()]
        options = {"materialize_grads": True, "allow_unused": True}
        first = torch.autograd.grad(value, inputs, create_graph=True, **options)
        norm = sum(each.square().sum() for each in first)
        return [*first, *torch.autograd.grad(norm, inputs, **options)]

    assert_same(penalty(*case.sequence()), penalty(*by_steps(case)), 1e-9)


@pytest.mark.parametrize("kind", [LSTM, GRU])
def test_autocast_leaves_a_cell_in_its_own_type(kind):
    cell = kind(3, 5)
    layer = Recurrent(Stack([cell, Bidirectional(kind(5, 4), kind(5, 4))]))
    x = batch().detach().float()
    state = layer.cell.initial_state(4)
    want, last = layer(x.bfloat16().float(), state)
    half = tuple(type(state[0])(*(part.bfloat16() for part in state[0])) for _ in range(1))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y, _ = layer(x.bfloat16(), (*half, state[1]))
        loop, _ = cell.sequence(x[:, :0])
    assert y.dtype == last[0].h.dtype == torch.float32
    assert torch.equal(y, want)
    assert loop.shape == (4, 0, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y, _ = layer(x.bfloat16().requires_grad_())
    y.sum().backward()
    assert cell.weight_hh.grad.dtype == torch.float32


@every_batch
@pytest.mark.parametrize("reverse", [False, True], ids=["ahead", "back"])
@pytest.mark.parametrize("size", [1, 4, 6])
@pytest.mark.parametrize("kind", [LSTM, GRU])
def test_a_checkpointed_run_gives_the_same(kind, size, reverse, options):
    layer, x = Recurrent(double(kind, 3, 5), reverse=reverse), batch()
    state = layer.cell.initial_state(4)
    state = type(state)(*(torch.randn_like(part).requires_grad_() for part in state))
    inputs = [x, *state, *layer.parameters()]
    want = results(*layer(x, state, **options), inputs)
    got = results(*layer(x, state, **options, checkpoint=size), inputs)
    outputs = 1 + len(state)
    assert all(map(torch.equal, got[:outputs], want[:outputs]))
    assert_same(got, want, 1e-12)


@pytest.mark.parametrize("name", ["attending", "waiting", "dropped", "layer_norm_lstm"])
def test_any_cell_can_be_checkpointed(name):
    case = example(name, 4, 6)
    got = measure(case, *case.sequence(checkpoint=4, lengths=LENGTHS))
    assert_same(got, measure(case, *case.sequence(lengths=LENGTHS)), 1e-12)


def test_a_checkpointed_run_can_be_differentiated_twice():
    cell, x = double(LSTM, 3, 5), batch()

    def twice(**options):
        value = cell.sequence(x, **options)[0].square().sum()
        (first,) = torch.autograd.grad(value, x, create_graph=True)
        return torch.autograd.grad(first.square().sum(), [x, *cell.parameters()])

    assert_same(twice(checkpoint=2), twice(), 1e-10)


@pytest.mark.parametrize("size", [0, -1])
def test_a_checkpoint_below_one_is_refused(size):
    with pytest.raises(OptionError, match="at least 1"):
        double(LSTM, 3, 5).sequence(batch(), checkpoint=size)


def saved_bytes(run):
    """What autograd keeps of a run, beyond parameters and what was given."""
    kept = {}

    def pack(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        alive = run()
    del alive
    return sum(kept.values())


def test_a_checkpointed_run_keeps_less():
    cell, x = LSTM(8, 32), torch.randn(4, 256, 8)
    plain = saved_bytes(lambda: cell.sequence(x))
    # The hooks inside a checkpoint stand above ours: what reaches ours is what outlives the run.
    pieces = saved_bytes(lambda: cell.sequence(x, checkpoint=16))
    by_torch = saved_bytes(lambda: checkpoint(cell.sequence, x, use_reentrant=False))
    assert plain > 4 * 256 * 32 * 4 * 5
    assert pieces < plain / 4
    assert by_torch < plain / 4


@pytest.mark.parametrize("reentrant", [False, True])
def test_torchs_own_checkpoint(reentrant):
    layer, x = Recurrent(double(LSTM, 3, 5)), batch()
    inputs = [x, *layer.parameters()]
    want = results(*layer(x, lengths=LENGTHS), inputs)
    y, state = checkpoint(layer, x, lengths=LENGTHS, use_reentrant=False)
    if reentrant:
        y, *_ = checkpoint(lambda x: layer(x, lengths=LENGTHS)[0], x, use_reentrant=True), 0
        for each in inputs:
            each.grad = None
        layer(x, lengths=LENGTHS)[0].sum().backward()
        expected = [each.grad.clone() for each in inputs]
        for each in inputs:
            each.grad = None
        y.sum().backward()
        assert_same([each.grad for each in inputs], expected, 1e-12)
    else:
        assert all(map(torch.equal, results(y, state, inputs), want))


def test_what_is_kept_goes_through_hooks():
    cell, x = double(LSTM, 3, 5), batch()
    want = torch.autograd.grad(cell.sequence(x)[0].square().sum(), x)

    def moved(tensor):  # to where the library could not read it
        if tensor.dtype != torch.uint8:
            return tensor
        return torch.cat([tensor.new_zeros(1), tensor])[1:]

    with torch.autograd.graph.saved_tensors_hooks(moved, lambda tensor: tensor):
        y, _ = cell.sequence(x)
    assert torch.equal(torch.autograd.grad(y.square().sum(), x)[0], want[0])


def test_a_graph_may_be_used_twice_but_not_after_it_is_freed():
    cell, x = double(GRU, 3, 5), batch()
    value = cell.sequence(x)[0].square().sum()
    first = torch.autograd.grad(value, x, retain_graph=True)
    assert torch.equal(torch.autograd.grad(value, x)[0], first[0])
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(value, x)


def test_a_parameter_changed_in_place_before_the_backward_is_noticed():
    cell, x = double(GRU, 3, 5), batch()
    value = cell.sequence(x)[0].sum()
    with torch.no_grad():
        cell.weight_hh.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        value.backward()


@pytest.mark.parametrize("name", CELLS)
def test_copies_of_a_cell_give_the_same(name):
    case = example(name, 3, 4)
    want, _ = case.sequence()
    for twin in (copy.deepcopy(case.cell), pickle.loads(pickle.dumps(case.cell))):
        assert torch.equal(twin.sequence(case.x, case.state)[0], want)


def test_inference_mode():
    cell, x = double(LSTM, 3, 5), batch()
    want, last = cell.sequence(x)
    with torch.inference_mode():
        y, state = cell.sequence(x)
        assert y.is_inference()
        further, _ = cell.sequence(x, state)
    assert torch.equal(y, want)
    assert torch.equal(further, cell.sequence(x, last)[0])


def test_hooks_of_tensors_and_modules_are_called():
    layer, x, seen = Recurrent(double(LSTM, 3, 5)), batch(), []
    layer.register_forward_hook(lambda module, given, made: seen.append("forward"))
    layer.register_full_backward_hook(lambda module, given, made: seen.append("backward"))
    layer.cell.weight_hh.register_hook(lambda gradient: seen.append("weight"))
    layer.cell.weight_ih.register_post_accumulate_grad_hook(lambda weight: seen.append("summed"))
    y, state = layer(x)
    (y.sum() + state.c.sum()).backward()
    assert sorted(seen) == ["backward", "forward", "summed", "weight"]


def test_a_gradient_of_a_gradient_where_the_state_is_made_from_x():
    cell = GRU(3, 4).double()
    x = torch.randn(2, 3, 3, dtype=torch.float64, requires_grad=True)

    def gradient(create_graph):
        state = refill(cell.initial_state(2), [x[:, 0, :1].expand(2, 4)])
        y, _ = cell.sequence(x, state)
        return torch.autograd.grad(y.square().sum(), x, create_graph=create_graph)[0]

    torch.testing.assert_close(gradient(True), gradient(False))

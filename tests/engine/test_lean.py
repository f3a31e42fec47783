"""What one call finds serves the next ones, unless anything that it depends on has changed."""

import copy
import gc
import io
import threading
import weakref

import pytest
import torch
from bench.user_cells import Hidden
from tests.engine.subjects import FEATURED
from tests.engine.truth import assert_same
from tests.engine.user_cells import Late, Plain
from torch import nn
from torch.nn.utils import parametrizations, parametrize

from recurra.cells import CELLS, GRU, LSTM, Cell, Elman, MinGRU
from recurra.engine import Way, look, loop, run, together, traced


def double(kind, *sizes, **options):
    torch.manual_seed(0)
    return kind(*sizes, dtype=torch.float64, **options)


def batch(B=3, T=5, F=4, dtype=torch.float64):
    torch.manual_seed(1)
    return torch.randn(B, T, F, dtype=dtype)


def through(cell, x, sequence):
    """Outputs, last states and every gradient."""
    x = x.clone().requires_grad_()
    weights = [each for each in cell.parameters() if each.requires_grad]
    y, state = sequence(x)
    value = y.square().sum() + sum(part.sin().sum() for part in state)
    found = torch.autograd.grad(value, [x, *weights], allow_unused=True)
    return [y, *state, *(torch.zeros(()) if each is None else each for each in found)]


def holds(cell, x, tolerance=1e-10):
    """Whether a sequence is the loop over the step as it is now, trained and not."""
    got = through(cell, x, cell.sequence)
    want = through(cell, x, lambda x: loop(cell.step, x, cell.initial_state(len(x))))
    assert_same(got, want, tolerance)
    with torch.no_grad():
        assert torch.equal(cell.sequence(x)[0], got[0])


def another_weight(cell):
    cell.weight_hh = nn.Parameter(torch.randn_like(cell.weight_hh))


def another_value(cell):
    with torch.no_grad():
        cell.weight_hh.mul_(2)


def turned(cell):
    cell.weight_hh.data = cell.weight_hh.data.clone().t()


def other_memory(cell):
    cell.bias_hh.data = torch.randn_like(cell.bias_hh)


def strided(cell):
    cell.bias_hh.data = torch.randn(2 * len(cell.bias_hh), dtype=torch.float64)[::2]


def no_bias(cell):
    cell.bias_ih = None


def tied(cell):
    cell.bias_hh = cell.bias_ih


def untied(cell):
    cell.bias_hh = nn.Parameter(cell.bias_ih.detach().clone())


def other_function(cell):
    cell.nonlinearity = "relu"


def frozen(cell):
    cell.weight_hh.requires_grad_(False)


def normed(cell):
    parametrizations.weight_norm(cell, "weight_hh")


def scaled(cell):
    class Twice(nn.Module):
        def forward(self, weight):
            return 2 * weight

    parametrize.register_parametrization(cell, "weight_hh", Twice())


def plain_again(cell):
    scaled(cell)
    holds(cell, batch())
    parametrize.remove_parametrizations(cell, "weight_hh", leave_parametrized=False)


def own_step(cell):
    class Doubled(Elman):
        def step(self, x, state, context=None):
            y, state = super().step(x, state, context)
            return 2 * y, state

    cell.__class__ = Doubled


CHANGES = [another_weight, another_value, turned, other_memory, strided, no_bias, tied, untied]
CHANGES += [other_function, frozen, normed, scaled, plain_again, own_step]


@pytest.mark.parametrize("changes", CHANGES, ids=lambda change: change.__name__)
def test_a_change_after_the_first_call_is_seen(changes):
    cell, x = double(Elman, 4, 4), batch()
    holds(cell, x)
    changes(cell)
    holds(cell, x)
    holds(cell, batch(2, 7))


@pytest.mark.parametrize("name", FEATURED)
def test_another_type_is_seen(name):
    cell, x = double(CELLS[name], 4, 3), batch()
    holds(cell, x)
    cell.float()
    holds(cell, x.float(), 1e-4)
    assert cell.sequence(x.float())[0].dtype == torch.float32
    cell.double()
    holds(cell, x)


class Nested(Plain):
    """A cell with a module inside, a list, and an object that nobody can look into."""

    def __init__(self, *sizes, dtype=None):
        super().__init__(*sizes, dtype=dtype)
        self.scales = [1.0, 2.0]
        self.sign = 1.0

    def step(self, x, state, context=None):
        h = torch.tanh(self.project(x) * self.scales[0] * self.sign + state.h @ self.square)
        return h, Hidden(h)


def another_module(cell):
    cell.project = nn.Linear(4, 3, dtype=torch.float64)


def more_of_them(cell):
    cell.project = nn.Sequential(cell.project, nn.Tanh())


def a_hook(cell):
    cell.project.register_forward_hook(lambda module, given, made: 3 * made)


def a_hook_before(cell):
    cell.project.register_forward_pre_hook(lambda module, given: (given[0] + 1,))


def no_bias_inside(cell):
    cell.project.bias = None


def in_the_list(cell):
    cell.scales[0] = 3.0


def beside_the_list(cell):
    cell.sign = -1.0


INSIDE = [another_module, more_of_them, a_hook, a_hook_before, no_bias_inside]
INSIDE += [in_the_list, beside_the_list]


@pytest.mark.parametrize("seen", ["all", "not all"])
@pytest.mark.parametrize("changes", INSIDE, ids=lambda change: change.__name__)
def test_a_change_inside_is_seen(changes, seen):
    cell, x = double(Nested, 4, 3), batch()
    if seen == "not all":
        cell.other = object()
    holds(cell, x)
    changes(cell)
    holds(cell, x)


@pytest.mark.parametrize("changes", [a_hook, a_hook_before, no_bias_inside, None])
def test_a_change_inside_is_seen_where_everything_can_be_looked_at(changes):
    cell, x = double(MinGRU, 4, 3), batch()
    holds(cell, x)
    assert look.look_at(cell) is not None
    if changes is None:
        cell.project = nn.Linear(4, 6, bias=False, dtype=torch.float64)
    else:
        changes(cell)
    holds(cell, x)


def copied(cell):
    return copy.deepcopy(cell)


def stored(cell):
    file = io.BytesIO()
    torch.save(cell, file)
    return torch.load(io.BytesIO(file.getvalue()), weights_only=False)


@pytest.mark.parametrize("made", [copied, stored, copy.copy])
def test_a_copy_goes_its_own_way(made):
    cell, x = double(Elman, 4, 3), batch()
    holds(cell, x)
    keys = set(vars(cell))
    twin = made(cell)
    assert set(vars(twin)) == keys == set(vars(double(Elman, 4, 3)))
    twin.nonlinearity = "relu"
    holds(twin, x)
    holds(cell, x)
    assert not torch.equal(cell.sequence(x)[0], twin.sequence(x)[0])


def test_a_cell_that_ran_is_freed():
    cell = double(LSTM, 4, 3)
    cell.register_forward_hook(cell.__class__.forward)
    holds(cell, batch())
    alive = weakref.ref(cell)
    del cell
    gc.collect()
    assert alive() is None


def test_batches_of_other_sizes_are_of_one_form():
    cell = double(GRU, 4, 3)
    holds(cell, batch())
    known = look._KNOWN[cell]
    for B, T in ((1, 1), (3, 2), (2, 5), (3, 5)):
        holds(cell, batch(B, T))
        assert look._KNOWN[cell] is known


def test_the_second_call_looks_for_nothing(monkeypatch):
    cell, x = double(GRU, 4, 3), batch()
    cell.sequence(x)
    monkeypatch.setattr(traced, "outline", None)
    cell.sequence(x)


def test_trees_of_another_kind_are_seen():
    cell, x = double(Late, 4, 3), batch()
    state = cell.initial_state(3)
    y, _ = run(cell.step, x, state)
    with pytest.raises(AttributeError, match="h"):
        run(cell.step, x, tuple(state))
    assert torch.equal(run(cell.step, x, state)[0], y)


def test_parameters_of_a_way_go_by_their_names():
    cell, other, x = double(Elman, 4, 4), double(Elman, 4, 4), batch()
    state = other.initial_state(3)
    want, _ = other.sequence(x)
    listed = dict(other.named_parameters())
    for names in (list(listed), list(reversed(listed))):
        given = {name: listed[name] for name in names}
        found = together(x, [Way(cell.step, state, parameters=given)])
        assert found is not None
        assert torch.equal(found[0], want)


@pytest.mark.parametrize("grad", [False, True], ids=["inference", "training"])
def test_threads_may_call_one_module_at_once(grad):
    cell = double(LSTM, 4, 8)
    batches = [batch(B, T) * B for B, T in ((1, 9), (2, 4), (3, 5), (4, 5), (3, 9))]

    def once(x):
        if grad:
            return through(cell, x, cell.sequence)
        with torch.no_grad():
            y, state = cell.sequence(x)
            return [y, *state]

    want = [once(x) for x in batches]
    wrong = []

    def work(k):
        found = [once(batches[k]) for _ in range(40)]
        wrong.extend(k for each in found if not all(map(torch.equal, each, want[k])))

    workers = [threading.Thread(target=work, args=(k,)) for k in range(len(batches))]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert not wrong


class Constant(Cell[Hidden]):
    """A parameter that no gradient reaches, and one whose gradient is turned after its sum."""

    def __init__(self, size, *, dtype=None):
        super().__init__()
        self.input_size = self.output_size = size
        self.idle = nn.Parameter(torch.zeros(size, dtype=dtype))
        self.square = nn.Parameter(torch.randn(size, size, dtype=dtype) / size)

    def initial_state(self, batch_size):
        return Hidden(self.square.new_zeros(batch_size, self.output_size))

    def step(self, x, state, context=None):
        h = torch.tanh(x @ torch.linalg.matrix_exp(self.square) + state.h * self.square[0])
        return h, Hidden(h)


def test_gradients_that_torch_finishes_or_that_do_not_come():
    holds(double(Constant, 4), batch())


@pytest.mark.parametrize("kind", [GRU, LSTM])
def test_some_gradients_alone_are_asked_for(kind):
    cell, x = double(kind, 4, 3), batch()
    every = through(cell, x, cell.sequence)
    for kept in (["weight_hh"], ["bias_ih"], ["weight_ih", "bias_hh"], []):
        for name, weight in cell.named_parameters():
            weight.requires_grad_(name in kept)
        names = dict(double(kind, 4, 3).named_parameters())
        places = [k for k, name in enumerate(names) if name in kept]
        first = len(every) - len(names)
        want = [*every[:first], *(every[first + k] for k in places)]
        assert all(map(torch.equal, through(cell, x, cell.sequence), want))

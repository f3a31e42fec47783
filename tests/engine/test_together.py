"""Two steps over the same rows at once, held against the loop over each and against `run`."""

import pytest
import torch
from bench.user_cells import Hidden
from tests.engine.subjects import example
from tests.engine.truth import assert_same, by_rows, measure
from torch import nn

from recurra.cells import GRU, LSTM, Cell
from recurra.engine import Way, autograd, leaves, native, run, together, tree_map
from recurra.engine.place import NotNativeError

LENGTHS = torch.tensor([6, 3, 0, 1, 6])
RAGGED = {"dense": {}, "ragged": {"lengths": LENGTHS}, "none": {"lengths": LENGTHS * 0}}
every_batch = pytest.mark.parametrize("options", RAGGED.values(), ids=RAGGED)
# Different cells of different widths; contexts, masks, and two tensors in x among them.
PAIRS = [
    ("lstm", "gru"),
    ("elman", "elman"),
    ("layer_norm_lstm", "attending"),
    ("dropped", "softmax memory"),
    ("headed lstm", "projection lstm"),
    ("scan", "scan"),
    ("waiting", "waiting"),
]
every_pair = pytest.mark.parametrize("names", PAIRS, ids=" + ".join)


def pair(names, B=5, T=6, widths=(5, 4)):
    """Two cases over one x."""
    first, second = (example(name, B, T, H=H) for name, H in zip(names, widths, strict=True))
    return first, second._replace(x=first.x)


def ways(ahead, back):
    return [
        Way(ahead.cell.step, ahead.state, ahead.context),
        Way(back.cell.step, back.state, back.context, reverse=True),
    ]


def at_once(cases, **options):
    found = together(cases[0].x, ways(*cases), **options)
    assert found is not None
    return found[0], tuple(found[1])


def one_by_one(cases, **options):
    """By `run`, each by itself."""
    ys, states = zip(
        *(
            run(case.cell.step, case.x, case.state, case.context, reverse=reverse, **options)
            for case, reverse in zip(cases, (False, True), strict=True)
        ),
        strict=True,
    )
    return torch.cat(ys, dim=-1), tuple(states)


def by_definition(cases, lengths=None):
    ahead, back = cases
    y, state = by_rows(ahead, lengths)
    y_back, state_back = by_rows(back, lengths, reverse=True)
    return torch.cat([y, y_back], dim=-1), (state, state_back)


class Both(nn.Module):
    """The parameters of two cases."""

    def __init__(self, cases):
        super().__init__()
        self.cells = nn.ModuleList(case.cell for case in cases)


def results(cases, y, state, **options):
    """Outputs, last states, and the gradients of all that the two are given."""
    both = cases[0]._replace(
        cell=Both(cases),
        state=tuple(case.state for case in cases),
        context=tuple(case.context for case in cases),
    )
    return measure(both, y, tuple(leaves(state)), **options)


@pytest.fixture
def threads():
    """Sets how many; one again afterwards."""
    yield torch.set_num_threads
    torch.set_num_threads(1)


@pytest.fixture
def calls(monkeypatch):
    """How many jobs each native call had."""
    counts, inner = [], native.run

    def counted(jobs, number):
        counts.append(len(jobs))
        inner(jobs, number)

    monkeypatch.setattr(native, "run", counted)
    return counts


@every_pair
@every_batch
@pytest.mark.parametrize("through", [("y", "state"), ("y",), ("state",)], ids="-".join)
def test_it_is_the_loop_over_each(names, options, through):
    cases = pair(names)
    got = results(cases, *at_once(cases, **options), through=through)
    want = results(cases, *by_definition(cases, options.get("lengths")), through=through)
    assert_same(got, want, 1e-10)


@every_pair
@every_batch
def test_it_has_the_bits_of_each_by_itself(names, options):
    cases = pair(names)
    want = results(cases, *one_by_one(cases, **options))
    assert all(map(torch.equal, results(cases, *at_once(cases, **options)), want))
    with torch.no_grad():
        y, state = at_once(cases, **options)
    assert all(map(torch.equal, [y, *leaves(state)], want))


@every_pair
@pytest.mark.parametrize("widths", [(5, 5), (5, 4)], ids=["alike", "unlike"])
def test_threads_change_no_bit(names, widths, threads):
    cases = pair(names, B=13, widths=widths)
    lengths = torch.tensor([6, 3, 0, 1, 6, 5, 4, 2, 2, 6, 1, 3, 6])
    found = []
    for number in (1, 2, 3):
        threads(number)
        found.append(results(cases, *at_once(cases, lengths=lengths)))
    assert all(all(map(torch.equal, each, found[0])) for each in found)


@pytest.mark.parametrize("number", [1, 2, 4])
def test_both_are_jobs_of_one_call(number, threads, calls):
    threads(number)
    cases = pair(("lstm", "gru"), B=9, widths=(5, 5))
    y, state = at_once(cases)
    assert calls == [2]
    value = y.sum() + sum(part.sum() for part in leaves(state))
    value.backward(retain_graph=True)
    assert calls == [2, 2]
    value.backward()
    assert calls == [2, 2, 2, 2]  # and the forward once more, whose memory the first used up
    with torch.no_grad():
        at_once(cases)
    assert calls[4:] == [2]


def test_what_would_leave_a_thread_idle_takes_turns(threads, calls):
    threads(2)
    at_once(pair(("lstm", "gru"), B=9, widths=(5, 4)))
    assert calls == [1, 1]
    at_once(pair(("lstm", "gru"), B=4, widths=(5, 4)))
    assert calls[2:] == [2]
    threads(3)
    at_once(pair(("lstm", "gru"), B=9, widths=(5, 5)))
    assert calls[3:] == [1, 1]


@pytest.mark.parametrize("chosen", ["x", "state", "first", "last", "some of each"])
def test_gradients_of_some_alone(chosen):
    cases = pair(("lstm", "gru"))
    groups = {
        "x": [cases[0].x],
        "state": [*leaves(cases[0].state), *leaves(cases[1].state)],
        "first": [cases[0].cell.weight_hh, cases[1].cell.weight_hh],
        "last": [cases[0].state.c, cases[1].cell.bias_ih],
    }
    groups["some of each"] = [cases[0].x, cases[0].cell.weight_ih, cases[1].state.h]
    for case in cases:
        for each in (*case.cell.parameters(), case.x, *leaves(case.state)):
            each.requires_grad_(False)
    for each in groups[chosen]:
        each.requires_grad_(True)
    got = results(cases, *at_once(cases, lengths=LENGTHS))
    assert_same(got, results(cases, *by_definition(cases, LENGTHS)), 1e-10)
    assert len(got) == 4 + len(groups[chosen])


def test_a_graph_may_be_used_twice_but_not_after_it_is_freed():
    cases = pair(("lstm", "gru"))
    y, state = at_once(cases, lengths=LENGTHS)
    value = y.square().sum() + state[1].h.square().sum()
    inputs = [cases[0].x, cases[0].cell.weight_hh, cases[1].cell.weight_hh]
    first = torch.autograd.grad(value, inputs, retain_graph=True)
    # Through one of them alone, then through both once more.
    torch.autograd.grad(state[0].h.square().sum(), inputs[:2], retain_graph=True)
    assert all(map(torch.equal, torch.autograd.grad(value, inputs), first))
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(value, inputs)


def test_what_no_gradient_reaches_has_none_and_does_not_run(calls):
    cases = pair(("lstm", "gru"))
    _, state = at_once(cases)
    state[1].h.sum().backward()
    assert calls == [2, 1]
    assert all(each.grad is None for each in (*cases[0].cell.parameters(), *cases[0].state))
    assert all(each.grad is not None for each in (*cases[1].cell.parameters(), *cases[1].state))


@pytest.mark.parametrize("layout", ["expanded", "time first", "columns apart", "wide"])
def test_a_gradient_may_lie_in_any_way(layout):
    cases = pair(("lstm", "gru"))
    y, _ = at_once(cases)
    if layout == "expanded":
        dy = y.new_ones(()).expand(y.shape)
    elif layout == "time first":
        dy = torch.randn(6, 5, 9, dtype=y.dtype).transpose(0, 1)
    elif layout == "columns apart":
        dy = torch.randn(9, 5, 6, dtype=y.dtype).permute(1, 2, 0)
    else:
        dy = torch.randn(5, 6, 20, dtype=y.dtype)[..., 3:12]
    inputs = [cases[0].x, *cases[0].cell.parameters(), *cases[1].cell.parameters()]
    want, _ = by_definition(cases)
    assert_same(torch.autograd.grad(y, inputs, dy), torch.autograd.grad(want, inputs, dy), 1e-10)


@pytest.mark.parametrize("names", PAIRS[:3], ids=" + ".join)
@pytest.mark.parametrize("through", ["both", "one state"])
def test_a_penalty_on_the_gradient_is_the_loops(names, through):
    cases = pair(names)
    inputs = [cases[0].x, *(p for case in cases for p in case.cell.parameters())]
    options = {"materialize_grads": True, "allow_unused": True}

    def penalty(y, state):
        parts = [y, *leaves(state)] if through == "both" else leaves(state[1])
        value = sum(part.square().sum() for part in parts)
        first = torch.autograd.grad(value, inputs, create_graph=True, **options)
        norm = sum(each.square().sum() for each in first)
        return [*first, *torch.autograd.grad(norm, inputs, **options)]

    got = penalty(*at_once(cases, lengths=LENGTHS))
    assert_same(got, penalty(*by_definition(cases, LENGTHS)), 1e-9)


def test_second_derivatives():
    cases = pair(("lstm", "gru"), B=2, T=3, widths=(2, 3))
    state = [*cases[0].state, *cases[1].state]

    def value(x, *state):
        first, second = cases
        given = (
            first._replace(x=x, state=type(first.state)(*state[:2])),
            second._replace(x=x, state=type(second.state)(*state[2:])),
        )
        y, last = at_once(given, lengths=torch.tensor([3, 2]))
        return (y, *leaves(last))

    assert torch.autograd.gradcheck(value, (cases[0].x, *state))
    assert torch.autograd.gradgradcheck(value, (cases[0].x, *state))


def test_one_cell_may_serve_both_ways():
    case = example("gru", 5, 6)
    cases = (case, case._replace(state=example("gru", 5, 6, F=2).state))
    got = results(cases, *at_once(cases, lengths=LENGTHS))
    assert_same(got, results(cases, *by_definition(cases, LENGTHS)), 1e-10)


def test_what_is_kept_goes_through_hooks():
    cases = pair(("lstm", "gru"))
    want = results(cases, *at_once(cases))

    def moved(tensor):  # to where the library could not read it
        if tensor.dtype != torch.uint8:
            return tensor
        return torch.stack([tensor, tensor], dim=1)[:, 0]

    with torch.autograd.graph.saved_tensors_hooks(moved, lambda tensor: tensor):
        y, state = at_once(cases)
    assert all(map(torch.equal, results(cases, y, state), want))


def test_rounded_matrices_have_the_bits_of_each_by_itself():
    cases = pair(("lstm", "gru"), widths=(17, 9))
    single = [
        case._replace(
            cell=case.cell.float().requires_grad_(False),
            **{key: tree_map(lambda t: t.detach().float(), getattr(case, key)) for key in KEYS},
        )
        for case in cases
    ]
    y, state = at_once(single, weights=torch.bfloat16)
    want, want_state = one_by_one(single, weights=torch.bfloat16)
    assert all(map(torch.equal, [y, *leaves(state)], [want, *leaves(want_state)]))
    assert not torch.equal(y, at_once(single)[0])


KEYS = ("x", "state")


class Plane(Cell):
    """Its output has two dimensions a row."""

    def __init__(self):
        super().__init__()
        self.input_size, self.output_size = 3, 5
        self.project = nn.Linear(3, 5, dtype=torch.float64)

    def initial_state(self, batch_size):
        return Hidden(self.project.weight.new_zeros(batch_size, 5))

    def step(self, x, state, context=None):
        h = torch.tanh(self.project(x) + state.h)
        return h[:, None], Hidden(h)


def refused(case, other, **options):
    return together(case.x, ways(case, other), **options) is None


def test_what_cannot_go_at_once_is_left_to_run():
    cases = pair(("lstm", "gru"))
    assert not refused(*cases)
    assert refused(*pair(("lstm", "careless")))
    plane = cases[1]._replace(cell=Plane(), state=Plane().initial_state(5))
    assert refused(cases[0], plane)
    no_method = Way(lambda x, state, context: cases[1].cell.step(x, state), cases[1].state)
    assert together(cases[0].x, [ways(*cases)[0], no_method]) is None
    assert refused(*pair(("lstm", "gru"), T=0))
    assert refused(*pair(("lstm", "gru"), B=0))
    assert refused(*cases, weights=torch.bfloat16)  # a gradient is asked for, and float64
    assert refused(*cases, weights=torch.float16)
    with torch.no_grad():
        assert refused(*cases, weights=torch.bfloat16)


def test_types_and_gradients_of_both_must_agree():
    torch.manual_seed(0)
    x = torch.randn(2, 3, 4)
    ahead, back = LSTM(4, 5), GRU(4, 5).requires_grad_(False)
    way = Way(ahead.step, ahead.initial_state(2))
    assert together(x, [way, Way(back.step, back.initial_state(2), reverse=True)]) is None
    with torch.no_grad():
        assert together(x, [way, Way(back.step, back.initial_state(2), reverse=True)]) is not None
    double = GRU(4, 5, dtype=torch.float64)
    assert together(x, [way, Way(double.step, double.initial_state(2))]) is None


def test_without_the_library_it_is_left_to_run(monkeypatch):
    def missing(*_, **__):
        raise NotNativeError("the library is away")

    monkeypatch.setattr(autograd, "machine", missing)
    assert refused(*pair(("lstm", "gru")))

"""Every cell, in the catalogue or not: `sequence` is `loop(step)`, however the engine runs it.

float64 is held against the loop itself; float32 against the same loop in float64.
"""

import pytest
import torch
from tests.engine.subjects import FEW, SUBJECTS, example
from tests.engine.truth import TOLERANCE, assert_parity, assert_same, by_rows, by_steps, measure

from recurra.engine import leaves, tree_map
from recurra.layers import Recurrent

every_cell = pytest.mark.parametrize("name", SUBJECTS)
every_dtype = pytest.mark.parametrize("dtype", TOLERANCE, ids=["float64", "float32"])
# (B, T, F, H): ones, odd numbers, primes, and more rows and columns than a register has. The other
# tests keep to F 3 and H 5, so that what an engine learns of a cell once serves them all.
SIZES = [(1, 1, 1, 1), (1, 6, 3, 5), (7, 4, 2, 13), (19, 3, 5, 1), (5, 2, 17, 37)]
# Parts of states that may not be anything: what is divided by, and a count of steps.
PARTICULAR = {"headed lstm": "n", "slstm": "n", "clockwork": "t"}
# Images, matrices of synapses, and what takes many operations a step: the loop over these takes
# minutes, or gigabytes.
HEAVY = ["conv_gru", "conv_lstm", "ltc", "ode_rnn", "phased_lstm"]
RUBBISH = float("nan")


def hold(case, *, through=("y", "state"), **options):
    """`sequence` gives what the rows alone give, one piece between resets at a time."""
    got = measure(case, *case.sequence(**options), through=through)
    assert_parity(case, got, lambda true: measure(true, *by_rows(true, **options), through=through))


def hold_whole(case, got):
    """Without padding and resets, the batch is one loop."""
    assert_parity(case, got, lambda true: measure(true, *by_steps(true)))


@every_dtype
@pytest.mark.parametrize(("B", "T", "F", "H"), SIZES)
@every_cell
def test_a_sequence_is_its_steps(name, B, T, F, H, dtype):
    case = example(name, B, T, F, H, dtype)
    hold_whole(case, measure(case, *case.sequence()))


@every_dtype
@every_cell
def test_a_ragged_batch(name, dtype):
    hold(example(name, 5, 7, 3, 5, dtype), lengths=torch.tensor([3, 7, 0, 1, 5]))


@every_cell
def test_rows_that_are_all_empty(name):
    hold(example(name, 2, 3), lengths=torch.tensor([0, 0]))


@every_dtype
@every_cell
def test_a_ragged_batch_with_resets(name, dtype):
    reset = torch.zeros(4, 6, dtype=torch.bool)
    reset[0, [0, 3, 4]] = True
    reset[1, 5] = True
    reset[2, [2, 3, 5]] = (
        True  # its second piece has one step; what stands past its end is not read
    )
    hold(example(name, 4, 6, 3, 5, dtype), lengths=torch.tensor([6, 6, 4, 0]), reset=reset)


@every_cell
def test_resets_at_every_step(name):
    hold(example(name, 3, 4), reset=torch.ones(3, 4, dtype=torch.bool))


@every_dtype
@every_cell
def test_backwards(name, dtype):
    case = example(name, 4, 6, 3, 5, dtype)
    lengths, reset = torch.tensor([6, 2, 0, 5]), torch.zeros(4, 6, dtype=torch.bool)
    reset[0, [0, 2]] = True
    reset[3, [4, 5]] = True
    options = {"lengths": lengths, "reset": reset}
    layer = Recurrent(case.cell, reverse=True)
    got = measure(case, *layer(case.x, case.state, case.context, **options))
    assert_parity(case, got, lambda true: measure(true, *by_rows(true, **options, reverse=True)))


@pytest.mark.parametrize(("B", "T"), [(0, 0), (0, 3), (1, 0), (1, 1), (3, 0), (3, 1)])
@every_cell
def test_the_smallest_batches(name, B, T):
    case = example(name, B, T)
    y, last = case.sequence()
    hold_whole(case, measure(case, y, last))
    if T == 0:
        assert all(map(torch.equal, leaves(last), leaves(case.state)))


@every_cell
def test_it_begins_at_the_initial_state(name):
    case = example(name, 3, 4)._replace(state=None)
    got = measure(case, *case.sequence())
    begun = case._replace(state=case.cell.initial_state(3))
    assert_same(got, measure(case, *by_steps(begun)), 1e-10)


@pytest.mark.parametrize("through", [("y",), ("state",)], ids=["y", "state"])
@every_cell
def test_gradients_through_one_result_alone(name, through):
    lengths = torch.tensor([4, 2, 0])
    hold(example(name, 3, 4), lengths=lengths, through=through)


@pytest.mark.parametrize("asleep", ["parameters", "x", "state", "all but x"])
@every_cell
def test_what_needs_no_gradient_gets_none(name, asleep):
    case = example(name, 3, 4)
    groups = {
        "parameters": [*case.cell.parameters()],
        "x": leaves(case.x),
        "state": leaves(case.state),
        "all but x": [*case.cell.parameters(), *leaves(case.state), *leaves(case.context)],
    }
    for part in groups[asleep]:
        part.requires_grad_(False)
    hold_whole(case, measure(case, *case.sequence()))


@every_cell
def test_inference_is_training(name):
    case = example(name, 5, 7, 3, 5)
    options = {"lengths": torch.tensor([7, 1, 4, 0, 6]), "reset": torch.rand(5, 7) < 0.3}
    y, last = case.sequence(**options)
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            y_there, last_there = case.sequence(**options)
        assert_same([y_there, *leaves(last_there)], [y, *leaves(last)], 1e-12)


@every_dtype
@every_cell
def test_saturated_gates(name, dtype):
    # One feature of ±200 makes preactivations of ±200 w, from nothing to far beyond ±100.
    case = example(name, 4, 5, 1, 5, dtype, scale=0.0)
    x = tree_map(lambda part: part.detach().clone(), case.x)
    for part in leaves(x):
        if part.is_floating_point():
            part += 200 * (-1.0) ** torch.arange(5).view(-1, *[1] * (part.ndim - 2))
    if hasattr(x, "gap"):
        x = x._replace(gap=x.gap.abs())
    if name == "scan":
        x = x._replace(keep=torch.sigmoid(x.keep))
    x = tree_map(lambda part: part.requires_grad_(part.is_floating_point()), x)
    hold(case._replace(x=x), lengths=torch.tensor([5, 5, 3, 4]))


@pytest.mark.parametrize("sign", [-100.0, 100.0])
@every_dtype
@pytest.mark.parametrize("name", ["elman", "gru", "lstm"])
def test_gates_at_a_hundred(name, dtype, sign):
    case = example(name, 3, 5, 3, 5, dtype)
    with torch.no_grad():
        case.cell.bias_ih.fill_(sign)
        case.cell.bias_ih[::2] *= -1
    hold(case)


@every_dtype
@every_cell
def test_numbers_below_the_smallest_normal_one(name, dtype):
    tiny = torch.finfo(dtype).smallest_normal / 8
    case = example(name, 3, 4, 3, 5, dtype, scale=tiny)
    small = tree_map(
        lambda part: part.detach() * tiny if part.is_floating_point() else part, case.state
    )
    if name in PARTICULAR:
        part = PARTICULAR[name]
        small = small._replace(**{part: case.state._asdict()[part].detach()})
    small = tree_map(lambda part: part.requires_grad_(part.is_floating_point()), small)
    case = case._replace(state=small)
    hold(case)
    # Whatever the engine does about them inside, it leaves the processor as it was.
    assert (torch.full((3,), tiny, dtype=dtype) * 0.5).all()


@every_dtype
@pytest.mark.parametrize("name", FEW)
def test_many_steps(name, dtype):
    case = example(name, 2, 4096, 3, 32, dtype)
    hold_whole(case, measure(case, *case.sequence()))


@every_cell
def test_a_few_hundred_steps(name):
    T = 61 if name.split()[0] in HEAVY else 211
    case = example(name, 2, T, dtype=torch.float32)
    hold(case, lengths=torch.tensor([T, 2 * T // 3]))


@every_cell
def test_what_stands_in_the_padding_is_not_read(name):
    case, lengths = example(name, 3, 5), torch.tensor([2, 0, 4])
    padding = torch.arange(5) >= lengths[:, None]

    def spoil(part):
        if not part.is_floating_point():
            return part
        mask = padding.view(*padding.shape, *[1] * (part.ndim - 2))
        return part.detach().masked_fill(mask, RUBBISH).requires_grad_()

    spoilt = case._replace(x=tree_map(spoil, case.x))
    got = measure(spoilt, *spoilt.sequence(lengths=lengths))
    want = measure(case, *by_rows(case, lengths=lengths))
    assert_same(got, want, 1e-10)


@every_cell
def test_views_of_anything_may_come_in(name):
    case = example(name, 3, 4, 3, 5)

    def strided(part):
        wide = torch.zeros(*part.shape[::-1], 2, dtype=part.dtype)
        view = wide[..., 1].permute(*reversed(range(part.ndim)))
        view.copy_(part.detach())
        return view.requires_grad_(part.requires_grad)

    moved = case._replace(
        **{key: tree_map(strided, getattr(case, key)) for key in ("x", "state", "context")}
    )
    assert_same(measure(moved, *moved.sequence()), measure(case, *by_steps(case)), 1e-10)


@every_cell
def test_one_tensor_as_every_part_of_a_state(name):
    case = example(name, 3, 4)
    floats = [part for part in leaves(case.state) if part.is_floating_point()]
    one = case.state._asdict()[PARTICULAR[name]] if name in PARTICULAR else floats[0]
    state = tree_map(lambda part: one if part.shape == one.shape else part, case.state)
    aliased = case._replace(state=state)
    hold_whole(aliased, measure(aliased, *aliased.sequence()))

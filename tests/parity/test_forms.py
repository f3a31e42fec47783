"""The forms of a cell that run all steps at once give what its steps give.

A cell stands in these tests by having such a form.
"""

from itertools import pairwise

import pytest
import torch
from tests.engine.subjects import SUBJECTS, example
from tests.engine.truth import TOLERANCE, assert_parity, assert_same, by_rows, by_steps, measure

from recurra.engine import leaves, tree_map
from recurra.layers import Recurrent, Stream

PARALLEL = [name for name in SUBJECTS if getattr(SUBJECTS[name], "parallel", None) is not None]
PARALLEL = [name for name in PARALLEL if example(name, 1, 1).cell.has_parallel]
every_cell = pytest.mark.parametrize("name", PARALLEL)
every_form = pytest.mark.parametrize("form", ["parallel", "auto"])
every_dtype = pytest.mark.parametrize("dtype", TOLERANCE, ids=["float64", "float32"])
# Around the widths of convolutions and windows, and around the lengths of chunks.
STEPS = [1, 2, 3, 4, 5, 15, 16, 17, 31, 33, 63, 64, 65, 130]


def formed(form, *arguments, **options):
    case = example(*arguments, **options)
    case.cell.form = form
    return case


def hold(case, *, through=("y", "state"), **options):
    got = measure(case, *case.sequence(**options), through=through)
    assert_parity(case, got, lambda true: measure(true, *by_rows(true, **options), through=through))


def hold_whole(case):
    got = measure(case, *case.sequence())
    assert_parity(case, got, lambda true: measure(true, *by_steps(true)))


@pytest.mark.parametrize("T", STEPS)
@every_form
@every_cell
def test_any_number_of_steps(name, form, T):
    case = formed(form, name, 2, T)
    assert_parity(
        case, measure(case, *case.sequence()), lambda true: measure(true, *by_steps(true))
    )


@every_dtype
@pytest.mark.parametrize(("B", "T", "F", "H"), [(1, 1, 1, 1), (7, 4, 2, 13), (3, 70, 17, 37)])
@every_form
@every_cell
def test_sizes(name, form, B, T, F, H, dtype):
    case = formed(form, name, B, T, F, H, dtype)
    assert_parity(
        case, measure(case, *case.sequence()), lambda true: measure(true, *by_steps(true))
    )


@every_dtype
@every_form
@every_cell
def test_a_ragged_batch_with_resets(name, form, dtype):
    reset = torch.zeros(5, 75, dtype=torch.bool)
    reset[0, [0, 3, 4, 66]] = True
    reset[1, [5, 64, 74]] = True
    reset[2, [2, 3, 5]] = True
    reset[4, 30] = True
    lengths = torch.tensor([75, 75, 4, 0, 50])
    hold(formed(form, name, 5, 75, 3, 5, dtype), lengths=lengths, reset=reset)


@every_form
@every_cell
def test_resets_at_every_step(name, form):
    hold(formed(form, name, 3, 20), reset=torch.ones(3, 20, dtype=torch.bool))


@pytest.mark.parametrize("through", [("y",), ("state",)], ids=["y", "state"])
@every_form
@every_cell
def test_a_ragged_batch_and_one_result_alone(name, form, through):
    lengths = torch.tensor([2, 21, 1, 0])
    hold(formed(form, name, 4, 21), lengths=lengths, through=through)


@every_form
@every_cell
def test_backwards(name, form):
    case = formed(form, name, 3, 20)
    options = {"lengths": torch.tensor([20, 2, 17]), "reset": torch.rand(3, 20) < 0.1}
    layer = Recurrent(case.cell, reverse=True)
    got = measure(case, *layer(case.x, case.state, case.context, **options))
    assert_parity(case, got, lambda true: measure(true, *by_rows(true, **options, reverse=True)))


@every_form
@every_cell
def test_a_sequence_may_be_cut_anywhere(name, form):
    case = formed(form, name, 3, 40)
    want = measure(case, *by_steps(case))
    for cuts in ((0, 1, 3, 40), (0, 17, 20, 20, 40), (0, 39, 40)):
        ys, state = [], case.state
        for begin, end in pairwise(cuts):
            x = tree_map(lambda part, a=begin, b=end: part[:, a:b], case.x)
            y, state = case.cell.sequence(x, state, case.context)
            ys.append(y)
        assert_same(measure(case, torch.cat(ys, 1), state), want, 1e-10)


@every_form
@every_cell
def test_what_stands_in_the_padding_is_not_read(name, form):
    case, lengths = formed(form, name, 3, 20), torch.tensor([2, 0, 18])
    padding = torch.arange(20) >= lengths[:, None]

    def spoil(part):
        mask = padding.view(*padding.shape, *[1] * (part.ndim - 2))
        return part.detach().masked_fill(mask, float("nan")).requires_grad_()

    spoilt = case._replace(x=tree_map(spoil, case.x))
    got = measure(spoilt, *spoilt.sequence(lengths=lengths))
    assert_same(got, measure(case, *by_rows(case, lengths=lengths)), 1e-10)


@every_form
@every_cell
def test_nothing_that_comes_in_is_written(name, form):
    case = formed(form, name, 3, 20)
    given = [*leaves(case.x), *leaves(case.state)]
    before = [each.detach().clone() for each in given]
    with torch.no_grad():
        case.sequence(reset=torch.rand(3, 20) < 0.3)
    assert all(map(torch.equal, before, given))


@every_form
@every_cell
def test_hundreds_of_steps(name, form):
    case = formed(form, name, 2, 600, 3, 8, torch.float32)
    hold(case, lengths=torch.tensor([600, 440]))


@every_cell
def test_a_stream_agrees_with_every_form(name):
    case = formed("auto", name, 2, 20)
    case.cell.requires_grad_(False)
    x, state = (tree_map(torch.detach, tree) for tree in (case.x, case.state))
    first = tree_map(lambda part: part[:, 0], x)
    stream = Stream(case.cell, 2, state=state, example=first)
    y = stream.push(x)
    for form in ("auto", "parallel"):
        case.cell.form = form
        assert_same([y], [case.cell.sequence(x, state)[0]], 1e-10)

"""Any step made of native operations is run as its loop, forward and backward."""

import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.engine.subjects import Case
from tests.engine.truth import assert_same, by_rows, measure
from tests.property.random_cell import (
    OPERATIONS,
    UPDATES,
    WIDTHS,
    Instruction,
    Program,
    RandomCell,
)

# Nearer to a corner than this, rounding may decide which side of it a value is on.
CLEAR = 1e-6
places = st.integers(0, 7)
instructions = st.builds(Instruction, st.sampled_from(list(OPERATIONS)), places, places, places)


@st.composite
def programs(draw):
    states = tuple(draw(st.lists(st.sampled_from(WIDTHS), min_size=1, max_size=3)))
    return Program(
        draw(st.sampled_from(WIDTHS)),
        states,
        tuple(draw(st.lists(instructions, min_size=1, max_size=14))),
        tuple((draw(st.sampled_from(list(UPDATES))), draw(places), draw(places)) for _ in states),
        draw(places),
    )


def example(program, B, T):
    torch.manual_seed(B + 10 * T)
    cell = RandomCell(program)
    x = torch.randn(B, T, program.input_size, dtype=torch.float64, requires_grad=True)
    state = tuple(torch.randn(B, n).double().requires_grad_() for n in program.states)
    return Case(cell, x, state, None)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    program=programs(),
    T=st.integers(1, 4),
    lengths=st.one_of(st.none(), st.lists(st.integers(0, 4), min_size=3, max_size=3)),
)
def test_a_random_cell_is_its_loop(program, T, lengths):
    case = example(program, 3, T)
    options = {} if lengths is None else {"lengths": torch.tensor(lengths).clamp(max=T)}
    case.cell.noted = noted = []
    want = measure(case, *by_rows(case, **options))
    case.cell.noted = None
    assume(all(distance > CLEAR for distance in noted))
    assume(all(part.isfinite().all() and part.abs().max() < 1e8 for part in want if part.numel()))
    assert_same(measure(case, *case.sequence(**options)), want, 1e-10)


def test_every_operation_and_update_is_run():
    """Alone, each on a step that depends on it."""
    for operation in OPERATIONS:
        for update in UPDATES:
            program = Program(
                3, (5, 2), (Instruction(operation, 0, 1, 2),), ((update, 0, 1),) * 2, 0
            )
            case = example(program, 3, 3)
            case.cell.noted = noted = []
            want = measure(case, *by_rows(case))
            case.cell.noted = None
            assert all(distance > CLEAR for distance in noted)
            assert_same(measure(case, *case.sequence()), want, 1e-10)

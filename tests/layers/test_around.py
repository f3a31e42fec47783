"""Cells around cells: whatever stands around one, `sequence` is `loop(step)`."""

import pytest
import torch
from tests.engine.truth import assert_same, by_rows, by_steps, measure
from tests.layers.around import INNER, WRAPPERS, case, forms_of, same_bits, set_form

from recurra import engine
from recurra.cells import GRU, LSTM
from recurra.engine import leaves, tree_map
from recurra.errors import OptionError, ShapeError, UnsupportedError
from recurra.layers import (
    Bidirectional,
    Block,
    Dilated,
    Each,
    Embedding,
    GatedNorm,
    PreNorm,
    Recurrent,
    Residual,
    Stack,
    Stream,
    Zoneout,
)
from recurra.layers.around import inside

every_wrapper = pytest.mark.parametrize("wrapper", WRAPPERS)
every_inner = pytest.mark.parametrize("inner", INNER)
both_modes = pytest.mark.parametrize("train", [True, False], ids=["training", "evaluation"])


@both_modes
@every_inner
@every_wrapper
def test_a_sequence_is_its_steps(wrapper, inner, train):
    given = case(wrapper, inner, 3, 7, train=train)
    want = measure(given, *by_steps(given))
    for form in forms_of(given.cell):
        set_form(given.cell, form)
        got = measure(given, *given.cell.sequence(given.x, given.state, given.context))
        assert_same(got, want, 1e-10)


@both_modes
@every_inner
@every_wrapper
def test_a_ragged_batch_with_resets(wrapper, inner, train):
    given = case(wrapper, inner, 4, 9, train=train)
    reset = torch.zeros(4, 9, dtype=torch.bool)
    reset[0, [0, 3, 4]] = True
    reset[1, 8] = True
    reset[2, [2, 4]] = True
    options = {"lengths": torch.tensor([9, 9, 4, 0]), "reset": reset}
    want = measure(given, *by_rows(given, **options))
    for form in forms_of(given.cell):
        set_form(given.cell, form)
        y = given.cell.sequence(given.x, given.state, given.context, **options)
        assert_same(measure(given, *y), want, 1e-10)


@every_inner
@every_wrapper
def test_training_with_checkpoints_and_in_chunks(wrapper, inner):
    given = case(wrapper, inner, 3, 8)
    want = measure(given, *given.cell.sequence(given.x, given.state, given.context))
    set_form(given.cell, "step")
    kept = given.cell.sequence(given.x, given.state, given.context, checkpoint=3)
    assert_same(measure(given, *kept), want, 1e-10)
    ys, state = [], given.state
    for x in given.x.split(3, dim=1):
        part, state = given.cell.sequence(x, state, given.context)
        ys.append(part)
    assert_same(measure(given, torch.cat(ys, 1), state), want, 1e-10)


@every_inner
@every_wrapper
def test_a_stream_has_the_bits_of_the_steps(wrapper, inner):
    given = case(wrapper, inner, 2, 9, train=False, dtype=torch.float32)
    given.cell.requires_grad_(False)
    set_form(given.cell, "step")
    x, state = given.x.detach(), tree_map(torch.detach, given.state)
    y, last = given.cell.sequence(x, state)
    stream = Stream(given.cell, 2, state=state)
    assert "natively" in repr(stream)
    found = [stream.push(x[:, :1]), *(stream.push(x[:, t]) for t in (1, 2)), stream.push(x[:, 3:])]
    found = [each if each.ndim == 3 else each[:, None] for each in found]
    assert torch.equal(torch.cat(found, 1), y)
    assert same_bits(stream.state, last)


@both_modes
@every_inner
@every_wrapper
def test_it_runs_natively(wrapper, inner, train):
    given = case(wrapper, inner, 2, 3, train=train)
    cells = [given.cell, *getattr(given.cell, "layers", ())]
    for cell in cells[1:] or cells:
        if isinstance(cell, Stack):
            continue
        state, context = cell.initial_state(2), cell.sample_context(2)
        said = engine.explain(cell, given.x.detach(), state, context).splitlines()
        assert [line.split()[:2] for line in said[1:3]] == [
            ["inference", "natively,"],
            ["training", "natively,"],
        ]


@every_inner
@every_wrapper
def test_evaluation_draws_nothing(wrapper, inner):
    given = case(wrapper, inner, 2, 3, train=False)
    assert not leaves(given.context)
    assert torch.equal(*(given.cell.sequence(given.x)[0] for _ in range(2)))


@pytest.mark.parametrize("wrapper", ["residual", "gated norm", "zoneout", "block", "several"])
def test_gradients_are_right(wrapper):
    given = case(wrapper, "lstm", 2, 3)

    def outputs(x, *state):
        kept = engine.refill(given.state, state)
        y, last = given.cell.sequence(x, kept, given.context, lengths=torch.tensor([3, 2]))
        return y, *leaves(last)[: len(leaves(last)) - 2 * wrapper.startswith(("zone", "sev"))]

    assert torch.autograd.gradcheck(outputs, (given.x, *leaves(given.state)))


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_two_directions_of_it(wrapper):
    given = case(wrapper, "lstm", 3, 5, train=False)
    other = case(wrapper, "lstm", 3, 5, train=False, seed=1)
    lengths = torch.tensor([5, 2, 0])
    y, _ = Bidirectional(given.cell, other.cell).sequence(given.x, lengths=lengths)
    ahead, _ = given.cell.sequence(given.x, lengths=lengths)
    back, _ = Recurrent(other.cell, reverse=True)(given.x, lengths=lengths)
    torch.testing.assert_close(y, torch.cat([ahead, back], -1), rtol=1e-12, atol=1e-12)


def test_what_cannot_be_wrapped_is_refused():
    message = "^Block: got a Bidirectional, which has no step; a cell fits$"
    with pytest.raises(UnsupportedError, match=message):
        inside("Block", Bidirectional(GRU(3, 4), GRU(3, 4)))
    for make in (PreNorm, GatedNorm, Block):
        with pytest.raises(UnsupportedError, match="takes no features, which a "):
            make(Embedding(5, 4))
    cases = {
        "Residual: the cell takes 3 features and gives 4, as many fit": lambda: Residual(GRU(3, 4)),
        "Residual: the cell takes whole numbers and gives 5, as many fit": lambda: Residual(
            Embedding(5, 5)
        ),
    }
    for message, make in cases.items():
        with pytest.raises(ShapeError) as caught:
            make()
        assert str(caught.value) == message


def test_options_that_do_not_fit_are_refused():
    cell = LSTM(3, 4)
    cases = {
        "PreNorm: norm is 'batch', one of layer, rms fits": lambda: PreNorm(cell, "batch"),
        "GatedNorm: heads is 3, a divisor of 4 fits": lambda: GatedNorm(cell, 3),
        "Block: heads is 0, a divisor of 4 fits": lambda: Block(cell, heads=0),
        "Block: mlp is 'relu', 'swiglu', 'gelu' or None fit": lambda: Block(cell, mlp="relu"),
        "Block: mlp_size is 0, it must be at least 1": lambda: Block(cell, mlp_size=0),
        "ShortConvolution: width is 1, it must be at least 2": lambda: Block(cell, width=1),
        "Dilated: dilation is 0, it must be at least 1": lambda: Dilated(cell, 0),
        "Zoneout: rate is 1.0, it must lie in [0, 1)": lambda: Zoneout(cell, 1.0),
        "Zoneout: rate of c is -1.0, it must lie in [0, 1)": lambda: Zoneout(cell, {"c": -1.0}),
        "Zoneout: the state has no m, it has h, c": lambda: Zoneout(cell, {"m": 0.5}),
        "Zoneout: rate is empty, a number or a part of the state fits": lambda: Zoneout(cell, {}),
        "Zoneout: the state of Each is empty": lambda: Zoneout(Each(torch.nn.Linear(2, 2)), 0.5),
    }
    for message, make in cases.items():
        with pytest.raises(OptionError) as caught:
            make()
        assert str(caught.value) == message


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_on_a_device_without_memory(wrapper):
    with torch.device("meta"):
        cell = WRAPPERS[wrapper](LSTM(6, 6))
    assert all(each.is_meta for each in (*cell.parameters(), *leaves(cell.initial_state(2))))

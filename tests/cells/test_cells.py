"""What every cell in CELLS offers."""

import inspect

import pytest
import torch
from jaxtyping import config
from tests.engine.subjects import FEATURED

from recurra.cells import CELLS, GRU, LSTM, Elman, LSTMState
from recurra.engine import leaves
from recurra.errors import OptionError, RecurraError, ShapeError

every_cell = pytest.mark.parametrize("name", CELLS)
classic = pytest.mark.parametrize("name", ["elman", "gru", "lstm"])  # those that torch has


@pytest.fixture
def as_installed():
    """No shapes checked in annotations: what users run, and what lets a wrong type in."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)


def sequence(name, *args, **options):
    return CELLS[name](4, 5).sequence(*args, **options)


@every_cell
def test_sizes_and_state(name):
    cell = CELLS[name](3, 5, dtype=torch.float64)
    assert (cell.input_size, cell.output_size) == (3, 5)
    held = [*cell.parameters(), *cell.buffers()]
    assert {each.dtype for each in held if each.is_floating_point()} == {torch.float64}
    for part in leaves(cell.initial_state(2)):
        assert part.shape[0] == 2
        assert part.dtype == torch.float64


@classic
def test_gates_stand_in_the_rows_of_the_weights(name):
    cell = CELLS[name](3, 5)
    assert len(set(cell.gates)) == len(cell.gates)
    assert cell.weight_ih.shape == (len(cell.gates) * 5, 3)
    assert cell.weight_hh.shape == (len(cell.gates) * 5, 5)


@classic
def test_first_weights_lie_within_the_bound(name):
    cell = CELLS[name](30, 25)
    for parameter in cell.parameters():
        assert 0.15 < parameter.abs().max() <= 0.2


@classic
def test_without_bias(name):
    cell = CELLS[name](3, 5, bias=False)
    assert [n for n, _ in cell.named_parameters()] == ["weight_ih", "weight_hh"]
    assert cell.bias_ih is None
    assert torch.equal(cell.step(torch.zeros(2, 3), cell.initial_state(2))[0], torch.zeros(2, 5))


@pytest.mark.parametrize("width", [-1, 5, 6])
def test_a_projection_is_narrower(width):
    message = f"^LSTM: proj_size is {width}, 0 fits, or less than hidden_size 5$"
    with pytest.raises(OptionError, match=message):
        LSTM(3, 5, proj_size=width)


def test_a_projection_narrows_the_output_and_not_the_memory():
    cell = LSTM(3, 5, proj_size=2)
    y, state = cell.sequence(torch.zeros(4, 2, 3))
    assert (y.shape, state.h.shape, state.c.shape) == ((4, 2, 2), (4, 2), (4, 5))
    assert [n for n, _ in cell.named_parameters()][-1] == "weight_hr"
    assert LSTM(3, 5).weight_hr is None


@every_cell
def test_names_itself_and_its_source(name):
    module = inspect.getmodule(CELLS[name])
    assert module.__name__ == f"recurra.cells.{name}"
    assert "Source: " in module.__doc__


@every_cell
def test_on_the_meta_device(name):
    cell = CELLS[name](3, 5, device="meta")
    y, _ = cell.sequence(torch.empty(2, 4, *(cell.x_shape or (3,)), device="meta"))
    assert y.shape[:3] == (2, 4, 5)


SPOILED = {
    "features": ({"x": torch.ones(2, 3, 3)}, "{}: x has 3 features, the cell takes 4"),
    "no batch": (
        {"x": torch.ones(3, 4)},
        "{}: x has shape (3, 4), the cell takes (B, T, 4)",
    ),
    "no tensor": ({"x": [[1.0]]}, "{}: x is a list, the cell takes a tensor (B, T, F)"),
    "float64": ({"x": torch.ones(2, 3, 4).double()}, "{}: x is float64, the cell takes float32"),
    "int64": ({"x": torch.ones(2, 3, 4).long()}, "{}: x is int64, the cell takes float32"),
    "lengths list": ({"lengths": [1, 2]}, "{}: lengths is a list, a tensor (2,) fits"),
    "lengths shape": (
        {"lengths": torch.tensor([1, 2, 3])},
        "{}: lengths has shape (3,), this batch takes (2,)",
    ),
    "lengths type": (
        {"lengths": torch.tensor([1.0, 2.0])},
        "{}: lengths is float32, int64 fits",
    ),
    "lengths long": (
        {"lengths": torch.tensor([1, 4])},
        "{}: lengths range from 1 to 4, x has 0 to 3 steps",
    ),
    "lengths negative": (
        {"lengths": torch.tensor([-1, 3])},
        "{}: lengths range from -1 to 3, x has 0 to 3 steps",
    ),
    "reset list": ({"reset": [True]}, "{}: reset is a list, a tensor (2, 3) fits"),
    "reset shape": (
        {"reset": torch.zeros(2).bool()},
        "{}: reset has shape (2,), x takes (2, 3)",
    ),
    "reset type": ({"reset": torch.zeros(2, 3)}, "{}: reset is float32, bool fits"),
}


@pytest.mark.parametrize("spoiled", SPOILED)
@pytest.mark.parametrize("name", FEATURED)
def test_what_does_not_fit_is_refused_in_one_line(name, spoiled, as_installed):
    arguments, message = SPOILED[spoiled]
    arguments = {"x": torch.ones(2, 3, 4), **arguments}
    with pytest.raises(ShapeError) as caught:
        sequence(name, arguments.pop("x"), **arguments)
    others = [kind.__name__ for kind in CELLS[name].takes] if spoiled == "no tensor" else []
    message = " or ".join([message.format(CELLS[name].__name__), *(f"a {each}" for each in others)])
    assert str(caught.value) == message
    assert isinstance(caught.value, RecurraError)


@every_cell
def test_a_state_that_does_not_fit_is_refused(name, as_installed):
    cell, label = CELLS[name](4, 5), CELLS[name].__name__
    x, kind = torch.ones(2, 3, *(cell.x_shape or (4,))), type(cell.initial_state(1))
    field, (_, *sizes) = kind._fields[0], leaves(cell.initial_state(1))[0].shape
    where, came, fits = f"{label}: state.{field}", (3, *sizes), (2, *sizes)
    cases = {
        f"{where} has shape {came}, this batch takes {fits}": cell.initial_state(3),
        f"{where} is float64, the cell takes float32": cell.double().initial_state(2),
        f"{label}: state is a Tensor, the cell takes a {kind.__name__}": torch.zeros(2, 5),
    }
    cell.float()
    for message, state in cases.items():
        with pytest.raises(ShapeError) as caught:
            cell.sequence(x, state)
        assert str(caught.value) == message


def test_a_state_of_torchs_kind_is_refused():
    pair = (torch.zeros(2, 5), torch.zeros(2, 5))
    with pytest.raises(ShapeError, match=r"^LSTM: state is a tuple, the cell takes a LSTMState$"):
        LSTM(4, 5).sequence(torch.ones(2, 3, 4), pair)
    broken = LSTMState(pair[0], None)
    message = r"^LSTM: state\.c is a NoneType, the cell takes a tensor$"
    with pytest.raises(ShapeError, match=message):
        LSTM(4, 5).sequence(torch.ones(2, 3, 4), broken)


@every_cell
def test_sizes_below_one_are_refused(name):
    label = CELLS[name].__name__
    with pytest.raises(OptionError, match=f"^{label}: hidden_size is 0, it must be at least 1$"):
        CELLS[name](3, 0)
    with pytest.raises(OptionError, match=f"^{label}: input_size is -1, it must be at least 1$"):
        CELLS[name](-1, 3)


def test_an_unknown_nonlinearity_is_refused():
    with pytest.raises(
        OptionError, match=r"^Elman: nonlinearity is 'gelu', one of tanh, relu, modrelu fits$"
    ):
        Elman(3, 4, nonlinearity="gelu")


def test_one_step_by_hand():
    cell = GRU(1, 1, dtype=torch.float64)
    with torch.no_grad():
        cell.weight_ih.copy_(torch.tensor([[0.1], [0.2], [0.3]]))
        cell.weight_hh.copy_(torch.tensor([[0.4], [0.5], [0.6]]))
        cell.bias_ih.copy_(torch.tensor([0.7, 0.8, 0.9]))
        cell.bias_hh.copy_(torch.tensor([-0.1, -0.2, -0.3]))
    x, h = torch.tensor([[2.0]]).double(), torch.tensor([[0.5]]).double()
    r, z = torch.sigmoid(0.2 + 0.7 + 0.4 * h - 0.1), torch.sigmoid(0.4 + 0.8 + 0.5 * h - 0.2)
    n = torch.tanh(0.6 + 0.9 + r * (0.6 * h - 0.3))
    y, _ = cell.step(x, cell.initial_state(1)._replace(h=h))
    torch.testing.assert_close(y, (1 - z) * n + z * h, rtol=1e-6, atol=0)

"""A diagnosis of every cell, and of recurrences whose answer is known."""

import json
import math
import random
from typing import NamedTuple

import numpy as np
import pytest
import torch
from bench.diagnosis import Echo, learned_echo, made
from torch import Tensor, nn

from recurra.cells import CELLS, GRU, LSTM, Cell, Elman, Observed, Timed, chrono_, orthogonal
from recurra.errors import OptionError, StorageError, TrainingError, UnsupportedError
from recurra.layers import (
    Bidirectional,
    Dilated,
    Embedding,
    LockedDropout,
    PreNorm,
    Recurrent,
    Residual,
    Stack,
    Zoneout,
)
from recurra.train import Diagnosis, Lesson, diagnose
from recurra.train.diagnose.flow import Graph, factor, horizon
from recurra.train.diagnose.watch import Watch

TIMED = ("cfc", "gru_d", "ltc", "ode_rnn", "phased_lstm")


class Squares(nn.Module):
    """The mean square of what a cell or a layer gives."""

    def __init__(self, cell) -> None:
        super().__init__()
        self.cell = cell

    def loss(self, batch) -> Tensor:
        return self.cell.sequence(batch)[0].square().mean()


def features(cell, B=3, T=6):
    return torch.randn(B, T, *(cell.x_shape or (cell.input_size,)))


def held(model):
    """Everything in a model that a diagnosis might change."""
    attributes = [dict(vars(module)) for module in model.modules()]
    values = {name: value.clone() for name, value in model.state_dict().items()}
    return attributes, values, [parameter.grad for parameter in model.parameters()]


def assert_as_before(model, before):
    attributes, values, gradients = before
    for now, was in zip(model.modules(), attributes, strict=True):
        assert vars(now).keys() == was.keys()
    for name, value in model.state_dict().items():
        assert torch.equal(value, values[name]), name
    after = [parameter.grad for parameter in model.parameters()]
    assert all(a is b for a, b in zip(after, gradients, strict=True))


def assert_sound(found: Diagnosis):
    for layer in found.layers:
        numbers = [*layer.gradient, *layer.carried, *(layer.influence or [])]
        assert all(math.isfinite(number) and number >= 0 for number in numbers)
        assert layer.factor is None or math.isfinite(layer.factor)
    numbers = [number for each in found.weights for number in (each.weight, each.gradient)]
    assert all(math.isfinite(each) for each in numbers)
    assert json.loads(found.to_json())["loss"] == pytest.approx(found.loss)
    assert found.words()


def look(model, batch):
    """A diagnosis that has left everything as it was, of a loss that is the model's own."""
    state = torch.get_rng_state()
    loss = model.loss(batch).item()
    torch.set_rng_state(state)
    before = held(model)
    found = diagnose(model, batch, model.loss)
    assert torch.equal(torch.get_rng_state(), state)
    assert_as_before(model, before)
    assert found.loss == pytest.approx(loss, rel=1e-5, abs=1e-7)
    assert_sound(found)
    return found


@pytest.mark.parametrize("name", CELLS)
def test_every_cell(name):
    torch.manual_seed(0)
    model = Squares(CELLS[name](3, 8))
    layer = look(model, features(model.cell)).layers[0]
    assert (layer.kind, layer.rows, layer.steps) == (CELLS[name].__name__, 3, 6)
    assert layer.name == "cell"
    assert layer.influence[-1] == pytest.approx(1)
    assert 0 <= layer.horizon < 6


@pytest.mark.parametrize("name", TIMED)
def test_cells_over_uneven_time(name):
    torch.manual_seed(0)
    model = Squares(CELLS[name](3, 5))
    layer = look(model, Timed(features(model.cell), torch.rand(3, 6))).layers[0]
    assert layer.influence[-1] == pytest.approx(1)


def test_missing_values():
    torch.manual_seed(0)
    model = Squares(CELLS["gru_d"](3, 5))
    x, seen = features(model.cell), torch.rand(3, 6, 3) < 0.6
    x = x.masked_fill(~seen, math.nan)
    assert look(model, Observed(x, seen, torch.rand(3, 6))).layers[0].horizon is not None


class Decay(Cell[tuple[Tensor]]):
    """h_t = a h_{t-1} + x_t, and a clock that goes on for ever."""

    def __init__(self, a: float) -> None:
        super().__init__()
        self.input_size = self.output_size = 2
        self.a = nn.Parameter(torch.tensor(a))

    def initial_state(self, batch_size):
        return DecayState(self.a.new_zeros(batch_size, 2), self.a.new_zeros(batch_size, 1))

    def step(self, x, state, context=None):
        h = self.a * state.h + x
        return h, DecayState(h, state.clock + self.a)


class DecayState(NamedTuple):
    h: Tensor
    clock: Tensor


@pytest.mark.parametrize("a", [0.5, 0.8, 0.95, 1.0, 1.1])
def test_a_decay_has_the_factor_and_the_horizon_that_it_is_made_of(a):
    model = Squares(Decay(a))
    layer = look(model, torch.randn(4, 60, 2)).layers[0]
    assert layer.factor == pytest.approx(a, rel=1e-4)
    assert layer.carried[:3] == pytest.approx([1, a, a * a], rel=1e-4)
    # All of it lies within k steps but a^2(k + 1): 95 % do, as far as the window reaches.
    wanted = math.ceil(math.log(0.05) / math.log(a) / 2) - 1 if a < 1 else 45
    assert layer.horizon == wanted if a < 0.95 else layer.horizon >= min(wanted, 25)
    named = "exploding" if a > 1.02 else "vanishing" if a < 0.9 else "healthy"
    assert layer.verdict == named


def test_a_gradient_of_the_loss_is_that_of_autograd():
    cell = Elman(2, 3)
    model, x = Squares(cell), torch.randn(2, 7, 2)
    layer = look(model, x).layers[0]
    state, states = cell.initial_state(2), []
    for step in x.unbind(1):
        _, state = cell.step(step, state)
        states.append(state.h)
    loss = torch.stack(states, 1).square().mean()
    wanted = [each.norm().item() for each in torch.autograd.grad(loss, states)]
    assert layer.gradient == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("verdict", ["vanishing", "exploding", "healthy"])
def test_what_is_made_so_is_named_so(verdict):
    for seed in range(3):
        found = made(verdict, seed)
        assert found.verdict == found.layers[0].verdict == verdict
    said = "\n".join(found.words())
    assert f"({found.layers[0].kind}, 16 rows of 100 steps): {verdict}" in said
    helps = {"vanishing": "orthogonal_", "exploding": "--clip", "healthy": ""}
    assert helps[verdict] in said


def test_the_horizon_of_a_learned_echo_is_its_lag():
    model, loss, _ = learned_echo(10)
    assert loss < 0.03
    found = diagnose(model, model.draw(torch.Generator().manual_seed(9)), model.loss)
    assert 8 <= found.layers[0].horizon <= 12
    assert found.horizon == found.layers[0].horizon


def test_layers_around_and_on_top_of_each_other():
    torch.manual_seed(0)
    layers = [LSTM(4, 4), Residual(PreNorm(GRU(4, 4))), Dilated(Elman(4, 4), 2)]
    model = Squares(Stack([*layers, Zoneout(LSTM(4, 4), 0.1)], dropout=0.2))
    found = look(model, torch.randn(3, 12, 4))
    assert [layer.kind for layer in found.layers] == ["LSTM", "GRU", "Elman", "LSTM"]
    assert found.layers[1].name == "cell.layers.1.cell.cell"
    assert found.horizon is not None
    assert "all layers: memory horizon" in "\n".join(found.words())


def test_both_directions_and_a_ragged_batch():
    class Ragged(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            both = Bidirectional(LSTM(2, 3), LSTM(2, 3))
            self.layer = Recurrent(Stack([both, LockedDropout(GRU(6, 3), input_rate=0.2)]))

        def loss(self, x):
            y, state = self.layer(x, lengths=torch.tensor([9, 4, 0]))
            return y.square().sum() + state[1].h.sum()

    found = look(Ragged(), torch.randn(3, 9, 2))
    assert [layer.steps for layer in found.layers] == [9, 9, 9]
    assert found.horizon is None


def test_what_a_batch_changes_is_put_back_and_a_weight_made_of_others_is_seen():
    torch.manual_seed(0)
    cell = Elman(3, 8, nonlinearity="modrelu")
    orthogonal(cell)
    model = nn.ModuleDict({"norm": nn.BatchNorm1d(3), "cell": cell})

    def loss(x):
        return cell.sequence(model["norm"](x.mT).mT)[0].square().mean()

    model.loss = loss
    x = torch.randn(4, 30, 3)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = diagnose(model, x, loss)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert found.layers[0].factor == pytest.approx(1, abs=0.02)
    original = next(each for each in found.weights if each.name.endswith("original"))
    assert original.gradient > 0


def test_an_embedding_below():
    model = nn.Module()
    model.table, model.cell = Embedding(5, 3), GRU(3, 4)
    model.loss = lambda x: model.cell.sequence(model.table.sequence(x)[0])[0].square().mean()
    (layer,) = look(model, torch.randint(5, (2, 8))).layers
    assert layer.kind == "GRU"


def test_a_last_state_is_read_where_no_output_is():
    cell = GRU(2, 4)
    model = nn.Module()
    model.cell = cell
    lengths = torch.tensor([12, 5])
    model.loss = lambda x: cell.sequence(x, lengths=lengths)[1].h.square().sum()
    layer = look(model, torch.randn(2, 12, 2)).layers[0]
    assert layer.influence[-1] == pytest.approx(1)
    assert len(layer.carried) == 12


@pytest.mark.parametrize("deep", [False, True], ids=["a cell", "a stack"])
def test_steps_by_hand_go_on_with_a_sequence(deep):
    cell = Stack([LSTM(2, 3), GRU(3, 4)]) if deep else GRU(2, 4)
    model = nn.Module()
    model.cell = cell

    def loss(x):
        y, state = cell.sequence(x[:, :5])
        for step in x[:, 5:].unbind(1):
            y, state = cell.step(step, state)
        return y.square().mean()

    model.loss = loss
    for layer in look(model, torch.randn(2, 9, 2)).layers:
        assert layer.steps == 9
        assert len(layer.influence) == 9


def test_gates_have_their_names_and_what_is_stuck_is_told():
    cell = LSTM(2, 8)
    H = 8
    with torch.no_grad():
        cell.bias_ih[:H] = -9  # input
        cell.bias_ih[H : 2 * H] = 9  # forget
        cell.bias_ih[3 * H : 3 * H + 6] = -9  # output, of six units
    found = look(Squares(cell), torch.randn(3, 9, 2))
    gates = {gate.name: (gate.shut, gate.open) for gate in found.layers[0].gates}
    assert gates == {"forget": (0.0, 1.0), "input": (1.0, 0.0), "output": (0.75, 0.0)}
    said = [line for line in found.words() if "stuck shut in most units" in line]
    assert len(said) == 1
    assert "gate output" in said[0]


@pytest.mark.parametrize(
    ("name", "gates"),
    [
        ("lstm", {"input", "forget", "output"}),
        ("gru", {"reset", "update"}),
        ("peephole_lstm", {"input", "forget", "output"}),
        ("conv_gru", {"reset", "update"}),
        ("reset_before_gru", {"reset", "update"}),
        ("mingru", {"update"}),
        ("qrnn", {"forget", "output"}),
        ("elman", set()),
    ],
)
def test_gates_are_found_by_the_rows_of_their_weights(name, gates):
    cell = CELLS[name](3, 4)
    found = look(Squares(cell), features(cell)).layers[0].gates
    assert {gate.name for gate in found} == gates


def test_units_that_are_dead_are_counted():
    cell = Elman(2, 8, nonlinearity="relu")
    with torch.no_grad():
        cell.bias_ih[:4] = -99
    found = look(Squares(cell), torch.randn(4, 10, 2))
    assert 0.5 <= found.layers[0].dead < 1
    assert any("of its outputs are dead" in line for line in found.words())


def test_a_layer_that_the_loss_does_not_read_is_told():
    model = nn.ModuleDict({"read": GRU(2, 3), "idle": GRU(2, 3)})

    def loss(x):
        model["idle"].sequence(x)
        return model["read"].sequence(x)[0].square().mean()

    found = diagnose(model, torch.randn(2, 9, 2), loss)
    horizons = {layer.name: layer.horizon for layer in found.layers}
    assert horizons["idle"] is None
    assert horizons["read"] is not None
    assert sum("the loss reads nothing of it" in line for line in found.words()) == 1


class Given(Lesson[Tensor]):
    """An echo whose state goes on from batch to batch."""

    steps = 3

    def __init__(self) -> None:
        self.model = nn.ModuleDict({"cell": GRU(1, 4)})
        self.h = torch.ones(2, 4)

    def batches(self, epoch, begin):
        made = torch.Generator().manual_seed(epoch)
        return [torch.randn(2, 20, 1, generator=made) for _ in range(3)][begin:]

    def loss(self, batch):
        torch.randn(1), np.random.rand(), random.random()  # noqa: NPY002
        y, state = self.model["cell"].sequence(batch, type(self.first)(self.h))
        self.h = state.h.detach()
        return y.square().mean()

    @property
    def first(self):
        return self.model["cell"].initial_state(2)

    def validate(self):
        return 0.0

    def state(self):
        return {"h": self.h}

    def restore(self, state):
        self.h = state["h"]


def test_a_lesson_brings_its_batch_and_keeps_what_it_carries():
    lesson = Given()
    before = (random.getstate(), np.random.get_state()[1].tolist())  # noqa: NPY002
    found = diagnose(lesson)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002
    assert torch.equal(lesson.h, torch.ones(2, 4))
    assert found.layers[0].steps == 20
    assert found.loss == pytest.approx(lesson.loss(lesson.batches(1, 0)[0]).item(), rel=1e-5)


def test_an_optimizer_makes_its_step_and_takes_it_back():
    torch.manual_seed(0)
    model, x = Squares(LSTM(2, 4)), torch.randn(3, 8, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    model.loss(x).backward()
    optimizer.step()
    state = json.dumps(optimizer.state_dict(), default=lambda tensor: tensor.tolist())
    before = held(model)
    found = diagnose(model, x, model.loss, optimizer=optimizer)
    assert_as_before(model, before)
    now = json.dumps(optimizer.state_dict(), default=lambda tensor: tensor.tolist())
    assert now == state
    wanted = {name: each.detach().clone() for name, each in model.named_parameters()}
    optimizer.zero_grad()
    model.loss(x).backward()
    optimizer.step()
    for weight, (name, each) in zip(found.weights, model.named_parameters(), strict=True):
        moved = (each.detach() - wanted[name]).norm().item()
        assert weight.update == pytest.approx(moved, rel=1e-3)
        assert weight.gradient == pytest.approx(each.grad.norm().item(), rel=1e-3)
        assert weight.ratio == pytest.approx(moved / wanted[name].norm().item(), rel=1e-3)


def test_a_loss_that_fails_leaves_nothing_behind():
    model = Squares(Stack([LSTM(2, 3), GRU(3, 3)]))
    before = held(model)

    def loss(x):
        model.loss(x)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        diagnose(model, torch.randn(2, 5, 2), loss)
    assert_as_before(model, before)


def test_what_does_not_fit_is_told():
    model, x = Squares(GRU(2, 3)), torch.randn(2, 5, 2)
    with pytest.raises(OptionError, match="a model came without a batch"):
        diagnose(model)
    with pytest.raises(OptionError, match="a model came without a loss"):
        diagnose(model, x)
    with pytest.raises(UnsupportedError, match="ran no recurrent cell of Linear"):
        diagnose(linear := nn.Linear(2, 2), x, lambda x: linear(x).mean())
    with pytest.raises(UnsupportedError, match="the loss has no graph"):
        diagnose(model, x, lambda x: model.loss(x).detach())
    with pytest.raises(TrainingError, match="the loss is nan, first seen in the loss itself"):
        diagnose(model, x, lambda x: model.loss(x) * math.nan)


def test_windows_that_are_too_short_or_too_long_are_told():
    def advice(a, T):
        return "\n".join(
            diagnose(model := Squares(Decay(a)), torch.randn(2, T, 2), model.loss).words()
        )

    assert "take a longer window" in advice(1.0, 40)
    assert "a window of 16 would do" in advice(0.7, 200)
    assert "window" not in advice(0.9, 60)


def test_slopes_and_horizons_of_curves():
    assert factor([1.0, 0.5, 0.25]) is None
    assert factor([2.0**-k for k in range(40)]) == pytest.approx(0.5)
    assert factor([1.0, 0.0, 0.0, 0.0]) == 0
    assert factor([1.0, math.inf, math.nan, 2.0]) == math.inf
    # A few wild points have no say.
    assert factor([(0.9**k) * (100 if k in (3, 7) else 1) for k in range(30)]) == pytest.approx(
        0.9, rel=0.01
    )
    assert horizon([0.5, 0.94, 0.95, 1.0]) == 2
    assert horizon(None) is None


@pytest.mark.parametrize("ending", [".png", ".svg"])
def test_a_picture(tmp_path, ending):
    torch.manual_seed(0)
    cell = LSTM(2, 4)
    chrono_(cell, 20)
    model = Squares(Stack([cell, GRU(4, 4), Elman(4, 4, nonlinearity="relu")]))
    found = diagnose(model, torch.randn(3, 20, 2), model.loss)
    found.plot(tmp_path / f"a{ending}")
    assert (tmp_path / f"a{ending}").stat().st_size > 5000
    assert [*tmp_path.iterdir()] == [tmp_path / f"a{ending}"]


def test_a_picture_that_cannot_be(tmp_path):
    model = Echo(GRU(1, 2), 2)
    found = diagnose(model, torch.randn(1, 3, 1), model.loss)
    with pytest.raises(OptionError, match=r"what fits is a picture's name with \.png"):
        found.plot(tmp_path / "a.txt")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        found.plot(str(tmp_path / "file" / "a.png"))


def test_what_the_loss_asks_of_an_output_is_apart_from_what_later_states_ask_of_it():
    """An Elman's output is its state: the gradient of the one is not that of the other."""
    torch.manual_seed(0)
    cell, readout = Elman(3, 4), nn.Linear(4, 1)
    x, watch = torch.randn(2, 9, 3), Watch()

    def asked(y):
        return readout(y).square().sum()

    with watch.looking(nn.ModuleList([cell, readout])):
        loss = asked(cell.sequence(x)[0])
    graph = Graph(watch.tracks[0])
    found = torch.autograd.grad(loss, graph.sought(), retain_graph=True, allow_unused=True)
    graph.take(found)
    y = cell.sequence(x)[0].detach().requires_grad_()
    (direct,) = torch.autograd.grad(asked(y), y)
    torch.testing.assert_close(graph._wanted.transpose(0, 1), direct)
    whole = graph._asked[0].transpose(0, 1)
    torch.testing.assert_close(whole[:, -1], direct[:, -1])
    assert (whole - direct)[:, :-1].abs().max() > 0.1


def test_steps_that_a_checkpoint_computes_again_are_seen_once():
    torch.manual_seed(0)
    cell, x = GRU(3, 4), torch.randn(2, 12, 3)
    plain = diagnose(cell, x, lambda batch: cell.sequence(batch)[0].square().mean())
    kept = diagnose(cell, x, lambda batch: cell.sequence(batch, checkpoint=3)[0].square().mean())
    assert kept.layers[0].steps == plain.layers[0].steps == 12
    assert kept.to_json() == plain.to_json()

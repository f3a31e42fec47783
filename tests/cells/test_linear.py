"""What the options of cells that are linear in the state change, and their gradients."""

import pytest
import torch
from tests.engine.subjects import Case
from tests.engine.truth import assert_same, by_rows, measure
from torch.autograd import gradcheck

from recurra import engine
from recurra.cells import HGRN, LRU, QRNN, RGLRU, S4D, SRU, Mamba, MinGRU, MinLSTM
from recurra.engine import leaves, tree_map

PLAIN = {
    "mingru": (MinGRU, {}),
    "minlstm": (MinLSTM, {}),
    "lru": (LRU, {"r_min": 0.4, "r_max": 0.9}),
    "s4d": (S4D, {"state_size": 4}),
    "rg_lru": (RGLRU, {}),
    "mamba": (Mamba, {"state_size": 3}),
    "hgrn": (HGRN, {}),
    "sru": (SRU, {}),
    "qrnn": (QRNN, {}),
}
VARIANTS = {
    "mingru positive": (MinGRU, {"positive": True}),
    "minlstm positive": (MinLSTM, {"positive": True, "signed": True}),
    "lru of more numbers": (LRU, {"state_size": 7}),
    "rg_lru in blocks": (RGLRU, {"blocks": 2, "signed": True}),
    "mamba without convolution": (Mamba, {"window": 1, "expand": 1, "dt_rank": 2}),
    "hgrn above a bound": (HGRN, {"lower_bound": 0.7}),
    "sru without peephole": (SRU, {"peephole": False}),
    "sru without peephole, signed": (SRU, {"peephole": False, "signed": True}),
    "qrnn of one step": (QRNN, {"window": 1}),
    "qrnn of four steps": (QRNN, {"window": 4, "signed": True}),
}
SIGNED = [MinGRU, MinLSTM, RGLRU, Mamba, HGRN, SRU, QRNN]
EVERY = {**PLAIN, **VARIANTS, **{f"{c.__name__} signed": (c, {"signed": True}) for c in SIGNED}}


def case(name, B, T, F=3, H=4):
    kind, options = EVERY[name]
    torch.manual_seed(3)
    cell = kind(F, H, **options, dtype=torch.float64)
    x = torch.randn(B, T, F, dtype=torch.float64, requires_grad=True)

    def move(part):
        return (part + 0.4 * torch.rand_like(part) - 0.2).detach().requires_grad_()

    return Case(cell, x, tree_map(move, cell.initial_state(B)), None)


@pytest.mark.parametrize("form", ["step", "auto", "parallel"])
@pytest.mark.parametrize("name", EVERY)
def test_every_form_is_the_loop(name, form):
    given = case(name, 3, 9)
    given.cell.form = form
    lengths, reset = torch.tensor([9, 2, 6]), torch.zeros(3, 9, dtype=torch.bool)
    reset[0, [0, 4, 5]] = reset[2, 3] = True
    options = {"lengths": lengths, "reset": reset}
    got = measure(given, *given.sequence(**options))
    assert_same(got, measure(given, *by_rows(given, **options)), 1e-10)


@pytest.mark.parametrize("name", EVERY)
def test_gradients(name):
    given = case(name, 2, 3, 2, 2)
    names = [each for each, _ in given.cell.named_parameters()]

    def run(x, *rest):
        state = given.state._make(rest[: len(given.state)])
        values = dict(zip(names, rest[len(given.state) :], strict=True))
        y, last = torch.func.functional_call(
            _Sequence(given.cell), {f"cell.{k}": v for k, v in values.items()}, (x, state)
        )
        return y, *last

    parts = [part for part in given.state if part.numel()]
    assert len(parts) == len(given.state) or name in ("qrnn of one step", _NO_TAIL)
    inputs = (given.x, *given.state, *given.cell.parameters())
    assert gradcheck(run, inputs, eps=1e-6, atol=1e-6, rtol=1e-4)


_NO_TAIL = "mamba without convolution"


class _Sequence(torch.nn.Module):
    def __init__(self, cell):
        super().__init__()
        self.cell = cell

    def forward(self, x, state):
        return self.cell.sequence(x, state)


@pytest.mark.parametrize("name", EVERY)
def test_it_is_native(name):
    cell = case(name, 1, 1).cell
    first = engine.explain(cell).splitlines()[1:3]
    assert ["natively" in line for line in first] == [True, True]


def test_a_state_keeps_its_sign_or_may_change_it():
    """A gate that forgets all turns a signed state round, and lets another die."""
    for kind, row in ((MinGRU, 0), (SRU, None), (QRNN, 1), (HGRN, 0)):
        ends = []
        for signed in (False, True):
            cell = kind(1, 1, signed=signed, dtype=torch.float64)
            with torch.no_grad():
                for each in cell.parameters():
                    each.zero_()
            _forget(cell, row)
            state = tree_map(lambda part: torch.zeros_like(part), cell.initial_state(1))
            state = state._replace(**{state._fields[0]: torch.ones(1, 1).double()})
            _, last = cell.sequence(torch.ones(1, 1, 1).double(), state)
            ends.append(leaves(last)[0].item())
        assert abs(ends[0]) < 1e-8, kind
        assert ends[1] == pytest.approx(-1, abs=1e-8), kind


def _forget(cell, row):
    """Drive the gate that the state passes to 0; everything written stays 0."""
    with torch.no_grad():
        if isinstance(cell, SRU):
            cell.bias[0] = -40
        elif isinstance(cell, HGRN):
            cell.project.weight[0] = -40
        else:
            cell.project.bias[row] = 40 if isinstance(cell, MinGRU) else -40


def test_a_selective_memory_turns_round():
    cell = Mamba(1, 1, state_size=1, expand=1, signed=True, dtype=torch.float64)
    with torch.no_grad():
        cell.dt_proj.bias.fill_(50)
        cell.in_proj.weight.zero_()
        cell.conv1d.bias.zero_()
    state = cell.initial_state(1)._replace(h=torch.ones(1, 1, 1).double())
    _, last = cell.sequence(torch.ones(1, 1, 1).double(), state)
    assert last.h.item() == pytest.approx(-1, abs=1e-12)


@pytest.mark.parametrize("kind", [MinGRU, MinLSTM])
def test_positive_candidates_keep_a_state_above_zero(kind):
    cell = kind(5, 7, positive=True)
    x = 10 * torch.randn(2, 60, 5)
    y, _ = cell.sequence(x)
    assert (y > 0).all()
    assert (kind(5, 7).sequence(x)[0] < 0).any()


def test_parity_is_within_reach_of_a_signed_decay():
    """h_t = (-1)^x_t h_{t-1}, which no decay in (0, 1) can do."""
    cell = MinGRU(1, 1, signed=True)
    with torch.no_grad():
        cell.project.weight.copy_(torch.tensor([[80.0], [0.0]]))
        cell.project.bias.copy_(torch.tensor([-40.0, 0.0]))
    bits = torch.rand(4, 500) < 0.5
    start = cell.initial_state(4)._replace(h=torch.ones(4, 1))
    with torch.no_grad():
        y, _ = cell.sequence(bits[..., None].float(), start)
    torch.testing.assert_close(y[..., 0], 1 - 2 * (bits.cumsum(1) % 2).float())

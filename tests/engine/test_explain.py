"""The report on a cell says what is so."""

import re

import pytest
import torch
from tests.engine import subjects

from recurra import GRU, LSTM, Bidirectional, Elman, Recurrent
from recurra.cells import Cell
from recurra.engine import eager, explain, native
from recurra.errors import StepError, UnsupportedError

MADE = re.compile(r"^    %(\d+) = ", re.MULTILINE)
READ = re.compile(r"%(\d+)")


def paragraphs(text):
    """The lines of each paragraph, by its title."""
    parts = (part.splitlines() for part in text.strip().split("\n\n"))
    return {title: [line.strip() for line in lines] for title, *lines in parts}


def begins(parts, title):
    (lines,) = (lines for each, lines in parts.items() if each.startswith(title))
    return lines


def natively(case, grad, monkeypatch):
    """Whether a sequence goes through the library."""
    runs = []
    with monkeypatch.context() as patch, torch.set_grad_enabled(grad):
        run = native.run
        patch.setattr(native, "run", lambda *given: runs.append(run(*given)))
        case.sequence()
    return bool(runs)


@subjects.every_cell
def test_the_report_says_what_runs_natively(name, monkeypatch):
    case = subjects.example(name, 2, 3)
    text = explain(case.cell, case.x, case.state, case.context)
    for word, grad in (("inference", False), ("training", True)):
        told = re.search(rf"^    {word} +natively", text, re.MULTILINE) is not None
        assert told == natively(case, grad, monkeypatch)


@subjects.every_cell
def test_every_operation_that_is_read_is_listed(name):
    case = subjects.example(name, 2, 3)
    text = explain(case.cell, case.x, case.state, case.context)
    words = text.partition("\nnative")[0]
    assert set(READ.findall(words)) == set(MADE.findall(words))


def test_a_gru_is_explained():
    parts = paragraphs(explain(GRU(3, 5)))
    assert begins(parts, "before the loop") == [
        "%1 = x @ weight_ih.T : 15",
        "%2 = bias_ih + %1 : 15",
    ]
    assert "%3 = state.h @ weight_hh.T : 15" in begins(parts, "in the loop")
    assert any(line.endswith("@ weight_ih : 3") for line in begins(parts, "backward, after"))
    sums = begins(parts, "sums over all rows and steps")
    assert sum("outer" in line for line in sums) == 2
    kept = begins(parts, "kept for the backward: 25 floats")
    assert kept[:2] == ["x : 3, at hand: it was given", "state.h : 5, a state"]
    gradients = [line.partition(" = ")[0] for line in begins(parts, "gradients")]
    weights = ["dweight_ih", "dweight_hh", "dbias_ih", "dbias_hh"]
    assert gradients == ["dx", "dstate.h", *weights]


@pytest.mark.parametrize("cell", [Elman(3, 5), LSTM(3, 5), GRU(1, 1)])
def test_the_forward_that_is_told_computes_the_step(cell):
    """Read the report as a person would: follow its lines from x and the state to y."""
    x, state = torch.randn(1, 1, cell.input_size), cell.initial_state(1)
    state = type(state)(*(torch.randn_like(part) for part in state))
    parts = paragraphs(explain(cell))
    values = {"x": x[0], **{f"state.{key}": value for key, value in state._asdict().items()}}
    values |= dict(cell.named_parameters())
    first, _, _ = explain(cell).partition("results of a step")
    for line in re.findall(r"^    (%.+)$", first, re.MULTILINE):
        target, _, said = line.rpartition(" : ")[0].partition(" = ")
        values[target] = _evaluate(said, values)
    y, _ = cell.step(x[:, 0], state)
    told = begins(parts, "results of a step")[0].removeprefix("y = ")
    torch.testing.assert_close(values[told], y)


def _evaluate(said, values):
    operators = {"+": torch.add, "-": torch.sub, "*": torch.mul, "@": torch.matmul}
    if " " in said and "(" not in said:
        one, sign, other = said.split()
        return operators[sign](_operand(one, values), _operand(other, values))
    name, _, inside = said.removesuffix(")").partition("(")
    return getattr(torch, name)(*(_operand(each, values) for each in inside.split(", ")))


def _operand(said, values):
    columns = re.fullmatch(r"(\S+)\[(\d+):(\d+)\]", said)
    if columns:
        return values[columns[1]][..., int(columns[2]) : int(columns[3])]
    if said.endswith(".T"):
        return values[said.removesuffix(".T")].T
    return values[said] if said in values else float(said)


def test_what_is_kept_is_what_the_plan_in_torch_keeps():
    """The plain run of the same plan stores these widths, and no others."""
    kept = []
    cell = GRU(3, 5)
    with pytest.MonkeyPatch.context() as patch:
        forward = eager.forward
        patch.setattr(eager, "forward", lambda *given: kept.append(forward(*given)) or kept[-1])
        patch.setattr("recurra.engine.autograd.machine", _refuse)
        cell.sequence(torch.randn(2, 3, 3))[0].sum().backward()
    packed = kept[0][2].packed
    widths = sum(value.shape[1:].numel() for node, value in packed.items() if node.op != "leaf")
    states = 5  # before each step; its leaf stands for it
    assert f"kept for the backward: {widths + states} floats" in explain(cell)


def _refuse(*_):
    from recurra.engine.place import NotNativeError

    raise NotNativeError("not now")


def test_other_types_are_told():
    text = explain(GRU(2, 3).to(torch.bfloat16))
    assert text == (
        "GRU runs in plain torch, as it is written: its state is torch.bfloat16; "
        "float32 and float64 run natively\n"
    )


def test_without_the_library_the_plan_is_told_all_the_same(monkeypatch):
    monkeypatch.setattr(native, "library", lambda: None)
    text = explain(Elman(2, 3))
    assert "plain torch, as it is written: the native library is not there" in text
    assert "= state.h @ weight_hh.T : 3" in text


class Flipping(Cell):
    """Mixes rows when it is told to."""

    input_size = output_size = 2

    def __init__(self, mixing):
        super().__init__()
        self.mixing = mixing

    def initial_state(self, batch_size):
        return (torch.zeros(batch_size, 2),)

    def step(self, x, state, context=None):
        h = state[0] + (x.mean(0) if self.mixing else x)
        return h, (h,)


def test_a_cell_without_weights_and_with_a_plain_tuple_is_explained():
    parts = paragraphs(explain(Flipping(mixing=False)))
    assert begins(parts, "in the loop") == ["%1 = x + state[0] : 2"]


def test_a_step_that_mixes_rows_is_refused_by_its_line():
    with pytest.raises(StepError, match=r"test_explain\.py:\d+: mean .* over the batch"):
        explain(Flipping(mixing=True))


@pytest.mark.parametrize("other", [Bidirectional(GRU(2, 3), GRU(2, 3)), torch.nn.GRU(2, 3), 3])
def test_what_has_no_step_is_refused(other):
    with pytest.raises(UnsupportedError, match="step"):
        explain(other)


def test_a_cell_inside_a_layer_is_explained_by_itself():
    layer = Recurrent(GRU(2, 3))
    assert explain(layer.cell).startswith("GRU\n")

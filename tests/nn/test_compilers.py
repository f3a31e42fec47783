"""Compilers and traces: they see what they see of torch.nn's modules."""

import pytest
import torch
from tests.nn.pairs import KINDS, F, H, assert_close, flat, given, pair
from torch import nn

from recurra import nn as ours

every_kind = pytest.mark.parametrize("kind", KINDS)
# What torch warns of when its own modules are traced; torch.jit is on its way out, and says so.
old = pytest.mark.filterwarnings("ignore:.torch.jit", "ignore::torch.jit.TracerWarning")
told = pytest.mark.filterwarnings("ignore:The tensor attributes self.recurrent._flat_weights")


class Network(nn.Module):
    """Two layers of a user's."""

    def __init__(self, recurrent):
        super().__init__()
        self.recurrent = recurrent
        self.head = nn.Linear(recurrent.proj_size or H, 2, dtype=torch.float64)

    def forward(self, x):
        y, _ = self.recurrent(x)
        return self.head(y).relu()


def networks(kind="gru"):
    mine, theirs = (Network(module) for module in pair(kind))
    mine.load_state_dict(theirs.state_dict())
    return mine, theirs


def x():
    return given("time first")[0]


@pytest.fixture
def compiler():
    """torch.compile, with no memory of other tests."""
    torch._dynamo.reset()
    yield torch.compile
    torch._dynamo.reset()


@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm"])
def test_compiled_networks_break_at_the_module_and_run_it_natively(kind, compiler, calls):
    mine, theirs = networks(kind)
    compiled = compiler(mine, backend="eager")
    for _ in range(2):
        calls.clear()
        y = compiled(x())
        y.square().sum().backward()
        assert calls == [1, 1]
        assert_close([y], [theirs(x())])
    assert mine.recurrent.weight_hh_l0.grad.abs().sum() > 0


def test_a_module_compiled_by_itself_runs_natively(compiler, calls):
    mine, theirs = pair("gru")
    assert_close(flat(compiler(mine, backend="eager")(x())), flat(theirs(x())))
    assert calls == [1]


def test_one_graph_is_had_where_torch_has_it(compiler, calls):
    for network in networks():
        with pytest.raises(torch._dynamo.exc.Unsupported, match="allow_rnn"):
            compiler(network, backend="eager", fullgraph=True)(x())
    torch._dynamo.reset()
    with torch._dynamo.config.patch(allow_rnn=True):
        found = [compiler(each, backend="eager", fullgraph=True)(x()) for each in networks()]
    assert_close(found[:1], found[1:])
    assert calls == []


@told
def test_an_exported_program_is_torchs(calls):
    programs = [torch.export.export(network, (x(),)) for network in networks()]
    assert programs[0].graph_module.code == programs[1].graph_module.code
    assert_close([programs[0].module()(x())], [networks()[1](x())])
    assert calls == []


@every_kind
def test_an_fx_trace_has_a_leaf(kind, calls):
    mine, theirs = networks(kind)
    traced = torch.fx.symbolic_trace(mine)
    assert traced.code == torch.fx.symbolic_trace(theirs).code
    assert isinstance(traced.recurrent, type(mine.recurrent))
    assert_close([traced(x())], [theirs(x())])
    assert calls == [1]


@old
@every_kind
def test_a_jit_trace_is_torchs(kind, calls):
    mine, theirs = networks(kind)
    traced = torch.jit.trace(mine, (x(),), check_trace=False)
    assert str(traced.graph).count("aten::") == str(
        torch.jit.trace(theirs, (x(),), check_trace=False).graph
    ).count("aten::")
    assert calls == []
    assert_close([traced(x())], [theirs(x())])


@old
@every_kind
def test_a_script_is_torchs_and_makes_the_modules_torchs_own(kind, calls):
    mine, theirs = networks(kind)
    recurrent = mine.recurrent
    scripted = torch.jit.script(mine)
    assert_close([scripted(x())], [theirs(x())])
    assert mine.recurrent is recurrent
    assert type(recurrent) is type(theirs.recurrent)
    assert calls == []


def test_subclasses_are_scripted_as_they_are():
    class Own(ours.GRU):
        pass

    module = Own(F, H)
    assert module.__prepare_scriptable__() is module
    assert type(module) is Own

"""Tables and heads: cells whose state is empty."""

import pytest
import torch
from tests.layers.networks import language
from torch import nn

from recurra import GRU, Bidirectional, Each, Embedding, Recurrent, Stack, engine
from recurra.errors import OptionError, ShapeError

LENGTHS = torch.tensor([6, 2, 0])


def test_a_stack_from_ids_to_scores_is_the_same_in_torch():
    net = language().double().requires_grad_(True)
    table, gru, lstm, head = net.layers
    ids = torch.randint(0, 11, (3, 6))
    y, state = net.sequence(ids)
    modules = [nn.GRU(6, 8, batch_first=True), nn.LSTM(8, 7, batch_first=True)]
    x = table.weight[ids]
    for module, cell in zip(modules, (gru, lstm), strict=True):
        module.double().load_state_dict({f"{k}_l0": v for k, v in cell.state_dict().items()})
        x, last = module(x)
    want = head.module(x)
    torch.testing.assert_close(y, want, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(state[2].c[None], last[1], rtol=1e-10, atol=1e-10)
    assert state[0] == state[3] == ()
    given = torch.autograd.grad(y.square().sum(), [table.weight, *head.parameters()])
    wanted = torch.autograd.grad(want.square().sum(), [table.weight, *head.parameters()])
    torch.testing.assert_close(given, wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("native", [True, False])
def test_each_is_its_module_at_every_step(native, monkeypatch):
    if not native:
        monkeypatch.setattr(engine.autograd, "machine", _missing)
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.LayerNorm(5)).double()
    cell = Each(module, 3, 5)
    x = torch.randn(3, 6, 3, dtype=torch.float64, requires_grad=True)
    y, state = cell.sequence(x, lengths=LENGTHS)
    alive = torch.arange(6) < LENGTHS[:, None]
    want = module(x) * alive[..., None]
    assert state == ()
    torch.testing.assert_close(y, want, rtol=1e-10, atol=1e-10)
    leaves = [x, *module.parameters()]
    given = torch.autograd.grad(y.square().sum(), leaves)
    torch.testing.assert_close(
        given, torch.autograd.grad(want.square().sum(), leaves), rtol=1e-10, atol=1e-10
    )


def _missing(*_, **__):
    raise engine.NotNativeError("the library is away")


def test_what_stands_in_the_padding_of_ids_is_not_read():
    net = Recurrent(language())
    ids = torch.randint(0, 11, (3, 6))
    wild = ids.masked_fill(torch.arange(6) >= LENGTHS[:, None], -7)
    with torch.no_grad():
        y, state = net(ids, lengths=LENGTHS)
        other, same = net(wild, lengths=LENGTHS)
    assert torch.equal(y, other)
    assert torch.equal(state[1].h, same[1].h)
    assert not y[2].any()


def test_both_directions_over_ids():
    both = Bidirectional(language(), language(seed=1))
    ids = torch.randint(0, 11, (3, 6))
    y, _ = both.sequence(ids, lengths=LENGTHS)
    alone, _ = both.forward_cell.sequence(ids, lengths=LENGTHS)
    assert torch.equal(y[..., :11], alone)


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (torch.zeros(2, 3, 1), r"x is float32 \(2, 3, 1\), the cell takes whole numbers \(B, T\)"),
        (torch.zeros(2, 3), r"x is float32 \(2, 3\)"),
        (torch.zeros(2, 3, 4, dtype=torch.int64), r"x is int64 \(2, 3, 4\)"),
        (torch.zeros(2, 3, dtype=torch.bool), "x is bool"),
    ],
    ids=str,
)
def test_what_is_no_id(x, says):
    for cell in (language(), Recurrent(language())):
        with pytest.raises(ShapeError, match=says):
            cell(x) if isinstance(cell, Recurrent) else cell.sequence(x)


def test_an_id_outside_the_table_is_refused():
    with pytest.raises(IndexError):
        language().sequence(torch.tensor([[3, 11]]))


def test_sizes():
    assert Each(nn.Linear(3, 5)).output_size == 5
    assert (Embedding(7, 2).input_size, Embedding(7, 2).output_size) == (7, 2)
    with pytest.raises(OptionError, match="input_size and output_size of a Tanh are not known"):
        Each(nn.Tanh())
    with pytest.raises(OptionError, match="vocab_size is 0"):
        Embedding(0, 3)
    with pytest.raises(ShapeError, match="layer 1 takes 3 features, layer 0 gives 2"):
        Stack([Embedding(7, 2), GRU(3, 4)])
    seed = torch.Generator().manual_seed(0).seed()
    torch.manual_seed(seed)
    ours = Embedding(7, 2).weight
    torch.manual_seed(seed)
    assert torch.equal(ours, nn.Embedding(7, 2).weight)

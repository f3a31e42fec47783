"""Attention over a window, against attention over everything with a mask."""

import pytest
import torch
from torch.nn import functional as F

from recurra.cells import GRU, WindowAttention
from recurra.engine import leaves, loop, tree_map
from recurra.errors import OptionError
from recurra.layers import Block, Stack, Stream

FORMS = ["step", "parallel", "auto"]
OPTIONS = {
    "one head": {},
    "heads": {"heads": 4},
    "one key head": {"heads": 4, "kv_heads": 1},
    "grouped, rotary, biased": {"heads": 4, "kv_heads": 2, "rotary": True, "bias": True},
    "rotary": {"rotary": True},
}
every_option = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)


def build(W, **options):
    torch.manual_seed(0)
    return WindowAttention(3, 8, window=W, dtype=torch.float64, **options)


def rotated(u, base=10000.0):
    """u (B, T, heads, D), each step turned by its place, written with complex numbers."""
    D = u.shape[-1]
    angle = torch.arange(u.shape[1])[:, None] * base ** (-torch.arange(0, D, 2).double() / D)
    spun = torch.complex(*u.chunk(2, -1)) * torch.polar(torch.ones_like(angle), angle)[:, None]
    return torch.cat([spun.real, spun.imag], -1)


def by_masks(cell, x):
    """The outputs by attention over all steps; a loop over heads and positions absolute."""
    T = x.shape[1]
    D = cell.head_size
    q, k, v = (each(x).unflatten(-1, (-1, D)) for each in (cell.query, cell.key, cell.value))
    if cell.rotary:
        q, k = rotated(q), rotated(k)
    t = torch.arange(T)
    late = t[:, None] - t
    seen = (late >= 0) & (late < cell.window)
    heads = []
    for h in range(cell.heads):
        g = h * cell.kv_heads // cell.heads
        scores = q[:, :, h] @ k[:, :, g].transpose(1, 2) / D**0.5
        heads.append(torch.softmax(scores.masked_fill(~seen, float("-inf")), -1) @ v[:, :, g])
    return cell.out(torch.cat(heads, -1))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("W", [1, 2, 3, 5])
@pytest.mark.parametrize("T", [1, 2, 4, 5, 6, 11])
@every_option
def test_it_is_attention_under_a_mask(options, T, W, form):
    cell, x = build(W, **options), torch.randn(2, T, 3, dtype=torch.float64)
    cell.form = form
    y, _ = cell.sequence(x)
    torch.testing.assert_close(y, by_masks(cell, x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_exactly_the_window_is_seen(form):
    cell, x = build(4, heads=2), torch.randn(1, 12, 3, dtype=torch.float64, requires_grad=True)
    cell.form = form
    y, _ = cell.sequence(x)
    (seen,) = torch.autograd.grad(y[0, 9].sum(), x)
    assert [t for t in range(12) if seen[0, t].any()] == [6, 7, 8, 9]


@pytest.mark.parametrize("form", ["parallel", "auto"])
@every_option
def test_forms_agree_on_states_lengths_and_resets(options, form):
    cell = build(4, **options)
    x = torch.randn(4, 13, 3, dtype=torch.float64, requires_grad=True)
    _, state = cell.sequence(torch.randn(4, 3, 3, dtype=torch.float64))
    state = tree_map(lambda part: part.detach().requires_grad_(), state)
    reset = torch.zeros(4, 13, dtype=torch.bool)
    reset[0, [2, 3, 11]] = True
    reset[1, 12] = True
    given = {"lengths": torch.tensor([13, 13, 2, 0]), "reset": reset}
    found = []
    for each in ("step", form):
        cell.form = each
        y, last = cell.sequence(x, state, **given)
        value = sum((p * torch.linspace(-1, 2, p.numel()).view_as(p)).sum() for p in (y, *last))
        inputs = [x, state.keys, state.values, *cell.parameters()]
        found.append([y, *last, *torch.autograd.grad(value, inputs)])
    torch.testing.assert_close(found[1], found[0], rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("form", FORMS)
def test_gradients_are_right(form):
    cell = build(3, heads=2, kv_heads=1, rotary=True)
    cell.form = form
    x = torch.randn(2, 5, 3, dtype=torch.float64, requires_grad=True)
    keys, values = (torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    there = torch.tensor([[0.0, 1, 1], [0, 0, 1]], dtype=torch.float64)

    def outputs(x, keys, values):
        state = type(cell.initial_state(2))(keys, values, there)
        return cell.sequence(x, state, lengths=torch.tensor([5, 2]))[0]

    assert torch.autograd.gradcheck(outputs, (x, keys, values))


def test_a_long_stream_is_as_precise_as_its_begin():
    cell = build(4, heads=2, rotary=True).float().requires_grad_(False)
    x = torch.randn(1, 6, 3)
    stream = Stream(cell)
    first = [stream.push(part) for part in x.split(1, 1)][-1]
    stream.push(torch.randn(1, 20000, 3))
    again = [stream.push(part) for part in x.split(1, 1)][-1]
    assert torch.equal(first, again)


def test_a_hybrid_is_a_stack_like_any_other():
    torch.manual_seed(0)
    layers = [Block(GRU(6, 6)), Block(GRU(6, 6)), Block(WindowAttention(6, 6, window=3))]
    stack = Stack(layers).double().eval()
    x = torch.randn(2, 9, 6, dtype=torch.float64)
    y, last = stack.sequence(x)
    steps, end = loop(stack.step, x, stack.initial_state(2))
    torch.testing.assert_close(y, steps, rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(leaves(last), leaves(end), rtol=1e-11, atol=1e-11)
    single = stack.float().requires_grad_(False)
    stream = Stream(single, 2)
    assert "natively" in repr(stream)
    torch.testing.assert_close(stream.push(x.float()), y.float(), rtol=1e-4, atol=1e-5)


def test_options_that_do_not_fit_are_refused():
    cases = {
        "WindowAttention: heads is 3, a divisor of hidden_size 4 fits": {"heads": 3},
        "WindowAttention: kv_heads is 3, a divisor of heads 4 fits": {"heads": 4, "kv_heads": 3},
        "WindowAttention: window is 0, it must be at least 1": {"window": 0},
        "WindowAttention: kv_heads is 0, it must be at least 1": {"kv_heads": 0},
        "WindowAttention: rotary turns pairs of columns, and a head has 1; an even number fits": {
            "heads": 4,
            "rotary": True,
        },
    }
    for message, options in cases.items():
        with pytest.raises(OptionError) as caught:
            WindowAttention(3, 4, **options)
        assert str(caught.value) == message


def test_attention_of_torch_over_a_window_that_holds_everything():
    cell, x = build(50, heads=2), torch.randn(2, 9, 3, dtype=torch.float64)
    q, k, v = (
        each(x).unflatten(-1, (2, 4)).transpose(1, 2) for each in (cell.query, cell.key, cell.value)
    )
    want = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
    torch.testing.assert_close(cell.sequence(x)[0], cell.out(want))

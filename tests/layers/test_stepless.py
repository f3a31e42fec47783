"""Layers over whole sequences: padding, resets, and what stands in for a step."""

import pytest
import torch
from tests.engine.truth import assert_same
from torch import nn
from torch.nn import functional as F

from recurra import GRU, Stack, Stream
from recurra.errors import OptionError, ShapeError, UnsupportedError
from recurra.layers import Bidirectional, Convolution, Recurrent, SelfAttention, StackContext

SIZE = 6
LAYERS = {
    "convolution": lambda: Convolution(SIZE, 4, 5),
    "convolution of one": lambda: Convolution(SIZE, 4, 1),
    "self-attention": lambda: SelfAttention(SIZE, 3),
    "self-attention, dropout": lambda: SelfAttention(SIZE, 2, 0.5),
    "bidirectional": lambda: Bidirectional(GRU(SIZE, 2), GRU(SIZE, 3)),
}
LENGTHS = torch.tensor([7, 5, 0, 1])
RESET = torch.zeros(4, 7, dtype=torch.bool)
RESET[0, [0, 3, 4]] = RESET[1, [2, 6]] = RESET[3, 0] = True
every_layer = pytest.mark.parametrize("name", LAYERS)


def made(name, dtype=torch.float64, **options):
    torch.manual_seed(0)
    layer = LAYERS[name]().to(dtype)
    for each in layer.parameters():
        nn.init.normal_(each, 0, 0.5)
    return layer, torch.randn(4, 7, SIZE, dtype=dtype, requires_grad=True)


def row(context, b):
    return None if context is None else context[b : b + 1]


def measured(layer, x, y):
    """y, and the gradients of a number of it."""
    weights = torch.linspace(-1, 2, y.numel(), dtype=y.dtype).view_as(y)
    return [y, *torch.autograd.grad((y * weights).sum(), [x, *layer.parameters()])]


@every_layer
@pytest.mark.parametrize("reset", [None, RESET], ids=["whole", "resets"])
def test_a_row_alone_is_what_it_is_in_a_batch(name, reset):
    layer, x = made(name)
    drawn = layer.sample_context(4)
    noise = None if isinstance(layer, Bidirectional) else drawn
    context = drawn if noise is None else noise
    dead = torch.arange(7) >= LENGTHS[:, None]
    spoilt = x.masked_fill(dead[..., None], float("nan"))
    y, _ = layer.sequence(spoilt, context=context, lengths=LENGTHS, reset=reset)
    rows = []
    for b, length in enumerate(LENGTHS.tolist()):
        begins = [] if reset is None else [t for t in range(1, length) if reset[b, t]]
        pieces = [
            layer.sequence(x[b : b + 1, begin:end], context=row(noise, b))[0]
            for begin, end in zip([0, *begins], [*begins, length], strict=True)
        ]
        rows.append(F.pad(torch.cat(pieces, 1), (0, 0, 0, 7 - length)))
    assert_same(measured(layer, x, y), measured(layer, x, torch.cat(rows)), 1e-10)


@every_layer
def test_gradients_are_right(name):
    layer, x = made(name)
    context, x = layer.sample_context(2), x[:2, :4].detach().requires_grad_()
    options = {"lengths": torch.tensor([4, 2])}

    def outputs(x, *_):
        return layer.sequence(x, context=context, **options)[0]

    assert torch.autograd.gradcheck(outputs, (x, *layer.parameters()), fast_mode=True)


@every_layer
def test_nothing_to_read_gives_nothing(name):
    layer, x = made(name)
    y, _ = layer.sequence(x[:, :0])
    assert y.shape == (4, 0, layer.output_size)
    y, _ = layer.sequence(x, lengths=torch.zeros(4, dtype=torch.int64))
    assert not y.any()
    assert not torch.autograd.grad(y.sum(), x)[0].any()


@every_layer
def test_it_learns_and_answers_under_autocast(name):
    layer, x = made(name, torch.float32)
    context = layer.sample_context(4)
    want = measured(layer, x, layer.sequence(x, context=context, lengths=LENGTHS)[0])
    with torch.autocast("cpu", torch.bfloat16):
        y, _ = layer.sequence(x, context=context, lengths=LENGTHS)
    assert y.dtype == torch.float32
    assert_same(measured(layer, x, y), want, 0.03)


@every_layer
def test_matrices_may_be_rounded_in_inference(name):
    layer, x = made(name, torch.float32)
    x = x.detach()
    with torch.no_grad():
        found, _ = layer.eval().sequence(x, weights=torch.bfloat16)
        whole, _ = layer.sequence(x)
        for each in layer.parameters():
            if each.ndim == 2:
                each.copy_(each.bfloat16())
        rounded, _ = layer.sequence(x)
    assert not torch.equal(found, whole)
    torch.testing.assert_close(found, rounded)


@every_layer
def test_it_has_no_step(name):
    layer, _ = made(name)
    kind = type(layer).__name__
    given = (torch.zeros(2, SIZE), layer.initial_state(2))
    with pytest.raises(UnsupportedError) as caught:
        layer.step(*given)
    assert str(caught.value) == (
        f"{kind}: there is no step, because {layer.why}; use sequence, or a cell that runs forward "
        "alone"
    )
    stack = Stack([GRU(SIZE, SIZE), layer])
    message = f"^Stack: layer 1 is {kind} and has no step, because {layer.why}; use sequence$"
    with pytest.raises(UnsupportedError, match=message):
        stack.step(given[0], stack.initial_state(2))
    message = f"^Stream: {kind} has no step, because {layer.why}; a stream takes cells that run"
    for model in (layer, stack, Recurrent(layer)):
        with pytest.raises(UnsupportedError, match=message):
            Stream(model)


def test_a_stack_of_them_is_one_after_another():
    torch.manual_seed(0)
    layers = [Convolution(5, SIZE), GRU(SIZE, SIZE), SelfAttention(SIZE, 2, 0.4), GRU(SIZE, 3)]
    stack = Stack(layers, 0.3).double()
    x, y = torch.randn(3, 6, 5).double(), None
    lengths = torch.tensor([6, 2, 4])
    context = stack.sample_context(3)
    assert isinstance(context, StackContext)
    assert [mask is None for mask in context.masks] == [False, False, False, True]
    y = x
    for layer, own, mask in zip(layers, *context, strict=True):
        y, _ = layer.sequence(y, context=own, lengths=lengths)
        y = y if mask is None else y * mask[:, None]
    assert torch.equal(stack.sequence(x, context=context, lengths=lengths)[0], y)
    assert not torch.equal(stack.sequence(x, lengths=lengths)[0], y)
    assert stack.eval().sample_context(3) is None


@pytest.mark.parametrize("width", [1, 3, 9])
def test_a_convolution_is_that_of_torch(width):
    torch.manual_seed(0)
    layer, theirs = Convolution(3, 4, width), nn.Conv1d(3, 4, width, padding=width // 2)
    linear = layer.project.module
    with torch.no_grad():
        linear.weight.copy_(theirs.weight.transpose(1, 2).flatten(1))
        linear.bias.copy_(theirs.bias)
    x = torch.randn(2, 5, 3)
    want = theirs(x.transpose(1, 2)).relu().transpose(1, 2)
    torch.testing.assert_close(layer.sequence(x)[0], want)


def test_a_convolution_alone_has_the_bits_of_a_batch():
    torch.manual_seed(0)
    layer, x = Convolution(7, 9, 5), torch.randn(5, 11, 7)
    lengths = torch.tensor([11, 3, 8, 1, 10])
    y, _ = layer.sequence(x, lengths=lengths)
    for b, length in enumerate(lengths.tolist()):
        assert torch.equal(layer.sequence(x[b : b + 1, :length])[0], y[b : b + 1, :length])


@pytest.mark.parametrize("heads", [1, 3])
def test_self_attention_is_that_of_torch(heads):
    torch.manual_seed(0)
    layer = SelfAttention(SIZE, heads)
    theirs = nn.MultiheadAttention(SIZE, heads, batch_first=True)
    norm, project = layer.project.module
    with torch.no_grad():
        for each in (norm.weight, norm.bias, project.bias, theirs.out_proj.bias):
            each.normal_()
        theirs.in_proj_weight.copy_(project.weight)
        theirs.in_proj_bias.copy_(project.bias)
        theirs.out_proj.weight.copy_(layer.out.module.weight)
        layer.out.module.bias.copy_(theirs.out_proj.bias)
    x, lengths = torch.randn(3, 5, SIZE), torch.tensor([5, 2, 3])
    dead = torch.arange(5) >= lengths[:, None]
    inner = F.layer_norm(x, (SIZE,), norm.weight, norm.bias, norm.eps)
    found, _ = theirs(inner, inner, inner, key_padding_mask=dead)
    want = (x + found).masked_fill(dead[..., None], 0)
    torch.testing.assert_close(layer.sequence(x, lengths=lengths)[0], want)


def test_what_self_attention_drops_is_dropped_at_all_places():
    layer, x = made("self-attention, dropout")
    mask = layer.sample_context(4)
    assert set(mask.unique().tolist()) == {0.0, 2.0}
    added = layer.sequence(x, context=mask)[0] - x
    whole = layer.eval().sequence(x)[0] - x
    torch.testing.assert_close(added, whole * mask[:, None])
    assert layer.sample_context(4) is None


def test_what_does_not_fit_is_refused():
    cases = {
        "Convolution: width is 4, an odd number fits": lambda: Convolution(3, 4, 4),
        "Convolution: output_size is 0, it must be at least 1": lambda: Convolution(3, 0),
        "SelfAttention: heads is 4, a divisor of 6 fits": lambda: SelfAttention(6, 4),
        "SelfAttention: dropout is 1.0, it must lie in [0, 1)": lambda: SelfAttention(6, 2, 1.0),
        "Convolution: x has 2 features, the cell takes 3": lambda: Convolution(3, 4).sequence(
            torch.ones(1, 5, 2)
        ),
        "SelfAttention: lengths range from 0 to 6, x has 0 to 5 steps": lambda: SelfAttention(
            2
        ).sequence(torch.ones(2, 5, 2), lengths=torch.tensor([0, 6])),
        "Stack: layer 1 takes 5 features, layer 0 gives 4": lambda: Stack(
            [Convolution(3, 4), SelfAttention(5)]
        ),
    }
    for message, make in cases.items():
        with pytest.raises((OptionError, ShapeError)) as caught:
            make()
        assert str(caught.value) == message

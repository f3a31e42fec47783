"""Attention beside Keras and transformers, weight by weight.

These run where the two are installed, which the project does not ask for:

    python -m pytest tests/outside/outside_layers.py
"""

import os

os.environ["KERAS_BACKEND"] = "torch"

import keras
import pytest
import torch
from transformers import MistralConfig, MistralModel

from recurra.cells import WindowAttention
from recurra.layers.attention import Additive, Luong, Memory, Reading

B, T, S, E = 3, 7, 5, 4


def given():
    """Queries, a memory of which each row has some, and its gradient."""
    torch.manual_seed(0)
    x = torch.randn(B, T, E, requires_grad=True)
    values = torch.randn(B, S, E, requires_grad=True)
    return x, Memory(values, torch.arange(S) < torch.tensor([[5], [2], [1]]))


def hold(attention, layer, weights):
    """Outputs, shares, and gradients of queries, memory and weights.

    In float32: on torch, `keras.ops.matmul` of float64 is float32.

    Args:
        weights: pairs of ours and theirs.
    """
    x, memory = given()
    cell = Reading(attention, show=S)
    y, _ = cell.sequence(x, context=cell.reading(memory))
    want, shares = layer(
        [x, memory.values], mask=[None, memory.there], return_attention_scores=True
    )
    torch.testing.assert_close(y[..., :E], want, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(y[..., E:], shares, rtol=1e-5, atol=1e-5)
    weigh = torch.linspace(-1, 2, want.numel()).view_as(want)
    ours = torch.autograd.grad(
        (y[..., :E] * weigh).sum(), [x, memory.values, *(one for one, _ in weights)]
    )
    theirs = torch.autograd.grad(
        (want * weigh).sum(), [x, memory.values, *(other for _, other in weights)]
    )
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one.view_as(other), other, rtol=1e-5, atol=1e-5)


def test_additive_attention_of_keras():
    """It has no matrices: ours are the unit matrix."""
    layer = keras.layers.AdditiveAttention()
    x, memory = given()
    layer([x, memory.values])
    scale = layer.scale.value
    attention = Additive(E, E, E)
    with torch.no_grad():
        scale.uniform_(-2, 2)
        attention.query.weight.copy_(torch.eye(E))
        attention.key.weight.copy_(torch.eye(E))
        attention.score.weight[0].copy_(scale)
    hold(attention, layer, [(attention.score.weight, scale)])


def test_attention_of_keras():
    hold(Luong(E, E, "dot"), keras.layers.Attention(), [])


@pytest.mark.parametrize("form", ["step", "parallel"])
@pytest.mark.parametrize("window", [1, 3, 4, 20])
@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_sliding_window_attention_of_mistral(kv_heads, window, form):
    """As it stands in a model, which makes the mask; its angles are float32, so all is."""
    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=11,
        hidden_size=24,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=kv_heads,
        sliding_window=window,
        attn_implementation="sdpa",
    )
    model = MistralModel(config).eval()
    theirs = model.layers[0].self_attn
    seen = {}

    def watch(module, arguments, named, result):
        seen["x"], seen["y"] = named["hidden_states"], result[0]

    theirs.register_forward_hook(watch, with_kwargs=True)
    x = torch.randn(2, 13, 24, requires_grad=True)
    model(inputs_embeds=x)
    ours = WindowAttention(
        24, 24, window=window, heads=4, kv_heads=kv_heads, rotary=True, base=10000.0
    )
    pairs = [(ours.query, theirs.q_proj), (ours.key, theirs.k_proj), (ours.value, theirs.v_proj)]
    pairs.append((ours.out, theirs.o_proj))
    with torch.no_grad():
        for one, other in pairs:
            one.weight.copy_(other.weight)
    ours.form = form
    y, _ = ours.sequence(seen["x"])
    torch.testing.assert_close(y, seen["y"], rtol=1e-5, atol=1e-5)
    weigh = torch.linspace(-1, 2, y.numel()).view_as(y)
    got = torch.autograd.grad(
        (y * weigh).sum(), [seen["x"], *(one.weight for one, _ in pairs)], retain_graph=True
    )
    want = torch.autograd.grad(
        (seen["y"] * weigh).sum(), [seen["x"], *(other.weight for _, other in pairs)]
    )
    for one, other in zip(got, want, strict=True):
        scale = max(1.0, other.abs().max().item())
        torch.testing.assert_close(one / scale, other / scale, rtol=1e-5, atol=1e-5)

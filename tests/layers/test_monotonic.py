"""Monotonic attention: its sums place by place, and the hard walk along a memory."""

import pytest
import torch
from tests.engine.truth import assert_same
from tests.layers.attentions import case
from torch import nn

from recurra.errors import OptionError, ShapeError
from recurra.layers.attention import Memory, Monotonic, Reading
from recurra.layers.noise import draw_seeds, first_phase, next_noise, normal

Q, E, S = 4, 3, 7


def attention(seed=0, places=S, noise=0.0, **options):
    torch.manual_seed(seed)
    made = Monotonic(Q, E, 5, places, noise=noise, **options).double()
    nn.init.normal_(made.scale, 2.0)
    return made


def energies(made, q, m):
    v = made.score.weight[0]
    inner = torch.tanh(made.query(q)[:, None] + made.key(m))
    return made.scale * (inner @ (v / v.norm())) + made.score.bias


def expected(before, p):
    """Shares of one row by equation, k and l one after another."""
    shares = []
    for j in range(len(p)):
        come = sum(before[k] * (1 - p[k:j]).prod() for k in range(j + 1))
        shares.append(p[j] * come)
    return torch.stack(shares)


def walked(begin, p):
    """The place of one row by the paper's loop over a memory; None where it finds none."""
    if begin is None:
        return None
    return next((j for j in range(begin, len(p)) if p[j] > 0.5), None)


@pytest.mark.parametrize("places", [1, 2, 3, 5, 8, S])
def test_expected_shares_are_their_equation(places):
    made = attention(places=max(places, S))
    q, m = torch.randn(2, Q).double(), torch.randn(2, places, E).double()
    before = torch.rand(2, places).double().softmax(-1)
    state = made.initial_state(2)
    state.shares[:, :places] = before
    found = made.find(q, state, Memory(m))
    p = torch.sigmoid(energies(made, q, m))
    want = torch.stack([expected(before[b], p[b]) for b in range(2)])
    torch.testing.assert_close(found.shares, want, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found.read, torch.einsum("bs,bse->be", want, m))
    assert torch.equal(found.state.shares[:, :places], found.shares)
    assert not found.state.shares[:, places:].any()


def test_the_first_step_begins_at_place_0():
    made = attention()
    q, m = torch.randn(1, Q).double(), torch.randn(1, S, E).double()
    p = torch.sigmoid(energies(made, q, m))[0]
    at_0 = torch.eye(S)[0].double()
    found = made.find(q, made.initial_state(1), Memory(m))
    torch.testing.assert_close(found.shares[0], expected(at_0, p), rtol=1e-12, atol=1e-12)


def test_evaluation_is_the_walk_along_the_memory():
    made = attention(offset=0.0).eval()
    q, m = torch.randn(20, 6, Q).double(), torch.randn(20, S, E).double()
    state, at, lost = made.initial_state(20), [0] * 20, 0
    for t in range(6):
        found = made.find(q[:, t], state, Memory(m))
        p = torch.sigmoid(energies(made, q[:, t], m))
        state = found.state
        for b in range(20):
            at[b] = walked(at[b], p[b])
            lost += at[b] is None
            want = torch.zeros(S).double() if at[b] is None else torch.eye(S)[at[b]].double()
            assert torch.equal(found.shares[b], want)
            assert torch.equal(found.read[b], want @ m[b])
    assert 0 < lost < 120


def test_a_sharp_model_looks_in_training_where_it_does_in_evaluation():
    made = attention(offset=0.0)
    with torch.no_grad():
        made.scale.fill_(1e5)
        made.score.bias.zero_()
    cell, m = Reading(made, show=S), Memory(torch.randn(9, S, E).double())
    q = torch.randn(9, 5, Q).double()
    soft, _ = cell.train().sequence(q, context=cell.reading(m))
    hard, _ = cell.eval().sequence(q, context=cell.reading(m))
    assert 0 < hard[..., E:].sum() < 45
    torch.testing.assert_close(soft, hard, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("train", [True, False])
def test_shares_are_of_one_or_less_and_of_ever_less(train):
    made = attention()
    cell, m = Reading(made, show=S).train(train), torch.randn(5, S, E).double()
    y, _ = cell.sequence(torch.randn(5, 6, Q).double(), context=Memory(m))
    shares = y[..., E:]
    assert (shares >= 0).all()
    totals = torch.cat([torch.ones(5, 1).double(), shares.sum(-1)], 1)
    assert (totals.diff(dim=1) <= 1e-12).all()
    assert (totals[:, -1] < 1).all()


def test_a_place_that_is_not_there_is_passed_by():
    made = attention()
    q, m = torch.randn(1, Q).double(), torch.randn(1, S, E).double()
    there = torch.tensor([[False, True, True, False, False, True, False]])
    state, state_cut = made.initial_state(1), made.initial_state(1)
    for _ in range(2):
        found = made.find(q, state, Memory(m, there))
        cut = made.find(q, state_cut, Memory(m[:, there[0]]))
        torch.testing.assert_close(found.shares[there], cut.shares[0], rtol=1e-12, atol=1e-12)
        state, state_cut = found.state, cut.state


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_a_long_memory_is_summed_in_float32_as_in_float64(scale):
    """Products of thousands of numbers below 1 are 0, and nothing is divided by them."""
    torch.manual_seed(0)
    made, S = Monotonic(Q, E, 5, 3000, noise=0.0), 3000
    nn.init.constant_(made.scale, scale)
    q, m = torch.randn(2, Q), torch.randn(2, S, E)
    before = torch.rand(2, S).softmax(-1).requires_grad_()
    state = made.initial_state(2)._replace(shares=before)
    shares = made.find(q, state, Memory(m)).shares
    (slope,) = torch.autograd.grad(shares.square().sum(), before)
    made, before = made.double(), before.detach().double().requires_grad_()
    truth = made.find(q.double(), state._replace(shares=before), Memory(m.double())).shares
    (true_slope,) = torch.autograd.grad(truth.square().sum(), before)
    assert_same([shares], [truth], 1e-6)
    assert_same([slope], [true_slope], 1e-6)


def test_noise_is_drawn_once_a_sequence_and_in_training_alone():
    made = attention(noise=3.0)
    cell, m, q = Reading(made), Memory(torch.randn(2, S, E).double()), torch.randn(2, 4, Q).double()
    context = cell.reading(m)
    y, _ = cell.sequence(q, context=context)
    assert torch.equal(y, cell.sequence(q, context=context)[0])
    assert not torch.allclose(y, cell.sequence(q, context=cell.reading(m))[0])
    assert not torch.allclose(y, cell.sequence(q, context=m)[0])
    assert cell.eval().reading(m).memory.noise is None


def test_noise_is_what_is_added_to_the_energies():
    made = attention(noise=0.5, places=S + 2)
    m, q = torch.randn(2, S, E).double(), torch.randn(2, Q).double()
    memory, state = made.prepare(Memory(m)), made.initial_state(2)
    u, _ = next_noise(memory.noise, state.noise)
    p = torch.sigmoid(energies(made, q, m) + 0.5 * normal(u)[:, :S])
    want = torch.stack([expected(torch.eye(S)[0].double(), each) for each in p])
    torch.testing.assert_close(made.find(q, state, memory).shares, want)


def test_normal_numbers_have_their_moments():
    torch.manual_seed(0)
    like = torch.zeros(1)
    u, _ = next_noise(draw_seeds(like, 1, 200_000), first_phase(like, 1, 200_000))
    x = normal(u).double()
    moments = torch.stack([(x**k).mean() for k in range(1, 5)])
    want = torch.tensor([0.0, 1, 0, 3]).double()
    torch.testing.assert_close(moments, want, rtol=0, atol=0.06)
    assert x.isfinite().all()
    assert normal(torch.zeros(1, 2)).isfinite().all()


def test_gradients_without_noise_are_right_for_every_parameter():
    given = case("first", "monotonic, without noise", 2, 3)
    weights = [*given.cell.attention.parameters()]

    def outputs(*_):
        return given.cell.sequence(given.x, given.state, given.context)[0]

    assert torch.autograd.gradcheck(outputs, weights, fast_mode=True)


def test_what_does_not_fit_is_refused():
    with pytest.raises(OptionError, match=r"^Monotonic: noise is -1\.0, it must be at least 0$"):
        Monotonic(Q, E, 5, S, noise=-1.0)
    with pytest.raises(OptionError, match=r"^Monotonic: places is 0, it must be at least 1$"):
        Monotonic(Q, E, 5, 0)
    made = Monotonic(Q, E, 5, 2)
    with pytest.raises(ShapeError, match=r"^Monotonic: the memory has 3 places, the most are 2$"):
        made.find(torch.ones(1, Q), made.initial_state(1), Memory(torch.ones(1, 3, E)))

"""The recurrence under every cell with a matrix a head: one step, chunks, any decay."""

import pytest
import torch

from recurra.cells.heads import MOST, count, divided, even, unit
from recurra.cells.matrix import MatrixInputs, advance, chunked
from recurra.cells.over import STEP, Step, Ways, Whole
from recurra.cells.rates import convolution, log_rates, time_step_bias
from recurra.errors import OptionError

DECAYS = {
    "near 1": lambda u: 1 - 0.1 * u,
    "anything": lambda u: u,
    "often 0": lambda u: u * (u > 0.3),
    "negative": lambda u: 2 * u - 1,
    # Their products leave the range of a float within a chunk, and 1 comes after.
    "vanishing": lambda u: torch.where(u < 0.2, 1e-30, 1 - 1e-3 * u),
}


def random_inputs(B, T, N, K, V, wide, kind, decay, dtype=torch.float64):
    torch.manual_seed(T)

    def draw(*sizes):
        return torch.randn(B, T, N, *sizes, dtype=dtype)

    def key():
        return torch.nn.functional.normalize(draw(K), dim=-1).requires_grad_()

    D = decay(torch.rand(B, T, N, *([K] if wide else []), dtype=dtype)).requires_grad_()
    c, d, q = key(), draw(V).requires_grad_(), draw(K).requires_grad_()
    # A b far from a would let S grow without end.
    b = key() if kind == "other" else c.detach().clone().requires_grad_()
    part = (0.7 * b.detach()).requires_grad_()
    a, b = {"none": (None, None), "same": (c, part), "other": (part, b)}[kind]
    return MatrixInputs(D, a, b, c, d, q)


def by_steps(inputs, S):
    outputs = []
    for t in range(inputs.c.shape[1]):
        decay, a, b, c, d, q = (None if part is None else part[:, t] for part in inputs)
        o, S = advance(MatrixInputs(decay, c if inputs.a is inputs.c else a, b, c, d, q), S)
        outputs.append(o)
    return torch.stack(outputs, 1), S


def measure(inputs, S, o, last):
    given = [part for part in (*inputs, S) if part is not None]
    parts = (o, last)
    value = sum(
        (p * torch.linspace(-1, 2, p.numel(), dtype=p.dtype).view_as(p)).sum() for p in parts
    )
    return [*parts, *torch.autograd.grad(value, given)]


def test_one_step_by_hand():
    S = torch.tensor([[[[2.0, 3.0], [5.0, 7.0]]]])
    one = MatrixInputs(
        *(torch.tensor([[part]]) for part in ([0.5, 0.1], [1.0, 2.0], [3.0, -1.0])),
        *(torch.tensor([[part]]) for part in ([1.0, 0.5], [4.0, -2.0], [1.0, 2.0])),
    )
    # b^T S = (1, 2), so a (b^T S) is ((1, 2), (2, 4)) and c d^T is ((4, -2), (2, -1)).
    want = torch.tensor([[1.0 - 1 + 4, 1.5 - 2 - 2], [0.5 - 2 + 2, 0.7 - 4 - 1]])
    o, last = advance(one, S)
    torch.testing.assert_close(last[0, 0], want)
    torch.testing.assert_close(o[0, 0], want[0] + 2 * want[1])
    scalar = one._replace(decay=torch.tensor([[0.5]]))
    torch.testing.assert_close(
        advance(scalar, S)[1][0, 0], want + torch.tensor([[0.0, 0.0], [2.0, 2.8]])
    )


@pytest.mark.parametrize("decay", DECAYS)
@pytest.mark.parametrize("kind", ["none", "same", "other"])
@pytest.mark.parametrize("wide", [False, True], ids=["a head", "a row"])
@pytest.mark.parametrize("T", [1, 2, 3, 7, 64, 65, 150])
def test_chunks_are_steps(T, wide, kind, decay):
    inputs = random_inputs(2, T, 2, 3, 5, wide, kind, DECAYS[decay])
    S = torch.randn(2, 2, 3, 5, dtype=torch.float64, requires_grad=True)
    got = measure(inputs, S, *chunked(inputs, S))
    for g, w in zip(got, measure(inputs, S, *by_steps(inputs, S)), strict=True):
        torch.testing.assert_close(g, w, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("decay", DECAYS)
@pytest.mark.parametrize("wide", [False, True], ids=["a head", "a row"])
def test_nothing_cancels_in_single_precision(wide, decay):
    inputs = random_inputs(2, 130, 2, 3, 5, wide, "same", DECAYS[decay], torch.float32)
    S = torch.randn(2, 2, 3, 5, requires_grad=True)
    got = measure(inputs, S, *chunked(inputs, S))
    double = [None if part is None else part.detach().double() for part in inputs]
    double = [part if part is None else part.requires_grad_() for part in double]
    double[1] = double[3]
    exact, S = MatrixInputs(*double), S.detach().double().requires_grad_()
    for g, w in zip(got, measure(exact, S, *by_steps(exact, S)), strict=True):
        assert (g - w).abs().max() < 5e-6 * max(1, w.abs().max())


def test_the_decays_have_second_derivatives():
    inputs = random_inputs(1, 5, 1, 2, 2, True, "other", DECAYS["often 0"])
    S = torch.randn(1, 1, 2, 2, dtype=torch.float64, requires_grad=True)

    def run(*parts):
        return chunked(MatrixInputs(*parts[:-1]), parts[-1])

    assert torch.autograd.gradgradcheck(run, (*inputs, S))


def test_padding_and_resets_lie_in_any_chunk():
    T, lengths = 150, torch.tensor([150, 70, 64, 0])
    reset = torch.zeros(4, T, dtype=torch.bool)
    reset[0, [0, 63, 64, 100]] = True
    reset[1, [10, 69, 80]] = True  # one of them past the end
    inputs = random_inputs(4, T, 2, 3, 5, True, "same", DECAYS["anything"])
    S = torch.randn(4, 2, 3, 5, dtype=torch.float64)
    o, last = Whole(T, lengths, reset, native=False).matrix(inputs, S)
    for row in range(4):
        state, n = S[row : row + 1], int(lengths[row])
        for t in range(n):
            decay, _, b, c, d, q = (part[row : row + 1, t] for part in inputs)
            state = torch.zeros_like(state) if reset[row, t] else state
            want, state = advance(MatrixInputs(decay, c, b, c, d, q), state)
            torch.testing.assert_close(o[row : row + 1, t], want)
        torch.testing.assert_close(last[row : row + 1], state)


def test_both_ways_offer_it():
    assert isinstance(STEP, Ways)
    assert isinstance(Whole(3, None, None, native=True), Ways)
    assert Step.matrix is not Whole.matrix


@pytest.mark.parametrize(
    ("width", "heads"), [(1, 1), (64, 1), (65, 5), (128, 2), (37, 1), (67, 67)]
)
def test_as_few_heads_as_are_narrow_enough(width, heads):
    assert count("Cell", width, None) == heads
    assert width // heads <= MOST


def test_heads_divide_the_width():
    assert count("Cell", 12, 4) == 4
    with pytest.raises(OptionError, match=r"^GLA: num_heads is 5, a divisor of 12 fits$"):
        count("GLA", 12, 5)
    with pytest.raises(OptionError, match=r"^GLA: num_heads is 0, it must be at least 1$"):
        count("GLA", 12, 0)


def test_norms_of_a_head():
    x = torch.tensor([[3.0, 4.0, 0.0, 5.0]])
    assert divided(x, 2).shape == (1, 2, 2)
    torch.testing.assert_close(unit(divided(x, 2))[0, 0], torch.tensor([0.6, 0.8]))
    assert not unit(torch.zeros(3)).any()
    mean_square = (9 + 16 + 25) / 4
    weight = torch.tensor([1.0, 2.0, 3.0, 4.0])
    torch.testing.assert_close(even(x, weight, 0.0), x * weight / mean_square**0.5)


def test_first_rates_and_time_steps():
    torch.manual_seed(0)
    rates = log_rates(4000, 1.0, 16.0, device=None, dtype=torch.float64).exp()
    assert 1 <= rates.min() < 1.1
    assert 15.9 < rates.max() <= 16
    assert abs(rates.mean() - 8.5) < 0.2
    steps = torch.nn.functional.softplus(time_step_bias(4000, device=None, dtype=torch.float64))
    assert 1e-3 * (1 - 1e-9) <= steps.min() < 1.1e-3
    assert 0.09 < steps.max() <= 0.1 * (1 + 1e-9)
    assert abs(steps.log10().mean() + 2) < 0.05


def test_first_convolutions():
    weight = convolution("Cell", 500, 4, device=None, dtype=torch.float64)
    assert weight.shape == (500, 4)
    assert 0.49 < weight.abs().max() <= 0.5
    with pytest.raises(OptionError, match=r"^KDA: conv_size is 1, it must be at least 2$"):
        convolution("KDA", 3, 1, device=None, dtype=None)

"""Both forecasters, over every cell: shapes, invariances, gradients, and series never seen."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.subjects import FEATURED

from recurra.cells import CELLS
from recurra.models import AutoregressiveForecaster, Blend, SegmentForecaster

SERIES = 3


def segment(cell="gru", *, width=6, horizon=7, segment=2, past=0, future=0, gaps=False):
    return SegmentForecaster(
        CELLS[cell](width, width),
        horizon=horizon,
        segment=segment,
        series=SERIES,
        past=past,
        future=future,
        gaps=gaps,
    ).double()


def autoregressive(cell="gru", *, width=6, horizon=7, segment=2, past=0, future=0, gaps=False):
    del segment
    inputs = AutoregressiveForecaster.inputs(past=past, future=future, gaps=gaps)
    return AutoregressiveForecaster(
        CELLS[cell](inputs, width), horizon=horizon, series=SERIES, gaps=gaps
    ).double()


MODELS = {"segment": segment, "autoregressive": autoregressive}


def given_to(B, L, P, *, past=0, future=0, gaps=False):
    """The arguments of a forward, float64."""
    y = torch.randn(B, L, dtype=torch.float64)
    observed = torch.rand(B, L) > 0.3 if gaps else None
    known = torch.randn(B, L, past, dtype=torch.float64) if past else None
    ahead = torch.randn(B, L + P, future, dtype=torch.float64) if future else None
    return y, torch.arange(B) % (SERIES + 1) - 1, observed, known, ahead


def rows(inputs, keep):
    return tuple(None if part is None else part[keep] for part in inputs)


EVERYTHING = {"past": 2, "future": 3, "gaps": True}
# What says how a missing value fades; a model fills it in before its cell.
UNASKED = {"gru_d": ("cell.value_decay", "cell.value_decay_bias")}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("model", MODELS)
@given(
    B=st.sampled_from([1, 2, 5]),
    pieces=st.integers(1, 3),
    width=st.sampled_from([1, 2, 5]),
    piece=st.integers(1, 4),
    horizon=st.sampled_from([1, 2, 3, 7]),
    past=st.integers(0, 2),
    future=st.integers(0, 2),
    gaps=st.booleans(),
)
def test_any_sizes_fit(model, B, pieces, width, piece, horizon, past, future, gaps):
    rest = {"past": past, "future": future, "gaps": gaps}
    network = MODELS[model](width=width, horizon=horizon, segment=piece, **rest)
    answer = network(*given_to(B, pieces * piece, horizon, **rest))
    assert answer.shape == (B, horizon)
    assert answer.isfinite().all()


@pytest.mark.parametrize("cell", FEATURED)
@pytest.mark.parametrize("model", MODELS)
def test_a_shift_of_the_level_shifts_the_answer(model, cell):
    network = MODELS[model](cell, **EVERYTHING)
    y, *rest = given_to(4, 6, 7, **EVERYTHING)
    torch.testing.assert_close(network(y + 100, *rest), network(y, *rest) + 100, rtol=0, atol=1e-11)


@pytest.mark.parametrize("cell", FEATURED)
@pytest.mark.parametrize("model", MODELS)
def test_a_row_does_not_mind_its_mates(model, cell):
    network = MODELS[model](cell, **EVERYTHING)
    inputs = given_to(5, 6, 7, **EVERYTHING)
    among = network(*inputs)
    alone = torch.cat([network(*rows(inputs, slice(b, b + 1))) for b in range(5)])
    torch.testing.assert_close(among, alone, rtol=0, atol=1e-12)
    order = torch.tensor([3, 1, 4, 0, 2])
    torch.testing.assert_close(network(*rows(inputs, order)), among[order], rtol=0, atol=1e-12)


@pytest.mark.parametrize("cell", FEATURED)
@pytest.mark.parametrize("model", MODELS)
def test_every_weight_and_every_input_counts(model, cell):
    """Nothing is wired to nowhere: each parameter and each input has a gradient."""
    network = MODELS[model](cell, **EVERYTHING)
    for weight in network.parameters():
        # A matrix that begins at 0 hides the one it meets.
        if not weight.any():
            torch.nn.init.normal_(weight, std=0.1)
    y, series, observed, past, future = given_to(8, 6, 7, **EVERYTHING)
    for part in (y, past, future):
        part.requires_grad_()
    network(y, series, observed, past, future).square().sum().backward()
    for name, weight in network.named_parameters():
        assert weight.grad is not None, name
        assert (weight.grad != 0).any() == (name not in UNASKED.get(cell, ())), name
    assert (y.grad != 0).any(dim=0).all()
    assert (past.grad != 0).any(dim=0).all()
    ahead = (future.grad != 0).any(dim=0).any(dim=1)
    # The plain network meets a step's covariate when it predicts that step, so never the first.
    assert ahead[1:].all()


@pytest.mark.parametrize("model", MODELS)
def test_gradients_are_those_of_differences(model):
    network = MODELS[model](width=2, horizon=3, **EVERYTHING)
    y, series, observed, past, future = given_to(2, 4, 3, **EVERYTHING)
    parts = [part.requires_grad_() for part in (y, past, future)]
    torch.autograd.gradcheck(lambda y, p, f: network(y, series, observed, p, f), parts)


@pytest.mark.parametrize("model", MODELS)
def test_a_series_never_seen_has_the_mean_of_the_seen(model):
    network = MODELS[model]()
    y, *_ = given_to(1, 6, 7)
    stranger = network(y, torch.tensor([-1]))
    table = network.series.table.weight
    with torch.no_grad():
        table[1] = table.mean(dim=0)
    torch.testing.assert_close(network(y, torch.tensor([1])), stranger, rtol=0, atol=1e-12)


@pytest.mark.parametrize("model", MODELS)
def test_series_are_told_apart(model):
    network = MODELS[model]()
    y = given_to(1, 6, 7)[0].expand(4, -1)
    answers = network(y, torch.tensor([-1, 0, 1, 2]))
    assert len({tuple(row) for row in answers.tolist()}) == 4


@pytest.mark.parametrize("model", MODELS)
def test_a_network_without_gaps_is_deaf_to_them(model):
    network = MODELS[model]()
    y, series, observed, *_ = given_to(3, 6, 7, gaps=True)
    torch.testing.assert_close(network(y, series, observed), network(y, series), rtol=0, atol=0)


@pytest.mark.parametrize("model", MODELS)
def test_a_network_with_gaps_takes_none_for_all_observed(model):
    network = MODELS[model](gaps=True)
    y, series, *_ = given_to(3, 6, 7)
    full = network(y, series, torch.ones(3, 6, dtype=torch.bool))
    torch.testing.assert_close(network(y, series), full, rtol=0, atol=0)
    hole = network(y, series, torch.zeros(3, 6, dtype=torch.bool))
    assert (hole != full).any()


def test_the_plain_network_does_not_see_the_first_step_of_its_future():
    """It predicts step t from step t's covariates, so those of the first step say nothing."""
    network = autoregressive(future=1)
    y, series, _, _, future = given_to(2, 6, 7, future=1)
    other = future.clone()
    other[:, 0] += 1
    torch.testing.assert_close(
        network(y, series, future=other), network(y, series, future=future), rtol=0, atol=0
    )
    for step in range(7):
        other = future.clone()
        other[:, 6 + step] += 1
        change = (network(y, series, future=other) - network(y, series, future=future)).abs()
        assert (change[:, :step] == 0).all(), "what comes later has no influence on what is before"
        assert (change[:, step:] > 0).all()


def test_a_longer_plain_forecast_begins_like_a_shorter_one():
    short, long = autoregressive(horizon=3), autoregressive(horizon=8)
    long.load_state_dict(short.state_dict())
    y, series, *_ = given_to(2, 5, 8)
    torch.testing.assert_close(long(y, series)[:, :3], short(y, series), rtol=0, atol=1e-12)


@pytest.mark.parametrize("horizon", [1, 2, 3, 4])
def test_segments_that_reach_beyond_the_horizon_are_cut(horizon):
    """With the same weights, a shorter horizon is the beginning of a longer one."""
    whole = segment(horizon=4, segment=4, future=1)
    part = segment(horizon=horizon, segment=4, future=1)
    part.load_state_dict(whole.state_dict())
    y, series, _, _, future = given_to(2, 8, 4, future=1)
    with torch.no_grad():
        whole.ahead.weight[:, horizon:] = 0
    short = part(y, series, future=future[:, : 8 + horizon])
    long = whole(y, series, future=future)
    torch.testing.assert_close(long[:, :horizon], short, rtol=0, atol=1e-12)


def test_segments_answer_independently():
    """The second segment's covariates change nothing in the first one's answer."""
    network = segment(horizon=4, segment=2, future=1)
    y, series, _, _, future = given_to(2, 6, 4, future=1)
    other = future.clone()
    other[:, 8:] += 1
    change = network(y, series, future=other) - network(y, series, future=future)
    assert (change[:, :2] == 0).all()
    assert (change[:, 2:] != 0).any()


@pytest.mark.parametrize("model", MODELS)
def test_dropout_acts_in_training_alone(model):
    network = MODELS[model]()
    network.dropout.p = 0.5
    inputs = given_to(2, 6, 7)
    network.train()
    assert (network(*inputs) != network(*inputs)).any()
    network.eval()
    torch.testing.assert_close(network(*inputs), network(*inputs), rtol=0, atol=0)


# --- the blend


def blend(share: float, model="segment") -> Blend:
    network = Blend(MODELS[model](), context=6, horizon=7).double()
    network.linear.copy_(torch.randn(7, 7))
    network.share.fill_(share)
    return network


@pytest.mark.parametrize("model", MODELS)
def test_a_share_of_0_is_the_network_and_of_1_the_line(model):
    inputs = given_to(4, 6, 7)
    network = blend(0.0, model)
    torch.testing.assert_close(network(*inputs), network.network(*inputs), rtol=0, atol=0)
    network.share.fill_(1.0)
    y = inputs[0]
    last = y[:, -1:]
    ones = torch.ones(4, 1, dtype=torch.float64)
    line = last + torch.cat([y - last, ones], dim=1) @ network.linear
    torch.testing.assert_close(network(*inputs), line, rtol=0, atol=1e-12)


def test_a_share_between_is_a_weighted_mean():
    inputs = given_to(4, 6, 7)
    network = blend(0.0)
    learned = network(*inputs)
    network.share.fill_(1.0)
    line = network(*inputs)
    network.share.fill_(0.25)
    torch.testing.assert_close(network(*inputs), 0.75 * learned + 0.25 * line, rtol=0, atol=1e-12)


def test_a_blend_follows_the_level_and_learns_only_the_network():
    network = blend(0.4)
    y, *rest = given_to(4, 6, 7)
    torch.testing.assert_close(network(y + 50, *rest), network(y, *rest) + 50, rtol=0, atol=1e-11)
    assert all(name.startswith("network.") for name, _ in network.named_parameters())
    assert {"linear", "share"} <= set(network.state_dict())


def test_a_fresh_blend_has_no_share_of_the_line():
    network = Blend(segment(), context=6, horizon=7)
    assert network.share == 0
    assert not network.linear.any()

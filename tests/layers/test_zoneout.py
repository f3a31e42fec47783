"""Zoneout: what is kept, how often, and the noise behind it."""

from itertools import combinations

import pytest
import torch

from recurra.cells import GRU, LSTM, LSTMState
from recurra.engine import loop
from recurra.layers import Zoneout, ZoneoutState
from recurra.layers.noise import draw_seeds, first_phase, next_noise


def series(rows, units, T, dtype=torch.float32):
    """Noise (T, rows, units)."""
    like = torch.empty(0, dtype=dtype)
    seeds, phase = draw_seeds(like, rows, units), first_phase(like, rows, units)
    found = []
    for _ in range(T):
        u, phase = next_noise(seeds, phase)
        found.append(u)
    return torch.stack(found)


def test_noise_is_uniform_and_any_three_steps_are_independent():
    torch.manual_seed(0)
    u = series(400, 500, 7)
    assert ((u >= 0) & (u < 1)).all()
    below = (u < 0.3).double()
    assert (below.mean((1, 2)) - 0.3).abs().max() < 0.006
    for a, b, c in combinations(range(7), 3):
        assert abs((below[a] * below[b]).mean().item() - 0.3**2) < 0.004
        assert abs((below[a] * below[b] * below[c]).mean().item() - 0.3**3) < 0.003


def test_noise_follows_its_formula_without_rounding():
    torch.manual_seed(0)
    u = series(3, 5, 3000)
    torch.manual_seed(0)
    a, b, c = (each.double() for each in draw_seeds(torch.empty(0), 3, 5))
    t = torch.arange(1, 3001, dtype=torch.float64)[:, None, None]
    assert torch.equal(u.double(), (a + b * t + c * t * (t + 1) / 2) % 1)


@pytest.mark.parametrize("rates", [{"h": 0.05, "c": 0.5}, {"c": 0.5}, 0.3])
def test_each_part_is_kept_as_often_as_its_rate_says(rates):
    torch.manual_seed(0)
    cell = Zoneout(LSTM(3, 40), rates)
    B, T = 200, 20
    context, state = cell.sample_context(B), cell.initial_state(B)
    same = {"h": 0, "c": 0}
    for _ in range(T):
        before = state.cell
        x = torch.randn(B, 3)
        _, made = cell.cell.step(x, before)
        y, state = cell.step(x, state, context)
        for name in same:
            old, new, kept = (getattr(each, name) for each in (before, made, state.cell))
            assert torch.equal(torch.where(kept == old, old, new), kept)
            same[name] += (kept == old).sum().item()
        assert torch.equal(y, state.cell.h)
    for name, count in same.items():
        rate = rates.get(name, 0) if isinstance(rates, dict) else rates
        assert count / (B * T * 40) == pytest.approx(rate, abs=0.006)


def test_evaluation_takes_the_mean_of_training():
    torch.manual_seed(0)
    cell, x = Zoneout(LSTM(3, 4), {"h": 0.2, "c": 0.6}).double(), torch.randn(1, 3).double()
    old = LSTMState(torch.randn(1, 4).double(), torch.randn(1, 4).double())
    _, new = cell.cell.step(x, old)
    state = ZoneoutState(old, cell.initial_state(1).noise)
    y, last = cell.eval().step(x, state)
    torch.testing.assert_close(last.cell.h, 0.2 * old.h + 0.8 * new.h)
    torch.testing.assert_close(last.cell.c, 0.6 * old.c + 0.4 * new.c)
    assert torch.equal(y, last.cell.h)
    many = 20000
    wide = ZoneoutState(
        LSTMState(old.h.expand(many, 4), old.c.expand(many, 4)), cell.initial_state(many).noise
    )
    context = cell.train().sample_context(many)
    _, drawn = cell.step(x.expand(many, 3), wide, context)
    torch.testing.assert_close(drawn.cell.h.mean(0), last.cell.h[0], rtol=0, atol=0.01)
    torch.testing.assert_close(drawn.cell.c.mean(0), last.cell.c[0], rtol=0, atol=0.02)


def test_a_rate_of_nothing_is_the_cell_itself():
    torch.manual_seed(0)
    cell, x = GRU(3, 4).double(), torch.randn(2, 5, 3).double()
    y, _ = Zoneout(cell, 0.0).sequence(x)
    torch.testing.assert_close(y, cell.sequence(x)[0], rtol=1e-12, atol=1e-12)


def test_masks_differ_from_step_to_step_row_to_row_and_draw_to_draw():
    torch.manual_seed(0)
    cell = Zoneout(GRU(3, 30), 0.5)
    x = torch.randn(1, 1, 3).expand(2, 6, 3)
    y, _ = cell.sequence(x)
    assert not torch.equal(y[0], y[1])
    assert not torch.equal(y, cell.sequence(x)[0])
    context = cell.sample_context(2)
    assert torch.equal(*(cell.sequence(x, context=context)[0] for _ in range(2)))
    kept = [cell.initial_state(2).cell.h]
    found, _ = loop(cell.step, x, cell.initial_state(2), context)
    kept = torch.cat([kept[0][:, None], found], 1)
    masks = kept[:, 1:] == kept[:, :-1]
    assert all(not torch.equal(masks[:, a], masks[:, b]) for a, b in combinations(range(6), 2))

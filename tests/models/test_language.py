"""A language network: its loss by definition, cut anywhere, streamed, and what noise does to it."""

import pytest
import torch
from torch.nn import functional as F

from recurra.cells import GRU, LSTM, MinGRU
from recurra.engine import tree_map
from recurra.errors import OptionError
from recurra.layers import Stream
from recurra.models import LanguageNetwork, Noise
from recurra.train import Predictor

V, B, T = 11, 3, 7
NOTHING = Noise()
HEADS = {
    "full": {},
    "tied": {"tied": True},
    "adaptive": {"cutoffs": (2, 5)},
}
ALL = Noise(0.2, 0.3, 0.3, 0.4, 0.5, 2.0, 1.0)


def network(head="full", noise=NOTHING, widths=(5, 8, 5), dtype=torch.float64):
    torch.manual_seed(3)
    cells = [LSTM(widths[0], widths[1]), GRU(widths[1], widths[2])]
    return LanguageNetwork(V, cells, noise=noise, **HEADS[head]).to(dtype)


def window(resets=True):
    generator = torch.Generator().manual_seed(1)
    text = torch.randint(V, (B, T + 1), generator=generator)
    reset = torch.rand(B, T, generator=generator) < 0.3 if resets else None
    return text[:, :-1], text[:, 1:], reset


def by_steps(model, x, state, reset):
    """Scores, token by token, by the definition of each layer."""
    cell, found = model.as_cell(), []
    for t in range(x.shape[1]):
        if reset is not None:
            initial, begins = model.initial_state(len(x)), reset[:, t, None]
            state = tree_map(lambda new, old, b=begins: torch.where(b, new, old), initial, state)
        scores, state = cell.step(x[:, t], state)
        found.append(scores)
    return torch.stack(found, dim=1), state


@pytest.mark.parametrize("resets", [False, True])
@pytest.mark.parametrize("widths", [(5, 8, 5), (5, 8, 6)])
@pytest.mark.parametrize("head", HEADS)
def test_the_loss_is_the_mean_nats_by_definition_and_so_are_its_gradients(head, widths, resets):
    model, (x, targets, reset) = network(head, widths=widths), window(resets)
    state = model.initial_state(B)
    scores, after = by_steps(model, x, state, reset)
    expected = F.cross_entropy(scores.flatten(0, 1), targets.flatten())
    loss, found = model.loss(x, targets, state, reset=reset)
    torch.testing.assert_close(loss, expected)
    tree_map(lambda a, b: torch.testing.assert_close(a, b), found, after)
    parameters = list(model.parameters())
    for one, two in zip(
        torch.autograd.grad(loss, parameters),
        torch.autograd.grad(expected, parameters),
        strict=True,
    ):
        torch.testing.assert_close(one, two)
    each, _ = model.nats(x, targets, state, reset=reset)
    torch.testing.assert_close(each.mean(), expected)
    given, _ = model(x, state, reset=reset)
    torch.testing.assert_close(given.log_softmax(-1), scores.log_softmax(-1))


@pytest.mark.parametrize("cut", [1, 4, T - 1])
def test_a_window_may_be_cut_anywhere(cut):
    model, (x, targets, reset) = network("tied"), window()
    whole, after = model.nats(x, targets, model.initial_state(B), reset=reset)
    first, state = model.nats(
        x[:, :cut], targets[:, :cut], model.initial_state(B), reset=reset[:, :cut]
    )
    rest, last = model.nats(x[:, cut:], targets[:, cut:], state, reset=reset[:, cut:])
    torch.testing.assert_close(torch.cat([first, rest], dim=1), whole)
    tree_map(lambda a, b: torch.testing.assert_close(a, b), last, after)


@pytest.mark.parametrize("head", HEADS)
def test_it_streams_as_a_cell_whatever_noise_it_learned_with(head):
    model = network(head, ALL, dtype=torch.float32).eval()
    x, _, _ = window()
    expected, state = model(x, model.initial_state(B))
    stream = Stream(model.as_cell(), B)
    found = torch.stack([stream.push(x[:, t]) for t in range(T)], dim=1)
    torch.testing.assert_close(found, expected)
    tree_map(lambda a, b: torch.testing.assert_close(a, b), stream.state, state)
    assert not any("cell.cell" in name for name in model.as_cell().state_dict())


def test_noise_is_of_training_alone():
    noisy, plain = network(noise=ALL), network()
    assert len(list(noisy.parameters())) == len(list(plain.parameters()))
    x, targets, reset = window()
    expected = plain.loss(x, targets, plain.initial_state(B), reset=reset)[0]
    first, second = (
        noisy.loss(x, targets, noisy.initial_state(B), reset=reset)[0] for _ in range(2)
    )
    assert first != second
    assert abs(first - expected) > 1e-3
    noisy.eval()
    torch.testing.assert_close(
        noisy.loss(x, targets, noisy.initial_state(B), reset=reset)[0], expected
    )


def test_penalties_are_of_the_last_layers_outputs():
    plain, (x, targets, reset) = network(), window()
    h, _ = plain.body.sequence(x, plain.initial_state(B)[:-1], reset=reset)
    slow = (h[:, 1:] - h[:, :-1]).square().mean(-1)[~reset[:, 1:]].mean()
    nats = plain.loss(x, targets, plain.initial_state(B), reset=reset)[0]
    found = network(noise=Noise(activation=2.0, temporal=3.0)).loss(
        x, targets, plain.initial_state(B), reset=reset
    )[0]
    torch.testing.assert_close(found, nats + 2 * h.square().mean() + 3 * slow)


def test_the_mask_before_the_head_lasts_a_window():
    model = network(noise=Noise(last=0.5))
    dropped = model._dropped(torch.ones(B, T, 64, dtype=torch.float64))
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert (dropped == dropped[:, :1]).all()
    assert not (dropped == dropped[:1]).all()


def test_smoothing_spreads_a_share_of_each_target():
    model, (x, targets, _) = network("tied"), window()
    scores, _ = model(x, model.initial_state(B))
    expected = F.cross_entropy(scores.flatten(0, 1), targets.flatten(), label_smoothing=0.1)
    found = model.loss(x, targets, model.initial_state(B), reset=None, smoothing=0.1)[0]
    torch.testing.assert_close(found, expected)


def test_a_window_may_be_computed_again_for_the_backward():
    model, (x, targets, reset) = network("tied", Noise(last=0.3, weight=0.2)), window()
    found = []
    for checkpoint in (None, 2):
        torch.manual_seed(5)
        loss, _ = model.loss(x, targets, model.initial_state(B), reset=reset, checkpoint=checkpoint)
        found.append([loss, *torch.autograd.grad(loss, list(model.parameters()))])
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(one, two)


def test_it_brings_its_own_loss():
    assert isinstance(network(), Predictor)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"noise": Noise(last=1.0)}, r"last is 1.0, it must lie in \[0, 1\)"),
        ({"noise": Noise(activation=-1.0)}, "activation is -1.0, it is at least 0"),
        ({"noise": Noise(weight=0.5)}, "--weight-dropout: MinGRU has no recurrent matrix"),
        ({"tied": True, "cutoffs": (2,)}, "an adaptive softmax has no table to be tied to"),
        ({"cutoffs": (20,)}, "cutoffs are 20"),
    ],
)
def test_what_does_not_fit_is_told(wrong, message):
    with pytest.raises(OptionError, match=message):
        LanguageNetwork(V, [MinGRU(4, 4)], **wrong)

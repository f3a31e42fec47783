"""Sequence to sequence: the network is its plain loop, and a row does not feel its neighbours."""

import pytest
import torch
from tests.models.rewriters import (
    BEGIN,
    SMALL,
    SOURCE,
    STRANGE,
    TARGET,
    alone,
    network,
)
from torch.nn import functional as F

from recurra.cells import CELLS
from recurra.errors import OptionError, ShapeError
from recurra.layers.attention import AttendingContext, Memory
from recurra.models import ATTENTIONS, Source, Target, build_seq2seq
from recurra.models.decoder import Answers, showing
from recurra.models.own_words import own_words

# Shares of monotonic attention add up to less than 1, so nothing is copied by them.
COPYING = [name for name in ATTENTIONS if name != "monotonic"]
CASES = [(name, False) for name in ATTENTIONS] + [(name, True) for name in COPYING]
every_case = pytest.mark.parametrize(("attention", "copy"), CASES)


def by_hand(net, source, target):
    """-log P of each token of each row, by the equations alone, a row and a step at a time."""
    return [
        row_by_hand(net, source.ids[b, :S], source.copied[b, :S], target.ids[b, :T])
        for b, (S, T) in enumerate(
            zip(source.lengths.tolist(), target.lengths.tolist(), strict=True)
        )
    ]


def read_by_hand(net, ids):
    """The memory (1, S, E) of one source."""
    x = net.encoder.table.weight[ids]
    for layer in net.encoder.layers.layers:
        ends = []
        for cell, order in ((layer.forward_cell, 1), (layer.backward_cell, -1)):
            state, found = cell.initial_state(1), []
            for row in list(x)[::order]:
                y, state = cell.step(row[None], state)
                found.append(y[0])
            ends.append(torch.stack(found[::order]))
        x = torch.cat(ends, 1)
    return x[None]


def row_by_hand(net, ids, copied, targets):
    decoder, values = net.decoder, read_by_hand(net, ids)
    attending = showing(decoder.attending, len(ids))
    state = decoder.bridge(values.mean(1), attending.initial_state(1))
    nats, said = [], BEGIN
    for token in targets.tolist():
        x = decoder.table.weight[said if said < SMALL["target_size"] else SMALL["unknown"]][None]
        y, state = attending.step(x, state, AttendingContext(Memory(values)))
        y, shares = y[:, : -len(ids)], y[0, -len(ids) :]
        h = y if decoder.readout is None else torch.tanh(decoder.readout(y))
        p = torch.softmax(decoder.head.step(h, ())[0], 1)[0]
        if decoder.gate is not None:
            g = torch.sigmoid(decoder.gate(torch.cat([y, x], 1)))[0, 0]
            p = F.pad(g * p, (0, 9 - len(p)))
            for share, each in zip(shares, copied.tolist(), strict=True):
                p = p + (1 - g) * share * F.one_hot(torch.tensor(each), 9)
        nats.append(-p[token].log())
        said = token
    return torch.stack(nats)


def slopes_of(net, loss):
    return torch.autograd.grad(loss, list(net.parameters()), allow_unused=True)


@every_case
def test_the_loss_is_that_of_a_plain_loop(attention, copy):
    net = network(attention, copy=copy)
    target = STRANGE if copy else TARGET
    want = by_hand(net, SOURCE, target)
    nats = net.nats(SOURCE, target)
    for b, row in enumerate(want):
        torch.testing.assert_close(nats[b, : len(row)], row.detach(), rtol=0, atol=1e-10)
        assert not nats[b, len(row) :].any()
    loss, mean = net.loss(SOURCE, target), torch.cat(want).mean()
    torch.testing.assert_close(loss, mean, rtol=0, atol=1e-10)
    for got, slope in zip(slopes_of(net, loss), slopes_of(net, mean), strict=True):
        # What decides hard where to look has no slope.
        if got is None or slope is None:
            assert attention == "monotonic"
            assert not any(each.any() for each in (got, slope) if each is not None)
            continue
        torch.testing.assert_close(got, slope, rtol=0, atol=1e-10)


@every_case
def test_padding_is_not_seen_and_a_row_alone_is_answered_alike(attention, copy):
    net = network(attention, copy=copy)
    loss = net.loss(SOURCE, TARGET)
    want = [loss, *(each for each in slopes_of(net, loss) if each is not None)]
    dead = torch.arange(5) >= SOURCE.lengths[:, None]
    ids, copied = (F.pad(part.masked_fill(dead, 6), (0, 2), value=3) for part in SOURCE[::2])
    ids, target = ids.where(ids != 6, 8), F.pad(TARGET.ids.where(TARGET.ids >= 0, 5), (0, 3))
    loss = net.loss(Source(ids, SOURCE.lengths, copied), Target(target, TARGET.lengths))
    got = [loss, *(each for each in slopes_of(net, loss) if each is not None)]
    torch.testing.assert_close(got, want, rtol=0, atol=1e-10)
    nats = net.nats(SOURCE, TARGET)
    for b in range(3):
        found = net.nats(*alone(b))[0]
        torch.testing.assert_close(found, nats[b, : len(found)], rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    "more",
    [
        {"copy": True, "coverage": 0.7, "encoder_layers": 2, "decoder_layers": 2},
        {"attention": "general", "cell": "gru"},
    ],
    ids=["copy", "general"],
)
def test_gradients_are_right(more):
    net = network(**more, tied="target").train()
    weights = list(net.parameters())
    towards = [torch.randn_like(weight) for weight in weights]
    slopes = torch.autograd.grad(net.loss(SOURCE, TARGET, smoothing=0.1), weights)
    slope = sum((g * v).sum() for g, v in zip(slopes, towards, strict=True))

    @torch.no_grad()
    def moved(by):
        for weight, v in zip(weights, towards, strict=True):
            weight += by * v
        return net.loss(SOURCE, TARGET, smoothing=0.1)

    step = 1e-6
    found = (moved(step) - moved(-2 * step)) / (2 * step)
    torch.testing.assert_close(slope, found, rtol=1e-6, atol=1e-8)


def test_looking_twice_costs():
    net = network(coverage=0.7)
    lost = []
    for b in range(3):
        source, target = alone(b)
        speaker, said, before = net.speaker(source), torch.tensor([BEGIN]), 0.0
        for token in target.ids[0]:
            speaker.step(said)
            lost.append(torch.minimum(speaker.shares, torch.as_tensor(before)).sum())
            before, said = before + speaker.shares, token[None]
    loss = net.loss(SOURCE, TARGET)
    net.coverage = 0.0
    more = loss - net.loss(SOURCE, TARGET)
    torch.testing.assert_close(more, 0.7 * torch.stack(lost).mean(), rtol=0, atol=1e-10)


def test_the_networks_own_words_stand_where_they_are_drawn():
    net = network()
    answers = Answers(torch.zeros(50, 4, 6).double(), torch.zeros(50, 4, 0).double(), None)
    # All but certain of token 2, whatever it reads.
    net.decoder.head.project.bias.data[2] = 50.0
    inputs = torch.full((50, 4), 5)
    found = own_words(inputs, answers, net.decoder.head, None, 0.3)
    assert (found[:, 0] == 5).all()
    assert set(found.unique().tolist()) == {2, 5}
    assert 0.15 < (found[:, 1:] == 2).double().mean() < 0.45
    assert torch.equal(own_words(inputs, answers, net.decoder.head, None, 0.0), inputs)
    every = own_words(inputs, answers, net.decoder.head, None, 1.0)
    assert (every[:, 1:] == 2).all()


@pytest.mark.parametrize("copy", [False, True], ids=["", "copy"])
def test_scheduled_sampling_changes_what_is_read(copy):
    net = network(copy=copy)
    true = net.loss(SOURCE, STRANGE if copy else TARGET)
    torch.manual_seed(1)
    own = net.loss(SOURCE, STRANGE if copy else TARGET, sampling=1.0)
    assert (own - true).abs() > 1e-3
    torch.manual_seed(1)
    assert torch.equal(net.loss(SOURCE, STRANGE if copy else TARGET, sampling=1.0), own)
    assert all(slope.isfinite().all() for slope in slopes_of(net, own))


@pytest.mark.parametrize("cell", ["lstm", "gru", "mingru", "slstm", "mlstm"])
def test_it_learns_to_say_again_what_it_read(cell):
    torch.manual_seed(0)
    fields = SMALL | {"cell": cell, "hidden_size": 16, "dropout": 0.05, "tied": "target"}
    net = build_seq2seq(**fields)
    adam = torch.optim.Adam(net.parameters(), lr=0.02)
    ids = torch.randint(0, BEGIN, (16, 4))
    source = Source(ids, torch.full((16,), 4))
    target = Target(F.pad(ids, (0, 1), value=BEGIN), torch.full((16,), 5))
    losses = []
    for _ in range(35):
        losses.append(net.loss(source, target))
        adam.zero_grad()
        losses[-1].backward()
        adam.step()
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("layers", [1, 2])
def test_an_encoder_that_convolves_and_looks_at_itself(layers):
    net = network(convolution=3, self_attention=2, encoder_layers=layers)
    kinds = [type(layer).__name__ for layer in net.encoder.layers.layers]
    assert kinds == ["Convolution", "Bidirectional", "SelfAttention", "Bidirectional"][: 2 + layers]
    nats = net.nats(SOURCE, TARGET)
    for b in range(3):
        found = net.nats(*alone(b))[0]
        torch.testing.assert_close(found, nats[b, : len(found)], rtol=0, atol=1e-10)
    assert all(slope.any() for slope in slopes_of(net, net.loss(SOURCE, TARGET)))


def test_one_table_for_all():
    net = network(source_size=7, tied="all", copy=True)
    assert net.encoder.table is net.decoder.table
    assert net.decoder.head.embedding is net.decoder.table


@pytest.mark.parametrize("cell", ["phased_lstm", "slstm", "mlstm", "rg_lru", "lru"])
def test_the_bridge_leaves_counts_and_matrices_alone(cell):
    net = network(cell=cell)
    read = net.encoder(SOURCE)
    state, initial = net.decoder.begin(read).state, net.decoder.attending.initial_state(3)
    carried = {"h", "c", "real", "imag"}
    for name, part, first in zip(state.cell._fields, state.cell, initial.cell, strict=True):
        same = name not in carried or part.ndim > 2
        assert torch.equal(part, first) is same, name
    assert CELLS[cell](3, 4).initial_state(1)._fields == state.cell._fields


def test_autocast_is_close():
    net = network(hidden_size=32, copy=True).float()
    loss = net.loss(SOURCE, TARGET)
    with torch.autocast("cpu", torch.bfloat16):
        close = net.loss(SOURCE, TARGET)
    torch.testing.assert_close(close, loss, rtol=0.05, atol=0.05)
    assert all(slope.isfinite().all() for slope in slopes_of(net, close))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"attention": "sharp"}, '--attention is "sharp"; what fits: additive'),
        ({"hidden_size": 7}, "--hidden-size is 7; an even number fits"),
        ({"tied": "some"}, '--tied is "some"; what fits: none, target, all'),
        ({"tied": "all"}, "the source has 9 tokens, the target 7"),
        ({"encoder_layers": 0}, "--encoder-layers is 0; it is at least 1"),
        ({"attention": "location", "places": 0}, "places is 0; --attention location takes"),
        ({"attention": "dot", "coverage": 1.0}, "--coverage is 1.0 with --attention dot"),
        ({"attention": "monotonic", "copy": True}, "--copy does not go with"),
        ({"dropout": 1.0}, "dropout is 1.0"),
    ],
)
def test_what_makes_no_network_is_refused(more, message):
    with pytest.raises(OptionError, match=message):
        network(**more)


def test_what_does_not_fit_a_network_is_refused():
    net = network("location", copy=True)
    with pytest.raises(ShapeError, match="a source has 13 places, the network is built for 12"):
        net.nats(Source(torch.zeros(3, 13).long(), SOURCE.lengths), TARGET)
    with pytest.raises(ShapeError, match="comes without `copied`"):
        net.nats(SOURCE._replace(copied=None), TARGET)
    with pytest.raises(ShapeError, match="3 sources beside 1 targets"):
        net.loss(SOURCE, alone(0)[1])
    with pytest.raises(OptionError, match="copies is 0"):
        net.speaker(SOURCE, 0)
    with pytest.raises(OptionError, match=r"sampling 2\.0"):
        net.loss(SOURCE, TARGET, sampling=2.0)

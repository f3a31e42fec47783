"""Scores of sequences: alike in any company, whatever is missing and however time goes."""

import logging

import numpy as np
import pytest
import torch

from recurra.cells import GRU, LSTM
from recurra.errors import OptionError, UnsupportedError
from recurra.models import (
    ConvolutionBranch,
    SequenceEncoder,
    SequenceNetwork,
    StepFeatures,
    Steps,
)
from recurra.models.steps import gaps_backwards
from recurra.tasks.signals.setting import Setting

LENGTHS = torch.tensor([9, 4, 1, 6, 0])
# Every part of the network in some of them.
SETTINGS = {
    "plain": {},
    "layers": {"num_layers": 2, "pooling": ("mean", "max", "attention", "last")},
    "one way": {"one_way": True, "cell": "lstm", "pooling": ("last",)},
    "convolutions": {"convolution": 5, "convolutions": 2, "downsample": 3, "self_attention": 2},
    "fewer steps": {"downsample": 4, "timed": True},
    "fcn": {"fcn": 6},
    "strands": {"strands": (2, 1, 0), "timed": True},
    "each step": {"per_step": True, "strands": (2, 1, 0), "self_attention": 1},
    "marked": {"missing": "mark"},
    "marked times": {"missing": "mark", "timed": True, "cell": "cfc"},
    "a line": {"missing": "interpolate", "timed": True},
    "the mean": {"missing": "mean", "cell": "ode_rnn", "timed": True, "convolution": 3},
    "told": {"missing": "cell", "cell": "gru_d", "timed": True, "num_layers": 2},
    "told, even": {"missing": "cell", "cell": "gru_d", "one_way": True, "downsample": 2},
    "names": {"categories": ((1, 4),), "missing": "mark"},
    "places": {"places": 3, "longest": 9, "missing": "mark"},
    "places, one way": {"places": 1, "one_way": True},
}


def setting(**more):
    return Setting(**{"cell": "gru", "hidden_size": 4, "channels": 3, "outputs": 2, **more})


def built(**more):
    torch.manual_seed(0)
    model = setting(**more).build()
    known = torch.randn(40, 3) * 3 + 1
    model.features.learn_scale(known, torch.rand(40) if more.get("timed") else None)
    return model


def steps(**more):
    torch.manual_seed(1)
    x = torch.randn(5, 9, 3)
    if more.get("missing", "none") != "none":
        x = x.masked_fill(torch.rand(x.shape) < 0.3, torch.nan)
        x[1, :4, 0] = torch.nan
    if "categories" in more:
        x[:, :, 1] = torch.randint(0, 4, (5, 9))
    return Steps(x, LENGTHS, torch.rand(5, 9) * 3 if more.get("timed") else None)


def some(given, rows, T):
    gaps = None if given.gaps is None else given.gaps[rows, :T]
    return Steps(given.values[rows, :T], given.lengths[rows], gaps)


@pytest.mark.parametrize("more", SETTINGS.values(), ids=SETTINGS)
def test_neighbours_order_and_padding_have_no_influence(more):
    model, given = built(**more).eval(), steps(**more)
    together = model(given)
    T = torch.arange(9)
    for row, length in enumerate(LENGTHS.tolist()):
        alone = model(some(given, [row], length))[0]
        own = together[row, :length] if more.get("per_step") else together[row]
        torch.testing.assert_close(alone, own, rtol=0, atol=1e-6)
    order = [3, 0, 4, 1, 2]
    torch.testing.assert_close(model(some(given, order, 9)), together[order], rtol=0, atol=1e-6)
    dead = LENGTHS[:, None] <= T
    gaps = None if given.gaps is None else given.gaps.masked_fill(dead, torch.nan)
    spoilt = Steps(given.values.masked_fill(dead[..., None], torch.nan), LENGTHS, gaps)
    assert torch.equal(model(spoilt), together)


@pytest.mark.parametrize("more", SETTINGS.values(), ids=SETTINGS)
def test_every_weight_learns_and_natively(more, caplog):
    model, given = built(**more, dropout=0.2), steps(**more)
    with caplog.at_level(logging.DEBUG, logger="recurra"):
        model(given).square().sum().backward()
    assert not caplog.records
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name
        assert torch.isfinite(weight.grad).all(), name
        # A gate may be shut at all steps of so few rows, but not a whole matrix.
        assert weight.grad.abs().sum() > 0 or weight.numel() < 9, name
    assert not torch.equal(model(given), model(given))
    assert setting(**more).weights() == sum(each.numel() for each in model.parameters())


@pytest.mark.parametrize("name", ["one way", "marked times", "told, even", "marked", "names"])
@pytest.mark.parametrize("cuts", [(9,), (2, 0, 7), (1,) * 9])
def test_chunk_after_chunk_gives_what_the_whole_gives(name, cuts):
    more = {
        **SETTINGS[name],
        "one_way": True,
        "downsample": 1,
        "pooling": ("mean", "max", "attention", "last"),
    }
    model, given = built(**more).eval(), steps(**more)
    assert model.streams
    with torch.inference_mode():
        memory, begin = model.begin(5), 0
        for count in cuts:
            gaps = None if given.gaps is None else given.gaps[:, begin : begin + count]
            chunk = given.values[:, begin : begin + count]
            lengths = (LENGTHS - begin).clamp(0, count)
            memory = model.feed(memory, Steps(chunk, lengths, gaps))
            begin += count
        torch.testing.assert_close(model.finish(memory), model(given), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "name",
    [
        "plain",
        "convolutions",
        "fcn",
        "strands",
        "each step",
        "a line",
        "fewer steps",
        "places, one way",
    ],
)
def test_what_needs_the_whole_says_so(name):
    model = built(**SETTINGS[name])
    assert not model.streams
    with pytest.raises(UnsupportedError, match="an answer needs the whole sequence"):
        model.begin(2)


def test_scales_are_those_of_what_was_seen():
    features = StepFeatures(4, missing="mean")
    values = torch.tensor(
        [[1.0, 0, 5, torch.nan], [3, 1, 5, torch.nan], [torch.nan, 1, 5, torch.nan]]
    )
    features.learn_scale(values)
    assert features.mean.tolist() == [2, 0, 5, 0]
    assert features.scale.tolist() == [1, 1, 1, 1]
    x = features(Steps(values[None], torch.tensor([3])))[0].x
    assert x[0].tolist() == [[-1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 0, 0]]


def test_marks_say_what_was_seen_and_how_long_ago():
    features = StepFeatures(1, missing="mark", timed=True)
    values = torch.tensor([[torch.nan, 2.0, torch.nan, torch.nan]])[..., None]
    gaps = torch.tensor([[0.0, 1.0, 2.0, 4.0]])
    found, since = features(Steps(values, torch.tensor([4]), gaps))
    assert found.x[0, :, 0].tolist() == [0, 2, 0, 0]
    assert found.x[0, :, 1].tolist() == [0, 1, 0, 0]
    waited = torch.tensor([0.0, 0, 2, 6])
    torch.testing.assert_close(found.x[0, :, 2], torch.log1p(waited))
    torch.testing.assert_close(found.x[0, :, 3], torch.log1p(gaps[0]))
    assert since.tolist() == [[6]]


def test_waves_tell_the_place_of_a_step():
    features = StepFeatures(1, places=2, longest=8)
    found, _ = features(Steps(torch.zeros(2, 5, 1), torch.tensor([5, 3])))
    turns = 2 * torch.pi * torch.arange(5) / 8
    waves = torch.stack([turns.sin(), (2 * turns).sin(), turns.cos(), (2 * turns).cos()], dim=1)
    torch.testing.assert_close(found.x[0, :, 1:], waves)
    torch.testing.assert_close(found.x[1, :3], found.x[0, :3])
    assert not found.x[1, 3:].any()


def test_a_line_is_drawn_in_time_inside_a_sequence_alone():
    features = StepFeatures(2, missing="interpolate", timed=True)
    nan = torch.nan
    values = torch.tensor([[nan, 1.0, nan, 5.0, nan, 9.0], [nan] * 6]).T[None]
    gaps = torch.tensor([[0.0, 1.0, 3.0, 1.0, 1.0, 1.0]])
    found = features(Steps(values, torch.tensor([5]), gaps))[0].x[0]
    torch.testing.assert_close(found[:, 0], torch.tensor([1.0, 1, 4, 5, 5, 0]))
    assert (found[:, 1] == 0).all()
    for row in range(3):
        known = np.interp([row], [0, 2], [3.0, 7.0])
        even = StepFeatures(1, missing="interpolate")
        three = torch.tensor([3.0, nan, 7.0]).view(1, 3, 1)
        assert even(Steps(three, torch.tensor([3])))[0].x[0, row, 0] == float(known[0])


def test_names_that_nobody_knows_say_nothing_at_first():
    features = StepFeatures(2, categories={1: 3}, embedding_size=5)
    values = torch.tensor([[[0.0, 0], [0, 2], [0, torch.nan], [0, 3], [0, -1]]])
    x = features(Steps(values, torch.tensor([5])))[0].x[0, :, 1:]
    assert (x[2:] == 0).all()
    assert not torch.equal(x[0], x[1])


def test_time_counts_in_both_directions():
    gaps = torch.tensor([[0.0, 1.0, 2.0, 9.0], [0.0, 9.0, 9.0, 9.0]])
    found = gaps_backwards(gaps, torch.tensor([3, 1]))
    assert found.tolist() == [[1, 2, 0, 0], [0, 0, 0, 0]]
    more = {"cell": "cfc", "timed": True}
    model, given = built(**more).eval(), steps(**more)
    slower = given._replace(gaps=given.gaps * 2)
    assert (model(slower) - model(given)).abs().max() > 1e-3
    # The backward half of a pooled row changes by its last gap, which it crosses first.
    later = given.gaps.clone()
    later[0, 8] += 1
    assert (model(given._replace(gaps=later)) - model(given))[0].abs().max() > 1e-4


def test_both_strands_are_one():
    model = built(strands=(2, 1, 0)).eval()
    given = steps()
    other = given.values.flip(2).clone()
    for row, length in enumerate(LENGTHS.tolist()):
        other[row, :length] = other[row, :length].flip(0)
    torch.testing.assert_close(model(given._replace(values=other)), model(given))


def test_answers_are_in_the_unit_that_the_network_was_told():
    model, given = built(outputs=1).eval(), steps()
    plain = model(given)
    model.answer_mean.fill_(100)
    model.answer_scale.fill_(10)
    torch.testing.assert_close(model(given), 100 + 10 * plain)


def parts(**more):
    features = StepFeatures(3)
    return features, SequenceEncoder(3, more.pop("cell", GRU), hidden_size=4, **more)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: parts(num_layers=0), "num_layers is 0 and downsample 1"),
        (lambda: parts(cell=LSTM, dropout=1.0), r"dropout is 1.0, it must lie in"),
        (lambda: ConvolutionBranch(3, 0), "channels is 0"),
        (lambda: SequenceNetwork(*parts(downsample=2), 2, per_step=True), "no steps to be scored"),
        (lambda: SequenceNetwork(*parts(), 0), "outputs is 0"),
    ],
)
def test_what_makes_no_network_is_refused(make, message):
    with pytest.raises(OptionError, match=message):
        make()


def test_images_stream_and_have_one_scale_a_channel():
    torch.manual_seed(0)
    model = setting(channels=128, image=(2, 8, 8), one_way=True).build().eval()
    values = torch.randn(2, 5, 128) + torch.arange(2).repeat_interleave(64)
    model.features.learn_scale(values.flatten(0, 1))
    assert len(set(model.features.mean.tolist())) == 2
    lengths = torch.tensor([5, 3])
    whole = model(Steps(values, lengths))
    alone = model(Steps(values[1:, :3], lengths[1:]))
    torch.testing.assert_close(alone[0], whole[1], rtol=0, atol=1e-6)
    memory = model.feed(model.begin(2), Steps(values[:, :2], lengths.clamp(max=2)))
    memory = model.feed(memory, Steps(values[:, 2:], lengths - 2))
    torch.testing.assert_close(model.finish(memory), whole, rtol=0, atol=1e-5)

"""Attention: direct formulas, padding that is not seen, and decoders that are their steps."""

import pytest
import torch
from tests.engine.truth import assert_same, by_rows, by_steps, measure
from tests.layers.attentions import ATTENTIONS, SHAPES, E, H, S, case, memory_of
from torch import nn
from torch.nn import functional as F

from recurra import GRU, LSTM, Embedding, Stack, Stream, engine
from recurra.cells import GRUState
from recurra.engine import leaves, loop, tree_map
from recurra.errors import OptionError, ShapeError, UnsupportedError
from recurra.layers import StackContext
from recurra.layers.attention import (
    Additive,
    Attending,
    AttendingContext,
    AttendingState,
    Location,
    Luong,
    Memory,
    MultiHead,
    Reading,
    SoftWindow,
)

every_attention = pytest.mark.parametrize("name", ATTENTIONS)
SHARING_ONE = [name for name in ATTENTIONS if not name.startswith(("soft window", "monotonic"))]
every_shape = pytest.mark.parametrize("shape", SHAPES)


@pytest.mark.parametrize("train", [True, False], ids=["training", "evaluation"])
@every_shape
@every_attention
def test_a_sequence_is_its_steps(name, shape, train):
    given = case(shape, name, 3, 6, train=train)
    got = measure(given, *given.cell.sequence(*given[1:]))
    assert_same(got, measure(given, *by_steps(given)), 1e-10)


@every_shape
@every_attention
def test_a_ragged_batch_with_resets(name, shape):
    given = case(shape, name, 4, 7)
    reset = torch.zeros(4, 7, dtype=torch.bool)
    reset[0, [0, 3]] = True
    reset[2, [1, 2, 4]] = True
    options = {"lengths": torch.tensor([7, 5, 4, 0]), "reset": reset}
    got = measure(given, *given.cell.sequence(*given[1:], **options))
    assert_same(got, measure(given, *by_rows(given, **options)), 1e-10)


@every_shape
@every_attention
def test_it_runs_natively(name, shape):
    given = case(shape, name, 2, 3)
    said = engine.explain(given.cell, given.x.detach(), given.state, given.context).splitlines()
    assert said[1].split()[:2] == ["inference", "natively,"]
    assert said[2].split()[:2] == ["training", "natively,"]


@pytest.mark.parametrize("shape", ["first", "after", "combined", "apart"])
@every_attention
def test_a_stream_has_the_bits_of_the_sequence(name, shape):
    given = case(shape, name, 2, 6, train=False, dtype=torch.float32)
    given.cell.requires_grad_(False)
    x, state, context = (tree_map(torch.detach, each) for each in given[1:])
    y, last = given.cell.sequence(x, state, context)
    stream = Stream(given.cell, 2, state=state, context=context)
    assert "natively" in repr(stream)
    found = torch.stack([stream.push(x[:, t]) for t in range(6)], 1)
    assert torch.equal(found, y)
    assert all(map(torch.equal, leaves(stream.state), leaves(last)))


@every_attention
def test_gradients_are_right(name):
    given = case("first", name, 2, 3)

    def outputs(x, values):
        context = AttendingContext(Memory(values, given.context.memory.there))
        return given.cell.sequence(x, given.state, context)[0]

    values = given.context.memory.values
    assert torch.autograd.gradcheck(outputs, (given.x, values))


@every_attention
def test_what_is_not_there_is_not_seen(name):
    torch.manual_seed(0)
    attention, query = ATTENTIONS[name]().double(), torch.randn(3, H).double()
    memory, state = memory_of(3), attention.initial_state(3)
    found = attention.find(query, state, memory)
    assert (found.shares[~memory.there] == 0).all()
    assert (found.shares[0, memory.there[0]] > 0).all()
    spoilt = memory.values.detach().masked_fill(~memory.there[..., None], float("nan"))
    spoilt.requires_grad_()
    again = attention.find(query, state, Memory(spoilt, memory.there))
    assert torch.equal(again.read, found.read)
    (slope,) = torch.autograd.grad(again.read.square().sum(), spoilt)
    assert slope.isfinite().all()
    assert not slope[~memory.there].any()
    # A row alone, cut to what is there.
    for b in (0, 2):
        at = memory.there[b].nonzero()[:, 0]
        if (at.diff() != 1).any() or at[0] != 0:
            continue
        cut = attention.find(query[b : b + 1], _row(state, b), Memory(memory.values[b : b + 1, at]))
        torch.testing.assert_close(cut.read, found.read[b : b + 1])


@every_attention
@pytest.mark.parametrize("train", [True, False], ids=["training", "evaluation"])
def test_a_row_alone_is_what_it_is_in_a_batch(name, train):
    given = case("first", name, 3, 6, train=train)
    lengths = torch.tensor([2, S, 1])
    there = torch.arange(S) < lengths[:, None]
    values = memory_of(3).values.detach().masked_fill(~there[..., None], float("nan"))
    initial = given.cell.initial_state(3)
    y, last = given.cell.sequence(given.x, initial, Memory(values, there))
    for b, length in enumerate(lengths):
        memory = Memory(values[b : b + 1, :length])
        own, own_last = given.cell.sequence(given.x[b : b + 1], _row(initial, b), memory)
        assert_same([own, *leaves(own_last)], [y[b : b + 1], *leaves(_row(last, b))], 1e-10)


def _row(tree, b):
    return tree_map(lambda part: part[b : b + 1], tree)


@every_attention
def test_a_row_whose_memory_is_empty_reads_nothing(name):
    torch.manual_seed(0)
    attention, query = ATTENTIONS[name]().double(), torch.randn(3, H).double()
    memory = memory_of(3)
    assert not memory.there[1].any()
    found = attention.find(query.requires_grad_(), attention.initial_state(3), memory)
    assert not found.shares[1].any()
    assert found.read.isfinite().all()
    if name != "multi-head":  # whose output has a bias
        assert not found.read[1].any()
    slopes = torch.autograd.grad(found.read.sum(), [query, memory.values, *attention.parameters()])
    assert all(each.isfinite().all() for each in slopes)


@pytest.mark.parametrize("name", SHARING_ONE)
def test_shares_are_of_one(name):
    torch.manual_seed(0)
    attention, memory = ATTENTIONS[name]().double(), memory_of(3)
    found = attention.find(torch.randn(3, H).double(), attention.initial_state(3), memory)
    torch.testing.assert_close(found.shares.sum(-1), torch.tensor([1.0, 0, 1]).double())


def test_additive_is_its_equation():
    torch.manual_seed(0)
    attention, q, m = Additive(4, 3, 6).double(), torch.randn(2, 4).double(), torch.randn(2, 5, 3)
    m = m.double()
    W, U, v = attention.query.weight, attention.key.weight, attention.score.weight[0]
    for b in range(2):
        e = torch.stack([v @ torch.tanh(W @ q[b] + U @ m[b, j]) for j in range(5)])
        a = torch.softmax(e, 0)
        found = attention.find(q, (), Memory(m))
        torch.testing.assert_close(found.shares[b], a)
        torch.testing.assert_close(found.read[b], a @ m[b])


@pytest.mark.parametrize("score", ["dot", "general", "concat"])
def test_luong_is_its_equations(score):
    torch.manual_seed(0)
    attention = Luong(4, 4, score).double()
    q, m = torch.randn(2, 4).double(), torch.randn(2, 5, 4).double()
    found = attention.find(q, (), Memory(m))
    for b in range(2):
        scores = {
            "dot": lambda h, s: h @ s,
            "general": lambda h, s: h @ attention.key.weight @ s,
            "concat": lambda h, s: (
                attention.score.weight[0] @ torch.tanh(attention.key.weight @ torch.cat([h, s]))
            ),
        }
        e = torch.stack([scores[score](q[b], m[b, j]) for j in range(5)])
        torch.testing.assert_close(found.shares[b], torch.softmax(e, 0))


@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize("width", [1, 3, 9])
def test_location_is_its_equations(width, smooth):
    torch.manual_seed(0)
    attention = Location(4, 3, 6, 8, filters=2, width=width, smooth=smooth, sharpness=1.5).double()
    q, m = torch.randn(2, 4).double(), torch.randn(2, 5, 3).double()
    before = torch.softmax(torch.randn(2, 8).double(), -1)
    state = attention.initial_state(2)._replace(shares=before)
    found = attention.find(q, state, Memory(m))
    # torch's convolution is a correlation, as here.
    f = F.conv1d(before[:, None, :5], attention.filters[:, None], padding=width // 2)
    inner = attention.query(q)[:, None] + attention.key(m) + attention.place(f.transpose(1, 2))
    e = 1.5 * attention.score(torch.tanh(inner))[..., 0]
    a = torch.softmax(e, -1)
    if smooth:
        a = torch.sigmoid(e) / torch.sigmoid(e).sum(-1, keepdim=True)
    torch.testing.assert_close(found.shares, a)
    torch.testing.assert_close(found.state.shares, F.pad(a, (0, 3)))


def test_the_soft_window_is_its_equations():
    torch.manual_seed(0)
    attention = SoftWindow(4, 3, 2).double()
    q, m = torch.randn(2, 4).double(), torch.randn(2, 5, 3).double()
    state = attention.initial_state(2)
    place = torch.zeros(2, 2).double()
    for _ in range(3):
        found = attention.find(q, state, Memory(m))
        state = found.state
        a, b, k = torch.exp(attention.query(q)).chunk(3, -1)
        place = place + k
        for row in range(2):
            for u in range(1, 6):
                phi = (a[row] * torch.exp(-b[row] * (place[row] - u) ** 2)).sum()
                torch.testing.assert_close(found.shares[row, u - 1], phi)
    torch.testing.assert_close(found.read, torch.einsum("bs,bse->be", found.shares, m))


def test_the_soft_window_knows_when_it_is_over():
    attention = SoftWindow(1, 2, 1).double()
    state = attention.initial_state(3)
    ones = torch.ones(3, 1).double()
    lengths = torch.tensor([4, 4, 2])
    for place, over in (
        (1.0, [False, False, False]),
        (2.9, [False, False, True]),
        (4.8, [True] * 3),
    ):
        now = state._replace(place=place * ones, weight=ones, width=ones)
        assert attention.is_over(now, lengths).tolist() == over


@pytest.mark.parametrize("bias", [True, False])
def test_multi_head_is_that_of_torch(bias):
    torch.manual_seed(0)
    theirs = nn.MultiheadAttention(
        6, 2, bias=bias, kdim=4, vdim=4, batch_first=True, dtype=torch.float64
    )
    cell = Reading(MultiHead(6, 4, 6, 2, bias=bias, dtype=torch.float64), show=5)
    ours = cell.attention
    if bias:
        nn.init.uniform_(theirs.in_proj_bias)
    with torch.no_grad():
        ours.query.weight.copy_(theirs.q_proj_weight)
        ours.key.weight.copy_(theirs.k_proj_weight)
        ours.value.weight.copy_(theirs.v_proj_weight)
        ours.out.weight.copy_(theirs.out_proj.weight)
        if bias:
            for part, own in zip((ours.query, ours.key, ours.value), range(3), strict=True):
                part.bias.copy_(theirs.in_proj_bias.chunk(3)[own])
            ours.out.bias.copy_(theirs.out_proj.bias)
    x, memory = torch.randn(3, 7, 6).double(), memory_of(3)
    memory = memory._replace(there=memory.there | torch.tensor([[True] + 4 * [False]]))
    want, shares = theirs(x, memory.values, memory.values, key_padding_mask=~memory.there)
    y, _ = cell.sequence(x, context=memory)
    torch.testing.assert_close(y[..., :6], want)
    torch.testing.assert_close(y[..., 6:], shares)


@pytest.mark.parametrize("shape", ["first", "alone"])
@every_attention
def test_a_memory_alone_serves_as_what_reading_makes_of_it(name, shape):
    given = case(shape, name, 3, 4, train=False)
    memory = memory_of(3)
    inputs = [given.x, memory.values, *given.cell.parameters()]
    found = []
    for context in (memory, given.cell.reading(memory)):
        y, _ = given.cell.sequence(given.x, given.state, context)
        # Where shares are decided, queries have no gradient.
        slopes = torch.autograd.grad(
            y.square().sum(), inputs, allow_unused=True, materialize_grads=True
        )
        found.append((y, *slopes))
    assert_same(found[0], found[1], 1e-10)


def test_a_decoder_that_looks_first_is_bahdanaus():
    given = case("first", "additive", 3, 5, train=False)
    cell, memory = given.cell, given.context.memory
    s, want = given.state.cell.h, []
    last = given.state.last
    for t in range(5):
        found = cell.attention.find(last, (), memory)
        _, new = cell.cell.step(torch.cat([given.x[:, t], found.read], -1), GRUState(s))
        s = last = new.h
        want.append(torch.cat([s, found.read], -1))
    torch.testing.assert_close(cell.sequence(*given[1:])[0], torch.stack(want, 1))


def test_a_decoder_that_looks_after_feeds_its_combination():
    torch.manual_seed(0)
    cell = Attending(GRU(3 + 4, 4), Luong(4, 5), first=False, combine=True).double()
    x, memory = torch.randn(2, 5, 3).double(), Memory(torch.randn(2, 6, 5).double())
    y, last = cell.sequence(x, context=memory)
    fed = h = torch.zeros(2, 4).double()
    for t in range(5):
        h, _ = cell.cell.step(torch.cat([x[:, t], fed], -1), type(last.cell)(h))
        c = cell.attention.find(h, (), memory).read
        fed = torch.tanh(torch.cat([c, h], -1) @ cell.combine.weight.T)
        torch.testing.assert_close(y[:, t], fed)
    torch.testing.assert_close(last.last, fed)


def test_a_decoder_may_go_on_from_an_encoder():
    torch.manual_seed(0)
    encoder, cell = LSTM(3, 4).double(), Attending(LSTM(2 + 4, 4), Additive(4, 4, 5)).double()
    lengths = torch.tensor([5, 3])
    values, encoded = encoder.sequence(torch.randn(2, 5, 3).double(), lengths=lengths)
    memory = Memory(values, torch.arange(5) < lengths[:, None])
    state = AttendingState(encoded, (), encoded.h)
    y, _ = cell.sequence(torch.randn(2, 4, 2).double(), state, memory)
    first = cell.attention.find(encoded.h, (), memory).read
    torch.testing.assert_close(y[:, 0, 4:], first)


def test_a_decoder_in_a_stack_with_noise_around_it():
    torch.manual_seed(0)
    decoder = Attending(GRU(6 + 4, 5), Luong(5, 4))
    stack = Stack([Embedding(9, 6), decoder, GRU(9, 3)], 0.5).double().train()
    drawn = stack.sample_context(2)
    memory = Memory(torch.randn(2, S, E).double())
    context = StackContext((None, memory, None), drawn.masks)
    ids = torch.randint(0, 9, (2, 6))
    y, _ = stack.sequence(ids, context=context)
    want, _ = loop(stack.step, ids, stack.initial_state(2), context)
    torch.testing.assert_close(y, want)


def test_what_does_not_fit_is_refused():
    cell = GRU(7, 4)
    cases = {
        "Attending: the attention takes queries of 5, the cell gives 4": lambda: Attending(
            cell, Luong(5, 4)
        ),
        "Attending: the cell takes 4 features, 4 come from the memory, and x has at least 1": (
            lambda: Attending(GRU(4, 4), Luong(4, 4))
        ),
        "Luong: dot takes queries as wide as the memory, which is 3; 4 came": lambda: Luong(
            4, 3, "dot"
        ),
        "Luong: score is 'cosine', one of dot, general, concat fits": lambda: Luong(4, 4, "cosine"),
        "Location: width is 4, an odd number fits": lambda: Location(4, 4, 4, 5, width=4),
        "MultiHead: heads is 4, a divisor of 6 fits": lambda: MultiHead(3, 3, 6, 4),
        "Attending: combine and feed are for first=False": lambda: Attending(
            cell, Luong(4, 4), combine=True
        ),
        "Attending: show is -1, it must be at least 0": lambda: Attending(
            GRU(7, 4), Luong(4, 4), show=-1
        ),
        "Reading: show is -1, it must be at least 0": lambda: Reading(Luong(4, 4), show=-1),
        "Reading: context is a NoneType, a Memory fits; give it to step or sequence": lambda: (
            Reading(Luong(4, 4)).step(torch.ones(2, 4), ())
        ),
        "Location: the memory has 6 places, the most are 5": lambda: Location(4, 4, 4, 5).find(
            torch.ones(2, 4),
            Location(4, 4, 4, 5).initial_state(2),
            Memory(torch.ones(2, 6, 4)),
        ),
        "Reading: the memory has 6 places, 5 are shown": lambda: Reading(Luong(4, 4), show=5).step(
            torch.ones(2, 4), (), Memory(torch.ones(2, 6, 4))
        ),
    }
    for message, make in cases.items():
        with pytest.raises((OptionError, ShapeError)) as caught:
            make()
        assert str(caught.value) == message
    with pytest.raises(UnsupportedError, match=r"^Attending: the cell takes no features, beside"):
        Attending(Embedding(7, 4), Luong(4, 4))

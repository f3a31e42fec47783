"""The tasks that are made ask what they say, and a run of the bench learns one."""

import torch
from bench.capability import learn, solved
from bench.catalogue import rows
from bench.families import FAMILIES
from bench.made import adding, copying, parity, recall, selective_copying
from bench.timing import Budget


def drawn(task, rows=5):
    return task.draw(rows, torch.Generator().manual_seed(0))


def test_adding_marks_one_number_in_each_half():
    x, target, _ = drawn(adding(20))
    assert (x[:, :10, 1].sum(1) == 1).all()
    assert (x[:, 10:, 1].sum(1) == 1).all()
    torch.testing.assert_close((x[..., 0] * x[..., 1]).sum(1), target)


def test_copying_wants_the_first_symbols_at_the_end():
    x, target, counts = drawn(copying(15, 4))
    assert torch.equal(target[:, -4:], x[:, :4])
    assert not target[:, :-4].any()
    assert (x[:, -5] == 9).all()
    assert counts.all()


def test_selective_copying_wants_the_symbols_in_their_order():
    x, target, counts = drawn(selective_copying(30, 5))
    for row, wanted, asked in zip(x, target, counts, strict=True):
        said = row[:30][row[:30] > 0]
        assert torch.equal(wanted[asked] + 1, said)
        assert (row[30:] == 15).all()


def test_recall_wants_the_value_behind_the_key():
    x, target, counts = drawn(recall(3, 20, 16))
    for row, wanted, asked in zip(x, target, counts, strict=True):
        pairs = {key.item(): value.item() for key, value in row[:6].view(3, 2)}
        assert asked.sum() == 3
        assert {pairs[key.item()] - 8 for key in row[asked]} <= set(range(8))
        assert [pairs[key.item()] - 8 for key in row[asked]] == wanted[asked].tolist()


def test_parity_counts_ones_and_is_asked_at_the_end_of_long_rows():
    x, target, counts = drawn(parity())
    assert torch.equal(target, x.cumsum(1) % 2)
    assert counts.all()
    test = parity(8, 30).test(torch.Generator().manual_seed(0))
    assert test.x.shape == (1024, 30)
    assert torch.equal(test.target, test.x.sum(1) % 2)


def test_a_family_learns_parity():
    (lstm,) = [each for each in FAMILIES if each.name == "LSTM"]
    task = parity(6, 12)
    outcome = learn(task, lstm, minutes=1.0, seed=0)
    assert solved(task, outcome.value)
    assert outcome.steps % 50 == 0


def test_the_catalogue_is_timed_beside_its_loops():
    found = [*rows("^(mingru|conv_gru|matrix recurrence, T 512)$", 1, Budget(0.0, 2), 6, 8)]
    named = {(row.case, row.mode, row.peer) for row in found}
    pairs = [("mingru", "Python loop"), ("conv_gru", "Python loop")]
    pairs += [("matrix recurrence, T 512", peer) for peer in ("Python loop", "recurra, chunked")]
    assert named == {(case, mode, peer) for case, peer in pairs for mode in ("infer", "train")}

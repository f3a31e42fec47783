"""The bench of the loss of a transducer, at sizes of no interest."""

from bench.timing import Budget

from bench import transducer


def test_both_forms_stand_beside_plain_torch():
    sizes = {"joiner": transducer.Sizes(2, 3, 2, 5, 4), "scores": transducer.Sizes(2, 3, 2, 5, 0)}
    rows = [*transducer.rows("^(joiner|scores)", 1, Budget(0.0, 1), sizes)]
    assert [row.case for row in rows] == ["joiner", "joiner bf16", "scores"]
    assert all(row.ours_ms > 0 < row.peer_ms for row in rows)

"""The bench of the loss over a vocabulary, at sizes of no interest."""

from bench.timing import Budget

from bench import vocabulary


def test_products_and_losses_stand_beside_torchs():
    rows = [*vocabulary.rows("^vocabulary (product|few)", 1, Budget(0.0, 1), {"few": (6, 4, 9)})]
    cases = ["vocabulary product few", "vocabulary few", "vocabulary few bf16"]
    assert [(row.case, row.mode) for row in rows] == [
        (case, mode) for case in cases for mode in ("infer", "train")
    ]
    assert all(row.ours_ms > 0 < row.peer_ms for row in rows)

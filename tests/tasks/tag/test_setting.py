"""Networks of every cell can be built at the sizes that are taken unasked."""

import pytest

from recurra.tasks import Tagger
from recurra.tasks.tag.setting import FITTING
from recurra.tasks.tag.vocabulary import Vocabulary

SMALL = Vocabulary(("a", "b"), ("a", "b"), ("X", "Y"), lowercase=True)


@pytest.mark.parametrize("cell", FITTING)
def test_every_cell_fits(cell):
    assert Tagger(cell=cell)._wishes().setting.weights(SMALL) > 0

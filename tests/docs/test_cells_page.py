"""The page about the cells says what the code says."""

import pytest
from docs.cells_page import page, told
from tests.docs.pages import ROOT

from recurra.cells import CELLS


def test_it_is_as_the_code_has_it():
    assert (ROOT / "docs" / "cells.md").read_text() == page(), "`make docs` writes it anew"


@pytest.mark.parametrize("name", CELLS)
def test_a_module_says_its_equations_and_where_they_are_from(name):
    found = told(CELLS[name])
    assert found.title.endswith(".")
    assert "```text\n" in found.body
    assert "\nSource: " in found.body

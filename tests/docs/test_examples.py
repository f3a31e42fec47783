"""Every example runs, on sizes of a second, and says what it promises."""

import re
import subprocess
import sys

import pytest
from tests.docs.pages import ROOT

# The arguments that make it short, and what it must print.
EXAMPLES = {
    "drop_in.py": (
        ["--steps", "3", "--hidden-size", "8"],
        r"recurrent: GRU swapped\n(loss .* in .* s .*\n){2}.* losses differ by (0\.0|.*e-0[5-9])",
    ),
    "sensor.py": ([], r"killed\nrestored at reading 1000\n(.*\n)+the same bits\n$"),
}


def test_no_example_is_left_out():
    assert sorted(EXAMPLES) == sorted(path.name for path in (ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs(name):
    arguments, expected = EXAMPLES[name]
    command = [sys.executable, "-W", "error", str(ROOT / "examples" / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert re.search(expected, done.stdout), done.stdout

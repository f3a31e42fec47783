"""The real command in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., "subprocess.CompletedProcess[str]"]

# Two test processes share two cores. Every warning is an error there too.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120", "PYTHONWARNINGS": "error"}


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """In which every command runs."""
    return ENVIRONMENT


@pytest.fixture(scope="session")
def recurra() -> Command:
    """Run `recurra` with these arguments until it ends."""

    def run(*arguments: object, **options: object) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "recurra", *map(str, arguments)]
        return subprocess.run(
            command, capture_output=True, text=True, env=ENVIRONMENT, check=False, **options
        )

    return run


@pytest.fixture(scope="session")
def refused(recurra: Command) -> Callable[..., str]:
    """Run a command that must be refused: its one line, without the program's name."""

    def run(*arguments: object, **options: object) -> str:
        done = recurra(*arguments, **options)
        assert done.returncode == 2, done.stderr
        assert done.stdout == ""
        lines = done.stderr.splitlines()
        assert "Traceback" not in done.stderr
        assert [line for line in lines if line.startswith("recurra: ")] == lines[-1:]
        return lines[-1].removeprefix("recurra: ")

    return run


@pytest.fixture
def untouched(run_folder: Path) -> Callable[[], None]:
    """Whether the run folder, and all that lies beside it, is what it was, byte for byte."""

    def content() -> dict[str, bytes | None]:
        return {
            str(path.relative_to(run_folder.parent)): path.read_bytes() if path.is_file() else None
            for path in run_folder.parent.rglob("*")
        }

    before: dict[str, bytes | None] = {}

    def check() -> None:
        if before:
            assert content() == before
        before.update(content())

    return check

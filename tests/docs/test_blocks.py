"""What a page shows is run.

The blocks of a page run in their order, in one folder that holds the tables of `tables.py`; its
Python blocks share their names. Commands run as they stand, through the function behind `recurra`;
only the number of epochs is cut to one, in the one place that both commands and Python pass. Where
a page shows output, the real output must hold it.
"""

import ast
import os
import shlex
from pathlib import Path

import pytest
from tests.docs.pages import PAGES, ROOT, Block, blocks, commands, name, shown
from tests.docs.tables import write_tables

import recurra.cli
from recurra.train import Plan

SHELL = ("bash", "console")
# Blocks in these languages are read by people alone.
SHOWN_ONLY = ("text", "csv", "toml", "")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the tables, and a training of one epoch."""
    write_tables(tmp_path)
    check = Plan.__post_init__

    def one_epoch(plan: Plan) -> None:
        check(plan)
        object.__setattr__(plan, "epochs", 1)

    monkeypatch.setattr(Plan, "__post_init__", one_epoch)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=name)
def test_the_blocks_of_a_page_run(page, folder, capfd):
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(page):
        where = f"{name(page)}:{block.line}"
        if block.language == "python":
            # Empty lines before the block give errors the page's own line.
            code = "\n" * (block.line - 1) + block.text
            exec(compile(code, str(page), "exec"), names)
        elif block.language in SHELL:
            _run_shell(block, where, capfd)
        else:
            assert block.language in SHOWN_ONLY, f"{where}: nobody runs {block.language}"


def _run_shell(block: Block, where: str, capfd: pytest.CaptureFixture[str]) -> None:
    for command, expected in commands(block):
        program, *arguments = shlex.split(command, comments=True)
        if program != "recurra":
            _check_only(program, arguments, where)
            continue
        capfd.readouterr()
        status = recurra.cli.main(arguments)
        printed, said = capfd.readouterr()
        refused = any(line.startswith("recurra: ") for line in expected)
        assert status == (2 if refused else 0), f"{where}: {command}\n{said}"
        assert shown(expected).search(said + printed), f"{where}: {command}\n{said}{printed}"


def _check_only(program: str, arguments: list[str], where: str) -> None:
    """What would run for minutes, or change the checkout, must at least be there."""
    if program == "make":
        targets = {line.partition(":")[0] for line in (ROOT / "Makefile").read_text().splitlines()}
        assert set(arguments) <= targets, f"{where}: make has no {arguments}"
    elif program == ".venv/bin/python" and arguments[:2] == ["-m", "bench"]:
        assert arguments[2] in _benches(), f"{where}: there is no bench {arguments[2]}"
    elif program == ".venv/bin/python" and arguments[:2] == ["-m", "pytest"]:
        paths = [part for part in arguments[2:] if part.startswith("tests")]
        assert all((ROOT / path).exists() for path in paths), f"{where}: {paths}"
    else:
        assert (ROOT / program).is_file(), f"{where}: nobody can run {program}"
        assert os.access(ROOT / program, os.X_OK), f"{where}: {program} is no program"


def _benches() -> set[str]:
    tree = ast.parse((ROOT / "bench" / "__main__.py").read_text())
    return {
        ast.literal_eval(key)
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Dict)
        and ast.unparse(node.targets[0]) == "BENCHES"
        for key in node.value.keys
        if key is not None
    }


def test_output_is_compared_line_by_line():
    assert shown(["a … c", "…", "z"]).search("x\na b c\nd\ne\nz\n")
    assert not shown(["a", "z"]).search("a\nb\nz\n")
    assert not shown(["a"]).search("ab\n")


def test_a_console_block_is_cut_into_commands():
    block = Block("console", "$ recurra a \\\n  b\none\ntwo\n$ recurra c\n", 1)
    assert list(commands(block)) == [("recurra a    b", ["one", "two"]), ("recurra c", [])]


def test_every_page_is_found():
    assert {"README.md", "docs/forecasting.md"} <= {name(page) for page in PAGES}
    assert all(isinstance(page, Path) for page in PAGES)

"""What pages and messages name is there: links, folders, flags, cells."""

import ast
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from tests.docs.pages import PAGES, ROOT, blocks, name, prose
from torch.distributed.run import get_args_parser as torchrun

import recurra
from recurra.cli import COMMANDS, main

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
# What `ray start` takes; to ask it costs seconds.
RAY_START = "--head --port --address"
# The page that explains what is a task's own.
EXPLAINED = {
    "classify": "sequences",
    "forecast": "forecasting",
    "language": "text",
    "regress": "sequences",
    "rewrite": "rewriting",
    "tag": "tagging",
    "text-classify": "classifying-text",
    "translate": "translating",
}
SHARED_PAGES = ("training", "scaling", "fine-tuning")
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def anchors(page: Path) -> set[str]:
    """The headings of a page as they are linked to."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_internal_links_lead_somewhere(page):
    for link in LINK.findall(prose(page)):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name(page)}: {link}"
        assert target.is_relative_to(ROOT), f"{name(page)}: {link}"
        assert not anchor or anchor in anchors(target), f"{name(page)}: {link}"


def test_the_map_names_every_folder_and_no_other():
    (map_,) = [block.text for block in blocks(ROOT / "README.md") if "src/recurra/\n" in block.text]
    inside = map_.partition("src/recurra/\n")[2]
    named = re.findall(r"^  (\w+)/ +\S", inside, re.MULTILINE)
    source = ROOT / "src" / "recurra"
    there = [path.name for path in source.iterdir() if list(path.glob("*.py"))]
    assert sorted(named) == sorted(there)
    above = re.findall(r"^([\w./]+?)/? +\S", map_.replace("src/recurra/\n", ""), re.MULTILINE)
    assert all((ROOT / path).exists() for path in above), above


def test_the_readme_of_a_task_names_every_file_and_no_other():
    for page in PAGES:
        if page.parent.parent.name == "tasks":
            named = re.findall(r"^\| `(\w+\.py)` \|", page.read_text(), re.MULTILINE)
            there = [path.name for path in page.parent.glob("*.py") if path.name != "__init__.py"]
            assert sorted(named) == sorted(there)


@pytest.fixture(scope="module")
def commands():
    """Every flag of every command, as its help prints it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "200")
        texts = [_help(["--help"]), *(_help([command, "--help"]) for command in COMMANDS)]
        texts += [_help([c, task, "--help"]) for c in ("train", "tune") for task in recurra.TASKS]
    return _flags(texts)


@pytest.fixture(scope="module")
def flags(commands):
    """Those of the benches, and of other people's commands that pages name, as well."""
    texts = [path.read_text() for path in (ROOT / "bench").glob("*.py")]
    return commands | _flags([*texts, torchrun().format_help(), RAY_START])


def _flags(texts: Iterable[str]) -> set[str]:
    return {flag for text in texts for flag in FLAG.findall(text)}


def _help(argv: list[str]) -> str:
    import contextlib
    import io

    with contextlib.redirect_stdout(io.StringIO()) as printed, pytest.raises(SystemExit):
        main(argv)
    return printed.getvalue()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_flags_that_a_page_names_exist(page, flags):
    assert set(FLAG.findall(page.read_text())) <= flags


def test_flags_that_a_message_names_exist(commands):
    for path in sorted((ROOT / "src" / "recurra").rglob("*.py")):
        strings = [node.value for node in ast.walk(ast.parse(path.read_text())) if _is_text(node)]
        assert _flags(strings) <= commands, path.name


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


@pytest.mark.parametrize("task", recurra.TASKS)
def test_every_flag_of_a_task_is_explained(task):
    pages = [ROOT / "docs" / f"{name}.md" for name in (EXPLAINED[task], *SHARED_PAGES)]
    told = {flag for page in pages for flag in FLAG.findall(page.read_text())}
    assert set(FLAG.findall(_help(["train", task, "--help"]))) - {"--help"} <= told

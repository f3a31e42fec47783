"""The house stands as ARCHITECTURE.md draws it."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "recurra"
# From the top: a room imports from rows above its own; rooms of one row do not meet.
ROWS = (
    ("errors",),
    ("engine",),
    ("cells",),
    ("layers",),
    ("nn",),
    ("models", "data"),
    ("train",),
    ("tasks",),
    ("scale",),
    ("inspector", "deploy", "serve", "tune"),
    ("cli",),
)
FLOOR = {room: floor for floor, row in enumerate(ROWS) for room in row}
MOST_LINES = 500
VAGUE = {"utils", "util", "common", "helpers", "helper", "base", "misc", "manager", "managers"}
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
UNSAFE_CALLS = {"eval", "exec", "torch.load", "pandas.read_pickle", "pd.read_pickle"}
# Folders beside the tasks that are none: what several of them share.
SHARED = {"classes", "rewriting", "signals"}
# The doors of the package itself: they name rooms, and belong to none.
DOORS = {"__init__", "__main__"}
ENTRIES = {
    "cells/__init__.py": "CELLS",
    "tasks/__init__.py": "TASKS",
    "cli/__init__.py": "COMMANDS",
}
SOURCES = sorted(SOURCE.rglob("*.py"))
ALL = sorted(path for part in ("src", "tests", "bench") for path in (ROOT / part).rglob("*.py"))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """Every module a file imports, at its top or inside a function; `a.b` for `from a import b`."""
    package = ("recurra", *path.relative_to(SOURCE).parent.parts)
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*above, *([node.module] if node.module else [])))
            yield from (f"{module}.{alias.name}" for alias in node.names)


def rooms_imported(path: Path) -> Iterator[str]:
    for module in imports(path):
        first, *rest = module.split(".")
        if first == "recurra" and rest and rest[0] != "__version__":
            yield rest[0]


def calls(path: Path) -> Iterator[str]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)
            yield from (f"{keyword.arg}=" for keyword in node.keywords if keyword.arg)


def modules_after(statement: str) -> set[str]:
    """The top-level modules that a fresh Python holds after a statement."""
    code = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_every_room_is_in_the_list():
    found = {room_of(path) for path in SOURCES} - DOORS
    assert found <= set(FLOOR), f"rooms without a place in the list: {found - set(FLOOR)}"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_room_imports_only_from_rooms_above_it(path):
    room = room_of(path)
    if room in DOORS:
        return
    for other in rooms_imported(path):
        assert other in FLOOR, f"{name(path)} imports recurra.{other}, which is no room"
        assert other == room or FLOOR[other] < FLOOR[room], f"{name(path)} imports recurra.{other}"


def test_imports_are_seen_wherever_they_stand(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "SOURCE", tmp_path)
    file = tmp_path / "cells" / "gru.py"
    file.parent.mkdir()
    file.write_text(
        "from recurra import tasks\nfrom .. import data\nfrom . import lstm\n"
        "def run():\n    import recurra.cli.train as train\n"
    )
    assert sorted(rooms_imported(file)) == ["cells", "cli", "data", "tasks"]


def test_a_task_does_not_know_another_task():
    for path in (SOURCE / "tasks").rglob("*/**/*.py"):
        own = path.relative_to(SOURCE / "tasks").parts[0]
        others = {p.name for p in (SOURCE / "tasks").iterdir() if p.is_dir()} - {own, *SHARED}
        for module in imports(path):
            assert not any(module.startswith(f"recurra.tasks.{other}") for other in others), module


@pytest.mark.parametrize("path", ALL, ids=name)
def test_files_are_short_and_named_for_the_thing_in_them(path):
    assert len(path.read_text().splitlines()) <= MOST_LINES
    assert path.stem not in VAGUE
    assert path.parent.name not in VAGUE


@pytest.mark.parametrize(("file", "entry"), ENTRIES.items())
def test_a_list_of_things_is_a_dict_literal(file, entry):
    values = [
        node.value
        for node in tree(SOURCE / file).body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if ast.unparse(target) == entry
    ]
    assert len(values) == 1
    assert isinstance(values[0], ast.Dict)
    assert all(isinstance(key, ast.Constant) for key in values[0].keys)


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_nothing_that_was_read_is_run(path):
    loaded = {module.partition(".")[0] for module in imports(path)}
    assert not loaded & UNSAFE_MODULES
    assert not set(calls(path)) & (UNSAFE_CALLS | {"allow_pickle="})


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_users_are_told_by_errors_and_not_by_assert(path):
    assert not [node.lineno for node in ast.walk(tree(path)) if isinstance(node, ast.Assert)]


def test_the_package_alone_brings_in_nothing_heavy():
    loaded = modules_after("import recurra, recurra.cli")
    assert not loaded & {"torch", "numpy", "pandas", "sklearn", "matplotlib", "rich"}


def test_the_tasks_bring_in_no_plots_and_no_scikit_learn():
    loaded = modules_after("import recurra.tasks")
    assert "torch" in loaded
    assert not loaded & {"sklearn", "matplotlib", "statsmodels"}

"""The pages of the project and the blocks in them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
TASKS = ROOT / "src" / "recurra" / "tasks"
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted(TASKS.glob("*/README.md")),
]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the line of the page where the text begins."""

    language: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    text = page.read_text()
    return [
        Block(found[1], found[2], text[: found.start(2)].count("\n") + 1)
        for found in FENCE.finditer(text)
    ]


def prose(page: Path) -> str:
    """The page without its blocks."""
    return FENCE.sub("", page.read_text())


def commands(block: Block) -> Iterator[tuple[str, list[str]]]:
    """Each command of a shell block, with the lines that the page shows as its output.

    In a `console` block, commands stand behind `$ ` and everything else is output; in a `bash`
    block every line is a command. A line that ends in a backslash goes on in the next.
    """
    lines = block.text.replace("\\\n", " ").splitlines()
    if block.language == "bash":
        yield from ((line, []) for line in lines if line.strip() and not line.startswith("#"))
        return
    command, output = "", []
    for line in [*lines, "$ "]:
        if line.startswith("$ "):
            if command:
                yield command, output
            command, output = line[2:], []
        else:
            output.append(line)


def shown(lines: list[str]) -> re.Pattern[str]:
    """What output must hold to fit the page: these lines, where `…` stands for anything."""
    parts = [
        r"(?:.*\n)*?" if line == "…" else re.escape(line.rstrip()).replace("…", ".*") + r"[ ]*\n"
        for line in lines
    ]
    return re.compile("".join(parts))


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))

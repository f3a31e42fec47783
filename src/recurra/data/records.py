"""Rows of named fields, as texts stand in files: CSV, TSV, and JSON lines.

    reviews.csv       a header, fields between commas, semicolons or bars, quotes around any
    reviews.tsv       a header, fields between tabs; quotes are letters, but around a whole field
    reviews.jsonl     an object a line

Each may be packed (.gz, .bz2, .xz, .zip). Nothing is taken for a number or for missing here.
"""

import csv
import json
import lzma
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from recurra.data.table import find_separator, listed, opened
from recurra.errors import DataError, MissingFileError, OptionError

JSON_LINES = (".jsonl", ".ndjson")
TABS = (".tsv", ".tab")
ERRORS = ("strict", "replace")
# What a field may hold; a quote that is never closed would take in the rest of a file.
MOST_FIELD = 10_000_000
SEEN_LINES = 50


@dataclass(frozen=True)
class Records:
    """Columns of a file.

    Args:
        name: the file's, for messages.
        columns: cells by the column's name, a text each; of JSON any value, None where the key is
            not there.
        lines: of the file, counted from 1, on which each row begins.
        replaced: bytes that were no UTF-8, and are the sign � now.
    """

    name: str
    columns: dict[str, list[Any]]
    lines: list[int]
    replaced: int = 0


def read_records(path: Path, errors: str = "strict") -> Records:
    """Read a file whole.

    Args:
        path: its ending says what it is; one that says nothing is CSV.
        errors: what bytes that are no UTF-8 do: "strict" refuses them, "replace" puts � there.

    Raises:
        DataError: it is no such file; the message names the line or the byte.
        MissingFileError: there is none.
        OptionError: `errors` is something else.
    """
    text, replaced = read_text(path, errors)
    kinds = {suffix.lower() for suffix in path.suffixes[-2:]}
    if kinds & set(JSON_LINES):
        rows = list(_objects(path.name, text))
        names = list(dict.fromkeys(name for _, row in rows for name in row))
        cells = {name: [row.get(name) for _, row in rows] for name in names}
        lines = [line for line, _ in rows]
    else:
        separator = "\t" if kinds & set(TABS) else _separator(text)
        header, rows_ = _table(path.name, text, separator)
        cells = {name: [row[place] for _, row in rows_] for place, name in enumerate(header)}
        lines = [line for line, _ in rows_]
    if not lines:
        raise DataError(f"{path.name}: a header but no rows; it takes a row a text")
    return Records(path.name, cells, lines, replaced)


def read_text(path: Path, errors: str = "strict") -> tuple[str, int]:
    """A file of UTF-8, unpacked, and how many bytes in it were replaced; as `read_records`."""
    if errors not in ERRORS:
        raise OptionError(f'--errors is "{errors}"; what fits is {" or ".join(ERRORS)}')
    content = _bytes(path).removeprefix(b"\xef\xbb\xbf")
    zero = content.find(b"\0")
    if zero >= 0:
        raise DataError(f"{path.name}: byte {zero} is 0, which no text holds; save it as UTF-8")
    if not content.strip():
        raise DataError(f"{path.name}: empty; it takes a text and its label a row")
    try:
        return content.decode(), 0
    except UnicodeDecodeError as error:
        if errors == "strict":
            raise DataError(
                f"{path.name}: byte {error.start} (0x{content[error.start]:02x}) is no UTF-8; save "
                "it as UTF-8, or --errors replace puts � in the place of such bytes"
            ) from error
    text = content.decode(errors="replace")
    return text, text.count("\ufffd") - content.count("\ufffd".encode())


def _bytes(path: Path) -> bytes:
    if path.is_dir():
        raise DataError(f"{path}: a folder, not a file of texts")
    if not path.exists():
        raise MissingFileError(f"{path}: no such file; it takes the path of a CSV, TSV or JSONL")
    try:
        with opened(path) as file:
            return file.read()
    except (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        raise DataError(f"{path.name}: cannot be read: {error}") from error


def _separator(text: str) -> str:
    lines = [line for line in text[:65_536].splitlines()[:SEEN_LINES] if line.strip()]
    return find_separator(lines)


def _table(name: str, text: str, separator: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header, and each row with its line."""
    rows = iter(_plain(text) if separator == "\t" else _quoted(name, text, separator))
    _, header = next(rows)
    header = [field.strip() for field in header]
    twice = [field for place, field in enumerate(header) if field in header[:place]]
    if twice:
        raise DataError(f'{name}: two columns are called "{twice[0]}"; rename one')
    found = []
    for line, row in rows:
        if len(row) != len(header):
            raise DataError(
                f"{name}: line {line} has {len(row)} fields, the header has {len(header)} "
                f"({listed(header)}); a text that holds the separator stands in quotes in a CSV"
            )
        found.append((line, row))
    return header, found


def _plain(text: str) -> Iterator[tuple[int, list[str]]]:
    """Rows between tabs: of quotes only those around a whole field mean anything."""
    for line, row in enumerate(text.split("\n"), start=1):
        if row.strip():
            yield line, [_unquoted(field) for field in row.removesuffix("\r").split("\t")]


def _unquoted(field: str) -> str:
    inner = field[1:-1]
    whole = len(field) > 1 and field[0] == field[-1] == '"'
    if whole and '"' not in inner.replace('""', ""):
        return inner.replace('""', '"')
    return field


def _quoted(name: str, text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    before = csv.field_size_limit(MOST_FIELD)
    reader = csv.reader(StringIO(text, newline=""), delimiter=separator, strict=True)
    line = 1
    try:
        for row in reader:
            if any(field.strip() for field in row):
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{name}: the row that begins in line {line}: {error}; quotes inside a quoted text are "
            "doubled"
        ) from error
    finally:
        csv.field_size_limit(before)


def _objects(name: str, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        try:
            found = json.loads(content, object_pairs_hook=_pairs)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{name}: line {line} is no JSON object: {error}") from error
        if not isinstance(found, dict):
            raise DataError(
                f"{name}: line {line} is a {type(found).__name__}; each line is a JSON object"
            )
        yield line, found


def _pairs(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key comes twice")
    return found

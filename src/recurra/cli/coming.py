"""Lines of a stream as they come."""

import io
from collections.abc import Iterator

from recurra.errors import DataError

# Bytes that are taken at once, where so many are there; and the most that a line may have.
CHUNK, LINE = 1 << 16, 1 << 20


def coming(stream: io.BufferedIOBase, errors: str = "strict") -> Iterator[list[str]]:
    """The lines that are there already, without their ends, then those that come next.

    One line of a terminal, or of a program that waits for an answer, comes alone; those of a file
    come in hundreds. As of a file, a byte order mark at the beginning is dropped.

    Args:
        errors: what bytes that are no UTF-8 do: "strict", or "replace", which puts U+FFFD there.

    Raises:
        DataError: a line is no UTF-8, or has no end.
    """
    begun, number = b"", 0
    while chunk := stream.read1(CHUNK):
        *whole, begun = (begun + chunk).split(b"\n")
        if whole:
            yield [_text(line, number + k, errors) for k, line in enumerate(whole, start=1)]
        number += len(whole)
        if len(begun) > LINE:
            raise DataError(
                f"standard input: line {number + 1:,} has more than {LINE:,} bytes; a newline ends "
                "each text"
            )
    if begun:
        yield [_text(begun, number + 1, errors)]


def _text(line: bytes, number: int, errors: str) -> str:
    try:
        text = line.decode(errors=errors).removesuffix("\r")
    except UnicodeDecodeError as error:
        byte = line[error.start]
        raise DataError(
            f"standard input: line {number:,}: byte 0x{byte:02x} is no UTF-8; iconv makes it UTF-8"
        ) from None
    return text.removeprefix("\ufeff") if number == 1 else text

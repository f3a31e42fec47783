"""Lines of a stream as they come."""

import io
from collections.abc import Iterator

from recurra.errors import DataError

# Bytes that are taken at once, where so many are there.
CHUNK = 1 << 16


def coming(stream: io.BufferedIOBase) -> Iterator[list[str]]:
    """The lines that are there already, without their ends, then those that come next.

    One line of a terminal, or of a program that waits for an answer, comes alone; those of a file
    come in hundreds.

    Raises:
        DataError: a line is no UTF-8.
    """
    begun, number = b"", 0
    while chunk := stream.read1(CHUNK):
        *whole, begun = (begun + chunk).split(b"\n")
        if whole:
            yield [_text(line, number + k) for k, line in enumerate(whole, start=1)]
        number += len(whole)
    if begun:
        yield [_text(begun, number + 1)]


def _text(line: bytes, number: int) -> str:
    try:
        return line.decode().removesuffix("\r")
    except UnicodeDecodeError as error:
        byte = line[error.start]
        raise DataError(
            f"standard input: line {number}: byte 0x{byte:02x} is no UTF-8; iconv makes it UTF-8"
        ) from None

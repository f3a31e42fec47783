"""Elementwise recurrences cut by channels: a part of the columns is a program of its own.

Where no instruction looks from one column at another, such as in h = a * h + b, the columns of a
row are as independent as rows are. So where rows are too few for all threads, each thread takes a
part of the columns of all rows.
"""

from dataclasses import replace

from recurra.engine.operations import OPERATIONS
from recurra.engine.program import Buffer, Code, Instruction, Kind, Operand, Program

NAMES = list(OPERATIONS)
CROSSING = frozenset({"sum", "dot", "sum_k", "dot_k", "amax", "amin", "cumsum", "rcumsum"})
PLAIN = (Code.LOAD, Code.STORE, Code.ACCUMULATE, Code.TOTAL)
# A part narrower than this is not worth a thread, nor is less work than this in all.
LEAST_COLUMNS = 64
LEAST_NUMBERS = 1 << 18
# A tile of rows is not cut smaller: what has no more rows keeps one thread busy.
TILE_ROWS = 4


def channels(program: Program) -> int:
    """The columns of a row, where no instruction crosses them; else 0."""
    D = max((b.width for b in program.buffers if b.kind is not Kind.KEPT), default=0)
    buffers = all(_fits(b, D) for b in program.buffers)
    instructions = [i for segment in program.segments.values() for i in segment]
    whole = not program.matrices and all(_columnwise(program, i, D) for i in instructions)
    return D if D > 1 and buffers and whole else 0


def _fits(buffer: Buffer, D: int) -> bool:
    if buffer.kind is Kind.KEPT:
        return D > 0 and buffer.width % D == 0
    return buffer.width == D or (buffer.kind is Kind.PARAMETER and buffer.width == 1)


def _columnwise(program: Program, i: Instruction, D: int) -> bool:
    code = i.code in PLAIN or (i.code < len(NAMES) and NAMES[i.code] not in CROSSING)
    return code and (i.n, i.d) == (1, D) and all(_straight(program, o, D) for o in i.operands)


def _straight(program: Program, o: Operand, D: int) -> bool:
    """Whether column j of an instruction is column j of the operand, or a number."""
    if program.buffers[o.buffer].width == 1:
        return True
    return o.column == 1 and o.offset % D == 0


def parts(D: int, B: int, T: int, threads: int) -> int:
    """Into how many parts D channels of B rows and T steps are cut: equal ones, 1 for none."""
    tiles = -(-B // TILE_ROWS)
    if D == 0 or tiles >= threads or B * T * D < LEAST_NUMBERS:
        return 1
    most = min(-(-threads // tiles), D // LEAST_COLUMNS)
    return next((p for p in range(most, 1, -1) if D % p == 0), 1)


def narrowed(program: Program, D: int, count: int) -> Program:
    """The program on one of `count` parts of the columns."""
    d = D // count

    def buffer(b: Buffer) -> Buffer:
        return b if b.width == 1 else replace(b, width=b.width // D * d)

    def operand(o: Operand) -> Operand:
        return replace(o, offset=o.offset // D * d)

    def instruction(i: Instruction) -> Instruction:
        return replace(i, d=d, operands=tuple(map(operand, i.operands)))

    return replace(
        program,
        buffers=[buffer(b) for b in program.buffers],
        segments={
            phase: [instruction(i) for i in segment] for phase, segment in program.segments.items()
        },
    )


def wide(program: Program) -> list[bool]:
    """For each argument, whether it has a column a channel."""
    found = [True] * program.arguments
    for b in program.buffers:
        if b.argument >= 0:
            found[b.argument] = b.width > 1
    return found

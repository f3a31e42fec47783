"""A plan as the library reads it: buffers, matrices, and short lists of instructions.

A program runs over packed time: rows sorted by falling length, so at step t the first B_t rows are
alive. A tile is a range of rows that one thread carries through all of time; a chunk is a few
steps of a tile. Everything is a matrix of rows; an operand names a buffer, a first column, and how
it moves from group to group and from column to column.
"""

import struct
from dataclasses import dataclass, field
from enum import IntEnum

VERSION = 2


class Packing(IntEnum):
    """How a matrix is packed, and so how its products are computed; see `csrc/kernels.h`."""

    FULL = 0  # every number as it is
    HALF = 1  # the matrix as bfloat16
    TILES = 2  # both sides of a product as bfloat16, where the machine multiplies tiles


class Kind(IntEnum):
    """Where a buffer's rows lie."""

    PARAMETER = 0  # one row, an argument; the same for every row and step
    OUTER = 1  # argument (B, T, width), a row and step; only load, store and contract touch it
    OUTER_ROW = 2  # argument (B, width), a row; only load and store touch it
    KEPT = 3  # packed rows, from the forward to the backward
    HISTORY = 4  # states: packed rows, and the first state before them
    STATE = 5  # states of a tile, two in turn: the one before the step and the one after it
    CHUNK = 6  # rows of a tile, a chunk of steps
    TILE = 7  # rows of a tile
    SUM = 8  # one row for every four rows of the batch: what is summed over rows and time


class Phase(IntEnum):
    """When a segment runs."""

    F_BEGIN = 0  # once a tile
    F_BEFORE = 1  # before a chunk's steps, on all its rows
    F_STEP = 2
    F_AFTER = 3  # after a chunk's steps, on all its rows
    F_END = 4  # once a tile
    B_BEGIN = 5
    B_BEFORE = 6
    B_STEP = 7
    B_AFTER = 8
    B_END = 9
    CONTRACT = 10  # after all tiles: sums over every row and step


class Code(IntEnum):
    """What an instruction is, beside the operations of `operations.OPERATIONS`."""

    LOAD = 1000  # dst = argument's rows (of this step)
    STORE = 1001  # argument's rows (of this step) = a
    PRODUCT = 1002  # dst (+)= a @ matrix
    BATCHED = 1003  # a product of small matrices, one pair a row
    ACCUMULATE = 1004  # dst += sum over rows of a (* b)
    CONTRACT = 1005  # argument (M, N) = a^T b over all packed rows
    TOTAL = 1006  # argument row = sum over all rows of a SUM buffer


@dataclass(frozen=True)
class Buffer:
    """Rows of `width` columns.

    Args:
        argument: which argument holds it, for PARAMETER, OUTER and OUTER_ROW.
        alias: KEPT alone: the KEPT buffer whose memory it takes over in the backward.
    """

    kind: Kind
    width: int
    argument: int = -1
    alias: int = -1


@dataclass(frozen=True)
class Matrix:
    """Argument (blocks, K, N), any strides; packed once a call."""

    argument: int
    K: int
    N: int
    blocks: int = 1
    packing: Packing = Packing.FULL


@dataclass(frozen=True)
class Operand:
    """Columns of a buffer: group g, column j is at `offset + g * group + j * column`."""

    buffer: int
    offset: int = 0
    group: int = 0
    # 0 repeats one column; more than 1, of groups side by side, is for a reduction to read.
    column: int = 1
    after: bool = False  # STATE and HISTORY: the state after the step


@dataclass(frozen=True)
class Instruction:
    """One instruction on rows of n groups of d columns.

    numbers: PRODUCT: (matrix, init) with init 0 accumulate, 1 zero, 2 operand b is a row to begin
    with; BATCHED: (I, K, J, a_i, a_k, b_k, b_j, accumulate): dst[i J + j] (+)= sum over k of
    a[i a_i + k a_k] b[k b_k + j b_j], once per group; CONTRACT: (argument, M, N, blocks,
    inner, packing) with a's and b's offsets moving on by M and N, `inner` times a block, packing
    full or tiles; TOTAL: (argument,).
    """

    code: int
    n: int
    d: int
    operands: tuple[Operand, ...]  # dst first, where there is one
    literal: float = 0.0
    numbers: tuple[int, ...] = ()


@dataclass
class Program:
    """What the library runs."""

    double: bool
    arguments: int
    buffers: list[Buffer] = field(default_factory=list)
    matrices: list[Matrix] = field(default_factory=list)
    segments: dict[Phase, list[Instruction]] = field(default_factory=dict)

    def words(self) -> list[int]:
        """The program as 64-bit numbers, in the order in which `csrc/program.cpp` reads them."""
        words = [VERSION, int(self.double), self.arguments, len(self.buffers)]
        for b in self.buffers:
            words += [int(b.kind), b.width, b.argument, b.alias]
        words.append(len(self.matrices))
        for m in self.matrices:
            words += [m.argument, m.K, m.N, m.blocks, int(m.packing)]
        for phase in Phase:
            segment = self.segments.get(phase, [])
            words.append(len(segment))
            for i in segment:
                words += _instruction(i)
        return words


def _instruction(i: Instruction) -> list[int]:
    literal = struct.unpack("<q", struct.pack("<d", i.literal))[0]
    words = [i.code, i.n, i.d, literal, len(i.operands)]
    for o in i.operands:
        words += [o.buffer, o.offset, o.group, o.column, int(o.after)]
    return [*words, len(i.numbers), *i.numbers]

"""The instructions of a program, one line each."""

import re
from dataclasses import replace

from recurra.engine.draft import Argument
from recurra.engine.emit import Emitted
from recurra.engine.graph import Leaf
from recurra.engine.operations import OPERATIONS
from recurra.engine.program import Code, Instruction, Kind, Operand, Phase
from recurra.engine.words import Words, part

TITLES = {
    Phase.F_BEGIN: "native, once for some rows",
    Phase.F_BEFORE: "native, before some steps, on all their rows",
    Phase.F_STEP: "native, each step",
    Phase.F_AFTER: "native, after some steps, on all their rows",
    Phase.F_END: "native, at the end of some rows",
    Phase.B_BEGIN: "native backward, once for some rows",
    Phase.B_BEFORE: "native backward, before some steps, on all their rows",
    Phase.B_STEP: "native backward, each step",
    Phase.B_AFTER: "native backward, after some steps, on all their rows",
    Phase.B_END: "native backward, at the end of some rows",
    Phase.CONTRACT: "native backward, at the very end, over all rows and steps",
}
NAMES = list(OPERATIONS)
REDUCING = ("sum", "dot", "sum_k", "dot_k", "amax", "amin")


def instructions(emitted: Emitted, words: Words) -> list[str]:
    """One paragraph a phase that has instructions."""
    listing = _Listing(emitted, words)
    segments = emitted.program.segments
    return [part(TITLES[p], map(listing.line, segments[p])) for p in Phase if segments.get(p)]


class _Listing:
    def __init__(self, emitted: Emitted, words: Words) -> None:
        self.program, self.arguments, self.words = emitted.program, emitted.arguments, words

    def line(self, i: Instruction) -> str:
        """One instruction."""
        if i.code == Code.PRODUCT:
            return self._product(i)
        if i.code == Code.BATCHED:
            rows, inner, columns, *_ = i.numbers
            y = self.operand(i.operands[0], i.n, rows * columns)
            first, other = (self.operand(o, 1, 1) for o in i.operands[1:])
            count = "" if i.n == 1 else f", {i.n} of them"
            return f"{y} = {first} … @ {other} …, {rows}×{inner} @ {inner}×{columns}{count}"
        if i.code == Code.CONTRACT:
            argument, M, N, blocks, inner, _ = i.numbers
            a, b = (self.operand(o, 1, n) for o, n in zip(i.operands, (M, N), strict=True))
            more = "" if blocks == 1 else f", {blocks} blocks of them"
            more += "" if inner == 1 else f", {inner} a row"
            return f"{self.argument(argument)} = sum of outer({a}, {b}){more}"
        operands = [self.operand(o, i.n, i.d) for o in i.operands]
        if i.code == Code.TOTAL:
            return f"{self.argument(i.numbers[0])} = sum of {operands[0]}"
        if i.code == Code.ACCUMULATE:
            return f"{operands[0]} += {' * '.join(operands[1:])}"
        if i.code in (Code.LOAD, Code.STORE):
            return f"{operands[0]} = {operands[1]}"
        return self._pointwise(i, operands)

    def _pointwise(self, i: Instruction, operands: list[str]) -> str:
        name = NAMES[i.code]
        reads, equation = OPERATIONS[name]
        if name in REDUCING:
            operands[0] = self.operand(i.operands[0], i.n, 1)
            for k, each in enumerate(i.operands[1:], 1):
                if each.column > 1:  # columns apart, of groups side by side
                    turned = replace(each, group=each.column, column=each.group)
                    operands[k] = self.operand(turned, i.d, i.n)
        letters = dict(zip("abcd"[:reads], operands[1:], strict=True)) | {"k": f"{i.literal:g}"}
        if name in (*REDUCING, "cumsum", "rcumsum"):
            letters["d"] = f"{i.d} columns"
        said = re.sub(r"\b[abcdk]\b", lambda found: letters[found[0]], equation)
        return f"{operands[0]} = {said}"

    def _product(self, i: Instruction) -> str:
        number, begin = i.numbers
        matrix = self.program.matrices[number]
        to, source, *row = i.operands
        target = self.operand(to, i.n, i.d)
        factor = self.operand(source, i.n, matrix.K)
        sign = "+=" if begin == 0 else "="
        first = f"{self.operand(row[0], 1, i.d)} + " if row else ""
        blocks = "" if matrix.blocks == 1 else ", a matrix each"
        return f"{target} {sign} {first}{factor} @ {self.argument(matrix.argument)}{blocks}"

    def operand(self, o: Operand, n: int, d: int) -> str:
        """Columns of a buffer: n groups of d."""
        buffer = self.program.buffers[o.buffer]
        name = f"{buffer.kind.name.lower()}{o.buffer}"
        if buffer.argument >= 0:
            name = self.argument(buffer.argument)
            if self.arguments[buffer.argument].kind == "number":
                return name
        name += "'" if o.after and buffer.kind in (Kind.STATE, Kind.HISTORY) else ""
        width = d if o.column else 1
        if n == 1 or o.group in (0, width):
            width *= n if n > 1 and o.group else 1
            return name if (o.offset, width) == (0, buffer.width) else f"{name}[{_run(o, width)}]"
        return f"{name}[{_run(o, width)}, and {n - 1} more every {o.group}]"

    def argument(self, number: int) -> str:
        """What the caller passes."""
        found = self.arguments[number]
        if found.kind == "number":
            return f"{found.number:g}"
        if found.node is not None:
            text = self.words.value(found.node)
            return text if found.offset == (0, 0) else f"{text} from {found.offset}"
        return self._outer(found)

    def _outer(self, found: Argument) -> str:
        names = self.words.names
        if found.kind in ("x", "dx"):
            return found.kind.removesuffix("x") + names[Leaf("x", found.index)]
        if found.kind in ("first", "last", "dfirst", "dlast"):
            sign = "d" if found.kind.startswith("d") else ""
            return f"{found.kind.removeprefix('d')} {sign}{names[Leaf('state', found.index)]}"
        if found.kind == "drow":
            return f"d{names[Leaf('context', found.index)]}"
        return found.kind


def _run(o: Operand, width: int) -> str:
    return f"{o.offset}" if width == 1 else f"{o.offset}:{o.offset + width}"

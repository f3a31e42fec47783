"""The instructions of one phase: products add to what is there, short chains become one."""

from itertools import product as combinations
from math import prod

from recurra.engine import place
from recurra.engine.fuse import Fused
from recurra.engine.graph import POINTWISE, REDUCTIONS, VIEWS, Node
from recurra.engine.handover import Handover
from recurra.engine.operations import NUMBERS
from recurra.engine.place import Location, NotNativeError
from recurra.engine.program import Code, Kind, Operand
from recurra.engine.readers import EACH, Readers
from recurra.engine.target import Targets

LITERAL_LAST = {
    op: op + "_k" for op in ["add", "mul", "pow", "min", "max", "eq", "ne", "lt", "le", "gt", "ge"]
}
LITERAL_FIRST = {"add": "add_k", "mul": "mul_k", "min": "min_k", "max": "max_k", "sub": "rsub_k"}
LITERAL_FIRST |= {"div": "rdiv_k", "eq": "eq_k", "ne": "ne_k", "lt": "gt_k", "le": "ge_k"}
LITERAL_FIRST |= {"gt": "lt_k", "ge": "le_k"}
# How a product begins; see program.Instruction.
ON_TOP, ON_ZERO, ON_ROW = 0, 1, 2


class SegmentEmitter:
    """Says the phase that `handover` has opened.

    Args:
        nodes: the operations of the phase, inputs first.
    """

    def __init__(self, handover: Handover, nodes: list[Node]) -> None:
        self.handover = handover
        self.nodes = nodes
        self.draft = handover.draft
        self.locator = handover.locator
        self.readers = Readers(handover, nodes)
        self.targets = Targets(handover, self.readers)

    def emit(self) -> None:
        """Say everything."""
        if self.draft.stepping:
            self._totals_of(None)
        for position, node in enumerate(self.nodes):
            self.targets.position = EACH * position
            if node not in self.readers.silent:
                self._say(node)
            elif node not in self.readers.summed:
                continue
            self._totals_of(node)
            self._keep_views_of(node)

    def _totals_of(self, node: Node | None) -> None:
        """Sums over rows of what is there now; None for what other phases made."""
        for total in self.readers.totals:
            base = self.handover.base(total.inputs[0])
            if base is node or (node is None and base not in self.readers.inside):
                self._total(total)

    def _keep_views_of(self, node: Node) -> None:
        for kept in self.handover.segments.kept if not self.handover.back else ():
            if kept.op in VIEWS and self.handover.base(kept) is node:
                held = self.handover.keep(kept)
                self.draft.copy(held, self.locator.locate(kept))
                self.locator.backward[kept] = held

    def _say(self, node: Node) -> None:
        if node in self.readers.fused:
            self._pointwise(node, self.readers.fused[node])
        elif node in self.readers.added:
            self._sum_of_products(node)
        elif node.op in POINTWISE:
            self._pointwise(node, Fused(node.op, node.inputs, ()))
        elif node.op in ("matmul", "heads"):
            self._product(self.targets.target(node), node, ON_ZERO)
        elif node.op == "bmm":
            self._batched(node)
        elif node.op in REDUCTIONS:
            self._reduce(node, Fused(node.op, node.inputs, ()))
        elif node.op == "cat":
            self._cat(node)
        elif node.op == "flip":
            self._flip(node)
        elif node.op == "cumsum":
            self._cumsum(node)
        elif node.op == "expand":
            self.draft.copy(self.targets.target(node), self.locator.repeated(node))
        else:
            raise NotNativeError(f"{node.op} ({node.line})")

    def _pointwise(self, node: Node, made: Fused) -> None:
        if made.op in ("sum", "dot", "sum_k", "dot_k"):
            self._reduce(node, made)
            return
        op, operands, literal = made.op, list(made.operands), 0.0
        numbers = [each.op == "literal" for each in operands]
        if numbers == [False, True]:
            literal = operands[1].literal
            if op in LITERAL_LAST:
                op, operands = LITERAL_LAST[op], operands[:1]
            elif op == "sub":
                op, operands, literal = "add_k", operands[:1], -literal
            elif op == "div" and literal != 0.0:
                op, operands, literal = "mul_k", operands[:1], 1.0 / literal
        elif numbers == [True, False] and op in LITERAL_FIRST:
            op, operands, literal = LITERAL_FIRST[op], operands[1:], operands[0].literal
        places = tuple(self.locator.locate(each) for each in operands)
        target = self.targets.target(node, places)
        self.draft.over(NUMBERS[op], node.shape, [target, *places], literal)

    def _sum_of_products(self, node: Node) -> None:
        first, *more = self.readers.added[node]
        rest = [each for each in node.inputs if each not in self.readers.added[node]]
        if not rest:
            target = self.targets.target(node)
            self._product(target, first, ON_ZERO)
            for each in more:
                self._product(target, each, ON_TOP)
            return
        (other,) = rest
        row = first.op == "matmul" and first.width == first.shape[-1]
        if not other.rows and row and other.width == first.width:
            self._product(self.targets.target(node), first, ON_ROW, self.locator.locate(other))
            return
        held = self.locator.locate(other)
        # A product reads its rows while it writes.
        read = any(self.readers.meet(other, each.inputs[0]) for each in (first, *more))
        target = self.targets.target(node, () if read else (held,))
        if target != held:
            self.draft.copy(target, place.expanded(held, node.shape))
        self._product(target, first, ON_TOP)

    def _product(
        self, target: Location, node: Node, begin: int, row: Location | None = None
    ) -> None:
        """target (+)= a @ w."""
        a, w = node.inputs
        if w.rows:
            raise NotNativeError(f"a product with a matrix of every row ({node.line})")
        out = place.flat(target)
        if out is None:
            raise NotNativeError("a product into columns apart")
        if node.op == "heads":
            self._heads(out, a, w, begin)
            return
        K, N = w.shape
        count = a.width // K if K else 0
        if count == 1:
            self._runs(out, self.locator.runs(a), w, begin, row)
            return
        held = self.locator.packed(a)
        for j in range(count):
            source = place.sliced(held, 0, j * K, (j + 1) * K)
            self._runs(place.sliced(out, 0, j * N, (j + 1) * N), [source], w, begin, row)

    def _runs(
        self,
        target: Location,
        runs: list[Location | int],
        w: Node,
        begin: int,
        row: Location | None,
    ) -> None:
        N, first = w.shape[-1], 0
        for run in runs:
            K = place.wide(run)
            if isinstance(run, Location):
                matrix = self.draft.matrix(w, first, K)
                operands = [target.operand(), run.operand()]
                operands += [row.operand()] if begin == ON_ROW and row is not None else []
                self.draft.say(Code.PRODUCT, 1, N, operands, numbers=(matrix, begin))
                begin = ON_TOP
            first += K
        if begin == ON_ZERO:
            self.draft.fill(target)
        elif begin == ON_ROW and row is not None:
            self.draft.copy(target, Location(row.buffer, row.offset, target.shape, (1,)))

    def _heads(self, out: Location, a: Node, w: Node, begin: int) -> None:
        blocks, inner, K = a.shape
        N = w.shape[2]
        held = self.locator.packed(a)
        matrix = self.draft.matrix(w, 0, K)
        for j in range(inner):
            to = Operand(out.buffer, out.offset + j * N, inner * N, 1, out.after)
            source = Operand(held.buffer, held.offset + j * K, inner * K, 1, held.after)
            self.draft.say(Code.PRODUCT, blocks, N, [to, source], numbers=(matrix, begin))

    def _batched(self, node: Node) -> None:
        a, b = (self.locator.locate(each) for each in node.inputs)
        groups, rows, columns = node.shape
        inner = node.inputs[0].shape[2]
        target = self.targets.target(node)
        numbers = (rows, inner, columns, *a.strides[1:], *b.strides[1:], 0)
        operands = [
            Operand(target.buffer, target.offset, rows * columns, 1, target.after),
            Operand(a.buffer, a.offset, a.strides[0], 1, a.after),
            Operand(b.buffer, b.offset, b.strides[0], 1, b.after),
        ]
        self.draft.say(Code.BATCHED, groups, rows * columns, operands, numbers=numbers)

    def _reduce(self, node: Node, made: Fused) -> None:
        """The reduced dimensions become the columns of an instruction, the others its groups."""
        over = made.over or node
        shape, dims = over.inputs[0].shape, over.dims
        order = [k for k in range(len(shape)) if k not in dims] + list(dims)
        turned = tuple(shape[k] for k in order)
        operands = [place.expanded(self.locator.locate(each), shape) for each in made.operands]
        places = [place.permuted(each, order) for each in operands]
        if not place.side_by_side(turned, places, len(dims)):
            places = [self._columns(each, len(dims)) for each in places]
        flat = place.viewed(self.targets.target(node), turned[: len(order) - len(dims)])
        if flat is None:
            raise NotNativeError(f"{node.op} into columns apart")
        strides = (*flat.strides, *(0,) * len(dims))
        places.insert(0, Location(flat.buffer, flat.offset, turned, strides, flat.after))
        walk = place.merged(turned, [each.strides for each in places])
        reduced = prod(shape[k] for k in dims) > 1
        columns = walk.pop() if reduced else (1, (1,) * len(places))
        groups = walk.pop() if walk else (1, (0,) * len(places))
        for index in combinations(*(range(size) for size, _ in walk)):
            said = []
            for k, each in enumerate(places):
                at = each.offset + sum(i * s[k] for i, (_, s) in zip(index, walk, strict=True))
                column = 1 if k == 0 else columns[1][k]
                said.append(Operand(each.buffer, at, groups[1][k], column, each.after))
            self.draft.say(NUMBERS[made.op], groups[0], columns[0], said, made.literal)

    def _columns(self, where: Location, count: int) -> Location:
        """The place, or a copy of it in which the last dimensions follow each other."""
        first = len(where.shape) - count
        merged = place.merged(where.shape[first:], [where.strides[first:]])
        if len(merged) <= 1 and all(stride in (0, 1) for _, (stride,) in merged):
            return where
        packed = self.draft.local(where.shape)
        self.draft.copy(packed, where)
        return packed

    def _cat(self, node: Node) -> None:
        homes = self.targets.homes
        whole = all(each in homes for each in (node, *node.inputs))
        if not whole and self.readers.taken_in_pieces(node):
            return
        target, start = self.targets.target(node), 0
        for each in node.inputs:
            stop = start + each.shape[node.at]
            part = place.sliced(target, node.at, start, stop)
            if homes.get(each) != part:
                self.draft.copy(part, self.locator.locate(each))
            start = stop

    def _flip(self, node: Node) -> None:
        held = self.locator.locate(node.inputs[0])
        target = self.targets.target(node)
        at, size = node.at, node.shape[node.at]
        if size > place.UNROLLED:
            raise NotNativeError("flip of many columns")
        for k in range(size):
            source = place.sliced(held, at, size - 1 - k, size - k)
            self.draft.copy(place.sliced(target, at, k, k + 1), source)

    def _cumsum(self, node: Node) -> None:
        held = self.locator.locate(node.inputs[0])
        target = self.targets.target(node)
        size = node.shape[node.at]
        if any(each != 1 for each in node.shape[node.at + 1 :]):
            raise NotNativeError("a running sum along other than the last dimension")
        if size == 1:
            self.draft.copy(target, held)
            return
        op = "rcumsum" if node.options[1:] else "cumsum"
        for n, d, operands in place.walks(node.shape, [target, held]):
            if d != size:
                raise NotNativeError("a running sum over columns apart")
            self.draft.say(NUMBERS[op], n, d, operands)

    def _total(self, node: Node) -> None:
        (source,) = node.inputs
        number = self.draft.buffer(Kind.SUM, max(1, node.width))
        self.handover.sums.append((node, number))
        held = place.filling(number, node.shape)
        if source in self.readers.summed or self.locator.known(source):
            summed = source.inputs if source in self.readers.summed else (source,)
            places = [self.locator.locate(each) for each in summed]
            self.draft.over(Code.ACCUMULATE, source.shape, [held, *places])
            return
        start = 0
        for piece in self.locator.runs(source):
            stop = start + place.wide(piece)
            if isinstance(piece, Location):
                part = Location(number, start, piece.shape, piece.strides)
                self.draft.over(Code.ACCUMULATE, piece.shape, [part, piece])
            start = stop

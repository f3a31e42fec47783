"""Who reads what in one phase, and so which operations are said together."""

from recurra.engine.fuse import fuse
from recurra.engine.graph import VIEWS, Node
from recurra.engine.handover import Handover, whole_rows
from recurra.engine.plan import Place
from recurra.engine.program import Phase
from recurra.engine.segments import BACKWARD

NEVER = 1 << 40  # after every instruction of the phase
# Instruction k is at 2 k, and the sums over rows that are taken right after it are at 2 k + 1.
EACH = 2


class Readers:
    """The operations of a phase as they depend on each other.

    Attributes:
        reads: by value when it is read, in places as `EACH` counts them, and what of it.
        lasting: values that are read after the phase.
        totals: sums over rows that are taken in the phase.
        summed: products of two that exist for such a sum alone.
        added: by sum the products that are added to its other part.
        fused: by operation what is said in its place.
        silent: operations that others say.
    """

    def __init__(self, handover: Handover, nodes: list[Node]) -> None:
        self.handover = handover
        self.nodes = nodes
        self.inside = set(nodes)
        self.summed: set[Node] = set()
        self.totals = self._totals()
        self.lasting = self._lasting()
        self.crossing = self._crossing()
        self.reads = self._count({node: node.inputs for node in nodes})
        self.added: dict[Node, list[Node]] = {}
        self.added = self._added()
        self.fused = fuse([node for node in nodes if node not in self.added], self._lonely)
        self.silent = {each for made in self.fused.values() for each in made.absorbed}
        self.silent |= {product for products in self.added.values() for product in products}
        self.silent |= self.summed
        self.reads = self._count({node: self._operands(node) for node in nodes})

    def crosses(self, node: Node) -> bool:
        """Whether another phase of the same direction reads the value."""
        lasting = node in self.lasting and node in self.crossing
        return lasting and not self.handover.reuse.staged(node)

    def taken_in_pieces(self, node: Node) -> bool:
        """Whether all who read a joined value can take it part by part."""
        if any(size != 1 for size in node.shape[: node.at]):
            return False
        given = node in self.handover.results or self.crosses(node)
        if given and not self.handover.taken_in_pieces(node):
            return False
        said = [at for at, _ in self.reads.get(node, []) if at < NEVER and at % EACH == 0]
        readers = [self.nodes[at // EACH] for at in said]
        return all(whole_rows(p) for each in readers for p in self.added.get(each, [each]))

    def meet(self, one: Node, other: Node) -> bool:
        """Whether two values share memory, as views of one value or as parts of what is joined."""
        return not {*self._ends(one)}.isdisjoint(self._ends(other))

    def _operands(self, node: Node) -> tuple[Node, ...]:
        if node in self.silent:
            return ()
        if node in self.fused:
            return self.fused[node].operands
        if node in self.added:
            products = self.added[node]
            rest = [each for each in node.inputs if each not in products]
            return (*rest, *(each for product in products for each in product.inputs))
        return node.inputs

    def _count(self, operands: dict[Node, tuple[Node, ...]]) -> dict[Node, list[tuple[int, Node]]]:
        found: dict[Node, list[tuple[int, Node]]] = {}
        places = {node: EACH * k for k, node in enumerate(self.nodes)}
        for node, at in places.items():
            for each in operands[node]:
                base, *parts = self._ends(each)
                found.setdefault(base, []).append((at, each))
                for part in parts:  # who reads what was joined may read it piece by piece
                    found.setdefault(part, []).append((at, part))
        for total in self.totals:
            (source,) = total.inputs
            at = places.get(self.handover.base(source), -EACH) + 1
            for each in source.inputs if source in self.summed else (source,):
                for end in self._ends(each):
                    found.setdefault(end, []).append((at, each))
        for node in self.lasting:
            found.setdefault(node, []).append((NEVER, node))
        return found

    def _ends(self, node: Node) -> list[Node]:
        base = self.handover.base(node)
        if base.op == "cat":
            return [base, *(end for each in base.inputs if each.rows for end in self._ends(each))]
        return [base]

    def _totals(self) -> list[Node]:
        """Finds `summed` as well."""
        found: list[Node] = []
        plan = self.handover.plan
        for node in plan.at(Place.OVER) if self.handover.back else ():
            if node.op != "total" or not self._sums_here(node.inputs[0]):
                continue
            found.append(node)
            (source,) = node.inputs
            users = [each for each in plan.order if source in each.inputs]
            plain = source.op == "mul" and all(each.op != "literal" for each in source.inputs)
            wanted = source in self.handover.results
            if plain and users == [node] and source in self.inside and not wanted:
                self.summed.add(source)
        return found

    def _sums_here(self, node: Node) -> bool:
        own = self.handover.segments.phase(self.handover.base(node))
        return self.handover.draft.phase is (own if own in BACKWARD else Phase.B_STEP)

    def _lasting(self) -> set[Node]:
        found = self._read_by_others()
        found |= {self.handover.base(each) for each in self.handover.results}
        if not self.handover.back:
            found |= {node for node in self.handover.segments.kept if node.op not in VIEWS}
        found |= {node for node in self.inside if self.handover.reuse.staged(node)}
        return self._with_parts(found) & self.inside

    def _crossing(self) -> set[Node]:
        found = self._read_by_others()
        found |= {each for each in self.inside if self.handover.crosses(each)}
        return self._with_parts(found)

    def _read_by_others(self) -> set[Node]:
        nodes = self.handover.segments.nodes
        readers = [reader for phase in self.handover.others for reader in nodes[phase]]
        return {self.handover.base(each) for reader in readers for each in reader.inputs}

    def _with_parts(self, found: set[Node]) -> set[Node]:
        """What is joined to one of the values belongs to them."""
        for node in reversed(self.nodes):
            if node.op == "cat" and node in found:
                found |= {self.handover.base(each) for each in node.inputs}
        return found

    def _lonely(self, node: Node) -> bool:
        """Whether a value is read once, here and as it is, and kept nowhere."""
        once = self.reads.get(node, [])
        return (
            node in self.inside
            and len(once) == 1
            and once[0][1] is node
            and once[0][0] < NEVER
            and once[0][0] % EACH == 0
            and node not in self.added
            and node not in self.handover.homes
        )

    def _added(self) -> dict[Node, list[Node]]:
        """Sums of which one part is a product that nobody else reads, in no plan of the step.

        Such a product begins with the other part instead of with zero, which rounds differently;
        so it must be the same sums whatever is asked of a plan.
        """
        found: dict[Node, list[Node]] = {}
        for node in self.nodes:
            if node.op != "add" or node.inputs[0] is node.inputs[1]:
                continue
            products = [
                each
                for each in node.inputs
                if each.op in ("matmul", "heads")
                and each.shape == node.shape
                and self._lonely(each)
                and self.handover.plan.users[each] == 1
            ]
            if products:
                found[node] = products
        return found

"""What the backward must be given: a minimum cut between what is dear and what is read.

A value may be kept, at the price of its width, or computed again from others that are kept, unless
computing it is dear.
"""

from collections import deque
from collections.abc import Callable, Collection

from recurra.engine.graph import DEAR, Node, ancestors

ENDLESS = 1 << 40


def keep(read: Collection[Node], price: Callable[[Node], int]) -> list[Node]:
    """The values to keep, so that all of `read` can be had from them at the least total price.

    Args:
        read: values of the forward that the backward reads.
        price: of keeping a value; 0 for what is there anyway.
    """
    nodes = ancestors(read)
    number = {node: k for k, node in enumerate(nodes)}
    source, sink = 2 * len(nodes), 2 * len(nodes) + 1
    flow = _Flow(2 * len(nodes) + 2)
    for node, k in number.items():
        flow.edge(2 * k, 2 * k + 1, price(node))
        for each in node.inputs:
            flow.edge(2 * number[each] + 1, 2 * k, ENDLESS)
        if not node.inputs or node.op in DEAR:
            flow.edge(source, 2 * k, ENDLESS)
    for node in read:
        flow.edge(2 * number[node] + 1, sink, ENDLESS)
    reached = flow.reached(source, sink)
    return [node for node, k in number.items() if 2 * k in reached and 2 * k + 1 not in reached]


class _Flow:
    """The largest flow, by shortest augmenting paths."""

    def __init__(self, size: int) -> None:
        self.rest: list[dict[int, int]] = [{} for _ in range(size)]

    def edge(self, one: int, other: int, capacity: int) -> None:
        self.rest[one][other] = self.rest[one].get(other, 0) + capacity
        self.rest[other].setdefault(one, 0)

    def reached(self, source: int, sink: int) -> set[int]:
        """What can still be reached once no more flows."""
        while True:
            came = self._search(source, sink)
            if sink not in came:
                return set(came)
            path = [sink]
            while path[-1] != source:
                path.append(came[path[-1]])
            steps = list(zip(path[1:], path[:-1], strict=True))
            amount = min(self.rest[one][other] for one, other in steps)
            for one, other in steps:
                self.rest[one][other] -= amount
                self.rest[other][one] += amount

    def _search(self, source: int, sink: int) -> dict[int, int]:
        came = {source: source}
        pending = deque([source])
        while pending and sink not in came:
            one = pending.popleft()
            for other, left in self.rest[one].items():
                if left > 0 and other not in came:
                    came[other] = one
                    pending.append(other)
        return came

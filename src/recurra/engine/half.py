"""Products with matrices in bfloat16: half the memory that a step reads, for inference alone.

    y = a @ bfloat16(w)

summed in float32. Natively the matrices are packed so, once a call. In torch the plan has one more
operation, which rounds them. What the context alone decides, and what parameters make of one
another, is left as it is in both.
"""

from collections import Counter

from recurra.engine.graph import Graph, Node
from recurra.engine.meaning import Step
from recurra.engine.plan import Place, Plan


def rounded(plan: Plan) -> Plan:
    """The plan of inference with the matrices of its products rounded, for torch to run."""
    graph = Graph()
    new: dict[Node, Node] = {}
    for node in plan.order:
        inputs = [new[each] for each in node.inputs]
        if _multiplies(plan, node):
            w = inputs[1]
            inputs[1] = graph.add("bfloat16", (w,), shape=w.shape, rows=False)
        new[node] = graph.add(
            node.op, inputs, node.options, shape=node.shape, rows=node.rows, line=node.line
        )
    outputs: dict[str, list[Node | None]] = {
        kind: [None if node is None else new[node] for node in nodes]
        for kind, nodes in plan.step.outputs.items()
    }
    return Plan(Step(graph, outputs), Counter())


def _multiplies(plan: Plan, node: Node) -> bool:
    """Whether it is a product of rows with a matrix that would run natively."""
    product = node.op in ("matmul", "heads") and node.rows and not node.inputs[1].rows
    return product and plan.places[node] is not Place.ROW

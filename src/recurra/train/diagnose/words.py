"""A diagnosis in words, and what may help."""

from collections.abc import Iterator

from recurra.train.diagnose.diagnosis import Diagnosis, Gate, Layer

# Shares of the window: a horizon above the first may be cut short by it, one below the second
# leaves most of it unused. Windows shorter than `FEWEST` say neither.
NEAR, FAR, FEWEST = 0.8, 0.125, 16
# Shares of the units of a layer above which it is worth a word.
STUCK, DEAD = 0.5, 0.1
# A step of the optimizer that is larger than this share of the weights.
LARGE = 0.1
# The ends at which a gate keeps a memory; that may be meant.
KEEPING = {("forget", "open"), ("input", "shut"), ("update", "open"), ("update", "shut")}
# Gates whose biases `chrono_` and `forget_bias_` set.
MEMORY = {"forget", "update", "shared", "transform"}
WAYS = {
    "vanishing": "a gradient shrinks to {} of itself a step, so what lies far back is not learned",
    "exploding": "a gradient grows to {} of itself a step",
    "healthy": "a gradient keeps {} of itself a step",
    "unknown": "too few steps to say what becomes of a gradient",
}


def told(diagnosis: Diagnosis) -> list[str]:
    """What was found, line by line."""
    lines = [f"loss {diagnosis.loss:.4g}, gradient norm {diagnosis.gradient_norm:.3g}"]
    for layer in diagnosis.layers:
        lines += _layer(layer)
    if diagnosis.horizon is not None and len(diagnosis.layers) > 1:
        lines.append(f"all layers: {_horizon(diagnosis.horizon, diagnosis.layers[0].steps)}")
    return lines


def advice(diagnosis: Diagnosis) -> list[str]:
    """What may help, the most pressing first; nothing where all is well."""
    found = [line for layer in diagnosis.layers for line in _flow(layer)]
    # What explodes reaches everywhere, and says nothing of the window.
    found += [] if diagnosis.verdict == "exploding" else _window(diagnosis)
    found += [line for layer in diagnosis.layers for line in _units(layer)]
    found += [
        f"{weight.name}: a step of {diagnosis.optimizer} changes it by {weight.ratio:.0%} of its "
        "norm; a smaller learning rate, or a warm-up"
        for weight in diagnosis.weights
        # A bias near 0 is moved by many times its norm, and no harm is done.
        if weight.ratio is not None and weight.ratio > LARGE and len(weight.shape) > 1
    ]
    return found


def _layer(layer: Layer) -> Iterator[str]:
    factor = "" if layer.factor is None else f"{layer.factor:.3g}"
    looked = f"{layer.rows} rows of {layer.steps} steps"
    yield f"{layer.name} ({layer.kind}, {looked}): {layer.verdict}: " + (
        WAYS[layer.verdict].format(factor)
    )
    if layer.horizon is not None:
        yield f"  {_horizon(layer.horizon, layer.steps)}"
    else:
        yield "  the loss reads nothing of it, so no horizon is known"
    for gate in layer.gates:
        yield f"  gate {gate.name}: {gate.shut:.0%} of the units stuck shut, {gate.open:.0%} open"
    if layer.dead:
        yield f"  {layer.dead:.0%} of the outputs never change"
    update = "" if layer.update is None else f", a step changes the weights by {layer.update:.2%}"
    yield f"  gradient norm {layer.gradient_norm:.3g}{update}"


def _horizon(horizon: int, steps: int) -> str:
    return f"memory horizon: 95 % of the influence lies within {horizon} of {steps - 1} steps back"


def _flow(layer: Layer) -> Iterator[str]:
    if layer.verdict == "exploding":
        yield f"{layer.name}: clip gradients (--clip 1) and take a smaller learning rate"
    if layer.verdict == "vanishing" and {gate.name for gate in layer.gates} & MEMORY:
        yield (
            f"{layer.name}: if answers need more than the last steps, begin with long memories: "
            f"chrono_(cell, {max(3, layer.steps)}), or forget_bias_(cell, 3)"
        )
    elif layer.verdict == "vanishing":
        yield (
            f"{layer.name}: if answers need more than the last steps, begin with an orthogonal "
            "matrix (orthogonal_) where the cell has one, or take a cell with gates (--cell lstm)"
        )


def _window(diagnosis: Diagnosis) -> Iterator[str]:
    known = [layer for layer in diagnosis.layers if layer.horizon is not None]
    steps = max((layer.steps for layer in known), default=0)
    if steps < FEWEST:
        return
    longest = max(layer.horizon or 0 for layer in known)
    longest = longest if diagnosis.horizon is None else diagnosis.horizon
    if longest >= NEAR * (steps - 1):
        yield f"the memory reaches over the whole window of {steps} steps; take a longer window"
    elif longest <= FAR * steps:
        yield (
            f"{longest} of {steps} steps are used; a window of {max(8, 4 * longest)} would do, and "
            "if more should be remembered, begin with longer memories (chrono_)"
        )


def _units(layer: Layer) -> Iterator[str]:
    for gate in layer.gates:
        for end in _stuck(gate):
            yield (
                f"{layer.name}: gate {gate.name} is stuck {end} in most units and no longer "
                "chooses; smaller first weights, a smaller learning rate, or a norm before the cell"
            )
    if layer.dead > DEAD:
        yield (
            f"{layer.name}: {layer.dead:.0%} of its outputs are dead; a smaller learning rate, "
            "another nonlinearity than relu, or fewer units"
        )


def _stuck(gate: Gate) -> list[str]:
    shares = {"shut": gate.shut, "open": gate.open}
    return [
        end for end, share in shares.items() if share > STUCK and (gate.name, end) not in KEEPING
    ]

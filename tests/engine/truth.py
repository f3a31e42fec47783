"""What a sequence must give, from `loop` alone: one row and one piece between resets at a time."""

import copy

import torch

from recurra.engine import Shared, leaves, loop, tree_map

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}
NUDGED = 7


def by_steps(case):
    """The outputs and the last state of a batch without padding, by definition."""
    return loop(case.cell.step, case.x, case.state, case.context)


def by_rows(case, lengths=None, reset=None, reverse=False):
    """The outputs (B, T, …) and the last state of a ragged batch, by definition."""
    B, T = leaves(case.x)[0].shape[:2]
    rows = [
        _row(case, b, T, T if lengths is None else int(lengths[b]), reset, reverse)
        for b in range(B)
    ]
    ys, states = zip(*rows, strict=True)
    return torch.cat(ys), tree_map(lambda *parts: torch.cat(parts), *states)


def _row(case, b, T, length, reset, reverse):
    begins = [] if reset is None else [t for t in range(length) if reset[b, t]]
    state, context = _cut(case.state, b), _cut(case.context, b)
    initial = _cut(case.cell.initial_state(len(leaves(case.x)[0])), b)
    if reverse:
        # A piece ends where the next began; a reset of the first step has nothing before it.
        begins = sorted(length - t for t in begins if t > 0)
    steps = tree_map(lambda part: _steps(part[b : b + 1], length, reverse), case.x)
    pieces = []
    for begin, end in zip([0, *begins], [*begins, length], strict=True):
        state = initial if begin in begins else state
        y, state = loop(case.cell.step, _between(steps, begin, end), state, context)
        pieces.append(y)
    y = _steps(torch.cat(pieces, dim=1), length, reverse)
    return torch.cat([y, y.new_zeros(1, T - length, *y.shape[2:])], dim=1), state


def _steps(part, length, reverse):
    true = part[:, :length]
    return true.flip(1) if reverse else true


def _between(tree, begin, end):
    return tree_map(lambda part: part[:, begin:end], tree)


def _cut(tree, b):
    if isinstance(tree, Shared):
        return tree
    if isinstance(tree, tuple):
        parts = [_cut(part, b) for part in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)
    return None if tree is None else tree[b : b + 1]


def watched(case):
    """Everything that has a gradient: parameters, then x, the first state and the context."""
    given = [part for tree in (case.x, case.state, case.context) for part in leaves(tree)]
    return [p for p in (*case.cell.parameters(), *given) if p.requires_grad]


def measure(case, y, state, through=("y", "state")):
    """Outputs, last state, and the gradients of one number that weighs both.

    Args:
        through: which of them the number weighs.
    """
    parts = [y, *(part for part in leaves(state) if part.is_floating_point())]
    chosen = [*(parts[:1] if "y" in through else []), *(parts[1:] if "state" in through else [])]
    value = sum((part * _weights(part)).sum() for part in chosen)
    inputs = watched(case)
    if not (torch.is_tensor(value) and value.requires_grad):
        return [*parts, *(torch.zeros_like(one) for one in inputs)]
    gradients = torch.autograd.grad(value, inputs, materialize_grads=True, allow_unused=True)
    return [*parts, *gradients]


def _weights(part):
    return torch.linspace(-1, 2, part.numel(), dtype=part.dtype).view_as(part)


def assert_parity(case, got, want):
    """Hold what `measure` gave of a sequence against the definition.

    float64 is held against the loop. float32 is held against the loop in float64, to 1e-5 or, where
    a cell is so steep that its loop in float32 does not reach that, to three times the loop's own
    error. One loop's error is a draw, another machine's products draw another: so it is the largest
    of the case's own and of NUDGED cases that differ from it by a rounding of x and state.

    Args:
        want: gives the truth of a case, from its loop.
    """
    dtype = got[0].dtype
    if dtype == torch.float64:
        assert_same(got, want(case), TOLERANCE[dtype])
        return
    truth = want(_in_double(case))
    errors = _errors(got, truth)
    if max(errors) > TOLERANCE[dtype]:
        loops = _errors(want(case), truth)
        for each in _nudged(case):
            errors_of_each = _errors(want(each), want(_in_double(each)))
            loops = [max(pair) for pair in zip(loops, errors_of_each, strict=True)]
        for number, (ours, loops_) in enumerate(zip(errors, loops, strict=True)):
            assert ours <= max(TOLERANCE[dtype], 3 * loops_), f"tensor {number}: {ours}"


def assert_same(got, want, tolerance):
    """Each tensor within the tolerance, relative to its largest true value where above 1."""
    for number, error in enumerate(_errors(got, want)):
        assert error <= tolerance, f"tensor {number}: {error}"


def _errors(got, want):
    """For each tensor its largest error, relative to the largest true value where above 1."""
    errors = []
    for g, w in zip(got, want, strict=True):
        assert g.shape == w.shape
        assert w.isfinite().all(), "the definition itself is not finite"
        scale = max(1.0, w.abs().max().item()) if w.numel() else 1.0
        error = (g.double() - w.double()).abs().max().item() if w.numel() else 0.0
        errors.append(float("inf") if error != error else error / scale)
    return errors


def _nudged(case):
    """The same case with every number of x and state moved by at most one rounding."""
    draw = torch.Generator().manual_seed(0)

    def nudge(part):
        if not part.is_floating_point():
            return part
        move = torch.rand(part.shape, generator=draw, dtype=part.dtype) * 2 - 1
        moved = part.detach() * (1 + move * torch.finfo(part.dtype).eps)
        return moved.requires_grad_(part.requires_grad)

    for _ in range(NUDGED):
        yield case._replace(x=tree_map(nudge, case.x), state=tree_map(nudge, case.state))


def _in_double(case):
    """The same case in float64."""

    def double(part):
        if not part.is_floating_point():
            return part
        return part.detach().double().requires_grad_(part.requires_grad)

    return type(case)(
        copy.deepcopy(case.cell).double(),
        *(tree_map(double, tree) for tree in (case.x, case.state, case.context)),
    )

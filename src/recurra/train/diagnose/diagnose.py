"""One batch, looked at from the inside: do gradients arrive, and how far does memory reach?

The model is left as it was, bit for bit: weights, buffers, gradients, random states, and what a
lesson carries from batch to batch.
"""

import math
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from recurra.errors import OptionError, TrainingError, UnsupportedError
from recurra.train.diagnose.diagnosis import Diagnosis, Gate, Layer
from recurra.train.diagnose.flow import Flow, Graph, horizon
from recurra.train.diagnose.updates import Weight, learned, weights_of
from recurra.train.diagnose.watch import Track, Watch
from recurra.train.finite import culprit
from recurra.train.lesson import Lesson
from recurra.train.untouched import untouched

# Outputs whose range is below this share of the largest output count as one value.
STILL = 1e-6
# Fewer values of a unit than this say nothing of whether it is dead.
FEWEST = 8


class Case(NamedTuple):
    """What is looked at."""

    model: nn.Module
    batch: Any
    loss: Callable[[Any], Tensor]


def diagnose(
    subject: nn.Module | Lesson[Any],
    batch: Any = None,
    loss: Callable[[Any], Tensor] | None = None,
    *,
    optimizer: torch.optim.Optimizer | None = None,
) -> Diagnosis:
    """Find whether gradients vanish or explode, how far back memory reaches, and what is stuck.

    Every recurrent cell in the model is run by its plain steps on the whole batch, and gradients
    are followed back from single steps of it. The model is in the mode that it is in.

    Args:
        subject: a lesson, or a model.
        batch: what `loss` is given; the first of the lesson's first epoch when not given.
        loss: of a batch, a scalar with its graph; the lesson's own when not given.
        optimizer: whose next step is measured against the weights; Adam's first, as `Recipe` has
            it, when not given.

    Raises:
        OptionError: a model comes without a batch or a loss.
        UnsupportedError: no recurrent cell was run, or the loss has no graph.
        TrainingError: the loss is not finite.
    """
    with untouched(subject):
        case = _case(subject, batch, loss)
        return _look(case, optimizer)


def _case(subject: Any, batch: Any, loss: Callable[[Any], Tensor] | None) -> Case:
    if isinstance(subject, Lesson):
        batch = next(iter(subject.batches(1, 0))) if batch is None else batch
        return Case(subject.model, batch, loss or subject.loss)
    if batch is None or loss is None:
        missing = "batch" if batch is None else "loss"
        raise OptionError(f"diagnose: a model came without a {missing}; give both, or a Lesson")
    return Case(subject, batch, loss)


def _look(case: Case, optimizer: torch.optim.Optimizer | None) -> Diagnosis:
    watch = Watch()
    with torch.enable_grad(), watch.looking(case.model):
        loss = case.loss(case.batch)
    _check(case, loss, watch.tracks)
    graphs = [Graph(track) for track in watch.tracks]
    named = learned(case.model)
    sought = [*named.values(), *(each for graph in graphs for each in graph.sought())]
    found = torch.autograd.grad(loss, sought, retain_graph=True, allow_unused=True)
    rest = iter(found[len(named) :])
    for graph in graphs:
        graph.take([*islice(rest, len(graph.sought()))])
    flows = [graph.flow() for graph in graphs]
    through = _through(watch.tracks, graphs, flows)
    # A step moves the weights, on which the graph stands: so it comes last.
    weights = weights_of(case.model, found[: len(named)], optimizer)
    by_weight = dict(zip(named.values(), weights, strict=True))
    layers = [
        _layer(track, graph, flow, by_weight)
        for track, graph, flow in zip(watch.tracks, graphs, flows, strict=True)
    ]
    return Diagnosis(
        loss=loss.item(),
        gradient_norm=math.hypot(*(each.gradient for each in weights)),
        layers=layers,
        horizon=through,
        weights=weights,
        optimizer="Adam's first" if optimizer is None else type(optimizer).__name__,
    )


def _check(case: Case, loss: Tensor, tracks: Sequence[Track]) -> None:
    if not tracks:
        raise UnsupportedError(
            f"diagnose: the loss ran no recurrent cell of {type(case.model).__name__}; cells, what "
            "is made of them, and torch.nn's RNN, LSTM and GRU are seen"
        )
    if not loss.requires_grad:
        raise UnsupportedError("diagnose: the loss has no graph; compute it without torch.no_grad")
    if not loss.isfinite():
        where = culprit(case.model, lambda: case.loss(case.batch))
        raise TrainingError(f"diagnose: the loss is {loss.item()}, first seen in {where}")


def _layer(track: Track, graph: Graph, flow: Flow, weights: dict[nn.Parameter, Weight]) -> Layer:
    own = [weights[each] for each in track.cell.parameters() if each in weights]
    size = math.hypot(*(each.weight for each in own))
    step = math.hypot(*(each.update for each in own))
    return Layer(
        name=track.name,
        kind=type(track.cell).__name__,
        rows=graph.rows,
        steps=len(graph.moments),
        factor=flow.factor,
        horizon=horizon(flow.influence),
        gradient=flow.gradient,
        carried=flow.carried,
        influence=flow.influence,
        gates=[Gate(name, *shares) for name, shares in track.gates.shares().items()],
        dead=_dead(torch.stack([moment.own.detach() for moment in graph.moments])),
        gradient_norm=math.hypot(*(each.gradient for each in own)),
        update=step / size if size else None,
    )


def _dead(y: Tensor) -> float:
    """The share of the outputs (T, B, …) that are the same at all steps of all rows."""
    if y.shape[0] * y.shape[1] < FEWEST:
        return 0.0
    values = y.flatten(0, 1)
    still = values.amax(0) - values.amin(0) <= STILL * values.abs().max()
    return still.float().mean().item()


def _through(tracks: Sequence[Track], graphs: Sequence[Graph], flows: Sequence[Flow]) -> int | None:
    """The horizon from the first cell's input to the last one's output."""
    sizes = {(graph.rows, len(graph.moments)) for graph in graphs}
    if len(sizes) > 1 or any(track.backward for track in tracks):
        return None
    one = len(graphs) == 1
    return horizon(flows[0].influence if one else graphs[-1].influence(graphs[0]))

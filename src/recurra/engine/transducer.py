"""The loss of an RNN transducer, natively: forward and gradients in one go, a few places at a time.

`csrc/transducer.h` and `csrc/lattice.h` have the equations, `alignments.py` the definition. The
scores of all places are never held. A gradient of a gradient comes from plain torch.

Source: Graves, "Sequence Transduction with Recurrent Neural Networks", 2012, arXiv:1211.3711.
"""

from array import array
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple, cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from recurra.engine import native
from recurra.engine.alignments import plain_joiner_nats, plain_lattice_nats
from recurra.engine.applied import Applied
from recurra.engine.autograd import uncast
from recurra.engine.dense import address, rows, serves, vector
from recurra.engine.machine import blank as blank_memory
from recurra.engine.program import Packing
from recurra.engine.run import autocasts, tiling

NOTHING = (False, False, False, False)
Gradients = tuple[Tensor | None, ...]


def joiner_nats(
    f: Float[Tensor, "B T J"],
    g: Float[Tensor, "B U+1 J"],
    w: Float[Tensor, "V J"],
    b: Float[Tensor, " V"] | None,
    targets: Int64[Tensor, "B U"],
    frames: Int64[Tensor, " B"],
    labels: Int64[Tensor, " B"],
    blank: int = 0,
) -> Float[Tensor, ""] | None:
    """The nats of all rows together: -log p of their labels, over all alignments with the frames.

    The scores of frame t after u labels are w tanh(f[t] + g[u]) + b. Labels may be more than
    frames. A row without frames and labels has 0 nats. Where nothing is possible, they are infinite
    and the gradients no numbers.

    None where this does not run natively: without the library, elsewhere than on the CPU, in
    another type than float32 and float64 or in several, and where torch.compile or torch.func
    looks on. Neither threads nor what stands in the padding change a bit, nor do other rows for f
    and g. Under autocast to bfloat16 the products are on tiles where the processor has them, all
    else is float32 as before. Shapes fit together.

    Args:
        targets: what stands past a row's labels is not looked at.
        frames: true steps of f, each in 0 … T.
        labels: true targets, each in 0 … U.
        blank: the number that says nothing, below V.

    Raises:
        ShapeError: frames, labels or a target are beyond what fits, or a row without frames has
            labels.
    """
    given = Given.of(f, g, w, b, targets, frames, labels, blank)
    if not given.serve():
        return None
    if not given.learn():
        return _run(given, NOTHING).total
    total: Tensor = _Transducer.apply(*given)
    return total


def each_joiner_nats(
    f: Float[Tensor, "B T J"],
    g: Float[Tensor, "B U+1 J"],
    w: Float[Tensor, "V J"],
    b: Float[Tensor, " V"] | None,
    targets: Int64[Tensor, "B U"],
    frames: Int64[Tensor, " B"],
    labels: Int64[Tensor, " B"],
    blank: int = 0,
) -> Float[Tensor, " B"] | None:
    """The nats of each row; None as `joiner_nats`, and where a gradient may be asked for."""
    given = Given.of(f, g, w, b, targets, frames, labels, blank)
    return _run(given, NOTHING).each if given.serve() and not given.learn() else None


def lattice_nats(
    scores: Float[Tensor, "B T U+1 V"],
    targets: Int64[Tensor, "B U"],
    frames: Int64[Tensor, " B"],
    labels: Int64[Tensor, " B"],
    blank: int = 0,
) -> Float[Tensor, " B"] | None:
    """The nats of each row by scores that somebody else has made; all else as `joiner_nats`.

    Their gradient is the one tensor of their size that is made.
    """
    if not serves(scores) or 0 in scores.shape:
        return None
    if scores.requires_grad and torch.is_grad_enabled():
        found: Tensor = _Lattice.apply(scores, targets, frames, labels, blank)
        return found
    return _run_lattice(Scored(scores, targets, frames, labels, blank), False)[0]


class Given(NamedTuple):
    """The arguments of `joiner_nats`.

    Args:
        tiles: products are on tiles of bfloat16.
    """

    f: Tensor
    g: Tensor
    w: Tensor
    b: Tensor | None
    targets: Tensor
    frames: Tensor
    labels: Tensor
    blank: int
    tiles: bool

    @classmethod
    def of(
        cls,
        f: Tensor,
        g: Tensor,
        w: Tensor,
        b: Tensor | None,
        targets: Tensor,
        frames: Tensor,
        labels: Tensor,
        blank: int,
    ) -> "Given":
        """What autocast makes of them: what it made bfloat16 becomes as wide as w again."""
        if autocasts(f.device.type):
            f, g = f.to(w.dtype), g.to(w.dtype)
        tiles = w.dtype == torch.float32 and tiling(f.device.type) is Packing.TILES
        return cls(f, g, w, b, targets, frames, labels, blank, tiles)

    def serve(self) -> bool:
        """Whether there is something to compute, and the library computes it."""
        return serves(*self[:4]) and 0 not in (*self.f.shape, *self.g.shape, len(self.w))

    def learn(self) -> bool:
        """Whether a gradient may be asked for."""
        learning = any(each is not None and each.requires_grad for each in self[:4])
        return learning and torch.is_grad_enabled()


class Found(NamedTuple):
    """What a run found."""

    total: Tensor
    each: Tensor
    gradients: Gradients


def _run(given: Given, needs: Sequence[bool]) -> Found:
    """The loss, and those of the gradients of f, g, w and b that are needed."""
    f, g, w = rows(given.f), rows(given.g), rows(given.w)
    b = None if given.b is None else vector(given.b)
    each, total = f.new_empty(len(f)), f.new_empty(())
    wanted = (*(any(needs[:2]),) * 2, *(any(needs[2:]),) * 2)
    shapes = zip((f.shape, g.shape, w.shape, w.shape[:1]), wanted, strict=True)
    made = tuple(blank_memory(shape, f.dtype) if yes else None for shape, yes in shapes)
    held = [one.contiguous() for one in (given.targets, given.frames, given.labels)]
    (B, T, J), places = f.shape, g.shape[1]
    job = array("q", (f.dtype == torch.float64, given.tiles, B, T, places, J, len(w), given.blank))
    for one in (f, g):
        job.extend((one.data_ptr(), *one.stride()[:2]))
    job.extend((w.data_ptr(), w.stride(0), address(b)))
    job.extend(map(address, (*held, each, total, *made)))
    native.transducer(job, torch.get_num_threads())
    gradients = (one if yes else None for one, yes in zip(made, needs, strict=True))
    return Found(total, each, tuple(gradients))


class _Transducer(torch.autograd.Function):
    apply: ClassVar[Applied]

    @staticmethod
    def forward(ctx: Any, *given: Any) -> Tensor:
        *tensors, ctx.blank, ctx.tiles = given
        found = _run(Given(*given), ctx.needs_input_grad[:4])
        ctx.save_for_backward(*tensors)
        ctx.made = found.gradients
        return found.total

    @staticmethod
    @uncast
    def backward(ctx: Any, came: Tensor) -> Gradients:
        needs = ctx.needs_input_grad[:4]
        f, g, w, b, targets, frames, labels = ctx.saved_tensors
        given = Given(f, g, w, b, targets, frames, labels, ctx.blank, ctx.tiles)
        rest = (None,) * (len(given) - 4)
        if torch.is_grad_enabled():

            def total(f: Tensor, g: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
                return plain_joiner_nats(f, g, w, b, *given[4:8]).sum()

            return (*_again(total, given[:4], needs, came), *rest)
        # They are scaled where they lie, so a second backward finds them anew.
        made = _run(given, needs).gradients if ctx.made is None else ctx.made
        ctx.made = None
        if came != 1:
            made = tuple(None if each is None else each.mul_(came) for each in made)
        return (*made, *rest)


class Scored(NamedTuple):
    """The arguments of `lattice_nats`."""

    scores: Tensor
    targets: Tensor
    frames: Tensor
    labels: Tensor
    blank: int


def _run_lattice(given: Scored, learn: bool) -> tuple[Tensor, Tensor | None]:
    """The loss of each row, and the gradient of their sum where it is wanted."""
    scores = rows(given.scores)
    each = scores.new_empty(len(scores))
    made = blank_memory(scores.shape, scores.dtype) if learn else None
    held = [one.contiguous() for one in given[1:4]]
    job = array("q", (scores.dtype == torch.float64, *scores.shape, given.blank))
    job.extend((scores.data_ptr(), *scores.stride()[:3]))
    job.extend(map(address, (*held, each, made)))
    native.lattice(job, torch.get_num_threads())
    return each, made


class _Lattice(torch.autograd.Function):
    apply: ClassVar[Applied]

    @staticmethod
    def forward(ctx: Any, *given: Any) -> Tensor:
        *tensors, ctx.blank = given
        each, ctx.made = _run_lattice(Scored(*given), True)
        ctx.save_for_backward(*tensors)
        return each

    @staticmethod
    @uncast
    def backward(ctx: Any, came: Tensor) -> Gradients:
        scores, targets, frames, labels = ctx.saved_tensors
        given = Scored(scores, targets, frames, labels, ctx.blank)
        rest = (None,) * (len(given) - 1)
        if torch.is_grad_enabled():

            def each(scores: Tensor) -> Tensor:
                return plain_lattice_nats(*given._replace(scores=scores))

            return (*_again(each, given[:1], (True,), came), *rest)
        # It is scaled where it lies, so a second backward finds it anew.
        made = _run_lattice(given, True)[1] if ctx.made is None else ctx.made
        ctx.made = None
        if not bool((came == 1).all()):
            made = cast(Tensor, made).mul_(came[:, None, None, None])
        return (made, *rest)


def _again(
    loss: Callable[..., Tensor],
    learned: Sequence[Tensor | None],
    needs: Sequence[bool],
    came: Tensor,
) -> list[Tensor | None]:
    """The gradients by torch's own rules, so that they can be differentiated once more."""
    # Where one of them is made from another, a gradient stops at its own alias.
    own = [None if each is None else each.view_as(each) for each in learned]
    wanted = [each for each, yes in zip(own, needs, strict=True) if yes]
    gradients = iter(
        torch.autograd.grad(loss(*own), cast(list[Tensor], wanted), came, create_graph=True)
    )
    return [next(gradients) if yes else None for yes in needs]

"""The loss over a vocabulary, natively: forward and gradients in one go, a few rows at a time.

`csrc/nats.h` has the equations. The scores of all rows are never held: while those of some are in
the cache, they become the loss and the gradients, which wait for the backward. A gradient of a
gradient comes from plain torch.
"""

import struct
from array import array
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, NamedTuple, cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from recurra.engine import native
from recurra.engine.applied import Applied
from recurra.engine.autograd import uncast
from recurra.engine.dense import address, rows, serves, vector
from recurra.engine.machine import blank
from recurra.engine.program import Packing
from recurra.engine.run import autocasts, tiling

NOTHING = (False, False, False)
IGNORED = -100  # torch's own


def nats(
    h: Float[Tensor, "N H"],
    w: Float[Tensor, "V H"],
    b: Float[Tensor, " V"] | None,
    targets: Int64[Tensor, " N"],
    smoothing: float = 0.0,
) -> Float[Tensor, ""] | None:
    """The nats of all targets together; those below 0 count nothing.

    None where this does not run natively: without the library, elsewhere than on the CPU, in
    another type than float32 and float64 or in several, and where torch.compile or torch.func
    looks on. Neither threads nor other rows change a bit. Under autocast to bfloat16 the products
    are on tiles where the processor has them, all else is float32 as before. Shapes fit together,
    and targets are below V.

    Args:
        smoothing: the share of each target that is spread over all numbers.
    """
    given = Given.of(h, w, b, targets, smoothing)
    if not given.serve():
        return None
    if not given.learn():
        return _run(given, NOTHING).total
    total: Tensor = _Nats.apply(*given)
    return total


def each_nats(
    h: Float[Tensor, "N H"],
    w: Float[Tensor, "V H"],
    b: Float[Tensor, " V"] | None,
    targets: Int64[Tensor, " N"],
) -> Float[Tensor, " N"] | None:
    """The nats of each target; None as `nats`, and where a gradient may be asked for."""
    given = Given.of(h, w, b, targets, 0.0)
    return _run(given, NOTHING).each if given.serve() and not given.learn() else None


class Given(NamedTuple):
    """The arguments of `nats`.

    Args:
        tiles: products are on tiles of bfloat16.
    """

    h: Tensor
    w: Tensor
    b: Tensor | None
    targets: Tensor
    smoothing: float
    tiles: bool

    @classmethod
    def of(
        cls, h: Tensor, w: Tensor, b: Tensor | None, targets: Tensor, smoothing: float
    ) -> "Given":
        """What autocast makes of them: what it made bfloat16 becomes as wide as w again."""
        casts = autocasts(h.device.type)
        tiles = w.dtype == torch.float32 and tiling(h.device.type) is Packing.TILES
        return cls(h.to(w.dtype) if casts else h, w, b, targets, smoothing, tiles)

    def serve(self) -> bool:
        """Whether there is something to compute, and the library computes it."""
        return serves(self.h, self.w, self.b) and 0 not in (len(self.h), len(self.w))

    def learn(self) -> bool:
        """Whether a gradient may be asked for."""
        learning = any(each is not None and each.requires_grad for each in self[:3])
        return learning and torch.is_grad_enabled()


class Found(NamedTuple):
    """What a run found."""

    total: Tensor
    each: Tensor
    gradients: tuple[Tensor | None, ...]


def _run(given: Given, needs: Sequence[bool]) -> Found:
    """The loss, and those of the gradients of h, w and b that are needed."""
    h, w, targets = rows(given.h), rows(given.w), given.targets.contiguous()
    b = None if given.b is None else vector(given.b)
    each, total = h.new_empty(len(h)), h.new_empty(())
    shapes = zip((h.shape, w.shape, w.shape[:1]), needs, strict=True)
    made = tuple(blank(shape, h.dtype) if yes else None for shape, yes in shapes)
    (smoothing,) = struct.unpack("q", struct.pack("d", given.smoothing))
    job = array("q", (h.dtype == torch.float64, given.tiles, *h.shape, len(w)))
    job.extend((h.data_ptr(), h.stride(0), w.data_ptr(), w.stride(0), address(b)))
    job.extend((targets.data_ptr(), smoothing))
    job.extend(map(address, (each, total, *made)))
    native.nats(job, torch.get_num_threads())
    return Found(total, each, made)


class _Nats(torch.autograd.Function):
    apply: ClassVar[Applied]

    @staticmethod
    def forward(ctx: Any, *given: Any) -> Tensor:
        *tensors, ctx.smoothing, ctx.tiles = given
        found = _run(Given(*given), ctx.needs_input_grad[:3])
        ctx.save_for_backward(*tensors)
        ctx.made = found.gradients
        return found.total

    @staticmethod
    @uncast
    def backward(ctx: Any, came: Tensor) -> tuple[Tensor | None, ...]:
        needs = ctx.needs_input_grad[:3]
        h, w, b, targets = ctx.saved_tensors
        given = Given(h, w, b, targets, ctx.smoothing, ctx.tiles)
        if torch.is_grad_enabled():
            return (*_again(given, needs, came), None, None, None)
        # They are scaled where they lie, so a second backward finds them anew.
        made = _run(given, needs).gradients if ctx.made is None else ctx.made
        ctx.made = None
        if came != 1:
            made = tuple(None if each is None else each.mul_(came) for each in made)
        return (*made, None, None, None)


def _again(given: Given, needs: Sequence[bool], came: Tensor) -> list[Tensor | None]:
    """The gradients by torch's own rules, so that they can be differentiated once more."""
    # Where one of them is made from another, a gradient stops at its own alias.
    h, w, b = (None if each is None else each.view_as(each) for each in given[:3])
    total = plain_nats(cast(Tensor, h), cast(Tensor, w), b, given.targets, given.smoothing)
    wanted = [each for each, yes in zip((h, w, b), needs, strict=True) if yes]
    gradients = iter(
        torch.autograd.grad(total, cast(list[Tensor], wanted), came, create_graph=True)
    )
    return [next(gradients) if yes else None for yes in needs]


def plain_nats(
    h: Tensor,
    w: Tensor,
    b: Tensor | None,
    targets: Tensor,
    smoothing: float = 0.0,
    reduction: Literal["sum", "none"] = "sum",
) -> Tensor:
    """The same by its definition in plain torch: of all targets together, or of each."""
    return F.cross_entropy(
        F.linear(h, w, b),
        torch.where(targets < 0, IGNORED, targets),
        ignore_index=IGNORED,
        reduction=reduction,
        label_smoothing=smoothing,
    )

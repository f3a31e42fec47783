"""The recurrence of a matrix over time: what linear attention, delta rules and their kin share.

    S_t = diag(D_t) S_{t-1} - a_t (b_tᵀ S_{t-1}) + c_t d_tᵀ
    o_t = S_tᵀ q_t

Each batch row and head has a state S (K, V) of its own. The loops are native, forward and backward;
`csrc/matrix.h` says how they go. A gradient of a gradient comes from plain torch.
"""

from array import array
from typing import Any, ClassVar, cast

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from recurra.engine import native
from recurra.engine.applied import Applied
from recurra.engine.autograd import asked, uncast
from recurra.engine.look import TENSORS
from recurra.engine.machine import aligned, blank, memory
from recurra.engine.opaque import watched
from recurra.errors import ShapeError

NAMES = ("decay", "a", "b", "c", "d", "q", "S")
Given = tuple[Tensor, Tensor | None, Tensor | None, Tensor, Tensor, Tensor, Tensor]
Gradients = tuple[Tensor | None, ...]


def matrix(
    decay: Float[Tensor, "B T N"] | Float[Tensor, "B T N K"],
    a: Float[Tensor, "B T N K"] | None,
    b: Float[Tensor, "B T N K"] | None,
    c: Float[Tensor, "B T N K"],
    d: Float[Tensor, "B T N V"],
    q: Float[Tensor, "B T N K"],
    S: Float[Tensor, "B N K V"],
    lengths: Int64[Tensor, " B"] | None = None,
    reset: Bool[Tensor, "B T"] | None = None,
) -> tuple[Float[Tensor, "B T N V"], Float[Tensor, "B N K V"]] | None:
    """Every o, zeros past a row's length, and the S after a row's last true step.

    None where this does not run natively: without the library, elsewhere than on the CPU, in
    another type than float32 and float64 or in several, and where torch.compile or torch.func
    looks on. Neither threads, nor other rows, nor a cut between two calls change a bit.

    Args:
        decay: D, of any sign; one number a head, or one for each row of S.
        a, b: what is erased; None for both leaves the term out.
        c, d: what is written.
        q: what is asked.
        S: what the first step starts from.
        lengths: true steps per row, each in 0 … T; all T when not given.
        reset: where S becomes zero before the step.

    Raises:
        ShapeError: shapes do not fit together, or lengths are beyond T.
    """
    given = (decay, a, b, c, d, q, S)
    tensors = [each for each in given if each is not None]
    if watched() or not _native(tensors):
        return None
    _check(given, lengths, reset)
    lengths = None if lengths is None else lengths.contiguous()
    reset = None if reset is None else reset.contiguous()
    if torch.is_grad_enabled() and any(each.requires_grad for each in tensors):
        o, last = _Matrix.apply(lengths, reset, *given)
        return o, last
    return _forward(given, lengths, reset, training=False)[:2]


def _native(tensors: list[Tensor]) -> bool:
    dtype = tensors[0].dtype
    if dtype not in (torch.float32, torch.float64) or native.library() is None:
        return False
    return all(type(each) in TENSORS and each.is_cpu and each.dtype == dtype for each in tensors)


def _check(given: Given, lengths: Tensor | None, reset: Tensor | None) -> None:
    decay, a, b, c, d, _, S = given
    if (a is None) != (b is None):
        raise ShapeError("matrix: one of a and b is None, both fit, or neither")
    if c.dim() != 4 or d.dim() != 4:
        raise ShapeError(f"matrix: c and d are {_size(c)} and {_size(d)}, (B, T, N, K or V) fits")
    (B, T, N, K), V = c.shape, d.shape[-1]
    fitting: dict[str, tuple[int, ...]] = dict.fromkeys(NAMES, (B, T, N, K))
    fitting |= {"d": (B, T, N, V), "S": (B, N, K, V)}
    if decay.dim() == 3:
        fitting["decay"] = (B, T, N)
    for (name, fits), each in zip(fitting.items(), given, strict=True):
        if each is not None and each.shape != fits:
            raise ShapeError(f"matrix: {name} is {_size(each)} beside c {_size(c)}, {fits} fits")
    if K == 0 or V == 0:
        raise ShapeError(f"matrix: S is {_size(S)}, K and V of at least 1 fit")
    if lengths is not None and (lengths.shape != (B,) or lengths.dtype != torch.int64):
        raise ShapeError(f"matrix: lengths are {_size(lengths)} {lengths.dtype}, ({B},) int64 fits")
    if reset is not None and (reset.shape != (B, T) or reset.dtype != torch.bool):
        raise ShapeError(f"matrix: reset is {_size(reset)} {reset.dtype}, {(B, T)} bool fits")


def _size(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape)


class Job:
    """The words of a `MatrixJob` of `csrc/matrix_run.h`, and the memory that they point to."""

    def __init__(
        self, given: Given, lengths: Tensor | None, reset: Tensor | None, *, backward: bool
    ) -> None:
        decay, a, b, c, d, q, S = given
        alone = decay.dim() == 3
        self._held: list[Tensor | None] = [lengths, reset]
        self.words = array("q", (S.dtype == torch.float64, backward, not alone))
        self.words.extend((*c.shape, d.shape[-1]))
        self.words.extend(0 if each is None else each.data_ptr() for each in (lengths, reset))
        self._kept = len(self.words)
        self.words.append(0)
        self.steps(decay[..., None] if alone else decay, a, b, c, d, q)
        self.states(S)

    def keep(self, kept: Tensor) -> None:
        """The memory of the states."""
        self._held.append(kept)
        self.words[self._kept] = kept.data_ptr()

    def steps(self, *tensors: Tensor | None) -> None:
        """The next arguments, each (B, T, N, K or V); None: it is left out."""
        for tensor in tensors:
            if tensor is None:
                self.words.extend((0, 0, 0, 0))
                continue
            tensor = tensor.resolve_neg()
            if tensor.stride(-1) != 1 and tensor.shape[-1] != 1:
                tensor = tensor.contiguous()
            self._held.append(tensor)
            self.words.extend((tensor.data_ptr(), *tensor.stride()[:3]))

    def states(self, *tensors: Tensor) -> None:
        """The next arguments, each (B, N, K, V)."""
        for tensor in tensors:
            tensor = tensor.resolve_neg()
            if tensor.stride()[2:] != (tensor.shape[3], 1):
                tensor = tensor.contiguous()
            self._held.append(tensor)
            self.words.extend((tensor.data_ptr(), tensor.stride(0), 0, tensor.stride(1)))

    def nothing(self, count: int) -> None:
        """The next arguments, all left out."""
        self.words.extend((0, 0, 0, 0) * count)

    def run(self) -> None:
        """On the threads that torch is set to."""
        native.matrix(self.words, torch.get_num_threads())


def _forward(
    given: Given, lengths: Tensor | None, reset: Tensor | None, *, training: bool
) -> tuple[Tensor, Tensor, Tensor | None]:
    d, S = given[4], given[6]
    o, last = _like(d), _like(S)
    job = Job(given, lengths, reset, backward=False)
    job.steps(o)
    job.states(last)
    job.nothing(len(NAMES) + 2)
    kept = None
    if training:
        kept = memory(native.matrix_kept(job.words))
        job.keep(kept)
    job.run()
    return o, last, kept


def _like(tensor: Tensor) -> Tensor:
    return blank(tensor.shape, tensor.dtype)


class _Matrix(torch.autograd.Function):
    apply: ClassVar[Applied]

    @staticmethod
    def forward(
        ctx: Any, lengths: Tensor | None, reset: Tensor | None, *given: Any
    ) -> tuple[Tensor, Tensor]:
        o, last, kept = _forward(given, lengths, reset, training=True)
        ctx.save_for_backward(lengths, reset, kept, *given)
        ctx.set_materialize_grads(False)
        return o, last

    @staticmethod
    @uncast
    def backward(ctx: Any, do: Tensor | None, dlast: Tensor | None) -> Gradients:
        lengths, reset, kept, *saved = ctx.saved_tensors
        given: Any = tuple(saved)
        needs = ctx.needs_input_grad[2:]
        *_, d, _, S = given
        # Zeros that repeat: one row of them serves all.
        do = d.new_zeros(d.shape[-1]).expand(d.shape) if do is None else do
        dlast = S.new_zeros(S.shape[2:]).expand(S.shape) if dlast is None else dlast
        if torch.is_grad_enabled():
            found = _again(given, lengths, reset, needs, (do, dlast))
        else:
            found = asked(_backward(given, lengths, reset, kept, do, dlast), needs)
        return (None, None, *found)


def _backward(
    given: Given,
    lengths: Tensor | None,
    reset: Tensor | None,
    kept: Tensor,
    do: Tensor,
    dlast: Tensor,
) -> list[Tensor | None]:
    found = [None if each is None else _like(each) for each in given[:-1]]
    dS = _like(given[-1])
    job = Job(given, lengths, reset, backward=True)
    job.nothing(2)
    decay, *rest = found
    job.steps(decay[..., None] if decay is not None and decay.dim() == 3 else decay, *rest)
    job.states(dS)
    job.steps(do)
    job.states(dlast)
    job.keep(aligned(kept))
    job.run()
    return [*found, dS]


def _again(
    given: Given,
    lengths: Tensor | None,
    reset: Tensor | None,
    needs: Any,
    came: tuple[Tensor, Tensor],
) -> list[Tensor | None]:
    """The gradients by torch's own rules, so that they can be differentiated once more."""
    # Where one of them is made from another, or is another, a gradient stops at its own alias.
    own = cast(Given, tuple(None if each is None else each.view_as(each) for each in given))
    outputs = plain_matrix(*own, lengths=lengths, reset=reset)
    wanted = [each for each, yes in zip(own, needs, strict=True) if yes and each is not None]
    gradients = torch.autograd.grad(outputs, wanted, came, create_graph=True, allow_unused=True)
    each = iter(gradients)
    return [next(each) if yes else None for yes in needs]


def plain_matrix(
    decay: Tensor,
    a: Tensor | None,
    b: Tensor | None,
    c: Tensor,
    d: Tensor,
    q: Tensor,
    S: Tensor,
    lengths: Tensor | None = None,
    reset: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The same by its definition, step by step in plain torch."""
    decay = decay[..., None] if decay.dim() == 3 else decay
    outputs = [d[:, :0]]
    for t in range(c.shape[1]):
        before = S
        if reset is not None:
            before = torch.where(reset[:, t, None, None, None], 0, before)
        after = decay[:, t, :, :, None] * before
        if a is not None and b is not None:
            erased = torch.einsum("bnk,bnkv->bnv", b[:, t], before)
            after = after - torch.einsum("bnk,bnv->bnkv", a[:, t], erased)
        after = after + torch.einsum("bnk,bnv->bnkv", c[:, t], d[:, t])
        o = torch.einsum("bnkv,bnk->bnv", after, q[:, t])
        if lengths is not None:
            alive = (t < lengths)[:, None, None]
            o, after = torch.where(alive, o, 0), torch.where(alive[..., None], after, S)
        S = after
        outputs.append(o[:, None])
    return torch.cat(outputs, 1), S

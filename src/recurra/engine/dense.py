"""A product of many rows with one matrix, such as a head over a large vocabulary.

    y = x wᵀ + b

Natively on the engine's own products, forward and backward: so the number of threads changes no
bit of a result. A gradient of a gradient comes from plain torch.
"""

from array import array
from math import prod
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from recurra.engine import native
from recurra.engine.applied import Applied
from recurra.engine.autograd import uncast
from recurra.engine.look import TENSORS
from recurra.engine.machine import blank
from recurra.engine.opaque import watched
from recurra.engine.run import autocasts
from recurra.errors import ShapeError


def dense(
    x: Float[Tensor, "*rows H"], w: Float[Tensor, "V H"], b: Float[Tensor, " V"] | None = None
) -> Float[Tensor, "*rows V"]:
    """As `torch.nn.functional.linear`, which it calls where the library does not serve.

    It does not elsewhere than on the CPU, under autocast, in another type than float32 and float64
    or in several, and where torch.compile or torch.func looks on.

    Raises:
        ShapeError: shapes do not fit together.
    """
    if x.dim() < 1 or w.dim() != 2 or x.shape[-1] != w.shape[1]:
        raise ShapeError(f"dense: x is {_size(x)} and w {_size(w)}, (…, H) and (V, H) fit")
    if b is not None and b.shape != w.shape[:1]:
        raise ShapeError(f"dense: b is {_size(b)} beside w {_size(w)}, {_size(w)[:1]} fits")
    if autocasts("cpu") or not serves(x, w, b):
        return F.linear(x, w, b)
    flat = x.reshape(prod(x.shape[:-1]), x.shape[-1])
    made: Tensor = _Dense.apply(flat, w, b)
    return made.view(*x.shape[:-1], len(w))


def serves(*given: Tensor | None) -> bool:
    """Whether the library takes tensors as they are: of one type that it knows, on the CPU."""
    tensors = [each for each in given if each is not None]
    dtype = tensors[0].dtype
    if dtype not in (torch.float32, torch.float64) or watched() or native.library() is None:
        return False
    return all(type(each) in TENSORS and each.is_cpu and each.dtype == dtype for each in tensors)


class _Dense(torch.autograd.Function):
    apply: ClassVar[Applied]

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, w)
        return _product(x, w.T, b)

    @staticmethod
    @uncast
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, w = ctx.saved_tensors
        of_x, of_w, of_b = ctx.needs_input_grad
        if torch.is_grad_enabled():
            db = dy.sum(0) if of_b else None
            return dy @ w if of_x else None, dy.T @ x if of_w else None, db
        dx = _product(dy, w, None) if of_x else None
        return dx, *_sums(dy, x, of_w, of_b)


def _product(x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
    """x w + b of x (N, K) and w (K, M)."""
    x, w, b = rows(x), w.resolve_neg(), None if b is None else vector(b)
    y = blank((len(x), w.shape[1]), x.dtype)
    head = (x.dtype == torch.float64, *x.shape, w.shape[1])
    matrix = (x.data_ptr(), x.stride(0), w.data_ptr(), *w.stride())
    job = array("q", (*head, *matrix, address(b), y.data_ptr()))
    native.product(job, torch.get_num_threads())
    return y


def _sums(a: Tensor, b: Tensor, product: bool, total: bool) -> tuple[Tensor | None, Tensor | None]:
    """aᵀ b of a (N, M) and b (N, K), and the sum of the rows of a, each where it is wanted."""
    a, b = rows(a), rows(b)
    sizes = (a.shape[1], b.shape[1])
    c = blank(sizes, a.dtype) if product else None
    sums = a.new_empty(sizes[0]) if total else None
    if len(a) == 0:
        return None if c is None else c.zero_(), None if sums is None else sums.zero_()
    places = (a.data_ptr(), a.stride(0), b.data_ptr(), b.stride(0), address(c), address(sums))
    job = array("q", (a.dtype == torch.float64, len(a), *sizes, *places))
    native.sums(job, torch.get_num_threads())
    return c, sums


def rows(tensor: Tensor) -> Tensor:
    """A matrix each row of which lies in one piece."""
    tensor = tensor.resolve_neg()
    return tensor if tensor.stride(-1) == 1 else tensor.contiguous()


def vector(tensor: Tensor) -> Tensor:
    """A vector in one piece."""
    return tensor.resolve_neg().contiguous()


def address(tensor: Tensor | None) -> int:
    """Where a tensor begins; 0 where there is none."""
    return 0 if tensor is None else tensor.data_ptr()


def _size(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape)

"""What products on tiles are, by definition: both sides rounded to bfloat16, sums as they are."""

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from recurra.engine.draft import TILE_SIDE

# Half a step of bfloat16's 8 bits, of one operand.
ROUNDING = 2**-9
# How far sums that round in another order are apart: some operand goes to its other neighbour.
ASTRAY = ROUNDING / 16


class Product(torch.autograd.Function):
    """x w^T with both sides rounded, and so are those of its gradients."""

    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(rounded(x), rounded(w))
        return rounded(x) @ rounded(w).T

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        return rounded(dy) @ w, rounded(dy).T @ x


class Rounding(TorchFunctionMode):
    """Every `linear` with a matrix that is large enough for tiles rounds what it multiplies.

    Attributes:
        count: how many did.
    """

    count = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is not F.linear or min(args[1].shape) < TILE_SIDE:
            return function(*args, **(kwargs or {}))
        self.count += 1
        x, w, *bias = args
        return sum((each for each in bias if each is not None), Product.apply(x, w))


def rounded(x: Tensor) -> Tensor:
    return x.bfloat16().to(x.dtype)


def apart(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm())

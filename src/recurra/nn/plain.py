"""Whether tensors are plain ones, and nobody looks on who has to see torch's own operations."""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from recurra.engine import watched

F = TypeVar("F", bound=Callable[..., Any])
_TYPES = frozenset((Tensor, nn.Parameter))
_DTYPES = frozenset((torch.float32, torch.float64))
_strided = torch.strided


def plain(tensor: Any) -> bool:
    """Whether it is a tensor of numbers in memory, of a type that the engine takes."""
    return type(tensor) in _TYPES and tensor.dtype in _DTYPES and fits(tensor, tensor.dtype)


def fits(tensor: Any, dtype: torch.dtype) -> bool:
    """Whether it is a tensor of numbers in memory, of this type."""
    return (
        type(tensor) in _TYPES
        and tensor.dtype is dtype
        and tensor.is_cpu
        and tensor.layout is _strided
        and not tensor.is_neg()
    )


def looked_on() -> bool:
    """Whether a compiler, a trace, a transform, a mode or forward-mode autograd looks on."""
    return (
        watched()
        or torch._C._get_tracing_state() is not None
        or torch._C._len_torch_dispatch_stack() > 0
        or (torch._C._len_torch_function_stack() > 0 and not _default_device_alone())
        or forward_ad._current_level >= 0
    )


def _default_device_alone() -> bool:
    """Whether the only mode is `torch.set_default_device("cpu")`, which changes nothing here."""
    alone = torch._C._len_torch_function_stack() == 1
    return alone and torch.get_default_device().type == "cpu"


def unseen(forward: F) -> F:
    """Let torch.compile pass by: it breaks its graph at torch.nn's recurrent modules as well.

    Between its graphs the function then runs as without it.
    """
    frames = torch._C._dynamo.eval_frame
    if hasattr(frames, "set_code_exec_strategy"):
        skip = frames._FrameAction.SKIP
        frames.set_code_exec_strategy(forward.__code__, frames._FrameExecStrategy(skip, skip))
    return forward

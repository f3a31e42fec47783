"""torch.nn's recurrent modules inside a user's model become native ones, in place, and back.

Only a module's class changes; it stays the same object with the same parameters, buffers and hooks.
"""

from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.utils import parametrize

from recurra.errors import OptionError
from recurra.nn.modules import GRU, LSTM, RNN

KINDS: dict[type[nn.Module], type[nn.Module]] = {nn.RNN: RNN, nn.LSTM: LSTM, nn.GRU: GRU}
BACK = {ours: theirs for theirs, ours in KINDS.items()}
CELLS = (nn.RNNCell, nn.LSTMCell, nn.GRUCell)
# What looks recurrent by its name and is not torch.nn's own is at least told.
NAMES = {kind.__name__ for kind in (*KINDS, *CELLS)}


class Swaps(NamedTuple):
    """What became of the recurrent modules of a model, by their dotted names.

    Args:
        swapped: and its kind, such as "LSTM".
        left: as it was, and why.
    """

    swapped: dict[str, str]
    left: dict[str, str]

    def __str__(self) -> str:
        lines = [f"{_shown(name)}: {kind} swapped" for name, kind in self.swapped.items()]
        lines += [f"{_shown(name)}: left, {reason}" for name, reason in self.left.items()]
        return "\n".join(lines) or "no recurrent module"


def accelerate(model: nn.Module) -> Swaps:
    """Let every torch.nn.RNN, LSTM and GRU in a model, or the model itself, run natively.

    Modules of any device and type are swapped: where the engine does not serve, they go torch's
    way, until they are moved.

    Raises:
        OptionError: model is no module.
    """
    return _swap("accelerate", model, KINDS)


def restore(model: nn.Module) -> Swaps:
    """Make every recurra.nn.RNN, LSTM and GRU in a model torch's own again.

    Raises:
        OptionError: model is no module.
    """
    return _swap("restore", model, BACK)


def _swap(where: str, model: nn.Module, kinds: dict[type[nn.Module], type[nn.Module]]) -> Swaps:
    if not isinstance(model, nn.Module):
        raise OptionError(f"{where}: model is a {type(model).__name__}, a torch.nn.Module fits")
    found = Swaps({}, {})
    for name, module in model.named_modules():
        kind = type(module)
        # A parametrised module has a class of its own, which torch makes over the module's.
        own = parametrize.is_parametrized(module) and kind not in kinds
        plain: Any = kind.__bases__[0] if own else kind
        if plain in kinds and "forward" not in vars(module):
            module.__class__ = _over(kinds[plain], kind) if own else kinds[plain]
            found.swapped[name] = plain.__name__
        elif reason := _reason(module, plain, kinds):
            found.left[name] = reason
    return found


def _over(kind: type[nn.Module], own: type[nn.Module]) -> type[nn.Module]:
    """A class like a parametrised module's own, over another kind."""
    members = {k: v for k, v in vars(own).items() if k not in ("__dict__", "__weakref__")}
    return type(own.__name__, (kind,), members)


def _reason(module: nn.Module, plain: Any, kinds: Any) -> str:
    """Why a recurrent module is left; nothing where it is none."""
    if plain in kinds:
        return "its forward was replaced"
    if plain in kinds.values():
        return "it is that already"
    if plain in CELLS:
        return f"a {plain.__name__} runs a single step, which torch does best"
    if isinstance(module, torch.jit.ScriptModule):
        name = module.original_name
        return f"a {name} that torch.jit compiled" if name in NAMES else ""
    if isinstance(module, nn.RNNBase) or plain.__name__ in NAMES:
        return f"its class is {plain.__module__}.{plain.__qualname__}, torch.nn's alone are swapped"
    return ""


def _shown(name: str) -> str:
    return name or "(the model itself)"

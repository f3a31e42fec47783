"""CfC: the closed form of a liquid time-constant network, without a solver.

    u = backbone([x_t, h_{t-1}])
    default   h_t = (1 - s) * tanh(f_u) + s * tanh(g_u)          s = sigmoid(a_u * gap_t + b_u)
    no_gate   h_t = tanh(f_u) + s * tanh(g_u)
    pure      h_t = A - A * exp(-gap_t * (|w| + |f_u|)) * f_u

f_u, g_u, a_u and b_u are linear in u. The backbone is `backbone_layers` linear layers, each with
an activation behind it: lecun_tanh(v) = 1.7159 tanh(0.666 v) unless another is asked for. Without
layers u is [x_t, h_{t-1}] itself. Matrices begin as Glorot's uniform, one of f, g, a, b at a time,
biases as those of `nn.Linear`, w at 0 and A at 1.

The paper's equation 10 has s = sigmoid(-a_u gap_t + …); its program, whose form this is, has no
minus, which a_u learns. The pure form is that program's as well.

Source: Hasani et al., "Closed-form continuous-time neural networks", 2022, Nature Machine
Intelligence 4, arXiv:2106.13898, equations 2 and 10, and the authors' program.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.cell import Cell
from recurra.cells.check import positive
from recurra.cells.timed import Timed, as_timed
from recurra.errors import OptionError

MODES = {"default": 4, "no_gate": 4, "pure": 1}  # how many linear maps of u
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "lecun_tanh": lambda v: 1.7159 * torch.tanh(0.666 * v),
    "tanh": torch.tanh,
    "relu": torch.relu,
    "silu": F.silu,
    "gelu": F.gelu,
}


class CfCState(NamedTuple):
    """`h` is the last output."""

    h: Float[Tensor, "B H"]


class CfC(Cell[CfCState]):
    """Closed-form continuous-time cell.

    Args:
        input_size: features per time step, F.
        hidden_size: width of the state and of the output, H.
        mode: default, no_gate or pure.
        backbone_units: width of the backbone's layers.
        backbone_layers: how many layers it has; 0 for none.
        backbone_activation: lecun_tanh, tanh, relu, silu or gelu.
    """

    takes: tuple[type, ...] = (Timed,)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        mode: str = "default",
        backbone_units: int = 128,
        backbone_layers: int = 1,
        backbone_activation: str = "lecun_tanh",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive(
            "CfC",
            input_size=input_size,
            hidden_size=hidden_size,
            backbone_units=backbone_units,
        )
        for name, chosen, fits in (
            ("mode", mode, MODES),
            ("backbone_activation", backbone_activation, ACTIVATIONS),
        ):
            if chosen not in fits:
                raise OptionError(f"CfC: {name} is {chosen!r}, one of {', '.join(fits)} fits")
        if backbone_layers < 0:
            raise OptionError(f"CfC: backbone_layers is {backbone_layers}, it must be at least 0")
        self.input_size = input_size
        self.output_size = hidden_size
        self.mode, self.backbone_activation = mode, backbone_activation
        there: dict[str, Any] = {"device": device, "dtype": dtype}
        widths = [input_size + hidden_size, *[backbone_units] * backbone_layers]
        self.backbone = nn.ModuleList(nn.Linear(*pair, **there) for pair in pairwise(widths))
        self.heads = nn.Linear(widths[-1], MODES[mode] * hidden_size, **there)
        if mode == "pure":
            self.speed = nn.Parameter(torch.zeros(hidden_size, **there))
            self.rest = nn.Parameter(torch.ones(hidden_size, **there))
        maps = [each.weight for each in self._layers()[:-1]]
        for weight in (*maps, *self.heads.weight.chunk(MODES[mode])):
            nn.init.xavier_uniform_(weight.detach())

    def initial_state(self, batch_size: int) -> CfCState:
        return CfCState(self.heads.weight.new_zeros(batch_size, self.output_size))

    def step(
        self, x: Float[Tensor, "B F"] | Timed, state: CfCState, context: None = None
    ) -> tuple[Float[Tensor, "B H"], CfCState]:
        value, gap = as_timed(x)
        first, *others = self._layers()
        # The part on x needs no state, and so leaves the loop over time.
        from_x, from_h = first.weight[:, : self.input_size], first.weight[:, self.input_size :]
        u = F.linear(value, from_x, first.bias) + F.linear(state.h, from_h)
        for layer in others:
            u = layer(ACTIVATIONS[self.backbone_activation](u))
        h = self._pure(u, gap) if self.mode == "pure" else self._gated(u, gap)
        return h, CfCState(h)

    def _layers(self) -> list[nn.Linear]:
        return [*(each for each in self.backbone if isinstance(each, nn.Linear)), self.heads]

    def _pure(self, f: Tensor, gap: Tensor) -> Tensor:
        return self.rest - self.rest * torch.exp(-gap * (self.speed.abs() + f.abs())) * f

    def _gated(self, u: Tensor, gap: Tensor) -> Tensor:
        f, g, a, b = u.chunk(4, dim=-1)
        f, g, s = torch.tanh(f), torch.tanh(g), torch.sigmoid(a * gap + b)
        return f + s * g if self.mode == "no_gate" else f * (1 - s) + s * g

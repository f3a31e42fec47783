"""mLSTM: a matrix a head with an exponential input gate and a normaliser.

    q_t, k_t, v_t = W_q x_t, W_k x_t / √K, W_v x_t
    i_t, f_t = W_i x_t + b_i, W_f x_t + b_f          a number a head
    m_t = max(log σ(f_t) + m_{t-1}, i_t)
    f'_t, i'_t = exp(log σ(f_t) + m_{t-1} - m_t), exp(i_t - m_t)
    C_t = f'_t C_{t-1} + i'_t k_t v_t^T
    n_t = f'_t n_{t-1} + i'_t k_t
    h_t = C_t^T q_t / max(|n_t^T q_t|, exp(-m_t))
    y_t = W_o (σ(W_g x_t) * norm(h_t))               norm: layer norm over each head

m is the logarithm of the scale of C and n, which would overflow without it; no result depends on
it. So nothing is added to the denominator, where the authors' program adds 1e-6 after scaling, and
the forms of their cell differ by it. Between the projections it is the layer of xLSTM 7B, Beck et
al., 2025, arXiv:2503.13427, section 3; its soft caps of 15 on i and f are an option. W_i and W_f
are 0 at first, b_i normal with a deviation of 0.1, and b_f even from 3 to 6 over the heads.

Source: Beck et al., "xLSTM", 2024, arXiv:2405.04517, equations 19 to 27.
"""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.check import positive
from recurra.cells.heads import count, divided
from recurra.cells.matrix import MatrixInputs
from recurra.cells.matrix_cell import Beside, MatrixCell, Rest
from recurra.cells.over import Ways
from recurra.errors import OptionError

EPS = 1e-5
MOST = 80.0  # beyond exp(MOST) a denominator leaves of h nothing in any case


class MLSTMState(NamedTuple):
    """Memory `C` and normaliser `n`, both times exp(-`m`)."""

    C: Float[Tensor, "B N K V"]
    n: Float[Tensor, "B N K"]
    m: Float[Tensor, "B N"]


class MLSTM(MatrixCell[MLSTMState]):
    """A matrix memory with exponential gates.

    Args:
        input_size: features per time step, F.
        hidden_size: width of the output and of all heads together, H.
        num_heads: N, a divisor of H; by default as few as are at most 64 wide.
        soft_cap: i and f become c tanh(i / c) and c tanh(f / c).
        signed: decays lie in (-1, 1) rather than in (0, 1): σ(f) becomes 2 σ(f) - 1, with which a
            state can change its sign (Grazzi et al., 2024, arXiv:2411.12537).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_heads: int | None = None,
        soft_cap: float | None = None,
        signed: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("MLSTM", input_size=input_size, hidden_size=hidden_size)
        if soft_cap is not None and not soft_cap > 0:
            raise OptionError(f"MLSTM: soft_cap is {soft_cap}, a number above 0 fits, or None")
        self.input_size, self.output_size = input_size, hidden_size
        self.num_heads = N = count("MLSTM", hidden_size, num_heads)
        self.K = hidden_size // N
        self.soft_cap, self.signed = soft_cap, signed
        wide: dict[str, Any] = {"device": device, "dtype": dtype}
        self.project = nn.Linear(input_size, 3 * hidden_size, bias=False, **wide)
        self.gate = nn.Linear(input_size, hidden_size, bias=False, **wide)
        self.write, self.keep = (nn.Linear(input_size, N, **wide) for _ in "if")
        self.norm_weight = nn.Parameter(torch.ones(hidden_size, **wide))
        self.output = nn.Linear(hidden_size, hidden_size, bias=False, **wide)
        with torch.no_grad():
            self.write.weight.zero_()
            self.keep.weight.zero_()
            self.write.bias.normal_(0, 0.1)
            self.keep.bias.copy_(torch.linspace(3, 6, N))

    def initial_state(self, batch_size: int) -> MLSTMState:
        zeros, N, K = self.norm_weight.new_zeros, self.num_heads, self.K
        return MLSTMState(*(zeros(batch_size, N, *sizes) for sizes in ((K, K), (K,), ())))

    def before(
        self, x: Float[Tensor, "B ... F"], rest: Rest, ways: Ways
    ) -> tuple[MatrixInputs, Beside, Rest]:
        old_n, old_m = rest
        q, k, v = divided(self.project(x), 3, self.num_heads).unbind(-3)
        k = k * self.K**-0.5
        i, f = self._capped(self.write(x)), self._capped(self.keep(x))
        log_keep, sign = self._keep(f)
        m, last = ways.run(SCALE.step, ScaleInputs(log_keep, i), ScaleState(old_m))
        before, _ = ways.before(m, old_m)
        # At most 0 but in padding, which must stay finite.
        keep = torch.exp((log_keep + before - m).clamp(max=0))
        keep = keep if sign is None else keep * sign
        k = torch.exp((i - m).clamp(max=0))[..., None] * k
        n, last_n = ways.scan(keep[..., None].expand(k.shape), k, old_n)
        size = torch.maximum((n * q).sum(-1).abs(), torch.exp((-m).clamp(max=MOST)))
        beside = (size, self.gate(x))
        return MatrixInputs(keep, None, None, k, v, q), beside, (last_n, last.m)

    def after(self, o: Float[Tensor, "B ... N V"], beside: Beside) -> Float[Tensor, "B ... H"]:
        size, gate = beside
        normed = F.layer_norm(o / size[..., None], (self.K,), eps=EPS).flatten(-2)
        read = torch.sigmoid(gate) * (normed * self.norm_weight)
        y: Tensor = self.output(read)
        return y

    def _capped(self, gate: Tensor) -> Tensor:
        cap = self.soft_cap
        return gate if cap is None else cap * torch.tanh(gate / cap)

    def _keep(self, f: Tensor) -> tuple[Tensor, Tensor | None]:
        """The logarithm of the decay's size, and its sign where it may have one."""
        if not self.signed:
            return F.logsigmoid(f), None
        keep = torch.tanh(f / 2)  # 2 σ(f) - 1
        return torch.log(keep.abs().clamp(min=torch.finfo(f.dtype).tiny)), torch.sign(keep)


class ScaleInputs(NamedTuple):
    """`log_keep` and `write`, (B, N)."""

    log_keep: Tensor
    write: Tensor


class ScaleState(NamedTuple):
    """`m` (B, N)."""

    m: Tensor


class Scale(nn.Module):
    """m_t = max(log_keep_t + m_{t-1}, write_t), for the engine."""

    def step(
        self, x: ScaleInputs, state: ScaleState, context: None = None
    ) -> tuple[Tensor, ScaleState]:
        m = torch.maximum(x.log_keep + state.m, x.write)
        return m, ScaleState(m)


SCALE = Scale()

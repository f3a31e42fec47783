"""A linear readout in closed form, from sums over as many batches as there are.

    W = (Σ (h - h̄)(h - h̄)ᵀ + penalty I)⁻¹ Σ (h - h̄)(y - ȳ)ᵀ          y ≈ Wᵀ h + (ȳ - Wᵀ h̄)

Source: Hoerl and Kennard, "Ridge Regression", 1970, Technometrics 12(1), with a bias that is not
penalised; the sums are joined after Chan, Golub and LeVeque, "Updating Formulae and a Pairwise
Algorithm for Computing Sample Variances", 1979, so that no large means cancel.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from recurra.cells.check import positive
from recurra.errors import OptionError, ShapeError


class Ridge:
    """Least squares with a penalty; `solve` gives the layer, for `Each(ridge.solve())`.

    Sums are float64, whatever comes.

    Args:
        input_size: features of what is read, H.
        output_size: features of what is to be given.
        penalty: added to each squared sum; 0 for plain least squares.
    """

    def __init__(self, input_size: int, output_size: int, *, penalty: float = 1e-6) -> None:
        positive("Ridge", input_size=input_size, output_size=output_size)
        if not penalty >= 0:
            raise OptionError(f"Ridge: penalty is {penalty}, it must be at least 0")
        self.input_size, self.output_size, self.penalty = input_size, output_size, penalty
        self.count = 0
        self._like = torch.empty(0)
        self._mean = torch.zeros(input_size + output_size, dtype=torch.float64)
        self._scatter = torch.zeros(2 * (input_size + output_size,), dtype=torch.float64)

    def add(
        self,
        h: Float[Tensor, "B T H"],
        y: Float[Tensor, "B T P"],
        *,
        lengths: Int64[Tensor, " B"] | None = None,
        washout: int = 0,
    ) -> None:
        """Take in more steps.

        Args:
            h: what the readout will read.
            y: what it is to give.
            lengths: true steps per row; all when not given.
            washout: first steps of each row that are left out, while a reservoir still
                remembers where it began; 0 where a chunk goes on.

        Raises:
            ShapeError: h and y do not fit each other or the readout.
            OptionError: washout is below 0.
        """
        B, T = h.shape[:2]
        for name, part, size in (("h", h, self.input_size), ("y", y, self.output_size)):
            if part.shape != (B, T, size):
                came, fits = tuple(part.shape), (B, T, size)
                raise ShapeError(f"Ridge: {name} has shape {came}, {fits} fits")
        if washout < 0:
            raise OptionError(f"Ridge: washout is {washout}, it must be at least 0")
        t = torch.arange(T, device=h.device)
        ends = torch.full((B,), T, device=h.device) if lengths is None else lengths
        true = (t >= washout) & (t < ends[:, None])
        rows = torch.cat([h.detach()[true], y.detach()[true]], -1).double()
        if len(rows):
            self._like = h.detach()[:0]
            self._join(rows)

    def solve(self) -> nn.Linear:
        """The readout of all steps so far, in the type of what came last.

        Raises:
            OptionError: no steps came, or without a penalty they do not determine it.
        """
        if self.count == 0:
            raise OptionError("Ridge: no steps were added, past the washout")
        H = self.input_size
        square = self._scatter[:H, :H] + self.penalty * torch.eye(H).to(self._scatter)
        try:
            W = torch.linalg.solve(square, self._scatter[:H, H:])
        except RuntimeError:
            raise OptionError(
                "Ridge: the steps do not determine the readout, a penalty above 0 fits"
            ) from None
        layer = nn.Linear(H, self.output_size).to(self._like)
        with torch.no_grad():
            layer.weight.copy_(W.T)
            layer.bias.copy_(self._mean[H:] - self._mean[:H] @ W)
        return layer

    def _join(self, rows: Tensor) -> None:
        """The sums of the steps before, and of these, as of all."""
        n, m = self.count, len(rows)
        self._mean, self._scatter = self._mean.to(rows), self._scatter.to(rows)
        mean = rows.mean(0)
        off, apart = rows - mean, mean - self._mean
        self._scatter = self._scatter + off.T @ off + torch.outer(apart, apart) * (n * m / (n + m))
        self._mean = self._mean + apart * (m / (n + m))
        self.count = n + m

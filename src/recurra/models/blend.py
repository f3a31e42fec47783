"""A network's forecast mixed with a linear one.

    y = (1 - share) network(context) + share (y_L + [y_1 - y_L … y_L - y_L, 1] A)

Both forecasts are unlike in their errors, so a mean of them is often better than either; where
little can be learned but a straight sum of the past, the share grows towards 1. Nothing here is
trained by gradient: A comes from least squares, the share from held-out data.

Source: Wolpert, "Stacked generalization", 1992, with one weight.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn


class Blend(nn.Module):
    """A forecaster and the linear map beside it.

    Args:
        network: answers (B, P) from a context (B, L) and what goes with it.
        context: steps looked at, L.
        horizon: steps predicted, P.
    """

    linear: Tensor
    share: Tensor

    def __init__(self, network: nn.Module, *, context: int, horizon: int) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("linear", torch.zeros(context + 1, horizon))
        self.register_buffer("share", torch.zeros(()))

    def forward(
        self,
        y: Float[Tensor, "B L"],
        series: Int[Tensor, "B"],
        observed: Bool[Tensor, "B L"] | None = None,
        past: Float[Tensor, "B L K"] | None = None,
        future: Float[Tensor, "B LP J"] | None = None,
    ) -> Float[Tensor, "B P"]:
        """Predict the horizon; the arguments are those of the network."""
        learned: Tensor = self.network(y, series, observed, past, future)
        last = y[:, -1:]
        linear = last + (y - last) @ self.linear[:-1] + self.linear[-1]
        return torch.lerp(learned, linear, self.share)

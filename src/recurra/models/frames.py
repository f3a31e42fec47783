"""A small convolutional network that sees one image at a time.

    h_0 = x_t
    h_l = largest of 2 x 2 neighbours of max(0, W_l ⋆ h_{l-1} + b_l)          l = 1 … L
    y_t = W h_L + b                     h_L as one vector: where something is matters

⋆ is a convolution of 3 x 3 pixels with zeros around the image. Each image is seen by itself: what
moves is for the layers above.

Source: LeCun et al., "Gradient-Based Learning Applied to Document Recognition", 1998, Proceedings
of the IEEE 86(11), section II.B; in front of recurrent layers: Donahue et al., "Long-term Recurrent
Convolutional Networks for Visual Recognition and Description", 2015, arXiv:1411.4389, section 3.
"""

from collections.abc import Sequence
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.cell import Cell, Context
from recurra.cells.check import positive
from recurra.cells.convolution import channels_last, convolve, narrowed
from recurra.cells.over import Whole
from recurra.errors import OptionError


class FrameNetwork(Cell[tuple[()]]):
    """Images (B, T, C, height, width) to features (B, T, H), as a cell whose state is empty.

    Kernels begin as those of `nn.Conv2d`, so their output keeps about the scale of x.

    Args:
        image: channels, height and width of x.
        output_size: H.
        channels: of each convolution, one for each halving of height and width.

    Raises:
        OptionError: an option does not fit, or the image cannot be halved so often.
    """

    # All images at once take torch's convolution, which is faster than products of shifted lines.
    fast_step: ClassVar[bool] = False

    def __init__(
        self, image: tuple[int, int, int], output_size: int, channels: Sequence[int] = (8, 16, 32)
    ) -> None:
        super().__init__()
        C, height, width = image
        positive("FrameNetwork", output_size=output_size, image=min(image))
        positive("FrameNetwork", channels=min(channels, default=0))
        halves = 2 ** len(channels)
        if height % halves or width % halves:
            raise OptionError(
                f"FrameNetwork: images of {height} x {width} cannot be halved {len(channels)} "
                f"times; multiples of {halves} fit"
            )
        self.input_size, self.x_shape, self.output_size = C, image, output_size
        sizes = zip((C, *channels), channels, strict=False)
        self.convolutions = nn.ModuleList(nn.Conv2d(i, o, 3, padding=1) for i, o in sizes)
        pixels = height * width // halves**2
        self.project = nn.Linear(channels[-1] * pixels, output_size)

    def initial_state(self, batch_size: int) -> tuple[()]:
        return ()

    def step(
        self, x: Float[Tensor, "B C height width"], state: tuple[()], context: None = None
    ) -> tuple[Float[Tensor, "B H"], tuple[()]]:
        h = channels_last(x)
        for layer in self._layers():
            size = (h.shape[1], h.shape[2])
            h = torch.relu(narrowed(convolve(h, layer.weight, layer.bias), size))
            h = h.view(len(h), size[0] // 2, 2, size[1] // 2, 2, layer.out_channels).amax((2, 4))
        y: Tensor = self.project(h.flatten(1))
        return y, ()

    def parallel(
        self,
        x: Float[Tensor, "B T C height width"],
        state: tuple[()],
        context: Context,
        whole: Whole,
    ) -> tuple[Float[Tensor, "B T H"], tuple[()]]:
        h = x.flatten(0, 1)
        for layer in self._layers():
            h = F.max_pool2d(torch.relu(layer(h)), 2)
        y: Tensor = self.project(h.permute(0, 2, 3, 1).flatten(1))
        return y.unflatten(0, x.shape[:2]), ()

    def _layers(self) -> list[nn.Conv2d]:
        return [layer for layer in self.convolutions if isinstance(layer, nn.Conv2d)]

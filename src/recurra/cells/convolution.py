"""A convolution of images in a step, from pieces that the engine runs natively."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from recurra.cells.check import positive
from recurra.errors import OptionError


def convolve(
    x: Float[Tensor, "B height width C"],
    weight: Float[Tensor, "D C kernel kernel"],
    bias: Float[Tensor, " D"] | None = None,
) -> Float[Tensor, "B pixels D"]:
    """Each pixel from those around it, zeros beyond the edges; the kernel is odd.

        y[i, j, d] = bias[d] + Σ_{c, m, n} weight[d, c, m, n] x[i + m - k/2, j + n - k/2, c]

    A line of y has kernel - 1 pixels more than one of x, and these mean nothing: so every product
    reads memory as it lies, and not a copy of what lies around each pixel. `widened` brings others
    to this width, `narrowed` an image back from it.
    """
    height, width = x.shape[1:3]
    k = weight.shape[-1]
    line = width + k - 1
    # Channels last, and one line more at the end, into which the last shift reaches.
    lines = F.pad(x, (0, 0, k // 2, k // 2, k // 2, k // 2 + 1)).flatten(1, 2)
    size = (height + k - 1) * line
    beside = torch.cat([lines[:, n : n + size] for n in range(k)], dim=-1)
    rows = [row.transpose(1, 2).flatten(1) for row in weight.unbind(2)]
    y = F.linear(beside[:, : height * line], rows[0], bias)
    for m, row in enumerate(rows[1:], 1):
        y = y + F.linear(beside[:, m * line : (m + height) * line], row)
    return y


def widened(x: Float[Tensor, "B height width C"], kernel: int) -> Float[Tensor, "B pixels C"]:
    """An image whose lines are as long as those that `convolve` gives."""
    return F.pad(x, (0, 0, 0, kernel - 1)).flatten(1, 2)


def narrowed(
    y: Float[Tensor, "B pixels C"], size: tuple[int, int]
) -> Float[Tensor, "B height width C"]:
    """The image in what `convolve` gives."""
    lines: Tensor = y.view(len(y), size[0], y.shape[1] // size[0], y.shape[2])
    return lines[:, :, : size[1]]


def channels_last(x: Float[Tensor, "*B C height width"]) -> Float[Tensor, "*B height width C"]:
    """As `convolve` takes it."""
    return x.movedim(-3, -1)


def channels_first(x: Float[Tensor, "B height width C"]) -> Float[Tensor, "B C height width"]:
    """As everybody else takes it."""
    return x.movedim(-1, -3)


def check_image(where: str, kernel: int, size: tuple[int, int]) -> None:
    """Refuse an even kernel, and an image without pixels.

    Raises:
        OptionError: naming what does not fit.
    """
    if len(size) != 2:
        raise OptionError(f"{where}: size is {size}, (height, width) fits")
    positive(where, kernel=kernel, height=size[0], width=size[1])
    if kernel % 2 == 0:
        raise OptionError(f"{where}: kernel is {kernel}, an odd number fits")


def drawn(
    rows: int,
    channels: int,
    kernel: int,
    device: torch.device | str | None,
    dtype: torch.dtype | None,
) -> Float[Tensor, "{rows} {channels} {kernel} {kernel}"]:
    """A kernel as `nn.Conv2d` begins, U(±1/√(channels kernel²))."""
    made = torch.empty(rows, channels, kernel, kernel, device=device, dtype=dtype)
    bound = (channels * kernel**2) ** -0.5
    return made.uniform_(-bound, bound)

"""A network for each frame: one image at a time, all at once, and as torch's own layers."""

import pytest
import torch
from torch import nn

from recurra import GRU, Stack, Stream
from recurra.engine import loop
from recurra.errors import OptionError, ShapeError
from recurra.models import FrameNetwork

IMAGE = (2, 8, 4)
LENGTHS = torch.tensor([5, 2, 0])


def network() -> FrameNetwork:
    torch.manual_seed(0)
    return FrameNetwork(IMAGE, 6, (3, 5)).double()


def images(T: int = 5) -> torch.Tensor:
    return torch.randn(3, T, *IMAGE, dtype=torch.float64)


@pytest.mark.parametrize("form", ["step", "parallel", "auto"])
def test_every_way_is_torchs_convolutions(form):
    net, x = network(), images().requires_grad_()
    first, second = net.convolutions
    torchs = nn.Sequential(first, nn.ReLU(), nn.MaxPool2d(2), second, nn.ReLU(), nn.MaxPool2d(2))
    h = torchs(x.flatten(0, 1)).movedim(1, -1).flatten(1)
    want = net.project(h).unflatten(0, (3, 5)) * (torch.arange(5) < LENGTHS[:, None])[..., None]
    net.form = form
    y, state = net.sequence(x, lengths=LENGTHS)
    assert state == ()
    torch.testing.assert_close(y, want, rtol=1e-10, atol=1e-10)
    leaves = [x, *net.parameters()]
    torch.testing.assert_close(
        torch.autograd.grad(y.square().sum(), leaves),
        torch.autograd.grad(want.square().sum(), leaves),
        rtol=1e-10,
        atol=1e-10,
    )


def test_the_step_runs_natively(caplog):
    net, x = network(), images()
    net.form = "step"
    y, _ = net.sequence(x)
    assert not caplog.records
    torch.testing.assert_close(y, loop(net.step, x, ())[0], rtol=1e-10, atol=1e-10)


def test_a_stack_on_frames_streams():
    net = Stack([network(), GRU(6, 4).double()])
    x = images()[:1]
    whole, _ = net.sequence(x)
    stream = Stream(net, 1)
    pushed = torch.stack([stream.push(x[:, t]) for t in range(5)], 1)
    torch.testing.assert_close(pushed, whole, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (((1, 12, 8), 4), "images of 12 x 8 cannot be halved 3 times; multiples of 8 fit"),
        (((1, 8, 8), 0), "output_size is 0"),
        (((0, 8, 8), 4), "image is 0"),
        (((1, 8, 8), 4, ()), "channels is 0"),
    ],
)
def test_options_that_do_not_fit(arguments, says):
    with pytest.raises(OptionError, match=says):
        FrameNetwork(*arguments)


def test_an_image_of_another_size_is_refused():
    with pytest.raises(ShapeError, match=r"the cell takes \(B, T, 2, 8, 4\)"):
        network().sequence(torch.zeros(1, 2, 2, 8, 8, dtype=torch.float64))

"""The HiPPO matrices, and what they remember."""

import numpy as np
import pytest
import torch
from scipy.signal import cont2discrete

from recurra.cells.hippo import discretise, legs, legt
from recurra.errors import OptionError


def test_legs_by_hand():
    A, B = legs(3)
    r3, r5, r15 = 3**0.5, 5**0.5, 15**0.5
    want = torch.tensor([[-1, 0, 0], [-r3, -2, 0], [-r5, -r15, -3]], dtype=torch.float64)
    torch.testing.assert_close(A, want)
    torch.testing.assert_close(B, torch.tensor([1, r3, r5], dtype=torch.float64))


def test_legt_by_hand():
    A, B = legt(3, 2.0)
    want = torch.tensor([[-1, -1, -1], [3, -3, -3], [-5, 5, -5]], dtype=torch.float64) / 2
    torch.testing.assert_close(A, want)
    torch.testing.assert_close(B, torch.tensor([1, -3, 5], dtype=torch.float64) / 2)


@pytest.mark.parametrize("method", ["zoh", "bilinear"])
@pytest.mark.parametrize("dt", [1e-3, 0.1, 1.0])
@pytest.mark.parametrize("make", [legs, lambda order: legt(order, 10.0)], ids=["legs", "legt"])
@pytest.mark.parametrize("order", [1, 2, 7, 24])
def test_discrete_matrices_are_scipys(order, make, dt, method):
    A, B = make(order)
    C, D = np.eye(order), np.zeros((order, 1))
    want_A, want_B, *_ = cont2discrete((A.numpy(), B.numpy()[:, None], C, D), dt, method=method)
    got_A, got_B = discretise(A, B, dt, method)
    np.testing.assert_allclose(got_A.numpy(), want_A, atol=1e-10)
    np.testing.assert_allclose(got_B.numpy(), want_B[:, 0], atol=1e-10)


def test_a_window_is_remembered_as_a_polynomial():
    """The state of LegT holds the coefficients of the last `window` steps in Legendre's basis."""
    order, window = 12, 200
    A, B = discretise(*legt(order, float(window)), 1.0)
    t = np.arange(1000)
    u = np.sin(t / 31) + 0.3 * np.cos(t / 57)
    h = np.zeros(order)
    for value in u:
        h = A.numpy() @ h + B.numpy() * value
    back = np.linspace(0.05, 0.95, 19)  # of the window, from the present
    basis = [np.polynomial.Legendre.basis(n)(2 * back - 1) for n in range(order)]
    want = np.interp(len(u) - back * window, t + 0.5, u)
    np.testing.assert_allclose(h @ np.array(basis), want, atol=0.02)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: legs(0), "legs: order is 0, it must be at least 1"),
        (lambda: legt(0), "legt: order is 0, it must be at least 1"),
        (lambda: legt(3, 0.0), "legt: window is 0.0, it must be above 0"),
        (lambda: discretise(*legs(2), 0.0), "discretise: dt is 0.0, it must be above 0"),
        (
            lambda: discretise(*legs(2), 1.0, "euler"),
            "discretise: method is 'euler', one of zoh, bilinear fits",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(OptionError) as caught:
        call()
    assert str(caught.value) == message

"""The gated cells against their equations, written out here number by number in plain Python."""

import math

import pytest
import torch

from recurra.cells import (
    LSTM,
    MGU,
    ONLSTM,
    SLSTM,
    Antisymmetric,
    Clockwork,
    CoRNN,
    CoupledLSTM,
    Elman,
    Highway,
    IndRNN,
    LayerNormLSTM,
    MogrifierLSTM,
    PeepholeLSTM,
    ResetBeforeGRU,
)
from recurra.engine import leaves, tree_map
from recurra.errors import OptionError


def sigmoid(u):
    return 1 / (1 + math.exp(-u))


def product(matrix, vector, bias=None):
    """A matrix of lists times a list."""
    sums = [sum(w * v for w, v in zip(row, vector, strict=True)) for row in matrix]
    return sums if bias is None else [s + b for s, b in zip(sums, bias, strict=True)]


def plus(*vectors):
    return [sum(parts) for parts in zip(*vectors, strict=True)]


def gates(u, count):
    H = len(u) // count
    return [u[k * H : (k + 1) * H] for k in range(count)]


def normed(u):
    mean = sum(u) / len(u)
    variance = sum((one - mean) ** 2 for one in u) / len(u)
    return [(one - mean) / math.sqrt(variance + 1e-5) for one in u]


def softmax(u):
    shares = [math.exp(one) for one in u]
    return [one / sum(shares) for one in shares]


def running(u):
    return [sum(u[: k + 1]) for k in range(len(u))]


def memory(i, f, g, o, c):
    """An LSTM's new c and h from what its gates are before their sigmoids."""
    c = [
        sigmoid(f_) * c_ + sigmoid(i_) * math.tanh(g_)
        for i_, f_, g_, c_ in zip(i, f, g, c, strict=True)
    ]
    return c, [sigmoid(o_) * math.tanh(c_) for o_, c_ in zip(o, c, strict=True)]


def both(w, x, h):
    return plus(
        product(w["weight_ih"], x, w.get("bias_ih")), product(w["weight_hh"], h, w.get("bias_hh"))
    )


def peephole(w, x, h, c):
    i, f, g, o = gates(both(w, x, h), 4)
    p_i, p_f, p_o = gates(w["weight_ch"], 3)
    new_c, new_h = [], []
    for k, old in enumerate(c):
        keep, write = sigmoid(f[k] + p_f[k] * old), sigmoid(i[k] + p_i[k] * old)
        new_c.append(keep * old + write * math.tanh(g[k]))
        new_h.append(sigmoid(o[k] + p_o[k] * new_c[k]) * math.tanh(new_c[k]))
    return new_h, new_c


def coupled(keeps):
    def step(w, x, h, c):
        s, g, o = gates(both(w, x, h), 3)
        keep = [sigmoid(one) if keeps else 1 - sigmoid(one) for one in s]
        c = [k * c_ + (1 - k) * math.tanh(g_) for k, c_, g_ in zip(keep, c, g, strict=True)]
        return [sigmoid(o_) * math.tanh(c_) for o_, c_ in zip(o, c, strict=True)], c

    return step


def layer_norm(per_gate):
    def norm(u, gain):
        parts = gates(u, 4) if per_gate else [u]
        flat = [one for part in parts for one in normed(part)]
        return [a * one for a, one in zip(gain, flat, strict=True)]

    def step(w, x, h, c):
        u = norm(product(w["weight_ih"], x), w["gain_ih"])
        v = norm(product(w["weight_hh"], h), w["gain_hh"])
        i, f, g, o = gates(plus(u, v, w["bias_ih"]), 4)
        c, _ = memory(i, f, g, o, c)
        weight, bias = w["norm_c.weight"], w["norm_c.bias"]
        seen = [a * one + b for a, one, b in zip(weight, normed(c), bias, strict=True)]
        return [sigmoid(o_) * math.tanh(one) for o_, one in zip(o, seen, strict=True)], c

    return step


def reset_before(w, x, h):
    u_r, u_z, u_n = gates(product(w["weight_ih"], x, w["bias_ih"]), 3)
    H = len(h)
    v_r, v_z = (product(w["weight_hh"][k * H : (k + 1) * H], h) for k in (0, 1))
    r = [sigmoid(one) for one in plus(u_r, v_r)]
    z = [sigmoid(one) for one in plus(u_z, v_z)]
    v_n = product(w["weight_hh"][2 * H :], [r_ * h_ for r_, h_ in zip(r, h, strict=True)])
    n = [math.tanh(one) for one in plus(u_n, v_n)]
    return ([(1 - z_) * n_ + z_ * h_ for z_, n_, h_ in zip(z, n, h, strict=True)],)


def minimal(w, x, h):
    u_f, u_n = gates(product(w["weight_ih"], x, w["bias_ih"]), 2)
    H = len(h)
    f = [sigmoid(one) for one in plus(u_f, product(w["weight_hh"][:H], h))]
    v_n = product(w["weight_hh"][H:], [f_ * h_ for f_, h_ in zip(f, h, strict=True)])
    n = [math.tanh(one) for one in plus(u_n, v_n)]
    return ([(1 - f_) * h_ + f_ * n_ for f_, n_, h_ in zip(f, n, h, strict=True)],)


def independent(w, x, h):
    own = [u_ * h_ for u_, h_ in zip(w["weight_hh"], h, strict=True)]
    return ([max(one, 0.0) for one in plus(product(w["weight_ih"], x, w["bias_ih"]), own)],)


def modrelu(w, x, h):
    b = w["bias_modrelu"]
    u = both(w, x, h)
    return ([math.copysign(max(abs(u_) + b_, 0.0), u_) for u_, b_ in zip(u, b, strict=True)],)


def mogrified(rounds, low=False):
    def scaled(w, name, k, seen, what):
        at = f"{name}.{k}"
        for weight in [f"{at}.0.weight", f"{at}.1.weight"] if low else [f"{at}.weight"]:
            seen = product(w[weight], seen)
        return [2 * sigmoid(s) * one for s, one in zip(seen, what, strict=True)]

    def step(w, x, h, c):
        for r in range(1, rounds + 1):
            if r % 2:
                x = scaled(w, "scale_x", (r - 1) // 2, h, x)
            else:
                h = scaled(w, "scale_h", r // 2 - 1, x, h)
        c, h = memory(*gates(both(w, x, h), 4), c)
        return h, c

    return step


def ordered(chunk):
    def step(w, x, h, c):
        i, f, g, o = gates(both(w, x, h), 4)
        m = plus(product(w["weight_im"], x, w["bias_im"]), product(w["weight_hm"], h, w["bias_hm"]))
        a, k = gates(m, 2)
        writes, keeps = [1 - one for one in running(softmax(a))], running(softmax(k))
        new_c, new_h = [], []
        for j, old in enumerate(c):
            write, keep = writes[j // chunk], keeps[j // chunk]
            forget = sigmoid(f[j]) * keep * write + keep - keep * write
            admit = sigmoid(i[j]) * keep * write + write - keep * write
            new_c.append(forget * old + admit * math.tanh(g[j]))
            new_h.append(sigmoid(o[j]) * math.tanh(new_c[j]))
        return new_h, new_c

    return step


def oscillating(w, x, h, z):
    u = plus(
        product(w["weight_ih"], x, w["bias_ih"]),
        product(w["weight_hh"], h),
        product(w["weight_zh"], z),
    )
    rows = zip(u, h, z, strict=True)
    z = [z_ + 0.1 * (math.tanh(u_) - 2.0 * h_ - 3.0 * z_) for u_, h_, z_ in rows]
    return [h_ + 0.1 * z_ for h_, z_ in zip(h, z, strict=True)], z


def antisymmetric(gated):
    def step(w, x, h):
        W, H = w["weight_hh"], len(h)
        v = [
            sum((W[i][j] - W[j][i] - (0.3 if i == j else 0)) * h[j] for j in range(H))
            for i in range(H)
        ]
        u = product(w["weight_ih"], x, w["bias_ih"])
        new = [math.tanh(one) for one in plus(u[:H], v)]
        if gated:
            new = [sigmoid(z_ + v_) * n_ for z_, v_, n_ in zip(u[H:], v, new, strict=True)]
        return ([h_ + 0.2 * n_ for h_, n_ in zip(h, new, strict=True)],)

    return step


def highway(w, x, h):
    for depth, (matrix, bias) in enumerate(zip(w["weight_hh"], w["bias_hh"], strict=True)):
        u = product(matrix, h, bias)
        n, z = gates(plus(u, product(w["weight_ih"], x)) if depth == 0 else u, 2)
        rows = zip(n, z, h, strict=True)
        h = [math.tanh(n_) * sigmoid(z_) + h_ * (1 - sigmoid(z_)) for n_, z_, h_ in rows]
    return (h,)


def exponential(w, x, h, c, n, m):
    """With two heads of two units. No scale: small numbers do not overflow."""
    u = gates(product(w["weight_ih"], x, w["bias_ih"]), 4)
    for head in (0, 1):
        v = gates(product(w["weight_hh"][head], h[2 * head : 2 * head + 2]), 4)
        for gate in range(4):
            for k in (0, 1):
                u[gate][2 * head + k] += v[gate][k]
    i, f, z, o = u
    c, n = ([one * math.exp(s) for one, s in zip(part, m, strict=True)] for part in (c, n))
    c = [
        sigmoid(f_) * c_ + math.exp(i_) * math.tanh(z_)
        for f_, c_, i_, z_ in zip(f, c, i, z, strict=True)
    ]
    n = [sigmoid(f_) * n_ + math.exp(i_) for f_, n_, i_ in zip(f, n, i, strict=True)]
    h = [sigmoid(o_) * c_ / n_ for o_, c_, n_ in zip(o, c, n, strict=True)]
    return h, c, n, [0.0] * 4


CASES = {
    "peephole": (lambda **o: PeepholeLSTM(3, 4, **o), peephole),
    "peephole, no bias": (lambda **o: PeepholeLSTM(3, 4, bias=False, **o), peephole),
    "coupled": (lambda **o: CoupledLSTM(3, 4, **o), coupled(True)),
    "coupled, forget": (lambda **o: CoupledLSTM(3, 4, coupling="forget", **o), coupled(False)),
    "coupled, no bias": (lambda **o: CoupledLSTM(3, 4, bias=False, **o), coupled(True)),
    "layer norm": (lambda **o: LayerNormLSTM(3, 4, **o), layer_norm(False)),
    "layer norm per gate": (lambda **o: LayerNormLSTM(3, 4, per_gate=True, **o), layer_norm(True)),
    "reset before": (lambda **o: ResetBeforeGRU(3, 4, **o), reset_before),
    "minimal": (lambda **o: MGU(3, 4, **o), minimal),
    "independent": (lambda **o: IndRNN(3, 4, **o), independent),
    "modrelu": (lambda **o: Elman(3, 4, nonlinearity="modrelu", **o), modrelu),
    "mogrifier": (lambda **o: MogrifierLSTM(3, 4, **o), mogrified(5)),
    "mogrifier, rank": (
        lambda **o: MogrifierLSTM(3, 4, rounds=4, rank=2, **o),
        mogrified(4, low=True),
    ),
    "mogrifier, no rounds": (lambda **o: MogrifierLSTM(3, 4, rounds=0, **o), mogrified(0)),
    "ordered": (lambda **o: ONLSTM(3, 4, **o), ordered(1)),
    "ordered, chunks": (lambda **o: ONLSTM(3, 4, chunk_size=2, **o), ordered(2)),
    "oscillators": (lambda **o: CoRNN(3, 4, dt=0.1, gamma=2.0, epsilon=3.0, **o), oscillating),
    "antisymmetric": (
        lambda **o: Antisymmetric(3, 4, epsilon=0.2, gamma=0.3, **o),
        antisymmetric(False),
    ),
    "antisymmetric, gated": (
        lambda **o: Antisymmetric(3, 4, gated=True, epsilon=0.2, gamma=0.3, **o),
        antisymmetric(True),
    ),
    "highway": (lambda **o: Highway(3, 4, **o), highway),
    "exponential": (lambda **o: SLSTM(3, 4, heads=2, **o), exponential),
}
every_case = pytest.mark.parametrize("name", CASES)


def drawn(name):
    """The cell with every parameter at random, none of them at a value that hides it."""
    torch.manual_seed(7)
    cell = CASES[name][0](dtype=torch.float64)
    for parameter in cell.parameters():
        parameter.data.uniform_(-1.5, 1.5)
    return cell


def close(got, want):
    torch.testing.assert_close(got, torch.tensor(want, dtype=torch.float64), rtol=1e-12, atol=1e-12)


@every_case
def test_steps_by_hand(name):
    cell, by_hand = drawn(name), CASES[name][1]
    w = {key: value.tolist() for key, value in cell.named_parameters()}
    x = torch.randn(1, 3, 3, dtype=torch.float64)
    state = [part[0].tolist() for part in cell.initial_state(1)]
    want = []
    for t in range(3):
        state = by_hand(w, x[0, t].tolist(), *state)
        want.append(state[0])
    y, last = cell.sequence(x)
    torch.testing.assert_close(
        y[0], torch.tensor(want, dtype=torch.float64), rtol=1e-12, atol=1e-12
    )
    assert [part.shape[1] for part in leaves(last)] == [len(part) for part in state]
    if name == "exponential":
        return  # the scale of its memory is free
    for part, mine in zip(leaves(last), state, strict=True):
        torch.testing.assert_close(
            part[0], torch.tensor(mine, dtype=torch.float64), rtol=1e-12, atol=1e-12
        )


@every_case
def test_gradients_of_every_option_are_the_derivatives(name):
    cell = drawn(name)
    state = tree_map(lambda part: torch.rand_like(part) + 0.2, cell.initial_state(2))
    given = [torch.randn(2, 3, 3, dtype=torch.float64), *leaves(state), *cell.parameters()]
    given = [part.detach().clone().requires_grad_() for part in given]
    count, names = len(leaves(state)), [key for key, _ in cell.named_parameters()]

    class Held(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = cell

        def forward(self, x, *parts):
            return self.cell.sequence(x, type(state)(*parts))

    def outputs(x, *parts):
        weights = {f"cell.{key}": w for key, w in zip(names, parts[count:], strict=True)}
        y, last = torch.func.functional_call(Held(), weights, (x, *parts[:count]))
        return y, *leaves(last)

    assert torch.autograd.gradcheck(outputs, given)


def test_a_clock_ticks_at_powers_of_two():
    cell = Clockwork(3, 6, modules=3, dtype=torch.float64)
    x = torch.randn(1, 9, 3, dtype=torch.float64)
    y, state = cell.sequence(x)
    moved = (torch.cat([torch.zeros(1, 6), y[0, :-1]]) != y[0]).tolist()
    assert moved == [[t % period == 0 for period in (1, 1, 2, 2, 4, 4)] for t in range(9)]
    assert state.t.item() == 9 % 4


def test_a_module_reads_itself_and_the_slower_ones():
    cell = Clockwork(3, 5, modules=2, dtype=torch.float64)
    before = torch.randn(1, 5, dtype=torch.float64, requires_grad=True)
    x = torch.randn(1, 3, dtype=torch.float64)
    _, state = cell.step(x, cell.initial_state(1)._replace(h=before))
    for unit in range(5):
        (gradient,) = torch.autograd.grad(state.h[0, unit], before, retain_graph=True)
        # The first three are the fast module.
        assert (gradient[0] != 0).tolist() == ([True] * 5 if unit < 3 else [False] * 3 + [True] * 2)
    y, _ = cell.sequence(x[:, None], cell.initial_state(1)._replace(h=before.detach()))
    matrix = cell.weight_hh.detach().clone()
    matrix[3:, :3] = 0
    u = x @ cell.weight_ih.T + cell.bias_ih + before @ matrix.T
    torch.testing.assert_close(y[0], torch.tanh(u))


def test_a_clock_is_exact_after_many_rounds():
    cell = Clockwork(1, 4)
    torch.manual_seed(0)
    x = torch.randn(1, 4000, 1)
    _, state = cell.sequence(x)
    assert state.t.item() == 4000 % 8
    assert Clockwork(2, 3).period.tolist() == [1, 2, 4]
    assert Clockwork(2, 1).period.tolist() == [1]
    assert "period" not in cell.state_dict()


def test_orders_of_units_are_kept():
    """A memory of the last chunk outlives one of the first, whatever else the gates say."""
    cell = ONLSTM(2, 6, chunk_size=2, dtype=torch.float64)
    with torch.no_grad():
        cell.bias_im.copy_(torch.tensor([0.0, 50, 0, 0, 50, 0]))  # both gates split at the second
        cell.weight_im.zero_(), cell.weight_hm.zero_(), cell.bias_hm.zero_()
    before = cell.initial_state(1)._replace(c=torch.full((1, 6), 3.0, dtype=torch.float64))
    _, after = cell.step(torch.ones(1, 2, dtype=torch.float64), before)
    assert (after.c[0, 4:] - 3).abs().max() < 1e-12  # kept whole, nothing written
    assert (after.c[0, :2].abs() <= 1).all()  # forgotten whole, written alone


def test_without_rounds_a_mogrifier_is_an_lstm():
    cell, plain = MogrifierLSTM(3, 5, rounds=0), LSTM(3, 5)
    cell.load_state_dict(plain.state_dict())
    x = torch.randn(2, 6, 3)
    assert torch.equal(cell.sequence(x)[0], plain.sequence(x)[0])


def test_first_weights():
    torch.manual_seed(0)
    cell = LayerNormLSTM(3, 100)
    assert (cell.gain_ih == 1).all()
    assert (cell.gain_hh == 1).all()
    assert not cell.bias_ih.any()
    cell = IndRNN(3, 500, longest=10)
    assert cell.weight_hh.min() >= 0
    assert 1.05 < cell.weight_hh.max() <= 2**0.1
    assert IndRNN(3, 500).weight_hh.max() <= 1
    cell = Antisymmetric(50, 100)
    assert abs(cell.weight_hh.std().item() - 0.1) < 0.005
    assert abs(cell.weight_ih.std().item() - 50**-0.5) < 0.01
    assert not cell.bias_ih.any()
    cell = Highway(3, 100, depth=4)
    assert (cell.bias_hh[:, 100:] == -2).all()
    assert 0.09 < cell.bias_hh[:, :100].abs().max() <= 0.1
    cell = CoRNN(36, 32)
    assert all(0.09 < p.abs().max() <= 0.1 for p in (cell.weight_ih, cell.weight_hh))
    cell = Elman(3, 400, nonlinearity="modrelu")
    assert 0.009 < cell.bias_modrelu.abs().max() <= 0.01


def test_recurrent_weights_are_brought_into_their_bound():
    cell = IndRNN(3, 4, longest=20)
    with torch.no_grad():
        cell.weight_hh.copy_(torch.tensor([-3.0, 0.5, 1.0, 3.0]))
    cell.clip_()
    bound = 2 ** (1 / 20)
    torch.testing.assert_close(cell.weight_hh.data, torch.tensor([-bound, 0.5, 1.0, bound]))
    free = IndRNN(3, 4)
    free.weight_hh.data.fill_(5)
    free.clip_()
    assert (free.weight_hh == 5).all()


def test_an_independent_unit_is_told_by_itself_alone():
    cell = IndRNN(3, 4, nonlinearity="tanh", dtype=torch.float64)
    h = torch.randn(1, 4, dtype=torch.float64, requires_grad=True)
    y, _ = cell.sequence(torch.zeros(1, 2, 3, dtype=torch.float64), type(cell.initial_state(1))(h))
    jacobian = torch.stack(
        [torch.autograd.grad(one, h, retain_graph=True)[0][0] for one in y[0, 1]]
    )
    assert ((jacobian != 0) == torch.eye(4).bool()).all()


def test_an_antisymmetric_matrix_neither_grows_nor_decays():
    cell = Antisymmetric(3, 8, dtype=torch.float64)
    eigenvalues = torch.linalg.eigvals(cell.weight_hh - cell.weight_hh.T)
    assert eigenvalues.real.abs().max() < 1e-12
    assert eigenvalues.imag.abs().max() > 0.1


REFUSED = {
    "CoupledLSTM: coupling is 'both', one of input, forget fits": lambda: CoupledLSTM(
        3, 4, coupling="both"
    ),
    "IndRNN: nonlinearity is 'gelu', one of relu, tanh fits": lambda: IndRNN(
        3, 4, nonlinearity="gelu"
    ),
    "IndRNN: longest is 0, it must be at least 1": lambda: IndRNN(3, 4, longest=0),
    "MogrifierLSTM: rounds is -1, it must be at least 0": lambda: MogrifierLSTM(3, 4, rounds=-1),
    "MogrifierLSTM: rank is 0, it must be at least 1": lambda: MogrifierLSTM(3, 4, rank=0),
    "ONLSTM: chunk_size is 3, a divisor of hidden_size 4 fits": lambda: ONLSTM(3, 4, chunk_size=3),
    "Clockwork: modules is 5, 1 to 4 fit": lambda: Clockwork(3, 4, modules=5),
    "Clockwork: modules is 0, 1 to 4 fit": lambda: Clockwork(3, 4, modules=0),
    "CoRNN: dt is 0.0, it must be above 0": lambda: CoRNN(3, 4, dt=0.0),
    "CoRNN: gamma is -1.0, it must be above 0": lambda: CoRNN(3, 4, gamma=-1.0),
    "Antisymmetric: epsilon is 0.0, it must be above 0": lambda: Antisymmetric(3, 4, epsilon=0.0),
    "Antisymmetric: gamma is -0.1, it must be at least 0": lambda: Antisymmetric(3, 4, gamma=-0.1),
    "Highway: depth is 0, it must be at least 1": lambda: Highway(3, 4, depth=0),
    "SLSTM: heads is 3, a divisor of hidden_size 4 fits": lambda: SLSTM(3, 4, heads=3),
    "SLSTM: place is 1.5, 0 to 1 fit": lambda: SLSTM(3, 4, place=1.5),
    "LSTM: forget_bias is 1.0, with bias=False None fits": lambda: LSTM(
        3, 4, bias=False, forget_bias=1.0
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_options_that_do_not_fit_are_refused_in_one_line(message):
    with pytest.raises(OptionError) as caught:
        REFUSED[message]()
    assert str(caught.value) == message

"""The native matrix recurrence against its definition: numbers, gradients, bits, and harm."""

import hashlib
import os
import subprocess
import sys
import textwrap
import threading
from itertools import product

import pytest
import torch
from torch import Tensor

from recurra.engine import matrix, native
from recurra.engine.matrix import Job, plain_matrix
from recurra.errors import ShapeError

FORMS = list(product((False, True), repeat=2))
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}
# B, T, N, K, V
SIZES = [
    (1, 1, 1, 1, 1),
    (3, 37, 2, 5, 7),
    (2, 16, 3, 16, 64),
    (2, 17, 1, 33, 129),
    (1, 50, 2, 1, 40),
    (2, 33, 1, 31, 1),
]


def arguments(
    B: int,
    T: int,
    N: int,
    K: int,
    V: int,
    *,
    dtype: torch.dtype = torch.float64,
    wide: bool = True,
    erase: bool = True,
    seed: int = 0,
) -> list[Tensor | None]:
    """Decays of both signs, some of them 0, and a state that stays of its size."""
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw, dtype=torch.float64)

    decay = torch.tanh(normal(B, T, N, K) if wide else normal(B, T, N))
    decay = torch.where(decay.abs() < 0.1, 0, decay)
    b = torch.nn.functional.normalize(normal(B, T, N, K), dim=-1)
    a = b * torch.sigmoid(normal(B, T, N, 1))
    c = normal(B, T, N, K) / K**0.5
    given = [decay, a, b, c, normal(B, T, N, V), normal(B, T, N, K), normal(B, N, K, V)]
    if not erase:
        given[1:3] = [None, None]
    return [None if each is None else each.to(dtype) for each in given]


def weights_of(results):
    draw = torch.Generator().manual_seed(7)
    return [torch.randn(each.shape, generator=draw, dtype=torch.float64) for each in results]


def with_gradients(function, given, lengths=None, reset=None, dtype=None, ask=(True, True)):
    """o, the last S, and the gradients of everything that is there."""
    leaves = [
        None if each is None else each.detach().to(dtype or each.dtype).requires_grad_()
        for each in given
    ]
    found = function(*leaves, lengths, reset)
    weights = weights_of(found)
    loss = sum(
        (one * weight.to(one.dtype)).sum()
        for one, weight, yes in zip(found, weights, ask, strict=True)
        if yes
    )
    there = [each for each in leaves if each is not None]
    gradients = torch.autograd.grad(loss, there, allow_unused=True)
    return [*(each.detach() for each in found), *gradients]


def assert_near(found, wanted, tolerance):
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert one.shape == other.shape
        scale = 1 + (other.abs().max().item() if other.numel() else 0)
        torch.testing.assert_close(one.double(), other, rtol=0, atol=tolerance * scale)


def same(found, wanted):
    return all(torch.equal(one, other) for one, other in zip(found, wanted, strict=True))


def ragged(B, T, seed=0):
    draw = torch.Generator().manual_seed(seed)
    lengths = torch.randint(0, T + 1, (B,), generator=draw)
    return lengths, torch.rand(B, T, generator=draw) < 0.15


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize(("wide", "erase"), FORMS)
def test_numbers_and_gradients(sizes, wide, erase, dtype):
    given = arguments(*sizes, dtype=dtype, wide=wide, erase=erase)
    lengths, reset = ragged(*sizes[:2])
    for how in ((None, None), (lengths, None), (None, reset), (lengths, reset)):
        found = with_gradients(matrix, given, *how)
        wanted = with_gradients(plain_matrix, given, *how, dtype=torch.float64)
        assert_near(found, wanted, TOLERANCE[dtype])


def test_an_example_by_hand():
    one = torch.ones(1, 1, 1, 2, dtype=torch.float64)
    S = torch.tensor([[1.0, 2, 3], [4, 5, 6]], dtype=torch.float64)[None, None]
    decay = torch.tensor([[[[0.5, -1]]]], dtype=torch.float64)
    a, c, q = one * torch.tensor([1.0, 0]), one * torch.tensor([0.0, 2]), one
    d = torch.tensor([[[[1.0, 0, -1]]]], dtype=torch.float64)
    o, last = matrix(decay, a, one, c, d, q, S)
    # Row 0: half of it, less the column sums 5, 7, 9; row 1: turned round, and 2 d added.
    wanted = torch.tensor([[-4.5, -6, -7.5], [-2, -5, -8]], dtype=torch.float64)
    assert torch.equal(last[0, 0], wanted)
    assert torch.equal(o[0, 0, 0], wanted.sum(0))


def test_what_stands_past_a_length_is_not_read_and_answers_zero():
    given = arguments(3, 20, 2, 5, 7, dtype=torch.float32)
    lengths = torch.tensor([0, 13, 20])
    past = torch.arange(20) >= lengths[:, None]
    spoilt = [
        torch.where(past.reshape(3, 20, *[1] * (each.dim() - 2)), torch.nan, each)
        for each in given[:-1]
    ]
    o, last, *gradients = with_gradients(matrix, [*spoilt, given[-1]], lengths)
    assert not any(each.isnan().any() for each in (o, last, *gradients))
    assert torch.equal(o[past], torch.zeros_like(o[past]))
    assert torch.equal(last[0], given[-1][0])
    for each in gradients[:-1]:
        assert torch.equal(each[past], torch.zeros_like(each[past]))


@pytest.mark.parametrize("value", [0.0, -1.0, 1.0, 1e-30, -1e-30, 3.0])
@pytest.mark.parametrize("wide", [False, True])
def test_extreme_decays(value, wide):
    given = arguments(2, 21, 2, 6, 5, wide=wide)
    given[0] = torch.full_like(given[0], value)
    wanted = with_gradients(plain_matrix, given)
    assert_near(with_gradients(matrix, given), wanted, 1e-10)


def test_a_reset_forgets_what_is_not_finite():
    given = arguments(1, 6, 1, 3, 4)
    given[-1] = torch.full_like(given[-1], torch.inf)
    reset = torch.zeros(1, 6, dtype=torch.bool)
    reset[0, 0] = True
    found = with_gradients(matrix, given, reset=reset)
    assert all(each.isfinite().all() for each in found)
    assert torch.equal(found[-1], torch.zeros_like(found[-1]))


def test_a_fading_state_becomes_zero():
    given = arguments(1, 300, 1, 2, 3, dtype=torch.float32, wide=False, erase=False)
    given[0], given[3] = torch.full_like(given[0], 0.6), torch.zeros_like(given[3])
    _, last = matrix(*given)
    assert torch.equal(last, torch.zeros_like(last))


@pytest.mark.parametrize(("B", "T", "N"), [(0, 4, 2), (3, 0, 2), (3, 4, 0), (0, 0, 0)])
def test_no_rows_no_steps_no_heads(B, T, N):
    given = arguments(B, T, N, 3, 70)
    o, last, *gradients = with_gradients(matrix, given)
    assert o.shape == (B, T, N, 70)
    assert torch.equal(last, given[-1])
    assert all(
        one.shape == each.shape and not one.isnan().any()
        for one, each in zip(gradients, given, strict=True)
    )


@pytest.mark.parametrize("ask", [(True, False), (False, True)])
def test_one_result_alone_is_differentiated(ask):
    given = arguments(2, 19, 2, 4, 5)
    wanted = with_gradients(plain_matrix, given, ask=ask)
    wanted = [torch.zeros(()) if each is None else each for each in wanted]
    found = with_gradients(matrix, given, ask=ask)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other.expand(one.shape).to(one.dtype))


def test_a_gradient_that_nobody_wants_is_none():
    given = arguments(2, 5, 2, 4, 5)
    given[4].requires_grad_()
    o, _ = matrix(*given)
    o.sum().backward()
    assert given[4].grad is not None
    assert all(each.grad is None for each in given if each is not given[4])


@pytest.mark.parametrize(("wide", "erase"), FORMS)
def test_gradients_and_gradients_of_gradients(wide, erase):
    given = arguments(2, 3, 1, 2, 3, wide=wide, erase=erase)
    lengths, reset = torch.tensor([3, 2]), torch.tensor([[False, True, False]] * 2)
    there = [each.requires_grad_() for each in given if each is not None]

    def run(*leaves):
        each = iter(leaves)
        return matrix(*(None if one is None else next(each) for one in given), lengths, reset)

    assert torch.autograd.gradcheck(run, there)
    assert torch.autograd.gradgradcheck(run, there)


def test_gradients_of_gradients_where_one_argument_is_made_from_another():
    decay, _, b, _, d, _, S = arguments(1, 3, 1, 2, 3, wide=False)

    def run(decay, b, d):
        a = b * decay[..., None]
        return matrix(decay, a, b, a, d, b, S)

    there = [each.requires_grad_() for each in (decay, b, d)]
    assert torch.autograd.gradcheck(run, there)
    assert torch.autograd.gradgradcheck(run, there)


def test_views_of_any_stride():
    B, T, N, K, V = 2, 18, 3, 5, 5
    packed = arguments(B, T, N, 4 * K, V)[3].reshape(B, T, N, 4, K)
    a, b, c, q = packed.unbind(3)
    d = torch.randn(B, N, V, T, dtype=torch.float64).permute(0, 3, 1, 2)
    S = torch.randn(B, N, V, K, dtype=torch.float64).transpose(2, 3)
    for decay in (torch.rand(N).double().expand(B, T, N), torch.rand(K).double().expand(c.shape)):
        given = (decay, a / 9, b, c, d, q, S)
        dense = [each.clone(memory_format=torch.contiguous_format) for each in given]
        assert same(matrix(*given), matrix(*dense))
        assert_near(with_gradients(matrix, given), with_gradients(plain_matrix, dense), 1e-10)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("sizes", [(1, 5, 1, 3, 2), (7, 40, 3, 12, 100), (2, 17, 1, 5, 300)])
def test_threads_change_no_bit(sizes, dtype):
    given = arguments(*sizes, dtype=dtype)
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2, 3, 8):
            torch.set_num_threads(threads)
            found.append(with_gradients(matrix, given, *ragged(*sizes[:2])))
    finally:
        torch.set_num_threads(before)
    assert all(same(each, found[0]) for each in found)


@pytest.mark.parametrize("erase", [False, True])
@pytest.mark.parametrize("cut", [1, 15, 16, 17, 36])
def test_a_cut_changes_no_bit(cut, erase):
    given = arguments(2, 37, 2, 9, 70, dtype=torch.float32, erase=erase)
    _, reset = ragged(2, 37)
    reset[0, cut] = True

    def in_two(*leaves):
        *steps, S, _, _ = leaves
        first = [None if each is None else each[:, :cut] for each in steps]
        rest = [None if each is None else each[:, cut:] for each in steps]
        o, S = matrix(*first, S, None, reset[:, :cut])
        more, S = matrix(*rest, S, None, reset[:, cut:])
        return torch.cat([o, more], 1), S

    whole = with_gradients(matrix, given, reset=reset)
    assert same(with_gradients(in_two, given), whole)


def test_inference_and_training_give_the_same_bits():
    given = arguments(2, 50, 2, 9, 70, dtype=torch.float32)
    with torch.no_grad():
        found = matrix(*given)
    assert same(found, with_gradients(matrix, given)[:2])


def test_a_row_does_not_feel_its_neighbours():
    given = arguments(5, 33, 3, 8, 20, dtype=torch.float32)
    lengths, reset = ragged(5, 33)
    o, last, *gradients = with_gradients(matrix, given, lengths, reset)
    weights = [each.float() for each in weights_of((o, last))]
    for r in range(5):
        one = slice(r, r + 1)
        leaves = [each[one].clone().requires_grad_() for each in given]
        mine = matrix(*leaves, lengths[one], reset[one])
        assert same(mine, (o[one], last[one]))
        alone = torch.autograd.grad(mine, leaves, [each[one] for each in weights])
        assert same(alone, [each[one] for each in gradients])


def test_where_it_does_not_run_natively_the_answer_is_none(monkeypatch):
    given = arguments(1, 2, 1, 3, 2, dtype=torch.float32)
    assert matrix(*(each.bfloat16() for each in given)) is None
    assert matrix(*given[:-1], given[-1].double()) is None
    assert matrix(*(each.to("meta") for each in given)) is None
    seen = []

    def loss(S):
        seen.append(matrix(*given[:-1], S))
        return S.sum()

    torch.func.grad(loss)(given[-1])
    assert seen == [None]
    monkeypatch.setattr(native, "library", lambda: None)
    assert matrix(*given) is None


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({1: None}, "matrix: one of a and b is None, both fit, or neither"),
        ({3: torch.ones(2, 3, 4)}, "c and d are (2, 3, 4) and (2, 3, 2, 5)"),
        ({0: torch.ones(2, 3)}, "decay is (2, 3) beside c (2, 3, 2, 4), (2, 3, 2, 4) fits"),
        ({0: torch.ones(2, 3, 4)}, "decay is (2, 3, 4) beside c (2, 3, 2, 4), (2, 3, 2) fits"),
        ({5: torch.ones(2, 3, 2, 5)}, "q is (2, 3, 2, 5) beside c (2, 3, 2, 4)"),
        ({6: torch.ones(2, 2, 5, 4)}, "S is (2, 2, 5, 4) beside c (2, 3, 2, 4), (2, 2, 4, 5)"),
        ({7: torch.tensor([1, 4])}, "matrix: lengths must be 0 ... T"),
        ({7: torch.tensor([1, -1])}, "matrix: lengths must be 0 ... T"),
        ({7: torch.tensor([1.0, 2])}, "lengths are (2,) torch.float32, (2,) int64 fits"),
        ({8: torch.ones(2, 3)}, "reset is (2, 3) torch.float32, (2, 3) bool fits"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(change, line):
    given = [*arguments(2, 3, 2, 4, 5, dtype=torch.float32), None, None]
    for at, each in change.items():
        given[at] = each
    with pytest.raises(ShapeError) as error:
        matrix(*given)
    assert line in str(error.value)
    assert "\n" not in str(error.value)


def test_an_empty_state_is_refused():
    given = arguments(2, 3, 2, 4, 5)
    given[4], given[6] = given[4][..., :0], given[6][..., :0]
    with pytest.raises(ShapeError, match=r"S is \(2, 2, 4, 0\), K and V of at least 1 fit"):
        matrix(*given)


def test_a_job_with_nothing_in_it_is_refused():
    given = arguments(2, 30, 2, 4, 5)
    for backward, line in ((False, "the last S is null"), (True, "the last S is null")):
        job = Job(given, None, None, backward=backward)
        job.nothing(11)
        with pytest.raises(ShapeError, match=line):
            job.run()
    job = Job(given, None, None, backward=True)
    job.nothing(2)
    job.steps(*given[:-1])
    job.states(given[-1])
    job.steps(given[4])
    job.states(given[-1])
    with pytest.raises(ShapeError, match="the memory to keep is null"):
        job.run()


def test_what_autograd_keeps_may_be_moved():
    given = arguments(2, 40, 2, 4, 5)
    wanted = with_gradients(matrix, given)
    with torch.autograd.graph.saved_tensors_hooks(lambda x: x.clone(), lambda x: x.clone()):
        found = with_gradients(matrix, given)
    assert same(found, wanted)


def test_several_threads_may_call_at_once():
    given = arguments(4, 30, 2, 8, 16, dtype=torch.float32)
    wanted = with_gradients(matrix, given)
    found = []

    def work():
        found.extend(with_gradients(matrix, given) for _ in range(5))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(found) == 15
    assert all(same(each, wanted) for each in found)


def test_after_a_fork_the_child_works_too():
    given = arguments(4, 30, 2, 8, 16, dtype=torch.float32)
    wanted = with_gradients(matrix, given)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, b"same" if same(with_gradients(matrix, given), wanted) else b"other")
        finally:
            os._exit(0)
    os.close(writer)
    assert os.read(reader, 16) == b"same"
    os.close(reader)
    os.waitpid(child, 0)


def python(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


def digest(dtype: str) -> str:
    """The bits of results and gradients."""
    seen = hashlib.sha256()
    for sizes in ((3, 37, 2, 5, 7), (2, 18, 1, 33, 129)):
        for wide, erase in FORMS:
            given = arguments(*sizes, dtype=getattr(torch, dtype), wide=wide, erase=erase)
            for each in with_gradients(matrix, given, *ragged(*sizes[:2])):
                seen.update(each.contiguous().numpy().tobytes())
    return seen.hexdigest()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("level", ["avx2", "avx512"])
def test_a_level_gives_the_same_bits(level, dtype):
    code = f"from tests.engine.test_matrix import digest; print(digest({dtype!r}))"
    found = python(code, RECURRA_SIMD=level, RECURRA_NATIVE="1")
    if f"RECURRA_SIMD: {level} does not run here" not in found and native.level() != "generic":
        assert found == digest(dtype)


@pytest.mark.parametrize("level", ["generic", "avx2", "avx512"])
def test_a_level_passes_these_tests(level):
    options = ["-q", "-n", "0", "-p", "no:cacheprovider", "-k", "numbers or decays or cut or row"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, __file__],
        capture_output=True,
        text=True,
        env={**os.environ, "RECURRA_SIMD": level, "RECURRA_NATIVE": "1"},
    )
    refused = f"RECURRA_SIMD: {level} does not run here"
    assert done.returncode == 0 or refused in done.stdout, done.stdout


@pytest.mark.parametrize("backward", [False, True])
def test_ctrl_c_ends_a_long_call_left_out_of_sanitizers(backward):
    """One head for half a minute or more, of little memory; by the time that it computes."""
    code = f"""
        import os, signal, threading, time, torch
        from recurra.engine import matrix

        T, K, V = (4_000 if {backward} else 400_000), 512, 512
        c, d, S = torch.zeros(K), torch.zeros(V), torch.zeros(1, 1, K, V)
        c, d = c.expand(1, T, 1, K), d.expand(1, T, 1, V)
        decay = torch.ones(1).expand(1, T, 1)
        sent = []

        def interrupt():
            sent.append(time.process_time())
            os.kill(os.getpid(), signal.SIGINT)

        timer = threading.Timer(1.0, interrupt)
        if {backward}:
            S.requires_grad_()
            o, _ = matrix(decay, c, c, c, d, c, S)
            timer.start()
            while not sent:
                try:
                    torch.autograd.grad(o.sum(), S, retain_graph=True)
                except KeyboardInterrupt:
                    break
        else:
            timer.start()
            try:
                matrix(decay, c, c, c, d, c, S)
                print("it was over before")
            except KeyboardInterrupt:
                pass
        print(time.process_time() - sent[0])
    """
    assert float(python(code)) < 3.0

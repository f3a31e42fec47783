"""The conditional random field against every sequence of tags, one after the other."""

import itertools

import pytest
import torch

from recurra.errors import OptionError, ShapeError
from recurra.layers import CRF
from recurra.layers.crf import FORBIDDEN, Paths

K, T = 3, 5
LENGTHS = torch.tensor([5, 1, 3, 0, 4])


def drawn(tags=K, **masks):
    torch.manual_seed(0)
    crf = CRF(tags, **masks).double()
    for parameter in crf.parameters():
        torch.nn.init.normal_(parameter)
    return crf


def scores(rows=5, steps=T, tags=K):
    return 2 * torch.randn(rows, steps, tags, dtype=torch.float64)


def score(crf, x, path):
    """By the definition, one number after the other."""
    if not path:
        return torch.zeros((), dtype=torch.float64)
    total = crf.start[path[0]] + crf.end[path[-1]]
    total = total + sum(x[t, tag] for t, tag in enumerate(path))
    return total + sum(crf.transition[a, b] for a, b in itertools.pairwise(path))


def every(crf, x, length, allowed=lambda path: True):
    """All sequences of a length, and the score of each."""
    paths = [path for path in itertools.product(range(crf.tags), repeat=length) if allowed(path)]
    return paths, torch.stack([score(crf, x, path) for path in paths])


def close(a, b):
    torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def test_likelihoods_are_those_of_all_sequences():
    crf, x, tags = drawn(), scores(), torch.randint(K, (len(LENGTHS), T))
    found = crf.log_likelihood(x, tags, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        _, every_score = every(crf, x[row], length)
        close(
            found[row], score(crf, x[row], tags[row, :length].tolist()) - every_score.logsumexp(0)
        )
    assert found[3] == 0


def test_probabilities_add_up_to_one():
    crf, x = drawn(), scores(rows=1, steps=4)
    paths = torch.tensor(list(itertools.product(range(K), repeat=4)))
    close(crf.log_likelihood(x.expand(len(paths), -1, -1), paths).exp().sum(), x.new_ones(()))


def test_the_best_sequence_is_the_best_of_all():
    crf, x = drawn(), scores(rows=40)
    lengths = torch.arange(40) % (T + 1)
    found = crf.best(x, lengths)
    for row, length in enumerate(lengths.tolist()):
        paths, every_score = every(crf, x[row], length)
        assert found[row, :length].tolist() == list(paths[int(every_score.argmax())])
        assert (found[row, length:] == 0).all()


def test_marginals_are_shares_of_all_sequences():
    crf, x = drawn(), scores()
    found = crf.marginals(x, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        paths, every_score = every(crf, x[row], length)
        expected = torch.zeros(T, K, dtype=torch.float64)
        for path, share in zip(paths, every_score.softmax(0), strict=True):
            for t, tag in enumerate(path):
                expected[t, tag] += share.detach()
        close(found[row], expected)
    with torch.no_grad():
        close(crf.marginals(x, LENGTHS), found)


def test_forbidden_sequences_have_no_share_and_are_never_the_best():
    forbidden = torch.tensor([[0, 0, 1], [1, 0, 0], [0, 0, 0]]).bool()
    never_first = torch.tensor([False, False, True])
    crf = drawn(forbidden=forbidden, never_first=never_first, never_last=~never_first)
    x = scores(rows=30)

    def allowed(path):
        pairs = itertools.pairwise(path)
        return path[0] != 2 and path[-1] == 2 and not any(forbidden[a, b] for a, b in pairs)

    best, tags = crf.best(x), torch.tensor([[0, 1, 1, 1, 2]]).expand(30, -1)
    found = crf.log_likelihood(x, tags)
    for row in range(30):
        paths, every_score = every(crf, x[row], T, allowed)
        assert tuple(best[row].tolist()) == paths[int(every_score.argmax())]
        close(found[row], score(crf, x[row], (0, 1, 1, 1, 2)) - every_score.logsumexp(0))
    assert (crf.log_likelihood(x, torch.full((30, T), 2)) < FORBIDDEN / 2).all()


def test_gradients_hold():
    crf, x, tags = drawn(), scores(), torch.randint(K, (len(LENGTHS), T))
    assert torch.autograd.gradcheck(
        lambda x: crf.log_likelihood(x, tags, LENGTHS), x.requires_grad_()
    )


@pytest.mark.parametrize("name", ["start", "end", "transition"])
def test_gradients_of_parameters_are_differences_of_likelihoods(name):
    crf, x, tags = drawn(), scores(), torch.randint(K, (len(LENGTHS), T))
    crf.log_likelihood(x, tags, LENGTHS).sum().backward()
    values = crf.get_parameter(name)
    found = values.grad.flatten()
    for number in range(values.numel()):
        ends = []
        for shift in (1e-6, -1e-6):
            with torch.no_grad():
                values.view(-1)[number] += shift
                ends.append(crf.log_likelihood(x, tags, LENGTHS).sum())
                values.view(-1)[number] -= shift
        assert found[number] == pytest.approx(float(ends[0] - ends[1]) / 2e-6, abs=1e-6)


def test_padding_has_no_influence():
    crf, x, tags = drawn(), scores(), torch.randint(K, (len(LENGTHS), T))
    dead = torch.arange(T) >= LENGTHS[:, None]
    spoilt = x.masked_fill(dead[..., None], torch.nan).requires_grad_()
    other = tags.masked_fill(dead, 99)
    found = crf.log_likelihood(spoilt, other, LENGTHS)
    close(found, crf.log_likelihood(x, tags, LENGTHS))
    found.sum().backward()
    assert (spoilt.grad[dead] == 0).all()
    assert spoilt.grad.isfinite().all()
    assert torch.equal(crf.best(spoilt, LENGTHS), crf.best(x, LENGTHS))
    close(crf.marginals(spoilt, LENGTHS), crf.marginals(x, LENGTHS))
    alone = crf.log_likelihood(x[2:3, :3], tags[2:3, :3])
    close(found[2:3], alone)


def test_the_sum_is_the_loop_over_its_step():
    crf, x = drawn(), scores()
    state = Paths(crf.start + x[:, 0])
    for t in range(1, T):
        _, state = crf._extend(x[:, t], state)
    total = (state.score + crf.end).logsumexp(1)
    close(crf._of_all(x, torch.full((len(x),), T)), total)


@pytest.mark.parametrize("steps", [0, 1])
def test_short_sequences(steps):
    crf, x = drawn(), scores(steps=steps)
    tags = torch.ones(len(x), steps, dtype=torch.long)
    found = crf.log_likelihood(x, tags)
    assert found.shape == (len(x),)
    assert (found < 0).all() if steps else (found == 0).all()
    assert crf.best(x).shape == (len(x), steps)
    assert crf.marginals(x).shape == x.shape


def test_wild_scores_stay_numbers():
    crf = drawn().float()
    x = torch.randn(2, 50, K) * 1e4
    found = crf.log_likelihood(x.requires_grad_(), torch.zeros(2, 50, dtype=torch.long))
    found.sum().backward()
    assert found.isfinite().all()
    assert x.grad.isfinite().all()


def test_scores_of_fewer_digits_are_summed_with_all_digits():
    crf, x = drawn().float(), scores().bfloat16()
    tags = torch.zeros(len(x), T, dtype=torch.long)
    assert torch.equal(crf.log_likelihood(x, tags), crf.log_likelihood(x.float(), tags))


def test_masks_that_do_not_fit_are_told():
    with pytest.raises(OptionError, match="CRF: tags is 0"):
        CRF(0)
    with pytest.raises(ShapeError, match="CRF: never_first has shape"):
        CRF(3, never_first=torch.zeros(2, dtype=torch.bool))

"""What is searched, and what is left alone."""

import pytest
from tests.tune.toy import Counter, Toy

from recurra.errors import DataError, OptionError, UnsupportedError
from recurra.tasks import TASKS, Forecaster
from recurra.tasks.parameters import parameters
from recurra.tasks.search import Choices, Multiples, Range
from recurra.tune.space import make_space, settled, variant

SEARCHED = ["far", "size", "kind", "back", "learning_rate", "schedule"]


def space(estimator, search=None, data=(1.0,)):
    return {dimension.name: dimension for dimension in make_space(estimator, data, None, search)}


def test_fields_at_their_defaults_are_searched_and_others_are_fixed():
    assert list(space(Toy())) == SEARCHED
    assert list(space(Toy(kind="b", learning_rate=1e-2))) == ["far", "size", "back", "schedule"]


def test_the_user_may_say_what_is_searched():
    assert list(space(Toy(kind="b"), ["kind", "far"])) == ["far", "kind"]
    with pytest.raises(OptionError, match='"name" cannot be searched; what can: far, size, '):
        space(Toy(), ["name"])
    with pytest.raises(OptionError, match="nothing is left to search; leave one unset of far, "):
        space(Toy(), [])


def test_what_the_estimator_brings_is_always_in_reach():
    found = space(Toy(far=9.0, size=100, kind="c"), ["far", "size", "kind"])
    assert (found["far"].low, found["far"].high) == (0.5, 9.0)
    assert (found["size"].low, found["size"].high) == (1, 100)
    assert found["kind"].choices == ("a", "b", "c")
    with pytest.raises(OptionError, match="size is 0; it is searched by factors and above 0"):
        space(Toy(size=0), ["size"])


def test_multiples_are_of_what_fit_finds_as_far_as_the_data_reach():
    back = space(Toy())["back"]
    assert back.choices == (0.5, 1.0)  # 20 would be too far back
    assert [back.value(factor) for factor in back.choices] == [5, None]
    assert back.found(None) == 10
    assert [space(Toy(back=4), ["back"])["back"].value(f) for f in (0.5, 1.0, 2.0)] == [2, 4, 8]


def test_multiples_that_would_change_the_validation_are_not_searched():
    assert "back" not in space(Toy(loose=True))


def test_data_that_cannot_be_learned_from_are_refused_before_any_trial():
    with pytest.raises(DataError, match="--back is 30"):
        space(Toy(), data=[1.0, 2.0, 3.0])


def test_an_estimator_without_epochs_is_refused():
    with pytest.raises(UnsupportedError, match="Counter does not learn in epochs"):
        settled(Counter(), [], None)


@pytest.mark.parametrize("task", TASKS)
def test_every_default_of_a_task_lies_in_what_is_searched(task):
    known = parameters(TASKS[task])
    assert any(field.search for field in known.values())
    for field in known.values():
        if isinstance(field.search, Range):
            assert field.search.low <= field.default <= field.search.high
        elif isinstance(field.search, Choices):
            assert field.default in field.search.values
            assert set(field.search.values) <= set(field.choices or field.search.values)
        elif isinstance(field.search, Multiples):
            assert field.default is None
            assert 1 in field.search.factors
            assert field.search.unless is None or known[field.search.unless].kind is bool


def test_every_trial_of_a_forecast_validates_on_the_same(trained):
    """Contexts of other lengths leave the validation windows and their scales what they are."""
    from recurra.data import read_panel
    from recurra.tasks.forecast.fitting import Fit

    one = trained("forecast")
    base = Forecaster(horizon=7, quiet=True)
    found = space(base, data=one.data)
    assert len(found["context"].choices) > 1
    seen = set()
    for factor in found["context"].choices:
        for cell in found["cell"].choices:
            trial = variant(base, {"context": found["context"].value(factor), "cell": cell})
            fit = Fit(read_panel(one.data), trial._wishes(), trial.plan())
            true = fit.windows.targets(fit.validation)
            times = fit.windows.times(fit.validation)
            seen.add((true.y.tobytes(), true.observed.tobytes(), times.tobytes()))
    assert len(seen) == 1


def test_a_variant_changes_the_fields_named_and_no_others():
    base = Toy(kind="b", name="y")
    assert variant(base, {"far": 1.0}) == Toy(kind="b", name="y", far=1.0)
    assert base == Toy(kind="b", name="y")

"""What is varied: one dimension a field, read from the estimator's annotations."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recurra.errors import DataError, OptionError, UnsupportedError
from recurra.tasks import Estimator
from recurra.tasks.learning import Learning
from recurra.tasks.parameters import Parameter, Value, parameters
from recurra.tasks.search import Choices, Multiples, Range

if TYPE_CHECKING:
    from optuna import Trial

Drawn = str | int | float
Space = tuple["Dimension", ...]


@dataclass(frozen=True)
class Dimension:
    """One field, and what is drawn for it.

    Args:
        name: of the field.
        own: the value that the estimator brings; it is tried first.
        begin: what is drawn for it.
        choices: one of these is drawn; or, where empty, a number in `low` … `high`.
        low, high: bounds.
        log: numbers are drawn by factors rather than by differences.
        of: what a drawn factor multiplies; None where the value itself is drawn.
    """

    name: str
    own: Value
    begin: Drawn
    choices: tuple[Drawn, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    of: int | float | None = None

    def draw(self, trial: "Trial") -> Value:
        """A trial's value of the field."""
        if self.choices:
            drawn: Any = trial.suggest_categorical(self.name, self.choices)
            return self.value(drawn)
        if isinstance(self.begin, int):
            low, high = int(self.low), int(self.high)
            return trial.suggest_int(self.name, low, high, log=self.log)
        return trial.suggest_float(self.name, self.low, self.high, log=self.log)

    def value(self, drawn: Drawn) -> Value:
        """The field's value for what was drawn."""
        if drawn == self.begin:
            return self.own
        if self.of is None or isinstance(drawn, str):
            return drawn
        product = self.of * drawn
        return max(1, round(product)) if isinstance(self.of, int) else product

    def found(self, value: Value) -> Value:
        """The value, or what `fit` finds in its place."""
        return self.of if value is None else value


def make_space(estimator: Estimator, data: Any, valid: Any, search: Sequence[str] | None) -> Space:
    """The dimensions to search.

    Args:
        estimator: its fields that are not searched stay as they are.
        data, valid: as `fit` takes them.
        search: fields; when None, those that can be searched and have their default.

    Raises:
        OptionError: a field is unknown or cannot be searched, or none is left.
        RecurraError: what `fit` would raise of the data or of the fields.
    """
    known = parameters(type(estimator))
    can = [name for name, field in known.items() if field.search is not None]
    for name in search or ():
        if name not in can:
            raise OptionError(f'tuning: "{name}" cannot be searched; what can: {", ".join(can)}')
    names = [name for name in can if search is None or name in search]
    if search is None:
        names = [name for name in names if getattr(estimator, name) == known[name].default]
    found = settled(estimator, data, valid)
    space = tuple(
        dimension
        for name in names
        for dimension in _dimension(estimator, known[name], found, (data, valid))
    )
    if not space:
        raise OptionError(f"tuning: nothing is left to search; leave one unset of {', '.join(can)}")
    return space


def _dimension(
    estimator: Estimator, field: Parameter, found: dict[str, Any], data: tuple[Any, Any]
) -> Iterator[Dimension]:
    """The field's dimension, if it has more than one value."""
    name, own = field.name, getattr(estimator, field.name)
    if isinstance(field.search, Range):
        search = field.search
        low, high = min(search.low, own), max(search.high, own)
        if search.log and not low > 0:
            raise OptionError(f"tuning: {name} is {own}; it is searched by factors and above 0")
        yield Dimension(name, own, own, low=low, high=high, log=search.log)
    elif isinstance(field.search, Choices):
        values = field.search.values
        yield Dimension(name, own, own, values if own in values else (*values, own))
    elif isinstance(field.search, Multiples):
        if field.search.unless is not None and getattr(estimator, field.search.unless):
            return
        of = found[name] if own is None else own
        whole = Dimension(name, own, 1.0, field.search.factors, of=of)
        fits = tuple(f for f in whole.choices if _fits(estimator, name, whole.value(f), data))
        if len({whole.value(factor) for factor in fits}) > 1:
            yield Dimension(name, own, 1.0, fits, of=of)


def _fits(estimator: Estimator, name: str, value: Value, data: tuple[Any, Any]) -> bool:
    """Whether the data leave room for a value."""
    if value == getattr(estimator, name):
        return True
    try:
        settled(variant(estimator, {name: value}), *data)
    except (DataError, OptionError):
        return False
    return True


def variant(estimator: Estimator, fields: dict[str, Any]) -> Estimator:
    """The estimator with other values in some fields; it has not learned."""
    return type(estimator)(**{**estimator.get_params(), **fields})


def settled(estimator: Estimator, data: Any, valid: Any) -> dict[str, Any]:
    """What `fit` would find for fields that are None.

    Raises:
        UnsupportedError: the estimator has no validation loss to be compared by.
        RecurraError: what `fit` would raise of the data or of the fields.
    """
    if not isinstance(estimator, Learning):
        raise UnsupportedError(
            f"tuning: {type(estimator).__name__} does not learn in epochs; what fits is a Learning"
        )
    return estimator.settle(data, valid)

"""An estimator's fields, read once from its annotations for every door that needs them.

A field is written `name: Annotated[kind, "meaning and unit"] = default`, where kind is `int`,
`float`, `str` or `bool`, one of these `| None`, a `Literal` of texts, or `Names`. A `Search` behind
the meaning says how tuning may vary it.
"""

import types
from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from recurra.tasks.search import Search

Value = int | float | str | bool | None | tuple[str, ...]
# Several texts; one may stand alone, without its tuple.
Names = tuple[str, ...] | str


@dataclass(frozen=True)
class Parameter:
    """One field.

    Args:
        name: of the field.
        meaning: what it is, with its unit.
        kind: `int`, `float`, `str` or `bool`.
        default: its value when nothing is said.
        choices: the texts that fit; empty for any.
        optional: None fits too.
        many: it is `Names`.
        search: how tuning may vary it, if at all.
    """

    name: str
    meaning: str
    kind: type
    default: Value
    choices: tuple[str, ...]
    optional: bool
    many: bool
    search: Search | None = None

    def to_json(self, value: Value) -> Value:
        """The value as a run folder holds it, where a text alone is a list of one."""
        return (value,) if self.many and isinstance(value, str) else value

    def from_json(self, value: object) -> Value:
        """The value as the field holds it.

        Raises:
            TypeError: it does not fit the field.
        """
        if value is None and self.optional:
            return None
        if self.many and isinstance(value, list) and all(isinstance(part, str) for part in value):
            return tuple(value)
        if self.kind is float and type(value) is int and abs(value) < 2**53:
            return float(value)
        fits = not self.many and type(value) is self.kind
        if fits and (not self.choices or value in self.choices):
            return cast(Value, value)
        raise TypeError(f"{self.name} is {value!r}; it is {self.expected()}")

    def expected(self) -> str:
        """What fits, in words."""
        if self.choices:
            return " or ".join(self.choices)
        kind = "a list of texts" if self.many else f"of type {self.kind.__name__}"
        return f"{kind} or null" if self.optional else kind


def parameters(estimator: type) -> dict[str, Parameter]:
    """The fields of an estimator: its own in their order, then those that all have."""
    hints = get_type_hints(estimator, include_extras=True)
    return {
        field.name: _parameter(field.name, hints[field.name], field.default)
        for field in sorted(fields(estimator), key=lambda field: bool(field.kw_only))
        if field.init
    }


def _parameter(name: str, hint: Any, default: Any) -> Parameter:
    if get_origin(hint) is not Annotated or default is MISSING:
        raise TypeError(f"the field {name} has no meaning or no default")
    kind, meaning, *more = get_args(hint)
    search = next((part for part in more if isinstance(part, Search)), None)
    if kind == Names:
        return Parameter(name, meaning, str, default, (), optional=False, many=True)
    optional = False
    if get_origin(kind) in (types.UnionType, Union):
        optional = True
        (kind,) = (part for part in get_args(kind) if part is not types.NoneType)
    choices: tuple[str, ...] = ()
    if get_origin(kind) is Literal:
        choices, kind = get_args(kind), str
    return Parameter(name, meaning, kind, default, choices, optional, False, search)

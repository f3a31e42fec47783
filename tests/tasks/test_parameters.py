"""Fields read from annotations."""

from dataclasses import dataclass
from typing import Annotated, Literal

import pytest

from recurra.tasks.parameters import Names, parameters


@dataclass
class Toy:
    """One of each kind."""

    size: Annotated[int, "how large it is"] = 3
    rate: Annotated[float | None, "how fast it is"] = None
    name: Annotated[str, "what it is called"] = "x"
    loud: Annotated[bool, "whether it shouts"] = False
    mode: Annotated[Literal["a", "b"], "which of two"] = "a"
    rule: Annotated[Literal["a", "b"] | None, "which of two, if any"] = None
    parts: Annotated[Names, "what it is made of"] = ()


FITS = {
    "size": [3, -1],
    "rate": [None, 1.5, 2],
    "name": ["", "y"],
    "loud": [True, False],
    "mode": ["a", "b"],
    "rule": ["b", None],
    "parts": [[], ["a", "b"]],
}
WRONG = {
    "size": [None, 1.0, True, "1", [1], {}],
    "rate": [True, "1", [1.0], 10**400],
    "name": [None, 1, ["x"]],
    "loud": [None, 0, 1, "true"],
    "mode": [None, "c", ["a"], 1],
    "rule": ["c", 1],
    "parts": [None, "ab", [1], {"a": 1}],
}


@pytest.mark.parametrize("name", FITS)
def test_values_that_fit(name):
    parameter = parameters(Toy)[name]
    for value in FITS[name]:
        found = parameter.from_json(value)
        expected = tuple(value) if isinstance(value, list) else value
        assert found == expected
        assert type(found) is (float if name == "rate" and value else type(expected))


@pytest.mark.parametrize("name", WRONG)
def test_values_that_do_not(name):
    for value in WRONG[name]:
        with pytest.raises(TypeError, match=rf"^{name} is .*; it is "):
            parameters(Toy)[name].from_json(value)


def test_what_fits_is_said_in_words():
    words = {name: parameter.expected() for name, parameter in parameters(Toy).items()}
    assert words == {
        "size": "of type int",
        "rate": "of type float or null",
        "name": "of type str",
        "loud": "of type bool",
        "mode": "a or b",
        "rule": "a or b",
        "parts": "a list of texts",
    }


def test_a_field_without_a_meaning_or_a_default_is_a_mistake():
    @dataclass
    class Mute:
        size: int = 3

    @dataclass
    class Open:
        size: Annotated[int, "how large"]

    for kind in (Mute, Open):
        with pytest.raises(TypeError, match="the field size has no meaning or no default"):
            parameters(kind)

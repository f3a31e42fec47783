"""An estimator's fields as flags."""

import argparse
import csv
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recurra.tasks import Estimator
    from recurra.tasks.parameters import Parameter


def add_debug(parser: argparse.ArgumentParser) -> None:
    """The flag that every command has."""
    parser.add_argument("--debug", action="store_true", help="show where an error comes from")


def add_fields(
    parser: argparse.ArgumentParser,
    estimator: "type[Estimator]",
    without: Collection[str] = (),
) -> None:
    """One flag per field, under the estimator's headings, but for those in `without`."""
    from recurra.tasks.parameters import parameters

    known = parameters(estimator)
    for heading, fields in estimator.groups.items():
        group = parser.add_argument_group(heading)
        for field in (field for field in fields if field not in without):
            _add(group, known[field])


def given(estimator: "type[Estimator]", args: argparse.Namespace) -> dict[str, Any]:
    """The fields whose flags were given."""
    from recurra.tasks.parameters import parameters

    return {name: getattr(args, name) for name in parameters(estimator) if hasattr(args, name)}


def from_args(estimator: "type[Estimator]", args: argparse.Namespace) -> "Estimator":
    """The estimator that the flags describe."""
    return estimator(**given(estimator, args))


def names(text: str) -> tuple[str, ...]:
    """Names between commas; one that contains a comma stands in double quotes."""
    return tuple(next(csv.reader([text], skipinitialspace=True), []))


def _add(group: "argparse._ArgumentGroup", parameter: "Parameter") -> None:
    flag = "--" + parameter.name.replace("_", "-")
    meaning = parameter.meaning.replace("%", "%%")
    # A flag that was not given leaves no trace, so that one given with its default is told apart.
    unsaid = argparse.SUPPRESS
    if parameter.kind is bool:
        group.add_argument(flag, action="store_true", default=unsaid, help=meaning)
        return
    if parameter.default not in (None, ()):
        meaning += f" ({parameter.default})"
    group.add_argument(
        flag,
        type=names if parameter.many else parameter.kind,
        default=unsaid,
        choices=parameter.choices or None,
        metavar=None if parameter.choices else _metavar(parameter),
        help=meaning,
    )


def _metavar(parameter: "Parameter") -> str:
    if parameter.many:
        return "NAME,…"
    return {int: "N", float: "X", str: "TEXT"}[parameter.kind]

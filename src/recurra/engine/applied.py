"""What `apply` of an autograd function is to its callers; torch gives it no type."""

from collections.abc import Callable
from typing import Any, TypeAlias

Applied: TypeAlias = Callable[..., Any]

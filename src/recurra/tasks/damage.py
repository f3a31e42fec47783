"""What is read from a run folder may be anything; whatever comes of it is one error."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recurra.errors import RecurraError, RunFolderError

RAISED = (RecurraError, LookupError, TypeError, ValueError, AttributeError, OverflowError)


@contextmanager
def damaged(folder: Path) -> Iterator[None]:
    """Says of which folder it was what went wrong inside.

    Raises:
        RunFolderError: something was missing, of another kind, or did not fit the rest.
    """
    try:
        yield
    except RunFolderError:
        raise
    except RAISED as error:
        reason = f"{error!r}" if isinstance(error, KeyError) else f"{error}"
        raise RunFolderError(f"{folder}: damaged: {reason}") from error

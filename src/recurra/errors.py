"""Every error that Recurra raises on purpose.

Each is a `RecurraError` and the builtin that it resembles, so both `except RecurraError` and the
habitual `except ValueError` work. A message is one line: where, what came, what fits, which option
mends it.
"""


class RecurraError(Exception):
    """Anything that went wrong in a way Recurra can explain."""


class ShapeError(RecurraError, ValueError):
    """A tensor has another shape or type than the one that fits."""


class OptionError(RecurraError, ValueError):
    """An option has a value that does not fit, or options contradict each other."""


class UnsupportedError(RecurraError, TypeError):
    """What was asked for has no meaning here, such as one step of a bidirectional layer."""


class StepError(RecurraError, ValueError):
    """A step that cannot be run over time: it mixes rows, or looks at values."""


class DataError(RecurraError, ValueError):
    """A file or a frame holds something that cannot be learned from."""


class UnknownTokenError(DataError):
    """A text holds characters that a vocabulary has no id for.

    Args:
        where: the vocabulary or the file.
        found: a few of them, in the order of the text.
        offset: characters before the first one.
    """

    def __init__(self, where: str, found: str, offset: int) -> None:
        super().__init__(where, found, offset)
        self.where, self.found, self.offset = where, found, offset

    def __str__(self) -> str:
        first, more = self.found[0], ", ".join(map(repr, self.found[1:]))
        return (
            f"{self.where}: {first!r} (U+{ord(first):04X}) at character {self.offset} is not in "
            f"the vocabulary{more and ', nor ' + more}; --errors replace puts U+FFFD there"
        )


class MissingFileError(RecurraError, FileNotFoundError):
    """A file or folder is not there."""


class MissingPackageError(RecurraError, ImportError):
    """An optional package is needed and not installed."""


class NotFittedError(RecurraError, AttributeError):
    """An answer was asked of an estimator that has not learned yet."""


class TrainingError(RecurraError, ArithmeticError):
    """Training cannot go on, as when the loss is no longer finite."""


class TerminatedError(RecurraError, RuntimeError):
    """SIGTERM ended a training; its checkpoint is written, and the message says how to go on."""


class LostProcessError(RecurraError, ConnectionError):
    """Another process of a training that several share has ended or cannot be reached."""


class RunFolderError(RecurraError, ValueError):
    """A run folder is damaged, of another task, or not made by Recurra."""


class SnapshotError(RecurraError, ValueError):
    """Bytes that are no snapshot, damaged, or of another model."""


class StorageError(RecurraError, OSError):
    """The file system refused to keep what was written, as when a disk is full."""


class TakenError(StorageError):
    """A folder that was free is there by now."""

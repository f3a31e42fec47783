"""Numbers that belong to sequences of numbers."""

from recurra.tasks.regress.regressor import SequenceRegressor

__all__ = ["SequenceRegressor"]

"""Classes of sequences of numbers."""

from recurra.tasks.classify.classifier import SequenceClassifier

__all__ = ["SequenceClassifier"]

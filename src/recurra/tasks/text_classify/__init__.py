"""Classes of texts: read, learned, calibrated, explained."""

from recurra.tasks.text_classify.classifier import TextClassifier

__all__ = ["TextClassifier"]

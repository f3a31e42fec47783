"""Language models: what comes next in a text."""

from recurra.tasks.language.language_model import LanguageModel

__all__ = ["LanguageModel"]

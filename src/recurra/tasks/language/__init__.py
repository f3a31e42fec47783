"""Language models: what comes next in a text."""

from recurra.tasks.language.language_model import LanguageModel
from recurra.tasks.language.scoring import Scored
from recurra.tasks.language.writer import Writer

__all__ = ["LanguageModel", "Scored", "Writer"]

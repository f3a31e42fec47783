"""Translation: sentences of one language into those of another."""

from recurra.tasks.translate.translator import Translator

__all__ = ["Translator"]

"""Tagging: a tag for every word of a sentence."""

from recurra.tasks.tag.tagger import Tagger

__all__ = ["Tagger"]

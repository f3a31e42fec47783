"""The kinds of vocabulary, learned from a text or read back."""

from collections.abc import Iterable, Iterator

from recurra.data.bpe import LETTERS, Bpe, fit_bpe
from recurra.data.bytes import Bytes
from recurra.data.characters import Characters, characters_of, count_characters
from recurra.data.vocabulary import MOST_TOKENS, Vocabulary
from recurra.data.words import Words, fit_words
from recurra.errors import DataError, OptionError

VOCABULARIES: dict[str, type[Vocabulary]] = {
    "bytes": Bytes,
    "characters": Characters,
    "words": Words,
    "bpe": Bpe,
}
# With more distinct characters "auto" takes pieces of words.
MOST_CHARACTERS = 1000
# Entries where no size is given, without the separator.
WORDS, PIECES = 10_000, 8_192


def fit_vocabulary(
    kind: str, blocks: Iterable[str], size: int | None = None, lowercase: bool = False
) -> Vocabulary:
    """The vocabulary of a text; the same text gives the same one.

    Args:
        kind: a name in `VOCABULARIES`, or "auto": characters where at most 1,000 are distinct, else
            bpe.
        blocks: the text, such as a `Text` or a list; cut between words; gone over up to three
            times.
        size: entries at most, without the separator: 10,000 words or 8,192 pieces when not given.
            Characters are all kept; a size that they go beyond is an error.
        lowercase: words are put into small letters.

    Raises:
        DataError: the text is empty, or has half a surrogate pair in it.
        MissingPackageError: bpe, and tokenizers is not installed.
        OptionError: an option does not fit.
    """
    _check(kind, blocks, size, lowercase)
    if kind == "bytes":
        return Bytes()
    if kind == "words":
        return fit_words(_some(blocks), size or WORDS, lowercase)
    if kind == "bpe":
        return fit_bpe(_some(blocks), size or PIECES)
    counts = count_characters(_some(blocks))
    if kind == "auto" and len(counts) > MOST_CHARACTERS:
        return fit_bpe(blocks, size or PIECES)
    found = characters_of(counts)
    if kind == "characters" and size is not None and len(found.characters) > size:
        raise OptionError(
            f"--tokens characters: {len(found.characters)} distinct ones, --vocab-size is "
            f"{size}; make it larger, or --tokens bpe"
        )
    return found


def vocabulary_from_json(data: object) -> Vocabulary:
    """The vocabulary that `to_json` wrote.

    Raises:
        DataError: it did not write this.
    """
    if not isinstance(data, dict):
        raise DataError(f"vocabulary: {type(data).__name__} in the place of an object; damaged")
    kind = data.get("kind")
    if not isinstance(kind, str) or kind not in VOCABULARIES:
        raise DataError(f"vocabulary: kind {str(kind)[:40]!r}; it is {_known()}")
    return VOCABULARIES[kind].from_json(data)


def _check(kind: str, blocks: Iterable[str], size: int | None, lowercase: bool) -> None:
    if kind != "auto" and kind not in VOCABULARIES:
        raise OptionError(f'--tokens is "{kind}"; it is auto, {_known()}')
    if isinstance(blocks, str | Iterator):
        raise OptionError(
            f"vocabulary: blocks are a {type(blocks).__name__}; they are a list of texts, or a "
            "Text, that can be gone over again"
        )
    if lowercase and kind != "words":
        raise OptionError(f"--lowercase goes with --tokens words; it is {kind}")
    if size is not None and kind == "bytes":
        raise OptionError("--tokens bytes has 256 of them; it takes no --vocab-size")
    least = {"words": 3, "bpe": len(LETTERS), "auto": len(LETTERS)}.get(kind, 1)
    if size is not None and not least <= size <= MOST_TOKENS - 1:
        raise OptionError(
            f"--vocab-size is {size}; with {kind} it lies in {least} … {MOST_TOKENS - 1}"
        )


def _some(blocks: Iterable[str]) -> Iterable[str]:
    if not any(blocks):
        raise DataError("vocabulary: the text is empty; it takes some to learn from")
    return blocks


def _known() -> str:
    *most, last = VOCABULARIES
    return f"{', '.join(most)} or {last}"

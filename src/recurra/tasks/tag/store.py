"""A fitted tagger as what a run folder holds, and back, believing nothing on the way in."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from torch import Tensor

from recurra.data import Sentence
from recurra.models import WordTagger
from recurra.tasks.damage import damaged
from recurra.tasks.encoder import Encoder
from recurra.tasks.tag.baselines import MostFrequent
from recurra.tasks.tag.learned import Learned
from recurra.tasks.tag.sentences import tagged_sentence
from recurra.tasks.tag.setting import Setting, check_tags
from recurra.tasks.tag.spans import Rules, is_entities, rules
from recurra.tasks.tag.vocabulary import Vocabulary
from recurra.train import load_weights

KEYS = {
    *("setting", "words", "letters", "tags", "lowercase", "rules", "baseline", "examples"),
    "encoder",
}


def to_json(learned: Learned) -> dict[str, Any]:
    """The part of what was learned that is texts and small numbers."""
    vocabulary, baseline = learned.vocabulary, learned.baseline
    return {
        "setting": asdict(learned.setting),
        "words": list(vocabulary.words),
        "letters": list(vocabulary.letters),
        "tags": list(vocabulary.tags),
        "lowercase": vocabulary.lowercase,
        "rules": learned.rules is not None,
        "encoder": None if learned.encoder is None else learned.encoder.to_json(),
        "baseline": {
            "words": list(baseline.tags),
            "tags": [vocabulary.tag(tag) for tag in baseline.tags.values()],
            "other": vocabulary.tag(baseline.other),
        },
        "examples": [[list(each.words), list(each.tags)] for each in learned.examples],
    }


def to_tensors(learned: Learned) -> dict[str, Tensor]:
    """The weights."""
    return dict(learned.network.state_dict())


def from_run(found: dict[str, Any], tensors: dict[str, Tensor], folder: Path) -> Learned:
    """What `to_json` and `to_tensors` wrote.

    Raises:
        RunFolderError: something is missing, of another kind, or does not fit the rest.
    """
    with damaged(folder):
        return _from_run(found, tensors, folder)


def _from_run(found: dict[str, Any], tensors: dict[str, Tensor], folder: Path) -> Learned:
    if odd := sorted(set(found) ^ KEYS):
        raise ValueError(f"{odd[0]} is unknown or missing")
    setting = Setting(**found["setting"])
    vocabulary = _vocabulary(found, setting)
    kept = _rules(found["rules"], vocabulary.tags, setting)
    encoder = None if found["encoder"] is None else Encoder.from_json(found["encoder"])
    network = load_weights(lambda: setting.build(vocabulary, kept, encoder), tensors, folder)
    return Learned(
        setting=setting,
        vocabulary=vocabulary,
        rules=kept,
        network=cast(WordTagger, network),
        encoder=encoder,
        baseline=_baseline(found["baseline"], vocabulary.tags),
        examples=_examples(found["examples"]),
    )


def _vocabulary(found: dict[str, Any], setting: Setting) -> Vocabulary:
    words, letters, tags = (_distinct(found, name) for name in ("words", "letters", "tags"))
    if any(len(letter) != 1 for letter in letters):
        raise ValueError("letters holds what is no letter")
    if not tags:
        raise ValueError("there are no tags")
    check_tags(tags, setting.output)
    return Vocabulary(words, letters, tags, _truth(found["lowercase"], "lowercase"))


def _rules(found: object, tags: tuple[str, ...], setting: Setting) -> Rules | None:
    if not _truth(found, "rules"):
        return None
    if setting.output != "crf" or not is_entities(tags):
        raise ValueError("there are rules for tags that have none")
    return rules(tags)


def _baseline(found: Any, tags: tuple[str, ...]) -> MostFrequent:
    words, numbers = _distinct(found, "words"), found["tags"]
    if not isinstance(numbers, list) or len(numbers) != len(words):
        raise ValueError("the baseline has not a tag a word")
    for number in (*numbers, found["other"]):
        if type(number) is not int or not 0 <= number < len(tags):
            raise ValueError(f"the baseline has {number!r} in the place of a tag's number")
    named = [tags[number] for number in numbers]
    return MostFrequent(dict(zip(words, named, strict=True)), tags[found["other"]])


def _examples(found: object) -> tuple[Sentence, ...]:
    if not isinstance(found, list):
        raise ValueError("examples are no list")
    return tuple(tagged_sentence(number, each) for number, each in enumerate(found))


def _distinct(found: Any, name: str) -> tuple[str, ...]:
    value = found[name]
    if not (isinstance(value, list) and all(isinstance(part, str) for part in value)):
        raise ValueError(f"{name} is not a list of texts")
    if len(set(value)) != len(value):
        raise ValueError(f"{name} holds a text twice")
    return tuple(value)


def _truth(value: object, name: str) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{name} is {value!r}")
    return value

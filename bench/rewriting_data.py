"""Pairs of texts made to order, each a question to a network that turns one text into another.

Each maker gives as many pairs as it is asked for; one seed gives the same.
"""

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
from numpy.random import Generator

Pair = tuple[str, str]
FIRST, DAYS = date(1900, 1, 1), 54_000
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September"),
    *("October", "November", "December"),
)
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
ENDINGS = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}
LETTERS = "abcdefghijklmnopqrstuvwxyz"
SHORTEST, LONGEST = 10, 40
# Syllables of names, and letters that stand in those alone that nobody learned from.
SYLLABLES = ("ka", "lo", "mi", "ren", "su", "tal", "vor", "bes", "di", "fun", "gar", "hel")
RARE = ("å", "ð", "ø", "ž", "ħ", "ŵ")
SENTENCES = (
    ("my name is {}", "hello {}"),
    ("i am {} from {}", "{} is from {}"),
    ("{} met {} today", "today {} met {}"),
    ("call {} please", "please call {}"),
)

# Twelve ways in which people write a date.
FORMS: tuple[Callable[[date], str], ...] = (
    lambda d: f"{d.day} {_month(d)} {d.year}",
    lambda d: f"{_month(d)} {d.day}, {d.year}",
    lambda d: f"{d.day} {_month(d)[:3]} {d.year}",
    lambda d: f"{_month(d)[:3]} {d.day} {d.year}",
    lambda d: f"{d.day}.{d.month}.{d.year}",
    lambda d: f"{d.day:02}/{d.month:02}/{d.year}",
    lambda d: f"{d.year}/{d.month:02}/{d.day:02}",
    lambda d: f"{d.day:02}-{_month(d)[:3].upper()}-{d.year}",
    lambda d: f"the {d.day}{ENDINGS.get(d.day, 'th')} of {_month(d)} {d.year}",
    lambda d: f"{WEEKDAYS[d.weekday()]}, {d.day} {_month(d).lower()} {d.year}",
    lambda d: f"{WEEKDAYS[d.weekday()][:3]} {_month(d)} {d.day} {d.year}",
    lambda d: f"{d.year} {_month(d)} {d.day}",
)


def dates(count: int, seed: int = 0) -> list[Pair]:
    """Dates of 1900 … 2047 in twelve written forms, each with its ISO form."""
    random = np.random.default_rng(seed)
    days = [FIRST + timedelta(int(each)) for each in random.integers(DAYS, size=count)]
    forms = random.integers(len(FORMS), size=count).tolist()
    return [(FORMS[form](day), day.isoformat()) for form, day in zip(forms, days, strict=True)]


def reversed_strings(count: int, seed: int = 0) -> list[Pair]:
    """10 … 40 letters, and the same from behind."""
    return [(text, text[::-1]) for text in _strings(count, seed)]


def copied_strings(count: int, seed: int = 0) -> list[Pair]:
    """10 … 40 letters, and the same."""
    return [(text, text) for text in _strings(count, seed)]


def names_in_sentences(count: int, seed: int = 0, *, unseen: bool = False) -> list[Pair]:
    """Sentences whose names stand in the answer again.

    Args:
        unseen: names have a letter that is in no other sentence.
    """
    random = np.random.default_rng((seed, int(unseen)))
    pairs = []
    for _ in range(count):
        source, target = SENTENCES[random.integers(len(SENTENCES))]
        names = [_name(random, unseen) for _ in range(source.count("{}"))]
        pairs.append((source.format(*names), target.format(*names)))
    return pairs


def _month(day: date) -> str:
    return MONTHS[day.month - 1]


def _strings(count: int, seed: int) -> list[str]:
    random = np.random.default_rng(seed)
    lengths = random.integers(SHORTEST, LONGEST + 1, size=count)
    return ["".join(random.choice(list(LETTERS), size=length)) for length in lengths]


def _name(random: Generator, unseen: bool) -> str:
    syllables = random.choice(SYLLABLES, size=random.integers(2, 5)).tolist()
    if unseen:
        syllables.insert(int(random.integers(1, len(syllables) + 1)), str(random.choice(RARE)))
    return "".join(syllables)

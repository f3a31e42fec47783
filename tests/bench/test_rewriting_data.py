"""The pairs that benches of rewriting are made of."""

from datetime import date

import pytest

from bench import rewriting_data as made


@pytest.mark.parametrize(
    "maker", [made.dates, made.reversed_strings, made.copied_strings, made.names_in_sentences]
)
def test_a_seed_gives_the_same_pairs_and_another_one_others(maker):
    assert maker(50, 1) == maker(50, 1)
    assert maker(50, 1)[:25] != maker(50, 2)[:25]
    assert len(maker(50, 1)) == 50


def test_every_form_of_a_date_is_another_one():
    day = date(1987, 3, 2)
    forms = [form(day) for form in made.FORMS]
    assert forms == [
        *("2 March 1987", "March 2, 1987", "2 Mar 1987", "Mar 2 1987", "2.3.1987", "02/03/1987"),
        *("1987/03/02", "02-MAR-1987", "the 2nd of March 1987", "Monday, 2 march 1987"),
        *("Mon March 2 1987", "1987 March 2"),
    ]
    assert {made.FORMS[8](date(2001, 1, day))[4:].split()[0] for day in (1, 2, 3, 11, 13, 31)} == {
        *("1st", "2nd", "3rd", "11th", "13th", "31st")
    }
    assert all(date.fromisoformat(iso) >= made.FIRST for _, iso in made.dates(200))


def test_strings_are_reversed_and_copied():
    assert all(source == target[::-1] for source, target in made.reversed_strings(50))
    assert all(source == target for source, target in made.copied_strings(50))
    lengths = [len(source) for source, _ in made.copied_strings(400)]
    assert (min(lengths), max(lengths)) == (10, 40)


def test_unseen_names_have_letters_that_no_other_has():
    known = set("".join(text for pair in made.names_in_sentences(300) for text in pair))
    for source, target in made.names_in_sentences(50, unseen=True):
        strange = set(source) - known
        assert strange
        assert strange == set(target) - known

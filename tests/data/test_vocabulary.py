"""Text comes back from its ids, whatever the script; and no vocabulary in a file is believed."""

import copy
import json
import pickle
import sys
import time
from importlib import util

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recurra.data import VOCABULARIES, fit_vocabulary, vocabulary_from_json
from recurra.errors import (
    DataError,
    MissingPackageError,
    OptionError,
    RecurraError,
    UnknownTokenError,
)

SCRIPTS = {
    "devanagari": "नमस्ते, दुनिया! क्षत्रिय",
    "emoji": "a 👩\u200d👩\u200d👧\u200d👦 family, 🏳️\u200d🌈, 🇩🇪",
    "combining": "e\u0301 is not é; Z\u0351\u036balgo",
    "right to left": "שלום \u202eעולם\u202c مَرْحَبًا",
    "blanks": " \t a\u00a0b\u3000c  \n\n\n x\x85y\u2028z\v\f",
    "beyond": "\U0001d518 \U0010ffff \ufeff \ufffd",
    "empty": "",
}
SOME = "the cat sat on the mat;\nthe dog sat on the log.\n" * 3
# All that UTF-8 can hold: no halves of surrogate pairs.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
EXACT = ["bytes", "bpe"]
LEARNED = {kind: fit_vocabulary(kind, [SOME, *SCRIPTS.values()]) for kind in VOCABULARIES}
SEPARATED = {kind: [1, 2, found.separator, 3] for kind, found in LEARNED.items()}


def streamed(vocabulary, ids):
    decoder = vocabulary.decoder()
    return "".join(decoder.push(token) for token in ids) + decoder.finish()


@pytest.mark.parametrize("kind", ["bytes", "characters", "bpe"])
@pytest.mark.parametrize("text", SCRIPTS.values(), ids=SCRIPTS)
def test_every_script_comes_back(kind, text):
    vocabulary = LEARNED[kind]
    ids = vocabulary.encode(text)
    assert ids.dtype == vocabulary.dtype
    assert vocabulary.decode(ids) == text
    assert streamed(vocabulary, ids) == text


@pytest.mark.parametrize("kind", EXACT)
@given(TEXTS)
def test_any_text_comes_back(kind, text):
    ids = LEARNED[kind].encode(text)
    assert LEARNED[kind].decode(ids) == text
    assert LEARNED[kind].separator not in ids


@given(TEXTS)
def test_any_text_comes_back_from_its_own_characters(text):
    vocabulary = fit_vocabulary("characters", [text, "x"])
    assert vocabulary.decode(vocabulary.encode(text)) == text


@given(TEXTS, st.booleans())
def test_words_come_back_with_single_blanks(text, lowercase):
    vocabulary = fit_vocabulary("words", [text, "x"], lowercase=lowercase)
    written = text.lower() if lowercase else text
    wanted = "\n".join(" ".join(line.split()) for line in written.split("\n"))
    ids = vocabulary.encode(text)
    assert vocabulary.decode(ids) == wanted
    np.testing.assert_array_equal(vocabulary.encode(wanted), ids)


@pytest.mark.parametrize("kind", VOCABULARIES)
@given(st.data())
def test_what_is_streamed_is_what_is_decoded(kind, data):
    vocabulary = LEARNED[kind]
    ids = data.draw(st.lists(st.integers(0, len(vocabulary) - 1), max_size=30))
    assert streamed(vocabulary, ids) == vocabulary.decode(ids)


def test_half_a_character_is_held_back():
    for kind in EXACT:
        vocabulary = LEARNED[kind]
        names = {vocabulary.name(token): token for token in range(len(vocabulary))}
        *first, last = [names[f"\\x{byte:02x}"] for byte in "€".encode()]
        decoder = vocabulary.decoder()
        assert [decoder.push(token) for token in first] == ["", ""]
        assert decoder.push(last) == "€"
        decoder.push(first[0])
        assert decoder.finish() == "\ufffd"
        assert decoder.finish() == ""


def test_words_have_blanks_between_them_and_none_around_newlines():
    vocabulary = LEARNED["words"]
    decoder = vocabulary.decoder()
    ids = vocabulary.encode("the cat\n sat on")
    assert [decoder.push(token) for token in ids] == ["the", " cat", "\n", "sat", " on"]


@pytest.mark.parametrize("kind", VOCABULARIES)
def test_a_separator_is_decoded_as_nothing(kind):
    vocabulary, ids = LEARNED[kind], SEPARATED[kind]
    assert vocabulary.separator == len(vocabulary) - 1
    assert vocabulary.name(vocabulary.separator) == "<sep>"
    assert vocabulary.decode(ids) == vocabulary.decode([each for each in ids if each != ids[2]])


@pytest.mark.parametrize("kind", ["characters", "words", "bpe"])
def test_ids_go_from_the_most_frequent_to_the_rarest(kind):
    text = "b a b a c\nb b d\n" * 5
    vocabulary = fit_vocabulary(kind, [text])
    counts = np.bincount(vocabulary.encode(text), minlength=len(vocabulary))
    assert (np.diff(counts) <= 0).all()
    assert counts[0] > 0


@pytest.mark.parametrize("kind", VOCABULARIES)
def test_the_same_text_gives_the_same_vocabulary(kind):
    again = fit_vocabulary(kind, [SOME, *SCRIPTS.values()])
    assert again.to_json() == LEARNED[kind].to_json()


def test_ties_go_by_code_point():
    assert fit_vocabulary("characters", ["zébaé"]).characters == "éabz\ufffd"
    assert fit_vocabulary("words", ["z é b a é"]).words == ("é", "a", "b", "z", "\n", "<unk>")


def test_the_most_frequent_words_are_kept_and_the_rest_counts_as_unknown():
    vocabulary = fit_vocabulary("words", ["A a a b b c d e\n<unk> x"], 4, lowercase=True)
    assert vocabulary.words == ("<unk>", "a", "b", "\n")
    assert vocabulary.name(vocabulary.newline) == "\\n"
    ids = vocabulary.encode("C a <UNK>", "strict")
    assert ids.tolist() == [0, 1, 0]
    assert vocabulary.decode(ids) == "<unk> a <unk>"


def test_a_word_too_long_for_a_file_is_unknown():
    vocabulary = fit_vocabulary("words", ["a" * 70_000 + " b"])
    assert vocabulary.words == ("<unk>", "b", "\n")
    assert vocabulary_from_json(vocabulary.to_json()).words == vocabulary.words


def test_unknown_characters_are_named_or_replaced():
    vocabulary = fit_vocabulary("characters", ["abc"])
    with pytest.raises(
        UnknownTokenError, match=r"'x' \(U\+0078\) at character 2 is .*nor 'y', 'é'"
    ):
        vocabulary.encode("abxyéx")
    assert vocabulary.decode(vocabulary.encode("axb\U0010ffff", "replace")) == "a\ufffdb\ufffd"
    error = UnknownTokenError("x.txt", "x", 3)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize("kind", ["bytes", "bpe"])
def test_half_a_surrogate_pair_is_refused_or_replaced(kind):
    vocabulary = LEARNED[kind]
    with pytest.raises(DataError, match=r"half a surrogate pair, U\+D800, at 1"):
        vocabulary.encode("a\ud800b")
    assert vocabulary.decode(vocabulary.encode("a\ud800b\udc00", "replace")) == "a\ufffdb\ufffd"


@pytest.mark.parametrize("kind", ["characters", "words", "bpe", "auto"])
def test_nothing_is_learned_from_half_a_surrogate_pair_or_from_nothing(kind):
    with pytest.raises(DataError, match=r"half a surrogate pair, U\+DFFF, at 2"):
        fit_vocabulary(kind, ["ab\udfff"])
    for nothing in ([], ["", ""]):
        with pytest.raises(DataError, match="the text is empty"):
            fit_vocabulary(kind, nothing)


def test_auto_takes_characters_where_they_are_few():
    few, many = ("".join(map(chr, range(0x4E00, 0x4E00 + count))) for count in (1000, 1001))
    assert fit_vocabulary("auto", [few]).kind == "characters"
    assert fit_vocabulary("auto", [many]).kind == "bpe"


def test_pieces_are_as_many_as_were_asked_for():
    assert len(fit_vocabulary("bpe", [SOME], 260).pieces) == 260
    assert fit_vocabulary("bpe", ["abcd"], 300).merges == ()


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("letters", {}, 'is "letters"; it is auto, bytes, characters, words or bpe'),
        ("bytes", {"size": 300}, "takes no --vocab-size"),
        ("words", {"size": 2}, "it lies in 3 … 1048575"),
        ("bpe", {"size": 255}, "it lies in 256"),
        ("characters", {"size": 3}, "4 distinct ones, --vocab-size is 3"),
        ("bpe", {"lowercase": True}, "--lowercase goes with --tokens words"),
    ],
)
def test_options_that_do_not_fit_are_refused(kind, options, said):
    with pytest.raises(OptionError, match=said):
        fit_vocabulary(kind, ["abc"], **options)


def test_a_text_that_can_be_read_once_is_refused():
    for once in (iter(["abc"]), "abc"):
        with pytest.raises(OptionError, match="can be gone over again"):
            fit_vocabulary("words", once)


@pytest.mark.parametrize("kind", VOCABULARIES)
@pytest.mark.parametrize(
    ("ids", "said"),
    [
        ([0, -1], "id -1 at 1; ids are 0 …"),
        ([1 << 40], "id 1099511627776 at 0"),
        ([0.5], "1-dimensional float64"),
        ([[1]], "2-dimensional"),
    ],
)
def test_ids_that_are_none_are_refused(kind, ids, said):
    with pytest.raises(DataError, match=f"{kind}: .*{said}"):
        LEARNED[kind].decode(np.array(ids))
    for one in (-1, len(LEARNED[kind])):
        with pytest.raises(DataError, match=f"id {one}; ids are 0"):
            LEARNED[kind].name(one)
        with pytest.raises(DataError, match=f"id {one}; ids are 0"):
            LEARNED[kind].decoder().push(one)
    with pytest.raises(OptionError, match='it is "strict" or "replace"'):
        LEARNED[kind].encode("a", "ignore")


@pytest.mark.parametrize("kind", VOCABULARIES)
def test_names_can_be_printed(kind):
    vocabulary = LEARNED[kind]
    assert all(vocabulary.name(token).isprintable() for token in range(len(vocabulary)))
    assert vocabulary.name(vocabulary.newline) == "\\n"


@pytest.mark.parametrize("kind", VOCABULARIES)
def test_a_vocabulary_comes_back_from_json_and_from_copies(kind):
    vocabulary = LEARNED[kind]
    ids = vocabulary.encode(SOME)
    written = json.dumps(vocabulary.to_json(), ensure_ascii=False).encode()
    for other in (
        vocabulary_from_json(json.loads(written)),
        copy.deepcopy(vocabulary),
        pickle.loads(pickle.dumps(vocabulary)),
    ):
        assert other.to_json() == vocabulary.to_json()
        np.testing.assert_array_equal(other.encode(SOME), ids)
        assert other.decode(ids) == vocabulary.decode(ids)


PIECES = LEARNED["bpe"].to_json()["pieces"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (None, "NoneType in the place of an object"),
        ([], "list in the place of an object"),
        ({}, "kind 'None'; it is bytes"),
        ({"kind": ["bytes"]}, "it is bytes, characters, words or bpe"),
        ({"kind": "bytes", "more": 1}, "only a kind is known"),
        ({"kind": "characters"}, "is no text"),
        ({"kind": "characters", "characters": ["a"]}, "is no text"),
        ({"kind": "characters", "characters": "a\ufffda"}, "twice"),
        ({"kind": "characters", "characters": "abc"}, r"U\+FFFD is missing"),
        ({"kind": "characters", "characters": "\ufffd\ud800"}, "surrogate"),
        ({"kind": "words", "words": "abc", "lowercase": False}, "no list of texts"),
        ({"kind": "words", "words": ["a", 1], "lowercase": False}, "no list of texts"),
        ({"kind": "words", "words": ["a", ""], "lowercase": False}, "empty or longer"),
        ({"kind": "words", "words": ["a" * 65537], "lowercase": False}, "empty or longer"),
        ({"kind": "words", "words": ["a", "a"], "lowercase": False}, "twice"),
        ({"kind": "words", "words": ["a", "\n"], "lowercase": False}, "<unk> is missing"),
        ({"kind": "words", "words": ["a", "<unk>"], "lowercase": False}, r"\\n is missing"),
        ({"kind": "words", "words": ["a b", "<unk>", "\n"], "lowercase": False}, "a blank in it"),
        ({"kind": "words", "words": ["a", "<unk>", "\n"], "lowercase": 0}, '"lowercase" is 0'),
        ({"kind": "bpe", "pieces": PIECES}, '"merges" is no list'),
        ({"kind": "bpe", "pieces": PIECES[1:], "merges": []}, "a byte is missing"),
        ({"kind": "bpe", "pieces": [*PIECES, "日"], "merges": []}, "a letter that is no byte"),
        ({"kind": "bpe", "pieces": PIECES, "merges": ["a"]}, "'a' joins no two pieces"),
        ({"kind": "bpe", "pieces": PIECES, "merges": ["a b c"]}, "joins no two pieces"),
        ({"kind": "bpe", "pieces": PIECES, "merges": ["Z Z"]}, "joins no two pieces"),
        ({"kind": "bpe", "pieces": PIECES, "merges": ["t h", "t h"]}, "twice"),
        ({"kind": "bpe", "pieces": ["a"] * (1 << 20) + ["b"], "merges": []}, "at most 1048576 fit"),
    ],
)
def test_damaged_vocabularies_are_refused(data, said):
    with pytest.raises(DataError, match=said) as raised:
        vocabulary_from_json(data)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 300


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.sampled_from(PIECES),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("kind", VOCABULARIES)
@given(st.data())
@settings(max_examples=50)
def test_no_json_does_more_than_be_refused(kind, data):
    found = copy.deepcopy(LEARNED[kind].to_json())
    for name in data.draw(st.sets(st.sampled_from(sorted(found)), min_size=1)):
        if isinstance(found[name], list) and data.draw(st.booleans()):
            found[name].insert(data.draw(st.integers(0, 300)), data.draw(JSON))
        else:
            found[name] = data.draw(JSON)
    try:
        vocabulary = vocabulary_from_json(found)
        vocabulary.decode(vocabulary.encode("the cat", "replace"))
    except RecurraError:
        return
    assert len(vocabulary) > 1


def test_characters_are_looked_up_fast():
    """A loop in Python takes several times as long as this allows."""
    text = SOME * 7000
    vocabulary = fit_vocabulary("characters", [SOME])
    vocabulary.encode(text)
    begin = time.process_time()
    ids = vocabulary.encode(text)
    assert time.process_time() - begin < 0.05
    assert len(ids) == len(text) > 1_000_000


def test_without_the_library_pieces_say_what_to_install(monkeypatch):
    found = util.find_spec
    monkeypatch.setattr(
        "recurra.data.bpe.find_spec", lambda name: None if name == "tokenizers" else found(name)
    )
    with pytest.raises(MissingPackageError, match=r"pip install 'recurra\[text\]'"):
        fit_vocabulary("bpe", ["abc"])
    read = vocabulary_from_json(LEARNED["bpe"].to_json())
    assert read.decode(LEARNED["bpe"].encode(SOME)) == SOME
    with pytest.raises(MissingPackageError):
        read.encode("abc")
    assert sys.modules["tokenizers"]

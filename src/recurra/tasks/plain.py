"""Users' texts in pictures."""

from functools import cache

from matplotlib.font_manager import findfont, get_font


def plain(text: str) -> str:
    """Text as it stands: dollars begin no formula, and a sign without a picture is a box."""
    drawn = (letter if ord(letter) in _known() else "□" for letter in text)
    return "".join(drawn).replace("$", r"\$")


@cache
def _known() -> frozenset[int]:
    """What matplotlib's own font has a picture for; it warns of every other."""
    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())

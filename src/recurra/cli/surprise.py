"""How surprising each token of a text is: behind the text as a colour, or as lines of numbers."""

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recurra.data import Decoder
    from recurra.tasks.language import Scored

# Backgrounds of the terminal's 256 colours: one a nat, the last for all above.
SHADES = (231, 230, 229, 222, 216, 210, 203, 196)
RESET = "\x1b[0m"


def coloured() -> bool:
    """Whether standard output shows colours, and nobody asked for none."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not plain


def show_surprise(scored: "Iterable[Scored]", decoder: "Decoder") -> None:
    """Print tokens as they come, each as soon as it is there.

    Args:
        decoder: makes text of them.
    """
    if not coloured():
        for one in scored:
            print(line(one), flush=True)
        return
    held = 0.0
    for one in scored:
        # A byte may make no text; what it is worth goes to the letter that it is a part of.
        held += one.nats
        if text := decoder.push(one.id):
            print(shaded(text, held), end="", flush=True)
            held = 0.0
    print(shaded(decoder.finish(), held))
    legend = "".join(shaded(f" {nats} ", float(nats)) for nats in range(len(SHADES)))
    print(f"nats {legend}and more")


def line(one: "Scored") -> str:
    """A token and its nats, with a tab between."""
    return f"{one.token}\t{one.nats:.4f}"


def shaded(text: str, nats: float) -> str:
    """A text on the background for so many nats; the end of a line is seen as ↵."""
    if not text:
        return ""
    shade = SHADES[max(0, min(int(nats), len(SHADES) - 1))]
    on = f"\x1b[30;48;5;{shade}m"
    return on + text.replace("\n", f"↵{RESET}\n{on}") + RESET

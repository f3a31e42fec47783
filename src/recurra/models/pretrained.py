"""The layers of a network that learned to continue texts, as features of what it reads.

    h_t = cells(E x_t, s_{t-1})          the last layer's output after each token

The head, which said what comes next, is left out; what drops inputs, outputs and weights between
the layers stays.

Source: Howard and Ruder, "Universal Language Model Fine-tuning for Text Classification", 2018,
arXiv:1801.06146, section 3.
"""

from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor, nn

from recurra.models.language import LanguageNetwork

# Where a `Pretrained` keeps its layers.
LAYERS = "body.layers"


class Pieces(NamedTuple):
    """Texts as a language network reads them, and where their words end.

    Args:
        ids: tokens, padded on the right.
        lengths: tokens of each text.
        ends: where the last token of each word stands; any place past the words of a row.
    """

    ids: Int[Tensor, "B S"]
    lengths: Int[Tensor, " B"]
    ends: Int[Tensor, "B T"]


class Pretrained(nn.Module):
    """What a language network knows of a text after each of its tokens.

    Args:
        network: whose table and cells these are; they are shared, not copied.

    Attributes:
        output_size: features after a token, H.
    """

    def __init__(self, network: LanguageNetwork) -> None:
        super().__init__()
        self.body = network.body
        self.output_size = network.body.output_size

    def forward(
        self, ids: Int[Tensor, "B T"], lengths: Int[Tensor, " B"] | None = None
    ) -> Float[Tensor, "B T H"]:
        """The features after each token, each row read from its first; past its length 0."""
        return self.body.sequence(ids, lengths=lengths)[0]

    def of_words(self, texts: Pieces) -> Float[Tensor, "B T H"]:
        """The features after each word; nothing is meant past a row's words."""
        h = self(texts.ids, texts.lengths)
        words: Tensor = h.gather(1, texts.ends[..., None].expand(-1, -1, h.shape[2]))
        return words

    def layers(self, place: str = "") -> tuple[str, ...]:
        """The names of the layers' modules from the top to the table, for `train.unfrozen`.

        Args:
            place: the name of this module in the model that it is a part of.
        """
        before = f"{place}.{LAYERS}" if place else LAYERS
        return tuple(f"{before}.{number}" for number in reversed(range(len(self.body.layers))))


def body_of(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Those of a language network's weights that a `Pretrained` has."""
    return {name: each for name, each in weights.items() if name.startswith(f"{LAYERS}.")}

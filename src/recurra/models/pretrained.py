"""The layers of a network that learned to continue texts, as features of what it reads.

    h_t = cells(E x_t, s_{t-1})          the last layer's output after each token

The head, which said what comes next, is left out; what drops inputs, outputs and weights between
the layers stays.

Source: Howard and Ruder, "Universal Language Model Fine-tuning for Text Classification", 2018,
arXiv:1801.06146, section 3.
"""

from jaxtyping import Float, Int
from torch import Tensor, nn

from recurra.models.language import LanguageNetwork

# Where a `Pretrained` keeps its layers.
LAYERS = "body.layers"


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

    def of_words(
        self, ids: Int[Tensor, "B S"], lengths: Int[Tensor, " B"], ends: Int[Tensor, "B T"]
    ) -> Float[Tensor, "B T H"]:
        """The features after each word.

        Args:
            ids: tokens of sentences.
            lengths: tokens of each.
            ends: where the last token of each word stands; any place within a row beyond its words.
        """
        h = self(ids, lengths)
        words: Tensor = h.gather(1, ends[..., None].expand(-1, -1, h.shape[2]))
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

"""A head with a matrix of its own.

y_t = W h_t + b
"""

from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.cell import Context
from recurra.cells.check import positive
from recurra.layers.head import Head
from recurra.layers.vocabulary import vocabulary_each, vocabulary_nats


class Scores(Head):
    """Scores for each number of a vocabulary, by a matrix (V, H).

    Args:
        input_size: features per time step, H.
        vocab_size: numbers, V.
        bias: whether each number has one.
    """

    def __init__(self, input_size: int, vocab_size: int, *, bias: bool = True) -> None:
        super().__init__()
        positive("Scores", input_size=input_size, vocab_size=vocab_size)
        self.input_size, self.output_size = input_size, vocab_size
        self.project = nn.Linear(input_size, vocab_size, bias=bias)

    def step(
        self, x: Float[Tensor, "B ... H"], state: tuple[()], context: Context = None
    ) -> tuple[Float[Tensor, "B ... V"], tuple[()]]:
        return F.linear(x, self.project.weight, self.project.bias), ()

    def nats(
        self, h: Float[Tensor, "*rows H"], targets: Int[Tensor, "*rows"], smoothing: float = 0.0
    ) -> Float[Tensor, ""]:
        w, b = self.project.weight, self.project.bias
        return vocabulary_nats(h, w, b, targets, smoothing=smoothing)

    def each(
        self, h: Float[Tensor, "*rows H"], targets: Int[Tensor, "*rows"]
    ) -> Float[Tensor, "*rows"]:
        return vocabulary_each(h, self.project.weight, self.project.bias, targets)

"""A head whose matrix is the table of an embedding.

    y_t = E h_t + b                 with a projection E W h_t + b, where h is not as wide as E

Source: Press and Wolf, "Using the Output Embedding to Improve Language Models", 2017,
arXiv:1608.05859, section 3; Inan, Khosravi and Socher, "Tying Word Vectors and Word Classifiers",
2017, arXiv:1611.01462, section 3.
"""

from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.cell import Context
from recurra.cells.check import positive
from recurra.engine import dense
from recurra.layers.embedding import Embedding
from recurra.layers.head import Head
from recurra.layers.vocabulary import vocabulary_each, vocabulary_nats


class Tied(Head):
    """Scores for each number of an embedding, by the embedding's own table.

    It holds the embedding, not its table: so the two stay one, whatever happens to either. A state
    dict has the table under both names, as torch has it.

    Args:
        embedding: may be a layer of the same stack; its dropout has no influence here.
        input_size: features per time step, H; the embedding's width when not given, else a
            projection without a bias comes first.
        bias: whether each number has one; it begins at 0.
    """

    bias: nn.Parameter | None

    def __init__(
        self, embedding: Embedding, input_size: int | None = None, *, bias: bool = True
    ) -> None:
        super().__init__()
        width, like = embedding.output_size, embedding.weight.detach()
        self.input_size = width if input_size is None else input_size
        positive("Tied", input_size=self.input_size)
        self.output_size = embedding.input_size
        self.embedding = embedding
        self.project: nn.Linear | None = None
        if self.input_size != width:
            self.project = nn.Linear(
                self.input_size, width, bias=False, device=like.device, dtype=like.dtype
            )
        self.bias = nn.Parameter(like.new_zeros(self.output_size)) if bias else None

    def step(
        self, x: Float[Tensor, "B ... H"], state: tuple[()], context: Context = None
    ) -> tuple[Float[Tensor, "B ... V"], tuple[()]]:
        wide = x if self.project is None else self.project(x)
        return F.linear(wide, self.embedding.weight, self.bias), ()

    def nats(
        self, h: Float[Tensor, "*rows H"], targets: Int[Tensor, "*rows"], smoothing: float = 0.0
    ) -> Float[Tensor, ""]:
        w = self.embedding.weight
        return vocabulary_nats(self._widened(h), w, self.bias, targets, smoothing=smoothing)

    def each(
        self, h: Float[Tensor, "*rows H"], targets: Int[Tensor, "*rows"]
    ) -> Float[Tensor, "*rows"]:
        return vocabulary_each(self._widened(h), self.embedding.weight, self.bias, targets)

    def _widened(self, h: Tensor) -> Tensor:
        """h as wide as the table, and its gradients the same on any number of threads."""
        return h if self.project is None else dense(h, self.project.weight)

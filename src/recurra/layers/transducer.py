"""The RNN transducer: labels said while frames are read, whatever their alignment.

    f_t = W_f x_t + b_f        g_u = W_g y_u
    s(t, u) = W tanh(f_t + g_u) + b

x are the outputs of an encoder, one a frame; y those of a predictor that has read u labels. A
softmax of s says at each place (t, u) how likely the next label is, and the blank, which goes on to
the next frame. The nats of labels are -log of the sum over all alignments. Labels may be more than
frames.

Source: Graves, "Sequence Transduction with Recurrent Neural Networks", 2012, arXiv:1211.3711,
section 2; joined by a tanh: Graves, Mohamed and Hinton, "Speech Recognition with Deep Recurrent
Neural Networks", 2013, arXiv:1303.5778, section 2.2.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor, nn

from recurra.cells.check import positive
from recurra.engine import (
    each_joiner_nats,
    joiner_nats,
    lattice_nats,
    plain_joiner_nats,
    plain_lattice_nats,
    watched,
)
from recurra.errors import OptionError, ShapeError


class Joiner(nn.Module):
    """Scores of each label by an encoder and a predictor, and their loss.

    The loss is asked of it and not made from its scores: so nobody holds a score for every frame,
    label and number at once. It runs natively on the CPU, where neither threads nor other rows
    change a bit of the gradients of x and y; elsewhere torch holds all scores.

    Args:
        encoder_size: features a frame, E.
        predictor_size: features a label, P.
        joint_size: features of the two together, J.
        vocab_size: numbers, V, the blank among them.
        blank: the number that says nothing.
    """

    def __init__(
        self,
        encoder_size: int,
        predictor_size: int,
        joint_size: int,
        vocab_size: int,
        *,
        blank: int = 0,
    ) -> None:
        super().__init__()
        positive(
            "Joiner",
            encoder_size=encoder_size,
            predictor_size=predictor_size,
            joint_size=joint_size,
            vocab_size=vocab_size,
        )
        _check_blank("Joiner", blank, vocab_size)
        self.vocab_size, self.blank = vocab_size, blank
        self.encode = nn.Linear(encoder_size, joint_size)
        self.predict = nn.Linear(predictor_size, joint_size, bias=False)
        self.project = nn.Linear(joint_size, vocab_size)

    def nats(
        self,
        x: Float[Tensor, "B T E"],
        y: Float[Tensor, "B places P"],
        targets: Int[Tensor, "B U"],
        lengths: Int64[Tensor, " B"] | None = None,
        label_lengths: Int64[Tensor, " B"] | None = None,
    ) -> Float[Tensor, ""]:
        """The nats of all rows together, with gradients.

        Infinite where nothing is possible; a row without frames and labels has none.

        Args:
            x: what the encoder said of each frame.
            y: what the predictor said after 0 … U labels, so U + 1 places.
            targets: numbers below V, none of them the blank; what stands past a row's labels is
                not looked at.
            lengths: true frames of each row; all when not given.
            label_lengths: true labels of each row; all when not given.

        Raises:
            ShapeError: shapes or lengths do not fit together, a target is no label, or a row
                without frames has labels.
        """
        given = self._given(x, y, targets, lengths, label_lengths)
        found = joiner_nats(*given)
        return plain_joiner_nats(*given).sum() if found is None else found

    def each(
        self,
        x: Float[Tensor, "B T E"],
        y: Float[Tensor, "B places P"],
        targets: Int[Tensor, "B U"],
        lengths: Int64[Tensor, " B"] | None = None,
        label_lengths: Int64[Tensor, " B"] | None = None,
    ) -> Float[Tensor, " B"]:
        """The nats of each row; where a gradient may be asked for, torch holds all scores.

        Raises:
            ShapeError: as `nats`.
        """
        given = self._given(x, y, targets, lengths, label_lengths)
        found = each_joiner_nats(*given)
        return plain_joiner_nats(*given) if found is None else found

    def scores(
        self, x: Float[Tensor, "*#rows E"], y: Float[Tensor, "*#rows P"]
    ) -> Float[Tensor, "*rows V"]:
        """What a softmax makes probabilities of each number at places of x and y."""
        return self.joined(self.encode(x), self.predict(y))

    def joined(
        self, f: Float[Tensor, "*#rows J"], g: Float[Tensor, "*#rows J"]
    ) -> Float[Tensor, "*rows V"]:
        """The same of `encode(x)` and `predict(y)`, each of which a decoder asks for once."""
        found: Tensor = self.project(torch.tanh(f + g))
        return found

    def _given(
        self,
        x: Tensor,
        y: Tensor,
        targets: Tensor,
        lengths: Tensor | None,
        label_lengths: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, int]:
        E, P = self.encode.in_features, self.predict.in_features
        if x.shape[2] != E or y.shape[2] != P:
            raise ShapeError(
                f"Joiner: x has {x.shape[2]} and y {y.shape[2]} features, {E} and {P} fit"
            )
        given = (targets, lengths, label_lengths, self.vocab_size, self.blank)
        paths = _admit("Joiner", x.shape[:2], y.shape[:2], *given)
        w, b = self.project.weight, self.project.bias
        return self.encode(x), self.predict(y), w, b, *paths, self.blank


def transducer_nats(
    scores: Float[Tensor, "B T places V"],
    targets: Int[Tensor, "B U"],
    lengths: Int64[Tensor, " B"] | None = None,
    label_lengths: Int64[Tensor, " B"] | None = None,
    *,
    blank: int = 0,
) -> Float[Tensor, " B"]:
    """The nats of each row by scores that are there already, with gradients.

    Their gradient is the one tensor of their size that is made, where this runs natively. See
    `Joiner.nats`, which takes less memory.

    Raises:
        ShapeError: as `Joiner.nats`.
        OptionError: blank is not below V.
    """
    B, T, places, V = scores.shape
    _check_blank("transducer_nats", blank, V)
    given = (targets, lengths, label_lengths, V, blank)
    paths = _admit("transducer_nats", (B, T), (B, places), *given)
    found = lattice_nats(scores, *paths, blank)
    return plain_lattice_nats(scores, *paths, blank) if found is None else found


class Paths(NamedTuple):
    """The labels of each row, and how many of them and of its frames are true."""

    targets: Int64[Tensor, "B U"]
    lengths: Int64[Tensor, " B"]
    label_lengths: Int64[Tensor, " B"]


def _admit(
    where: str,
    of_frames: tuple[int, ...],
    of_places: tuple[int, ...],
    targets: Tensor,
    lengths: Tensor | None,
    label_lengths: Tensor | None,
    vocab_size: int,
    blank: int,
) -> Paths:
    """What fits together.

    Args:
        of_frames, of_places: rows, and how many frames and labels each has room for; of the labels
            one more, for none.
    """
    (B, U), T = targets.shape, of_frames[1]
    if of_frames[0] != B or of_places != (B, U + 1):
        came = f"frames are {tuple(of_frames)} and places {tuple(of_places)}"
        raise ShapeError(f"{where}: {came} beside targets {B, U}, ({B}, T) and {B, U + 1} fit")
    frames = _lengths(where, "lengths", lengths, B, T, targets.device)
    labels = _lengths(where, "label_lengths", label_lengths, B, U, targets.device)
    # Under a compiler nobody may look at a value, and a GPU would be waited for.
    if not watched() and targets.is_cpu:
        _check_labels(where, targets, frames, labels, vocab_size, blank)
    return Paths(targets.long(), frames, labels)


def _lengths(
    where: str, name: str, lengths: Tensor | None, B: int, most: int, device: torch.device
) -> Tensor:
    if lengths is None:
        return torch.full((B,), most, device=device)
    if lengths.shape != (B,):
        raise ShapeError(f"{where}: {name} has shape {_size(lengths)}, ({B},) fits")
    if watched() or not lengths.is_cpu or not B:
        return lengths
    low, high = int(lengths.min()), int(lengths.max())
    if low < 0 or high > most:
        raise ShapeError(f"{where}: {name} range from {low} to {high}, 0 to {most} fit")
    return lengths


def _check_labels(
    where: str, targets: Tensor, frames: Tensor, labels: Tensor, vocab_size: int, blank: int
) -> None:
    empty = (frames == 0) & (labels > 0)
    if bool(empty.any()):
        row = int(empty.nonzero()[0])
        raise ShapeError(
            f"{where}: row {row} has {int(labels[row])} labels and no frames, 1 frame or more fits"
        )
    true = targets[torch.arange(targets.shape[1]) < labels[:, None]]
    wrong = true[(true < 0) | (true >= vocab_size) | (true == blank)]
    if len(wrong):
        raise ShapeError(
            f"{where}: a target is {int(wrong[0])}, numbers below {vocab_size} fit, but for the "
            f"blank {blank}"
        )


def _check_blank(where: str, blank: int, vocab_size: int) -> None:
    if not 0 <= blank < vocab_size:
        raise OptionError(f"{where}: blank is {blank}, 0 to {vocab_size - 1} fit")


def _size(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape)

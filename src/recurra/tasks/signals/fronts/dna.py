"""DNA: letters as numbers, one step for each letter or each k-mer."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from recurra.data.signals.genome import k_mers, one_hot, other_strand, read_fasta
from recurra.errors import OptionError
from recurra.tasks.signals.fronts.front import Front

MOST_K = 5


@dataclass(frozen=True)
class DNA(Front):
    """Letters A, C, G, T and N as numbers.

    Args:
        k: letters of a step; 4^k features.
    """

    kind: ClassVar[str] = "dna"
    endings: ClassVar[tuple[str, ...]] = (".fasta", ".fa", ".fna", ".ffn")
    several: ClassVar[bool] = True

    k: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.k <= MOST_K:
            raise OptionError(f"dna: k is {self.k}; what fits is 1 to {MOST_K}")

    def read(self, path: Path) -> list[tuple[str, Any]]:
        return [(f"{one.name} {one.rest}".strip(), one.letters) for one in read_fasta(path)]

    def turn(self, raw: Any, name: str) -> NDArray[np.float32]:
        return one_hot(raw.strip() if isinstance(raw, str) else raw, name, self.k)

    def channels(self, width: int) -> tuple[str, ...]:
        del width
        return k_mers(self.k)

    def strands(self, width: int) -> tuple[int, ...]:
        del width
        return other_strand(self.k)

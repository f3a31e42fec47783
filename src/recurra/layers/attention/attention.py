"""The contract of an attention."""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

from torch import Tensor, nn

from recurra.layers.attention.memory import Memory, Prepared, cleared


class Found(NamedTuple):
    """What an attention found: what it read (B, C), the shares of places (B, S), and its state.

    Graves' window gives each place a weight of its own; they are no shares of 1.
    """

    read: Tensor
    shares: Tensor
    state: Any


class Attention(nn.Module, ABC):
    """Reads a memory by a query, step after step.

    A subclass sets `query_size` (Q), `memory_size` (E) and `output_size` (C), and writes `look`.
    """

    query_size: int
    memory_size: int
    output_size: int

    def initial_state(self, batch_size: int) -> Any:
        """Before the first step: every tensor (B, …); nothing, for most."""
        return ()

    def keys(self, values: Tensor) -> Any:
        """What is made of a memory alone, tensors (B, …); nothing, for some."""
        return ()

    def sample_noise(self, batch_size: int) -> Any:
        """What is drawn for one training sequence: tensors (B, …); None, for most."""
        return None

    @abstractmethod
    def look(self, query: Tensor, state: Any, memory: Prepared) -> Found:
        """One step, by a query (B, Q)."""

    def prepare(self, memory: Memory | Prepared) -> Prepared:
        """A memory with what does not depend on queries, to be made once a sequence."""
        if isinstance(memory, Prepared):
            return memory
        return self._computed(memory)._replace(noise=self.sample_noise(len(memory.values)))

    def find(self, query: Tensor, state: Any, memory: Memory | Prepared) -> Found:
        """As `look`, in a memory that may not be prepared yet; nothing is drawn then."""
        prepared = memory if isinstance(memory, Prepared) else self._computed(memory)
        return self.look(query, state, prepared)

    def _computed(self, memory: Memory) -> Prepared:
        values = cleared(memory)
        return Prepared(values, self.keys(values), memory.there)

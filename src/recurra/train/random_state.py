"""The random states of torch, NumPy and Python, as a checkpoint keeps them."""

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor


def random_tensors() -> dict[str, Tensor]:
    """The states of the generators: torch's by device, NumPy's and Python's global ones."""
    _, keys, *_ = np.random.get_state(legacy=True)  # noqa: NPY002
    states = {
        "cpu": torch.get_rng_state(),
        "numpy": torch.from_numpy(np.asarray(keys).astype(np.int64)),
        "python": torch.tensor(random.getstate()[1]),
    }
    if torch.cuda.is_available():
        states |= {f"cuda{n}": s for n, s in enumerate(torch.cuda.get_rng_state_all())}
    return states


def random_facts() -> dict[str, Any]:
    """What else the states of NumPy's and Python's generators hold, as JSON values."""
    version, _, gauss = random.getstate()
    name, _, *rest = np.random.get_state(legacy=True)  # noqa: NPY002
    return {"python": [version, gauss], "numpy": [name, *rest]}


def restore_random(tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Go on from what the two above gave."""
    torch.set_rng_state(tensors["cpu"])
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            if f"cuda{number}" in tensors:
                torch.cuda.set_rng_state(tensors[f"cuda{number}"], number)
    version, gauss = facts["python"]
    random.setstate((version, tuple(tensors["python"].tolist()), gauss))
    name, *rest = facts["numpy"]
    keys = tensors["numpy"].numpy().astype(np.uint32)
    np.random.set_state((name, keys, *rest))  # noqa: NPY002

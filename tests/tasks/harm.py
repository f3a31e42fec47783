"""What may be done to a run folder that somebody has got hold of."""

import json

from safetensors.torch import load_file, save_file


def said(*path, value):
    """Puts a value into what was learned, at a path of keys."""

    def apply(folder):
        found = json.loads((folder / "run.json").read_text())
        inner = found["learned"]
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
        (folder / "run.json").write_text(json.dumps(found))

    return apply


def tensor(name, change):
    """Changes one tensor; None takes it away."""

    def apply(folder):
        tensors = load_file(folder / "model.safetensors")
        value = change(tensors.get(name))
        tensors.pop(name, None)
        if value is not None:
            tensors[name] = value
        save_file(tensors, folder / "model.safetensors")

    return apply

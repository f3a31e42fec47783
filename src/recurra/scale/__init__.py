"""Work on a Ray cluster: one training in many workers, or many trainings at once."""

from recurra.scale.fit import fit_on_ray
from recurra.scale.spread import spread

__all__ = ["fit_on_ray", "spread"]

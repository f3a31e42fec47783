"""What each of torch's operations does to one row."""

from recurra.engine import columns, products, reductions, views
from recurra.engine.meaning import Rule

RULES: dict[str, Rule] = {
    **views.RULES,
    **reductions.RULES,
    **products.RULES,
    **columns.RULES,
}

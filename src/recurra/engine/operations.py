"""The operations that run natively: one line each, and its loop in `csrc/pointwise.h`.

A native operation works on rows of `n` groups of `d` columns. The position in the table is the
number that the library knows; a test holds both lists against each other. Truth is 1.0 and 0.0.
"""

from typing import NamedTuple


class Operation(NamedTuple):
    """How many operands are read, and what is computed; `k` is a literal, a b c d are operands."""

    reads: int
    equation: str


OPERATIONS: dict[str, Operation] = {
    # One operand, column by column.
    "copy": Operation(1, "a"),
    "neg": Operation(1, "-a"),
    "abs": Operation(1, "|a|"),
    "sign": Operation(1, "sign(a)"),
    "exp": Operation(1, "exp(a)"),
    "expm1": Operation(1, "exp(a) - 1"),
    "log": Operation(1, "log(a)"),
    "log1p": Operation(1, "log(1 + a)"),
    "sqrt": Operation(1, "sqrt(a)"),
    "rsqrt": Operation(1, "1 / sqrt(a)"),
    "reciprocal": Operation(1, "1 / a"),
    "sin": Operation(1, "sin(a)"),
    "cos": Operation(1, "cos(a)"),
    "erf": Operation(1, "erf(a)"),
    "floor": Operation(1, "floor(a)"),
    "relu": Operation(1, "max(a, 0); NaN stays NaN"),
    "sigmoid": Operation(1, "1 / (1 + exp(-a))"),
    "tanh": Operation(1, "tanh(a)"),
    # With a literal.
    "fill": Operation(0, "k"),
    "add_k": Operation(1, "a + k"),
    "mul_k": Operation(1, "a * k"),
    "rsub_k": Operation(1, "k - a"),
    "rdiv_k": Operation(1, "k / a"),
    "pow_k": Operation(1, "a ** k"),
    "min_k": Operation(1, "min(a, k); NaN stays NaN"),
    "max_k": Operation(1, "max(a, k); NaN stays NaN"),
    "eq_k": Operation(1, "a == k"),
    "ne_k": Operation(1, "a != k"),
    "lt_k": Operation(1, "a < k"),
    "le_k": Operation(1, "a <= k"),
    "gt_k": Operation(1, "a > k"),
    "ge_k": Operation(1, "a >= k"),
    # Two operands.
    "add": Operation(2, "a + b"),
    "sub": Operation(2, "a - b"),
    "mul": Operation(2, "a * b"),
    "div": Operation(2, "a / b"),
    "pow": Operation(2, "a ** b"),
    "min": Operation(2, "min(a, b); NaN stays NaN"),
    "max": Operation(2, "max(a, b); NaN stays NaN"),
    "eq": Operation(2, "a == b"),
    "ne": Operation(2, "a != b"),
    "lt": Operation(2, "a < b"),
    "le": Operation(2, "a <= b"),
    "gt": Operation(2, "a > b"),
    "ge": Operation(2, "a >= b"),
    "sigmoid_grad": Operation(2, "a * b * (1 - b)"),
    "tanh_grad": Operation(2, "a * (1 - b * b)"),
    "add_sigmoid": Operation(2, "sigmoid(a + b)"),
    "add_tanh": Operation(2, "tanh(a + b)"),
    "gated_tanh": Operation(2, "sigmoid(a) * tanh(b)"),
    # Three and four operands.
    "where": Operation(3, "b where a is not 0, else c"),
    "mul_add": Operation(3, "a * b + c"),
    "mul_sub": Operation(3, "c - a * b"),
    "lerp": Operation(3, "a + c * (b - a)"),
    "mul_sigmoid_grad": Operation(3, "a * b * c * (1 - c)"),
    "mul_tanh_grad": Operation(3, "a * b * (1 - c * c)"),
    "mul_add_mul": Operation(4, "a * b + c * d"),
    "mul_mul_add": Operation(4, "a * b * c + d"),
    "mul_sub_mul": Operation(4, "(d - a * b) * c"),
    "gated_sum": Operation(4, "sigmoid(a) * b + sigmoid(c) * tanh(d)"),
    "gated_add_tanh": Operation(4, "tanh(d + sigmoid(a + b) * c)"),
    "gated_lerp": Operation(4, "a + sigmoid(c + d) * (b - a)"),
    # Over the columns of a group: (n, d) to (n, 1).
    "sum": Operation(1, "sum of a over d"),
    "dot": Operation(2, "sum of a * b over d"),
    "sum_k": Operation(1, "k * sum of a over d"),
    "dot_k": Operation(2, "k * sum of a * b over d"),
    "amax": Operation(1, "largest a over d"),
    "amin": Operation(1, "smallest a over d"),
    # Within a group: (n, d) to (n, d).
    "cumsum": Operation(1, "running sum of a over d"),
    "rcumsum": Operation(1, "running sum of a over d, from the last column"),
}

NUMBERS: dict[str, int] = {name: number for number, name in enumerate(OPERATIONS)}

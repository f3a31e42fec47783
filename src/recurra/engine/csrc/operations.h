// The table of operations.py, in its order: X(name, operands read, form).
//
// Forms: map, column by column; reduce, (n, d) to (n, 1); scan, (n, d) to (n, d) within a group.
// api.cpp hands the list out, and native.py holds it against operations.py when it loads.

#pragma once

#include <cstdint>

#define RECURRA_OPERATIONS(X) \
  X(copy, 1, map)             \
  X(neg, 1, map)              \
  X(abs, 1, map)              \
  X(sign, 1, map)             \
  X(exp, 1, map)              \
  X(expm1, 1, map)            \
  X(log, 1, map)              \
  X(log1p, 1, map)            \
  X(sqrt, 1, map)             \
  X(rsqrt, 1, map)            \
  X(reciprocal, 1, map)       \
  X(sin, 1, map)              \
  X(cos, 1, map)              \
  X(erf, 1, map)              \
  X(floor, 1, map)            \
  X(relu, 1, map)             \
  X(sigmoid, 1, map)          \
  X(tanh, 1, map)             \
  X(fill, 0, map)             \
  X(add_k, 1, map)            \
  X(mul_k, 1, map)            \
  X(rsub_k, 1, map)           \
  X(rdiv_k, 1, map)           \
  X(pow_k, 1, map)            \
  X(min_k, 1, map)            \
  X(max_k, 1, map)            \
  X(eq_k, 1, map)             \
  X(ne_k, 1, map)             \
  X(lt_k, 1, map)             \
  X(le_k, 1, map)             \
  X(gt_k, 1, map)             \
  X(ge_k, 1, map)             \
  X(add, 2, map)              \
  X(sub, 2, map)              \
  X(mul, 2, map)              \
  X(div, 2, map)              \
  X(pow, 2, map)              \
  X(min, 2, map)              \
  X(max, 2, map)              \
  X(eq, 2, map)               \
  X(ne, 2, map)               \
  X(lt, 2, map)               \
  X(le, 2, map)               \
  X(gt, 2, map)               \
  X(ge, 2, map)               \
  X(sigmoid_grad, 2, map)     \
  X(tanh_grad, 2, map)        \
  X(add_sigmoid, 2, map)      \
  X(add_tanh, 2, map)         \
  X(gated_tanh, 2, map)       \
  X(where, 3, map)            \
  X(mul_add, 3, map)          \
  X(mul_sub, 3, map)          \
  X(lerp, 3, map)             \
  X(mul_sigmoid_grad, 3, map) \
  X(mul_tanh_grad, 3, map)    \
  X(mul_add_mul, 4, map)      \
  X(mul_mul_add, 4, map)      \
  X(mul_sub_mul, 4, map)      \
  X(gated_sum, 4, map)        \
  X(gated_add_tanh, 4, map)   \
  X(gated_lerp, 4, map)       \
  X(sum, 1, reduce)           \
  X(dot, 2, reduce)           \
  X(sum_k, 1, reduce)         \
  X(dot_k, 2, reduce)         \
  X(amax, 1, reduce)          \
  X(amin, 1, reduce)          \
  X(cumsum, 1, scan)          \
  X(rcumsum, 1, scan)

namespace recurra {

enum class Form { map, reduce, scan };

struct Operation {
  const char* name;
  int64_t reads;
  Form form;
};

#define RECURRA_OPERATION(name, reads, form) {#name, reads, Form::form},
constexpr Operation kOperationTable[] = {RECURRA_OPERATIONS(RECURRA_OPERATION)};
#undef RECURRA_OPERATION

constexpr int64_t kOperationCount = sizeof(kOperationTable) / sizeof(kOperationTable[0]);

}  // namespace recurra

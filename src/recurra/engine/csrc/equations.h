// The equations of operations.h on vectors of one level, over which pointwise.h loops.

#pragma once

#include "level.h"
#include "math.h"

namespace recurra::RECURRA_LEVEL {

namespace operation {

template <typename V>
RECURRA_INLINE V one() {
  return V{} + 1;
}

template <typename V, typename I>
RECURRA_INLINE V truth(I where) {
  return select(where, one<V>(), V{});
}

// NaN stays NaN, from either side.
template <typename V>
RECURRA_INLINE V least(V a, V b) {
  return select((a < b) | (a != a), a, b);
}
template <typename V>
RECURRA_INLINE V largest(V a, V b) {
  return select((a > b) | (a != a), a, b);
}

// The square is what programs ask for most, and pow is far dearer.
template <typename V>
RECURRA_INLINE V power(V a, V k) {
  return k[0] == 2 ? a * a : recurra::RECURRA_LEVEL::pow(a, k);
}

#define RECURRA_EQUATION(name, equation)                                                      \
  struct name {                                                                               \
    template <typename V>                                                                     \
    static RECURRA_INLINE V at([[maybe_unused]] V a, [[maybe_unused]] V b,                    \
                               [[maybe_unused]] V c, [[maybe_unused]] V d,                    \
                               [[maybe_unused]] V k) {                                        \
      return equation;                                                                        \
    }                                                                                         \
  };

// Inside a struct named exp the name means the struct; the functions are reached through here.
namespace call = recurra::RECURRA_LEVEL;

RECURRA_EQUATION(copy, a)
RECURRA_EQUATION(neg, -a)
RECURRA_EQUATION(abs, call::abs(a))
RECURRA_EQUATION(sign, truth<V>(a > 0) - truth<V>(a < 0))
RECURRA_EQUATION(exp, call::exp(a))
RECURRA_EQUATION(expm1, call::expm1(a))
RECURRA_EQUATION(log, call::log(a))
RECURRA_EQUATION(log1p, call::log1p(a))
RECURRA_EQUATION(sqrt, call::sqrt(a))
RECURRA_EQUATION(rsqrt, 1 / call::sqrt(a))
RECURRA_EQUATION(reciprocal, 1 / a)
RECURRA_EQUATION(sin, call::sin(a))
RECURRA_EQUATION(cos, call::cos(a))
RECURRA_EQUATION(erf, call::erf(a))
RECURRA_EQUATION(floor, call::floor(a))
RECURRA_EQUATION(relu, largest(a, V{}))
RECURRA_EQUATION(sigmoid, call::sigmoid(a))
RECURRA_EQUATION(tanh, call::tanh(a))

RECURRA_EQUATION(fill, k)
RECURRA_EQUATION(add_k, a + k)
RECURRA_EQUATION(mul_k, a * k)
RECURRA_EQUATION(rsub_k, k - a)
RECURRA_EQUATION(rdiv_k, k / a)
RECURRA_EQUATION(pow_k, power(a, k))
RECURRA_EQUATION(min_k, least(a, k))
RECURRA_EQUATION(max_k, largest(a, k))
RECURRA_EQUATION(eq_k, truth<V>(a == k))
RECURRA_EQUATION(ne_k, truth<V>(a != k))
RECURRA_EQUATION(lt_k, truth<V>(a < k))
RECURRA_EQUATION(le_k, truth<V>(a <= k))
RECURRA_EQUATION(gt_k, truth<V>(a > k))
RECURRA_EQUATION(ge_k, truth<V>(a >= k))

RECURRA_EQUATION(add, a + b)
RECURRA_EQUATION(sub, a - b)
RECURRA_EQUATION(mul, a * b)
RECURRA_EQUATION(div, a / b)
RECURRA_EQUATION(pow, call::pow(a, b))
RECURRA_EQUATION(min, least(a, b))
RECURRA_EQUATION(max, largest(a, b))
RECURRA_EQUATION(eq, truth<V>(a == b))
RECURRA_EQUATION(ne, truth<V>(a != b))
RECURRA_EQUATION(lt, truth<V>(a < b))
RECURRA_EQUATION(le, truth<V>(a <= b))
RECURRA_EQUATION(gt, truth<V>(a > b))
RECURRA_EQUATION(ge, truth<V>(a >= b))
RECURRA_EQUATION(sigmoid_grad, a * b * (1 - b))
RECURRA_EQUATION(tanh_grad, a * fma(-b, b, one<V>()))
RECURRA_EQUATION(add_sigmoid, call::sigmoid(a + b))
RECURRA_EQUATION(add_tanh, call::tanh(a + b))
RECURRA_EQUATION(gated_tanh, call::sigmoid(a) * call::tanh(b))

RECURRA_EQUATION(where, select(a != 0, b, c))
RECURRA_EQUATION(mul_add, a * b + c)
RECURRA_EQUATION(mul_sub, c - a * b)
RECURRA_EQUATION(lerp, a + c * (b - a))
RECURRA_EQUATION(mul_sigmoid_grad, a * b * c * (1 - c))
RECURRA_EQUATION(mul_tanh_grad, a * b * fma(-c, c, one<V>()))
RECURRA_EQUATION(mul_add_mul, a * b + c * d)
RECURRA_EQUATION(mul_mul_add, a * b * c + d)
RECURRA_EQUATION(mul_sub_mul, (d - a * b) * c)
RECURRA_EQUATION(gated_sum, call::sigmoid(a) * b + call::sigmoid(c) * call::tanh(d))
RECURRA_EQUATION(gated_add_tanh, call::tanh(d + call::sigmoid(a + b) * c))
RECURRA_EQUATION(gated_lerp, a + call::sigmoid(c + d) * (b - a))
#undef RECURRA_EQUATION

// What a partial result begins with, how it takes columns of a and b, how two are joined, and what
// becomes of the last one, r.
#define RECURRA_REDUCTION(name, begin, taken, joined, ended)                                \
  struct name {                                                                             \
    template <typename T>                                                                   \
    static constexpr T start() {                                                            \
      return begin;                                                                         \
    }                                                                                       \
    template <typename V>                                                                   \
    static RECURRA_INLINE V take(V partial, V a, [[maybe_unused]] V b) {                    \
      return taken;                                                                         \
    }                                                                                       \
    template <typename V>                                                                   \
    static RECURRA_INLINE V join(V p, V q) {                                                \
      return joined;                                                                        \
    }                                                                                       \
    template <typename V>                                                                   \
    static RECURRA_INLINE V end(V r, [[maybe_unused]] V k) {                                \
      return ended;                                                                         \
    }                                                                                       \
  };

RECURRA_REDUCTION(sum, 0, partial + a, p + q, r)
RECURRA_REDUCTION(dot, 0, partial + a * b, p + q, r)
RECURRA_REDUCTION(sum_k, 0, partial + a, p + q, r* k)
RECURRA_REDUCTION(dot_k, 0, partial + a * b, p + q, r* k)
RECURRA_REDUCTION(amax, -__builtin_huge_val(), largest(a, partial), largest(p, q), r)
RECURRA_REDUCTION(amin, __builtin_huge_val(), least(a, partial), least(p, q), r)
#undef RECURRA_REDUCTION

struct cumsum {
  static constexpr bool reversed = false;
};
struct rcumsum {
  static constexpr bool reversed = true;
};

}  // namespace operation

}  // namespace recurra::RECURRA_LEVEL

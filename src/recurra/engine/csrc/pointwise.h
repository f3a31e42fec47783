// Loops of the operations of operations.h, of one level.
//
//   y    [rows][n][d]  written; reductions write [rows][n][1]
//   x[i] [rows][n][d]  read, column stride 0 or 1; y may be x[i] itself, element for element
//
// A lane's result depends on that lane alone, so it does not matter how rows and columns are cut.
// Reductions keep 16 partial results, column j in partial j mod 16, and join them as a tree.

#pragma once

#include "kernels.h"
#include "level.h"
#include "math.h"
#include "operations.h"

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
    template <typename T>                                                                   \
    static RECURRA_INLINE T join(T p, T q) {                                                \
      return joined;                                                                        \
    }                                                                                       \
    template <typename T>                                                                   \
    static RECURRA_INLINE T end(T r, [[maybe_unused]] T k) {                                \
      return ended;                                                                         \
    }                                                                                       \
  };

RECURRA_REDUCTION(sum, 0, partial + a, p + q, r)
RECURRA_REDUCTION(dot, 0, partial + a * b, p + q, r)
RECURRA_REDUCTION(sum_k, 0, partial + a, p + q, r* k)
RECURRA_REDUCTION(dot_k, 0, partial + a * b, p + q, r* k)
RECURRA_REDUCTION(amax, -__builtin_huge_val(), largest(a, partial), p > q || p != p ? p : q, r)
RECURRA_REDUCTION(amin, __builtin_huge_val(), least(a, partial), p < q || p != p ? p : q, r)
#undef RECURRA_REDUCTION

struct cumsum {
  static constexpr bool reversed = false;
};
struct rcumsum {
  static constexpr bool reversed = true;
};

}  // namespace operation

// Pointers to a row's columns; a repeated column is read from a vector full of it.
template <typename T, int reads>
struct Columns {
  const T* p[kMostReads];
  int64_t step[kMostReads];
  vec<T> repeated[kMostReads];

  RECURRA_INLINE void begin(const Walk<T>& walk, const T* const* x, int64_t r, int64_t g) {
    for (int i = 0; i < reads; i++) {
      p[i] = x[i] + r * walk.x[i].row + g * walk.x[i].group;
      step[i] = walk.x[i].column;
      if (!step[i]) {
        repeated[i] = splat(*p[i]);
        p[i] = reinterpret_cast<const T*>(&repeated[i]);
      }
    }
  }
};

template <typename T, typename Op, int reads>
RECURRA_INLINE void map_plain(T* y, const T* const* x, int64_t d, vec<T> k) {
  constexpr int W = kLanes<T>;
  int64_t j = 0;
  for (; j + W <= d; j += W) {
    vec<T> v[kMostReads]{};
    for (int i = 0; i < reads; i++) v[i] = load(x[i] + j);
    store(y + j, Op::at(v[0], v[1], v[2], v[3], k));
  }
  if (j < d) {
    vec<T> v[kMostReads]{};
    for (int i = 0; i < reads; i++) v[i] = load_part(x[i] + j, d - j);
    store_part(y + j, Op::at(v[0], v[1], v[2], v[3], k), d - j);
  }
}

template <typename T, typename Op, int reads>
RECURRA_INLINE void map_mixed(T* y, const Columns<T, reads>& x, int64_t d, vec<T> k) {
  constexpr int W = kLanes<T>;
  int64_t j = 0;
  for (; j + W <= d; j += W) {
    vec<T> v[kMostReads]{};
    for (int i = 0; i < reads; i++) v[i] = load(x.p[i] + j * x.step[i]);
    store(y + j, Op::at(v[0], v[1], v[2], v[3], k));
  }
  if (j < d) {
    vec<T> v[kMostReads]{};
    for (int i = 0; i < reads; i++) v[i] = load_part(x.p[i] + j * x.step[i], d - j);
    store_part(y + j, Op::at(v[0], v[1], v[2], v[3], k), d - j);
  }
}

template <typename T, typename Op, int reads>
void map(const Walk<T>& walk, int64_t rows, T* y, const T* const* x) {
  const vec<T> k = splat(walk.literal);
  if (walk.solid || (walk.plain && walk.n * rows == 1))
    return map_plain<T, Op, reads>(y, x, rows * walk.d, k);
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t g = 0; g < walk.n; g++) {
      T* to = y + r * walk.y.row + g * walk.y.group;
      if (walk.plain) {
        const T* p[kMostReads];
        for (int i = 0; i < reads; i++) p[i] = x[i] + r * walk.x[i].row + g * walk.x[i].group;
        map_plain<T, Op, reads>(to, p, walk.d, k);
      } else {
        Columns<T, reads> from;
        from.begin(walk, x, r, g);
        map_mixed<T, Op, reads>(to, from, walk.d, k);
      }
    }
  }
}

constexpr int kPartials = 16;

// The first n lanes of p, the others what a partial result begins with: they change nothing.
template <typename T, typename Op>
RECURRA_INLINE vec<T> load_or_start(const T* p, int64_t n) {
  constexpr int W = kLanes<T>;
  if (n >= W) return load(p);
  T lanes[W];
  for (int i = 0; i < W; i++) lanes[i] = i < n ? p[i] : Op::template start<T>();
  return load(lanes);
}

// R rows of one group at once: each is a chain of its own, which alone would wait for itself.
template <typename T, typename Op, int reads, int R>
RECURRA_INLINE void reduce_rows(const Walk<T>& walk, int64_t r, int64_t g, T* y,
                                const T* const* x) {
  constexpr int W = kLanes<T>, vectors = kPartials / W;
  Columns<T, reads> from[R];
  vec<T> partial[R][vectors];
  for (int q = 0; q < R; q++) {
    from[q].begin(walk, x, r + q, g);
    for (vec<T>& v : partial[q]) v = splat(Op::template start<T>());
  }
  int64_t j = 0;
  for (; j + kPartials <= walk.d; j += kPartials) {
    for (int q = 0; q < R; q++) {
      for (int i = 0; i < vectors; i++) {
        vec<T> v[2]{};
        for (int k = 0; k < reads; k++) v[k] = load(from[q].p[k] + (j + i * W) * from[q].step[k]);
        partial[q][i] = Op::take(partial[q][i], v[0], v[1]);
      }
    }
  }
  for (int i = 0; i < vectors && j < walk.d; i++, j += W) {
    for (int q = 0; q < R; q++) {
      vec<T> v[2]{};
      for (int k = 0; k < reads; k++) {
        v[k] = load_or_start<T, Op>(from[q].p[k] + j * from[q].step[k], walk.d - j);
      }
      partial[q][i] = Op::take(partial[q][i], v[0], v[1]);
    }
  }
  for (int q = 0; q < R; q++) {
    T lanes[kPartials];
    for (int i = 0; i < vectors; i++) store(lanes + i * W, partial[q][i]);
    for (int half = kPartials / 2; half; half /= 2) {
      for (int i = 0; i < half; i++) lanes[i] = Op::join(lanes[i], lanes[i + half]);
    }
    y[(r + q) * walk.y.row + g * walk.y.group] = Op::end(lanes[0], walk.literal);
  }
}

template <typename T, typename Op, int reads>
void reduce(const Walk<T>& walk, int64_t rows, T* y, const T* const* x) {
  constexpr int vectors = kPartials / kLanes<T>, R = vectors < 4 ? 4 / vectors : 1;
  int64_t r = 0;
  for (; r + R <= rows; r += R) {
    for (int64_t g = 0; g < walk.n; g++) reduce_rows<T, Op, reads, R>(walk, r, g, y, x);
  }
  for (; r < rows; r++) {
    for (int64_t g = 0; g < walk.n; g++) reduce_rows<T, Op, reads, 1>(walk, r, g, y, x);
  }
}

template <typename T, typename Op, int reads>
void scan(const Walk<T>& s, int64_t rows, T* y, const T* const* x) {
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t g = 0; g < s.n; g++) {
      T* to = y + r * s.y.row + g * s.y.group;
      const T* from = x[0] + r * s.x[0].row + g * s.x[0].group;
      T running = 0;
      for (int64_t i = 0; i < s.d; i++) {
        const int64_t j = Op::reversed ? s.d - 1 - i : i;
        running += from[j * s.x[0].column];
        to[j] = running;
      }
    }
  }
}

template <typename T>
constexpr void set_pointwise(Kernels<T>& kernels) {
  static_assert(kOperationCount <= kOperations);
  int64_t number = 0;
#define RECURRA_ENTRY(name, reads, form) \
  kernels.pointwise[number++] = form<T, operation::name, reads>;
  RECURRA_OPERATIONS(RECURRA_ENTRY)
#undef RECURRA_ENTRY
}

}  // namespace recurra::RECURRA_LEVEL

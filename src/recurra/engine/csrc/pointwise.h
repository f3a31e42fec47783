// Loops of the operations of operations.h, of one level.
//
//   y    [rows][n][d]  written; reductions write [rows][n][1]
//   x[i] [rows][n][d]  read, column stride 0 or 1; y may be x[i] itself, element for element.
//                      Reductions read any column stride where the group stride is 0 or 1
//
// A lane's result depends on that lane alone, so it does not matter how rows and columns are cut.
// Reductions keep 16 partial results, column j in partial j mod 16, and join them as a tree.

#pragma once

#include "equations.h"
#include "kernels.h"
#include "level.h"
#include "operations.h"

namespace recurra::RECURRA_LEVEL {

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

// Lane i of n is p[i * group], group 0 or 1.
template <typename T>
RECURRA_INLINE vec<T> lanes_of(const T* p, int64_t group, int64_t n) {
  if (!group) return splat(*p);
  return n == kLanes<T> ? load(p) : load_part(p, n);
}

// n groups that lie side by side, a lane each: column j of all of them at once.
template <typename T, typename Op, int reads>
RECURRA_INLINE vec<T> reduce_lanes(const Walk<T>& walk, const T* const* x, int64_t n) {
  vec<T> partial[kPartials];
  for (vec<T>& v : partial) v = splat(Op::template start<T>());
  const auto take = [&](int p, int64_t j) RECURRA_LAMBDA {
    vec<T> v[2]{};
    for (int k = 0; k < reads; k++)
      v[k] = lanes_of(x[k] + j * walk.x[k].column, walk.x[k].group, n);
    partial[p] = Op::take(partial[p], v[0], v[1]);
  };
  int64_t j = 0;
  for (; j + kPartials <= walk.d; j += kPartials) {
#pragma GCC unroll 16
    for (int p = 0; p < kPartials; p++) take(p, j + p);
  }
#pragma GCC unroll 16
  for (int p = 0; p < kPartials; p++) {
    if (j + p < walk.d) take(p, j + p);
  }
#pragma GCC unroll 4
  for (int half = kPartials / 2; half; half /= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < half; i++) partial[i] = Op::join(partial[i], partial[i + half]);
  }
  return Op::end(partial[0], splat(walk.literal));
}

template <typename T, typename Op, int reads>
void reduce_across(const Walk<T>& walk, int64_t rows, T* y, const T* const* x) {
  constexpr int64_t W = kLanes<T>;
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t g = 0; g < walk.n; g += W) {
      const int64_t n = walk.n - g < W ? walk.n - g : W;
      const T* from[kMostReads];
      for (int k = 0; k < reads; k++) from[k] = x[k] + r * walk.x[k].row + g * walk.x[k].group;
      const vec<T> made = n == W ? reduce_lanes<T, Op, reads>(walk, from, W)
                                 : reduce_lanes<T, Op, reads>(walk, from, n);
      T* to = y + r * walk.y.row + g * walk.y.group;
      if (walk.y.group == 1) {
        store_part(to, made, n);
      } else {
        for (int64_t i = 0; i < n; i++) to[i * walk.y.group] = made[i];
      }
    }
  }
}

template <typename T, typename Op, int reads>
void reduce(const Walk<T>& walk, int64_t rows, T* y, const T* const* x) {
  for (int k = 0; k < reads; k++) {
    if (walk.x[k].column > 1) return reduce_across<T, Op, reads>(walk, rows, y, x);
  }
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

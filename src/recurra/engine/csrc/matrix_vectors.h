// Columns in registers and sums over columns, for the loops of matrix.cpp; compiled once a level.
//
// A sum over the columns of a row k is kChains numbers, chains, which lie side by side and are
// joined as a tree at the end: so neither the width of a vector nor that of a block changes a bit.
//
//   read, write          n columns of C vectors, the rest zeros; touch no memory beyond n
//   fetch, put_back      K rows of n columns, V apart, to and from rows of ld, a multiple of a vector
//   sum_rows, sum_all    chains [K][kChains] to K sums, to one; K is filled up with rows of zeros
#pragma once

#include <cstdint>
#include <utility>

#include "level.h"
#include "tile.h"

namespace recurra::RECURRA_LEVEL {

namespace {

constexpr int64_t kChains = 16;
// Vectors that hold one number for each chain.
template <typename T>
constexpr int kGroup = kChains / kLanes<T> > 1 ? static_cast<int>(kChains) / kLanes<T> : 1;
template <typename T>
constexpr int64_t whole(int64_t n, int64_t unit) {
  return (n + unit - 1) / unit * unit;
}

// The first n of C vectors of columns; beyond them zeros.
template <typename T, int C>
RECURRA_INLINE void read(const T* p, int64_t n, vec<T> (&v)[C]) {
  constexpr int64_t L = kLanes<T>;
#pragma GCC unroll 16
  for (int i = 0; i < C; i++) {
    const int64_t left = n - i * L;
    v[i] = left >= L ? load(p + i * L) : left > 0 ? load_part(p + i * L, left) : vec<T>{};
  }
}

template <typename T, int C>
RECURRA_INLINE void write(T* p, int64_t n, const vec<T> (&v)[C]) {
  constexpr int64_t L = kLanes<T>;
#pragma GCC unroll 16
  for (int i = 0; i < C; i++) {
    const int64_t left = n - i * L;
    if (left >= L)
      store<T>(p + i * L, v[i]);
    else if (left > 0)
      store_part(p + i * L, v[i], left);
  }
}

// K rows of n columns to rows of ld, filled up with zeros; ld is whole vectors.
template <typename T>
void fetch(const T* from, int64_t V, int64_t K, int64_t n, T* to, int64_t ld) {
  for (int64_t k = 0; k < K; k++) {
    for (int64_t j = 0; j < ld; j += kLanes<T>) {
      vec<T> v[1];
      read(from + k * V + (j < n ? j : 0), n - j, v);
      store<T>(to + k * ld + j, v[0]);
    }
  }
}

template <typename T>
void put_back(const T* from, int64_t ld, int64_t K, int64_t n, T* to, int64_t V) {
  for (int64_t k = 0; k < K; k++) {
    for (int64_t j = 0; j < n; j += kLanes<T>) {
      const vec<T> v[1] = {load(from + k * ld + j)};
      write(to + k * V + j, n - j, v);
    }
  }
}

template <typename T>
void clear(T* p, int64_t n) {
  for (int64_t i = 0; i < n; i++) p[i] = 0;
}

// Groups of g lanes, those of x before those of y, become groups of half as many: lane i and lane
// i + g / 2 added.
template <typename T, int g, int... i>
RECURRA_INLINE vec<T> join(vec<T> x, vec<T> y, std::integer_sequence<int, i...>) {
  constexpr int L = kLanes<T>, half = g / 2;
  constexpr auto from = [](int p) { return p / half * g + p % half; };
  static_assert(sizeof...(i) == L);
  return __builtin_shufflevector(x, y, from(i)...) +
         __builtin_shufflevector(x, y, (from(i) + half)...);
}

// One vector of the sums of L vectors, each of all its lanes.
template <typename T, int g = kLanes<T>>
RECURRA_INLINE vec<T> sum_each(vec<T> (&v)[kLanes<T>]) {
  if constexpr (g == 1) {
    return v[0];
  } else {
#pragma GCC unroll 16
    for (int i = 0; i < g / 2; i++) v[i] = join<T, g>(v[2 * i], v[2 * i + 1], Sequence<T>{});
    return sum_each<T, g / 2>(v);
  }
}

template <typename T>
RECURRA_INLINE vec<T> join_chains(const T* p) {
  vec<T> v[kGroup<T>];
#pragma GCC unroll 16
  for (int i = 0; i < kGroup<T>; i++) v[i] = load(p + i * kLanes<T>);
#pragma GCC unroll 4
  for (int half = kGroup<T> / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; i++) v[i] += v[i + half];
  }
  return v[0];
}

// to[k] (add: +=) the sum of the chains of row k; rows of zeros follow the last one.
template <typename T>
void sum_rows(const T* chains, int64_t K, bool add, T* to) {
  constexpr int L = kLanes<T>;
  for (int64_t k = 0; k < K; k += L) {
    vec<T> v[L], sum[1], old[1] = {};
#pragma GCC unroll 16
    for (int i = 0; i < L; i++) v[i] = join_chains(chains + (k + i) * kChains);
    sum[0] = sum_each<T>(v);
    if (add) {
      read(to + k, K - k, old);
      sum[0] += old[0];
    }
    write(to + k, K - k, sum);
  }
}

// One number: the sum of all rows, chain by chain first, four rows side by side.
template <typename T>
void sum_all(const T* chains, int64_t K, bool add, T* to) {
  constexpr int P = kGroup<T>, L = kLanes<T>;
  vec<T> sum[4][P] = {};
  for (int64_t k = 0; k < K; k += 4) {
#pragma GCC unroll 4
    for (int r = 0; r < 4; r++)
#pragma GCC unroll 16
      for (int i = 0; i < P; i++) sum[r][i] += load(chains + (k + r) * kChains + i * L);
  }
  T joined[kChains];
  for (int i = 0; i < P; i++) {
    store<T>(joined + i * L, (sum[0][i] + sum[1][i]) + (sum[2][i] + sum[3][i]));
  }
  const T found = sum_lanes<T>(join_chains(joined));
  *to = add ? *to + found : found;
}

}  // namespace

}  // namespace recurra::RECURRA_LEVEL

// Small matrix products, one pair a row and group; the contract is in kernels.h.
//
// An element is one ascending fused chain, except where k is contiguous in both a and b and b's
// columns are not (or are only one): there it is a dot product of 16 partial chains, number
// k mod 16, joined as a tree. Which of them it is follows from the numbers alone.

#pragma once

#include "kernels.h"
#include "level.h"

namespace recurra::RECURRA_LEVEL {

struct Small {
  int64_t I, K, J, a_i, a_k, b_k, b_j;
  bool accumulate;
};

constexpr int kPartialChains = 16;

template <typename T>
RECURRA_INLINE T dot(const T* a, const T* b, int64_t K) {
  constexpr int L = kLanes<T>, V = kPartialChains / L;
  vec<T> sum[V] = {};
  int64_t k = 0;
  for (; k + kPartialChains <= K; k += kPartialChains) {
    for (int v = 0; v < V; v++) sum[v] = fma(load(a + k + v * L), load(b + k + v * L), sum[v]);
  }
  for (int v = 0; v < V && k < K; v++, k += L) {
    const int64_t n = K - k < L ? K - k : L;
    sum[v] = fma(load_part(a + k, n), load_part(b + k, n), sum[v]);
  }
  for (int half = V / 2; half > 0; half /= 2) {
    for (int v = 0; v < half; v++) sum[v] += sum[v + half];
  }
  return sum_lanes<T>(sum[0]);
}

// R rows by V vectors of columns of the small product, of the last vector `lanes` columns.
template <typename T, int R, int V>
RECURRA_INLINE void small_tile(const T* a, const T* b, T* y, const Small& s, int64_t lanes) {
  constexpr int L = kLanes<T>;
  const bool whole = lanes == L;
  vec<T> sum[R][V] = {};
  if (s.accumulate) {
#pragma GCC unroll 4
    for (int r = 0; r < R; r++) {
      T* row = y + r * s.J;
#pragma GCC unroll 4
      for (int v = 0; v < V; v++)
        sum[r][v] = v < V - 1 || whole ? load(row + v * L) : load_part(row + v * L, lanes);
    }
  }
  for (int64_t k = 0; k < s.K; k++) {
    vec<T> w[V];
    const T* row = b + k * s.b_k;
#pragma GCC unroll 4
    for (int v = 0; v < V; v++)
      w[v] = v < V - 1 || whole ? load(row + v * L) : load_part(row + v * L, lanes);
#pragma GCC unroll 4
    for (int r = 0; r < R; r++) {
      const vec<T> x = splat(a[r * s.a_i + k * s.a_k]);
#pragma GCC unroll 4
      for (int v = 0; v < V; v++) sum[r][v] = fma(x, w[v], sum[r][v]);
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < R; r++) {
    T* row = y + r * s.J;
#pragma GCC unroll 4
    for (int v = 0; v < V; v++) {
      if (v < V - 1 || whole)
        store<T>(row + v * L, sum[r][v]);
      else
        store_part(row + v * L, sum[r][v], lanes);
    }
  }
}

template <typename T, int R>
void small_rows(const T* a, const T* b, T* y, const Small& s) {
  constexpr int L = kLanes<T>, wide = 16 / R < 4 ? 16 / R : 4;
  int64_t j = 0;
  for (; j + wide * L <= s.J; j += wide * L) small_tile<T, R, wide>(a, b + j, y + j, s, L);
  for (; j < s.J; j += L)
    small_tile<T, R, 1>(a, b + j, y + j, s, s.J - j < L ? s.J - j : L);
}

template <typename T>
void small_by_columns(const T* a, const T* b, T* y, const Small& s) {
  constexpr int tall = kRegisters == 32 ? 4 : 2;
  int64_t i = 0;
  for (; i + tall <= s.I; i += tall) small_rows<T, tall>(a + i * s.a_i, b, y + i * s.J, s);
  for (; i < s.I; i++) small_rows<T, 1>(a + i * s.a_i, b, y + i * s.J, s);
}

template <typename T>
void small_by_dots(const T* a, const T* b, T* y, const Small& s) {
  for (int64_t i = 0; i < s.I; i++) {
    for (int64_t j = 0; j < s.J; j++) {
      T* to = y + i * s.J + j;
      const T sum = dot(a + i * s.a_i, b + j * s.b_j, s.K);
      *to = s.accumulate ? *to + sum : sum;
    }
  }
}

template <typename T>
void small_by_elements(const T* a, const T* b, T* y, const Small& s) {
  for (int64_t i = 0; i < s.I; i++) {
    for (int64_t j = 0; j < s.J; j++) {
      T* to = y + i * s.J + j;
      T sum = s.accumulate ? *to : 0;
      for (int64_t k = 0; k < s.K; k++) {
        sum = fma(a[i * s.a_i + k * s.a_k], b[k * s.b_k + j * s.b_j], sum);
      }
      *to = sum;
    }
  }
}

template <typename T>
void batched(const Walk<T>& walk, int64_t rows, T* y, const T* const* x, const int64_t* numbers) {
  Small s{numbers[0], numbers[1], numbers[2], numbers[3],
          numbers[4], numbers[5], numbers[6], numbers[7] != 0};
  const bool dots = s.a_k == 1 && s.b_k == 1 && (s.b_j != 1 || s.J == 1);
  int a = 0, b = 1;
  if (!dots && s.J == 1 && s.a_i == 1) {
    // A column of results: the two change places, and it is a row.
    a = 1, b = 0;
    s = {1, s.K, s.I, 0, s.b_k, s.a_k, 1, s.accumulate};
  }
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t g = 0; g < walk.n; g++) {
      const T* pa = x[a] + r * walk.x[a].row + g * walk.x[a].group;
      const T* pb = x[b] + r * walk.x[b].row + g * walk.x[b].group;
      T* py = y + r * walk.y.row + g * walk.y.group;
      if (dots)
        small_by_dots(pa, pb, py, s);
      else if (s.b_j == 1)
        small_by_columns(pa, pb, py, s);
      else
        small_by_elements(pa, pb, py, s);
    }
  }
}

}  // namespace recurra::RECURRA_LEVEL

// Weights in the order in which product() reads them.
//
//   W (K, N)  element (k, n) at w + k * sk + n * sn, read
//   packed    panels of kPanel columns, one behind the other, each [K][columns]; the last panel's
//             columns are rounded up to whole vectors, filled with 0
//
// A panel is written by one thread.

#pragma once

#include "tile.h"

namespace recurra::RECURRA_LEVEL {

template <typename T>
int64_t panels(int64_t N) {
  return (N + kPanel<T> - 1) / kPanel<T>;
}

// Packed columns of the whole: N rounded up to vectors.
template <typename T>
RECURRA_INLINE int64_t packed_columns(int64_t N) {
  return (N + kLanes<T> - 1) / kLanes<T> * kLanes<T>;
}

template <typename T, typename W>
int64_t packed_bytes(int64_t K, int64_t N) {
  return (K * packed_columns<T>(N) * static_cast<int64_t>(sizeof(W)) + 63) / 64 * 64;
}

RECURRA_INLINE void store_packed(float* p, vec<float> v) { store<float>(p, v); }
RECURRA_INLINE void store_packed(double* p, vec<double> v) { store<double>(p, v); }
RECURRA_INLINE void store_packed(uint16_t* p, vec<float> v) {
  store_half(p, v);
}

// One step of the transposition of a square of vectors: swaps the blocks of S lanes off the
// diagonal of each square of 2 S.
template <int S, typename V, int L, int... i>
RECURRA_INLINE void swap_blocks(V (&v)[L], std::integer_sequence<int, i...>) {
#pragma GCC unroll 16
  for (int r = 0; r < L; r++) {
    if (r & S) continue;
    const V a = v[r], b = v[r + S];
    v[r] = __builtin_shufflevector(a, b, (i & S ? L + i - S : i)...);
    v[r + S] = __builtin_shufflevector(a, b, (i & S ? L + i : i + S)...);
  }
}

template <typename T, int L>
RECURRA_INLINE void transpose(vec<T> (&v)[L]) {
  swap_blocks<1>(v, Sequence<T>{});
  if constexpr (L >= 4) swap_blocks<2>(v, Sequence<T>{});
  if constexpr (L >= 8) swap_blocks<4>(v, Sequence<T>{});
  if constexpr (L >= 16) swap_blocks<8>(v, Sequence<T>{});
}

// sk = 1: columns of W are contiguous; squares of them are transposed in registers.
template <typename T, typename W>
void pack_columns(const T* w, int64_t sn, int64_t K, int64_t n, int64_t columns, W* out) {
  constexpr int L = kLanes<T>;
  constexpr int64_t ahead = 256 / sizeof(T);
  for (int64_t k = 0; k < K; k += L) {
    const int64_t rows = K - k < L ? K - k : L;
    for (int64_t c = 0; c < columns; c += L) {
      vec<T> v[L];
      const T* from = w + c * sn + k;
#pragma GCC unroll 16
      for (int i = 0; i < L; i++) {
        v[i] = vec<T>{};
        if (c + i >= n) continue;
        v[i] = rows == L ? load(from + i * sn) : load_part(from + i * sn, rows);
        __builtin_prefetch(from + i * sn + ahead);
      }
      transpose<T>(v);
#pragma GCC unroll 16
      for (int i = 0; i < L; i++)
        if (i < rows) store_packed(out + (k + i) * columns + c, v[i]);
    }
  }
}

// sn = 1: rows of W are contiguous.
template <typename T, typename W>
void pack_rows(const T* w, int64_t sk, int64_t K, int64_t n, int64_t columns, W* out) {
  constexpr int L = kLanes<T>;
  for (int64_t k = 0; k < K; k++) {
    int64_t c = 0;
    for (; c + L <= n; c += L) store_packed(out + k * columns + c, load(w + k * sk + c));
    if (c < n) store_packed(out + k * columns + c, load_part(w + k * sk + c, n - c));
  }
}

template <typename T, typename W>
void pack_strided(const T* w, int64_t sk, int64_t sn, int64_t K, int64_t n, int64_t columns,
                  W* out) {
  constexpr int L = kLanes<T>;
  for (int64_t k = 0; k < K; k++) {
    for (int64_t c = 0; c < columns; c += L) {
      vec<T> v{};
      for (int i = 0; i < L && c + i < n; i++) v[i] = w[k * sk + (c + i) * sn];
      store_packed(out + k * columns + c, v);
    }
  }
}

template <typename T, typename W>
void pack(const T* w, int64_t sk, int64_t sn, int64_t K, int64_t N, void* packed, int64_t panel0,
          int64_t panel1) {
  for (int64_t p = panel0; p < panel1; p++) {
    const int64_t first = p * kPanel<T>;
    const int64_t n = N - first < kPanel<T> ? N - first : kPanel<T>;
    const int64_t columns = packed_columns<T>(n);
    const T* from = w + first * sn;
    W* out = static_cast<W*>(packed) + first * K;
    if (sk == 1)
      pack_columns(from, sn, K, n, columns, out);
    else if (sn == 1)
      pack_rows(from, sk, K, n, columns, out);
    else
      pack_strided(from, sk, sn, K, n, columns, out);
  }
}

}  // namespace recurra::RECURRA_LEVEL

// The register tile that products and contractions share: R rows by C vectors of columns.
//
//   sum[r][c] = fma(x[r * xr + k * xk], w[k][c], sum[r][c])   for k = 0, 1, ..., K - 1
//
// One ascending chain per element, whatever R and C: so the shape of the tile never shows in a
// result. Latency is hidden by the R * C chains alone; about 10 keep two units busy.

#pragma once

#include "level.h"

namespace recurra::RECURRA_LEVEL {

// Columns of a full panel in vectors, and rows of a tile, such that R * C sums, C weights and one
// x fit the registers.
constexpr int kPanelVectors = kRegisters == 32 ? 4 : 2;
constexpr int kTileSums = kRegisters == 32 ? 24 : 12;

template <int C>
constexpr int kTileRows = kTileSums / C;

template <typename T>
constexpr int kPanel = kPanelVectors * kLanes<T>;

// Memory that will soon be read: cache lines line0..line0 + lines of it are asked for, one a k.
struct Ahead {
  const char* line = nullptr;
  int64_t lines = 0;
};

// C vectors of each of P panels, w[k][c] of panel p at w + p * panel + (k * C + c) * kLanes.
template <typename T, typename W, int R, int P, int C>
RECURRA_INLINE void tile(const T* x, int64_t xr, int64_t xk, const W* w, int64_t panel, int64_t K,
                         vec<T> (&sum)[R][P * C], const Ahead& ahead = {}) {
  const auto add = [&](int64_t k) RECURRA_LAMBDA {
    vec<T> v[P * C];
#pragma GCC unroll 32
    for (int c = 0; c < P * C; c++)
      v[c] = load(w + (c / C) * panel + (k * C + c % C) * kLanes<T>);
#pragma GCC unroll 32
    for (int r = 0; r < R; r++) {
      const vec<T> s = splat(x[r * xr + k * xk]);
#pragma GCC unroll 32
      for (int c = 0; c < P * C; c++) sum[r][c] = fma(s, v[c], sum[r][c]);
    }
  };
  int64_t k = 0;
  if constexpr (P == 1) {
    for (const int64_t lines = ahead.lines < K ? ahead.lines : K; k < lines; k++) {
      __builtin_prefetch(ahead.line + 64 * k);
      add(k);
    }
  }
  for (; k < K; k++) add(k);
}

// Calls f.run<n>() for the n in 1..N that equals `number`.
template <int N, typename F>
RECURRA_INLINE void choose(int64_t number, F f) {
  if constexpr (N > 1) {
    if (number < N) return choose<N - 1>(number, f);
  }
  f.template operator()<N>();
}

}  // namespace recurra::RECURRA_LEVEL

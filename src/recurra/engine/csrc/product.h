// y[r][n] = init + sum over k of x[r][k] W[k][n], with W packed; the contract is in kernels.h.
//
// K is cut into blocks whose part of a panel stays in the first cache while all rows pass over
// it, and meanwhile the next block is fetched: large weights come from far. Between blocks the sums
// wait in y, which continues the same chain. Few rows read weights once: there several panels go
// side by side, for more chains at a time.

#pragma once

#include "pack.h"

namespace recurra::RECURRA_LEVEL {

constexpr int64_t kBlockBytes = 32 << 10;
// Weights beyond this are not at hand in the second cache when they are needed again.
constexpr int64_t kNearBytes = 512 << 10;

template <typename T>
struct Rows {
  const T* x;
  int64_t ldx;
  const T* bias;
  bool accumulate;
  T* y;
  int64_t ldy, K;
  int64_t tail;  // lanes of the last vector of columns
  bool far;
  Ahead ahead;
};

// Rows of one tile, P panels of C vectors; x, bias and y of `rows` are at the tile's first element.
template <typename T, typename W, int R, int P, int C>
void product_tile(const Rows<T>& rows, const W* w, int64_t panel) {
  constexpr int L = kLanes<T>, V = P * C;
  const bool whole = rows.tail == L;
  vec<T> sum[R][V];
#pragma GCC unroll 32
  for (int r = 0; r < R; r++) {
    const T* init = rows.bias ? rows.bias : rows.y + r * rows.ldy;
    const bool zero = !rows.bias && !rows.accumulate;
#pragma GCC unroll 32
    for (int c = 0; c < V; c++) {
      if (zero)
        sum[r][c] = vec<T>{};
      else if (c < V - 1 || whole)
        sum[r][c] = load(init + c * L);
      else
        sum[r][c] = load_part(init + c * L, rows.tail);
    }
  }
  tile<T, W, R, P, C>(rows.x, rows.ldx, 1, w, panel, rows.K, sum, rows.ahead);
#pragma GCC unroll 32
  for (int r = 0; r < R; r++) {
    T* y = rows.y + r * rows.ldy;
#pragma GCC unroll 32
    for (int c = 0; c < V; c++) {
      if (c < V - 1 || whole)
        store<T>(y + c * L, sum[r][c]);
      else
        store_part(y + c * L, sum[r][c], rows.tail);
    }
  }
}

// All rows on one panel of C vectors. Tiles are as even as they can be.
template <typename T, typename W, int C>
void product_panel(const Rows<T>& all, const W* w, int64_t rows) {
  constexpr int64_t block = kBlockBytes / (C * kVectorBytes);
  const int64_t tiles = (rows + kTileRows<C> - 1) / kTileRows<C>;
  for (int64_t k = 0; k == 0 || k < all.K; k += block) {
    Rows<T> now = all;
    now.x += k;
    now.K = all.K - k < block ? all.K - k : block;
    if (k > 0) {
      now.bias = nullptr;
      now.accumulate = true;
    }
    const W* here = w + k * C * kLanes<T>;
    const int64_t lines = now.K * C * kLanes<T> * static_cast<int64_t>(sizeof(W)) / 64;
    if (all.far) now.ahead.lines = (lines + tiles - 1) / tiles;
    int64_t r = 0;
    for (int64_t t = 0; t < tiles; t++) {
      const int64_t height = (rows - r + tiles - t - 1) / (tiles - t);
      now.ahead.line = reinterpret_cast<const char*>(here) + 64 * (lines + t * now.ahead.lines);
      choose<kTileRows<C>>(height, [&]<int R>() {
        product_tile<T, W, R, 1, C>(now, here, 0);
      });
      now.x += height * all.ldx;
      now.y += height * all.ldy;
      r += height;
    }
  }
}

// Full panels side by side for R rows, up to as many as the registers hold sums for.
template <typename T, typename W, int R>
void product_few(const Rows<T>& all, const W* w, int64_t full) {
  constexpr int most = kTileRows<kPanelVectors> / R;
  const int64_t groups = (full + most - 1) / most;
  int64_t p = 0;
  for (int64_t g = 0; g < groups; g++) {
    const int64_t side = (full - p + groups - g - 1) / (groups - g);
    Rows<T> now = all;
    now.y += p * kPanel<T>;
    if (now.bias) now.bias += p * kPanel<T>;
    const int64_t panel = kPanel<T> * all.K;
    choose<most>(side, [&]<int P>() {
      product_tile<T, W, R, P, kPanelVectors>(now, w + p * panel, panel);
    });
    p += side;
  }
}

template <typename T, typename W>
void product_on(const T* x, int64_t ldx, const W* w, const T* bias, bool accumulate, T* y,
                int64_t ldy, int64_t rows, int64_t K, int64_t N) {
  const bool far = K * N * static_cast<int64_t>(sizeof(W)) > kNearBytes;
  const Rows<T> all{x, ldx, bias, accumulate, y, ldy, K, kLanes<T>, far, {}};
  const int64_t full = N / kPanel<T>;
  if (rows == 0) return;
  const bool few = rows <= kTileRows<kPanelVectors> / 2;
  if (few)
    choose<kTileRows<kPanelVectors> / 2>(rows,
                                         [&]<int R>() { product_few<T, W, R>(all, w, full); });
  for (int64_t p = few ? full : 0; p * kPanel<T> < N; p++) {
    const int64_t first = p * kPanel<T>;
    const int64_t left = N - first;
    const int64_t vectors = left >= kPanel<T> ? kPanelVectors : packed_columns<T>(left) / kLanes<T>;
    Rows<T> now = all;
    now.y += first;
    if (bias) now.bias += first;
    now.tail = left - (vectors - 1) * kLanes<T> < kLanes<T> ? left - (vectors - 1) * kLanes<T>
                                                            : kLanes<T>;
    choose<kPanelVectors>(vectors,
                          [&]<int C>() { product_panel<T, W, C>(now, w + first * K, rows); });
  }
}

template <typename T>
void product(const T* x, int64_t ldx, const void* packed, bool half, const T* bias,
             bool accumulate, T* y, int64_t ldy, int64_t rows, int64_t K, int64_t N) {
  if constexpr (sizeof(T) == 4) {
    if (half) {
      const uint16_t* w = static_cast<const uint16_t*>(packed);
      return product_on(x, ldx, w, bias, accumulate, y, ldy, rows, K, N);
    }
  }
  product_on(x, ldx, static_cast<const T*>(packed), bias, accumulate, y, ldy, rows, K, N);
}

}  // namespace recurra::RECURRA_LEVEL

// y[r][n] = init + sum over k of x[r][k] W[k][n], with W packed; the contract is in kernels.h.
//
// K is cut into blocks whose part of a panel stays in the first cache while all rows pass over
// it, and meanwhile the next block is fetched: large weights come from far. Between blocks the sums
// wait in y, which continues the same chain. Few rows read weights once: there several panels go
// side by side, for enough chains at a time, and no more of them than the first cache will hold
// until the next product comes the other way.

#pragma once

#include "pack.h"

namespace recurra::RECURRA_LEVEL {

constexpr int64_t kBlockBytes = 32 << 10;
// Chains that keep the units busy.
constexpr int kChains = 8;
// Weights beyond this are not at hand in the second cache when they are needed again.
constexpr int64_t kNearBytes = 512 << 10;

// The operands of a product whose rows are the caller's. Arguments and not copies of this are what
// tiles get: a copy would wait until all earlier stores, among them those of x, have left the core.
template <typename T>
struct Rows {
  const T* x;
  int64_t ldx;
  const T* init;  // row r begins with init + r * ldi; null: with zeros
  int64_t ldi;
  T* y;
  int64_t ldy, K;
};

// Rows of one tile, P panels of C vectors, the last with `tail` lanes; x, init and y are at the
// tile's first element.
template <typename T, typename W, int R, int P, int C>
void product_tile(const T* x, int64_t ldx, const W* w, int64_t panel, int64_t K, const T* init,
                  int64_t ldi, T* y, int64_t ldy, int64_t tail, const char* line, int64_t lines) {
  constexpr int L = kLanes<T>, V = P * C;
  const bool whole = tail == L;
  vec<T> sum[R][V];
#pragma GCC unroll 32
  for (int r = 0; r < R; r++) {
#pragma GCC unroll 32
    for (int c = 0; c < V; c++) {
      if (!init)
        sum[r][c] = vec<T>{};
      else if (c < V - 1 || whole)
        sum[r][c] = load(init + r * ldi + c * L);
      else
        sum[r][c] = load_part(init + r * ldi + c * L, tail);
    }
  }
  tile<T, W, R, P, C>(x, ldx, 1, w, panel, K, sum, {line, lines});
#pragma GCC unroll 32
  for (int r = 0; r < R; r++) {
#pragma GCC unroll 32
    for (int c = 0; c < V; c++) {
      T* to = y + r * ldy + c * L;
      if (c < V - 1 || whole)
        store<T>(to, sum[r][c]);
      else
        store_part(to, sum[r][c], tail);
    }
  }
}

// All rows on one panel of C vectors, whose first column is `column`. Tiles are as even as they
// can be. next: what to ask for while the last block is worked on; null: nothing at all.
template <typename T, typename W, int C>
void product_panel(const Rows<T>& all, const W* w, int64_t column, int64_t tail, const W* next,
                   int64_t rows) {
  constexpr int64_t block = kBlockBytes / (C * kVectorBytes);
  const int64_t tiles = (rows + kTileRows<C> - 1) / kTileRows<C>;
  for (int64_t k = 0; k == 0 || k < all.K; k += block) {
    const int64_t K = all.K - k < block ? all.K - k : block;
    const T* begin = k > 0 ? all.y : all.init;
    const int64_t ldi = k > 0 ? all.ldy : all.ldi;
    const W* here = w + k * C * kLanes<T>;
    const int64_t all_lines = K * C * kLanes<T> * static_cast<int64_t>(sizeof(W)) / 64;
    const int64_t lines = next ? (all_lines + tiles - 1) / tiles : 0;
    const W* following = k + block < all.K ? here + K * C * kLanes<T> : next;
    int64_t r = 0;
    for (int64_t t = 0; t < tiles; t++) {
      const int64_t height = (rows - r + tiles - t - 1) / (tiles - t);
      const char* line = reinterpret_cast<const char*>(following) + 64 * t * lines;
      const T* x = all.x + r * all.ldx + k;
      const T* init = begin ? begin + r * ldi + column : nullptr;
      T* y = all.y + r * all.ldy + column;
      choose<kTileRows<C>>(height, [&]<int R>() {
        product_tile<T, W, R, 1, C>(x, all.ldx, here, 0, K, init, ldi, y, all.ldy, tail, line,
                                    lines);
      });
      r += height;
    }
  }
}

// Full panels side by side for R rows, up to as many as the registers hold sums for.
template <typename T, typename W, int R>
void product_few(const Rows<T>& all, const W* w, int64_t full, bool back) {
  constexpr int64_t most = kTileRows<kPanelVectors> / R;
  constexpr int64_t least = (kChains + R * kPanelVectors - 1) / (R * kPanelVectors);
  const int64_t panel = kPanel<T> * all.K;
  const int64_t bytes = panel * static_cast<int64_t>(sizeof(W));
  int64_t sides = most;
  if (full * bytes <= 3 * kBlockBytes) {
    while (sides > least && sides * bytes > kBlockBytes) sides--;
  }
  const int64_t groups = full > sides ? (full + sides - 1) / sides : 1;
  const int64_t even = groups > 1 ? full / groups : full, more = full - even * groups;
  for (int64_t i = 0; i < groups; i++) {
    const int64_t g = back ? groups - 1 - i : i;
    const int64_t p = g * even + (g < more ? g : more), side = even + (g < more);
    const T* init = all.init ? all.init + p * kPanel<T> : nullptr;
    choose<most>(side, [&]<int P>() {
      product_tile<T, W, R, P, kPanelVectors>(all.x, all.ldx, w + p * panel, panel, all.K, init,
                                              all.ldi, all.y + p * kPanel<T>, all.ldy, kLanes<T>,
                                              nullptr, 0);
    });
  }
}

// Panels first..last, one after another.
template <typename T, typename W>
void product_many(const Rows<T>& all, const W* w, int64_t rows, int64_t N, int64_t first,
                  int64_t last, bool back) {
  const bool far = all.K * N * static_cast<int64_t>(sizeof(W)) > kNearBytes;
  const int64_t panel = kPanel<T> * all.K;
  for (int64_t i = first; i < last; i++) {
    const int64_t p = back ? first + last - 1 - i : i;
    const int64_t column = p * kPanel<T>, left = N - column;
    const int64_t vectors = left >= kPanel<T> ? kPanelVectors : packed_columns<T>(left) / kLanes<T>;
    const int64_t end = left - (vectors - 1) * kLanes<T>;
    const int64_t tail = end < kLanes<T> ? end : kLanes<T>;
    const W* here = w + p * panel;
    const W* next = !far ? nullptr : back ? (p > first ? here - panel : here) : here + panel;
    choose<kPanelVectors>(vectors, [&]<int C>() {
      product_panel<T, W, C>(all, here, column, tail, next, rows);
    });
  }
}

template <typename T, typename W>
void product_on(const Rows<T>& all, const W* w, int64_t rows, int64_t N, bool back) {
  constexpr int64_t few = kTileRows<kPanelVectors> / 2;
  if (rows == 0) return;
  const int64_t full = rows <= few ? N / kPanel<T> : 0;
  const auto side_by_side = [&] {
    choose<few>(rows, [&]<int R>() { product_few<T, W, R>(all, w, full, back); });
  };
  if (full && !back) side_by_side();
  if (full * kPanel<T> < N) product_many(all, w, rows, N, full, panels<T>(N), back);
  if (full && back) side_by_side();
}

template <typename T>
int64_t product_scratch(int64_t) {
  return 0;
}

template <typename T, typename W>
void product(const T* x, int64_t ldx, const void* packed, const T* bias, bool accumulate, T* y,
             int64_t ldy, int64_t rows, int64_t K, int64_t N, bool back, void*) {
  const T* init = bias ? bias : accumulate ? y : nullptr;
  const Rows<T> all{x, ldx, init, bias ? 0 : ldy, y, ldy, K};
  product_on(all, static_cast<const W*>(packed), rows, N, back);
}

}  // namespace recurra::RECURRA_LEVEL

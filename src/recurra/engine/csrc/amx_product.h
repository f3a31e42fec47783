// y[r][n] = init + sum over k of x[r][k] W[k][n] on tiles; the contract is in kernels.h.
//
//   packed    panels of two tiles of columns, one behind the other: [K / 32][tiles of the panel],
//             filled with 0 up to whole tiles
//
// Rows become bfloat16 once, kStripRows of them at a time. K is cut into blocks: what a strip of
// many rows needs of a panel then stays in the first cache, or what a panel needs of few rows.
// Between blocks the sums wait in y.

#pragma once

#include "amx.h"
#include "kernels.h"

namespace recurra::RECURRA_LEVEL {

constexpr int64_t kStripRows = 128;
constexpr int64_t kBlockDepths = 8;
constexpr int64_t kPanelTiles = 2;

// Tiles of columns.
RECURRA_INLINE int64_t column_tiles(int64_t N) { return (N + kSide - 1) / kSide; }

inline int64_t tiles_panels(int64_t N) {
  return (column_tiles(N) + kPanelTiles - 1) / kPanelTiles;
}

inline int64_t tiles_bytes(int64_t K, int64_t N) {
  return depths(K) * column_tiles(N) * kTile * 2;
}

// One tile: rows k.. of W, of which `left` are there, and n columns.
RECURRA_INLINE void pack_tile(const float* w, int64_t sk, int64_t sn, int64_t left, int64_t n,
                              uint16_t* out) {
  vec<float> v[kSide];
  for (int i = 0; i < kSide; i++) {
    if (sk == 1) {
      const float* from = w + i * sn;
      v[i] = i < n ? row_of(load_some(from, left), load_some(from + kSide, left - kSide))
                   : vec<float>{};
      continue;
    }
    vec<float> row[2]{};
    for (int j = 0; j < 2; j++) {
      const float* from = w + (2 * i + j) * sk;
      if (2 * i + j >= left) continue;
      if (sn == 1)
        row[j] = load_some(from, n);
      else
        for (int c = 0; c < n; c++) row[j][c] = from[c * sn];
    }
    v[i] = pairs(row[0], row[1]);
  }
  if (sk == 1) transpose<float>(v);
  for (int i = 0; i < kSide; i++) store_pairs(out + i * kDepth, v[i]);
}

inline void tiles_pack(const float* w, int64_t sk, int64_t sn, int64_t K, int64_t N, void* packed,
                       int64_t panel0, int64_t panel1) {
  for (int64_t p = panel0; p < panel1; p++) {
    const int64_t first = p * kPanelTiles, last = first + kPanelTiles;
    const int64_t width = (last < column_tiles(N) ? last : column_tiles(N)) - first;
    uint16_t* out = static_cast<uint16_t*>(packed) + first * depths(K) * kTile;
    for (int64_t k = 0; k < K; k += kDepth) {
      for (int64_t t = first; t < first + width; t++, out += kTile) {
        const int64_t n = t * kSide, left = N - n;
        pack_tile(w + k * sk + n * sn, sk, sn, K - k, left < kSide ? left : kSide, out);
      }
    }
  }
}

// Rows as tiles on the left, `height` in each: [rows / height][K / 32][16][32].
inline void round_rows(const float* x, int64_t ldx, int64_t rows, int64_t K, int64_t height,
                       uint16_t* out) {
  for (int64_t r = 0; r < rows; r++, x += ldx) {
    uint16_t* to = out + r / height * depths(K) * kTile + r % height * kDepth;
    int64_t k = 0;
    for (; k + kDepth <= K; k += kDepth, to += kTile)
      store_pairs(to, row_of(load(x + k), load(x + k + kSide)));
    const float *rest = x + k, *more = rest + kSide;
    if (k < K) store_pairs(to, row_of(load_some(rest, K - k), load_some(more, K - k - kSide)));
  }
}

// Rows of a product that have one shape of tiles: pairs of 16, or at most two tiles.
struct Strip {
  const uint16_t* x;  // as round_rows leaves it
  int64_t rows, height;
  const float* init;  // row r begins with init + r * ldi; null: with zeros
  int64_t ldi;
  float* y;
  int64_t ldy, K, N;

  int64_t tiles() const { return (rows + height - 1) / height; }
  int64_t rows_of(int64_t tile) const {
    return rows - tile * height < height ? rows - tile * height : height;
  }
  // What a tile of rows and column n of sums are in `to`.
  Part part(const float* to, int64_t ld, int64_t tile, int64_t n) const {
    float* at = to ? const_cast<float*>(to) + tile * height * ld + n : nullptr;
    return {at, ld, 1, rows_of(tile), N - n < kSide ? N - n : kSide};
  }
};

// Tiles r0.. of rows, R of them, on C of columns from n on, over steps k0..k1 of K.
template <int R, int C>
void strip_tiles(const Strip& s, int64_t r0, const uint16_t* w, int64_t n, int64_t k0,
                 int64_t k1) {
  constexpr int64_t width = C > 1 ? 2 : 1;
  const int64_t depth = depths(s.K) * kTile;
  each_sum<R, C>([&]<int tile>(int64_t r, int64_t c) RECURRA_LAMBDA {
    const float* begin = k0 ? s.y : s.init;
    const Part part = s.part(begin, k0 ? s.ldy : s.ldi, r0 + r, n + c * kSide);
    begin_sums<tile>(part, part.rows);
  });
  const Tiles left{s.x + r0 * depth + k0 * kTile, depth, kTile};
  const Tiles right{w + k0 * width * kTile, kTile, width * kTile};
  add_products<R, C>(left, right, right.at + width * depth, k1 - k0);
  each_sum<R, C>([&]<int tile>(int64_t r, int64_t c) RECURRA_LAMBDA {
    const Part part = s.part(s.y, s.ldy, r0 + r, n + c * kSide);
    end_sums<tile>(part, part.rows);
  });
}

// All rows of a strip on `width` tiles of columns: 1 or 2, or 4 for one tile of rows.
inline void strip_columns(const Strip& s, int64_t width, const uint16_t* w, int64_t n, int64_t k0,
                          int64_t k1) {
  if (width == 4) return strip_tiles<1, 4>(s, 0, w, n, k0, k1);
  for (int64_t r = 0; r < s.tiles(); r += 2) {
    const bool two = r + 1 < s.tiles();
    if (width == 2)
      two ? strip_tiles<2, 2>(s, r, w, n, k0, k1) : strip_tiles<1, 2>(s, r, w, n, k0, k1);
    else
      two ? strip_tiles<2, 1>(s, r, w, n, k0, k1) : strip_tiles<1, 1>(s, r, w, n, k0, k1);
  }
}

inline void strip(const Strip& s, const uint16_t* w, bool back) {
  const bool one = s.tiles() == 1;
  const int64_t all = column_tiles(s.N), most = one ? 4 : 2, depth = depths(s.K);
  const int64_t groups = (all + most - 1) / most, block = one ? 2 * kBlockDepths : kBlockDepths;
  for (int64_t k = 0; k == 0 || k < depth; k += block) {
    const int64_t end = k + block < depth ? k + block : depth;
    for (int64_t i = 0; i < groups; i++) {
      const int64_t t = (back ? groups - 1 - i : i) * most;
      const int64_t width = all - t < most ? all - t : most;
      const uint16_t* here = w + t * depth * kTile;
      const int64_t first = width == 3 ? 2 : width;
      strip_columns(s, first, here, t * kSide, k, end);
      if (width == 3) strip_columns(s, 1, here + 2 * depth * kTile, (t + 2) * kSide, k, end);
    }
  }
}

inline int64_t tiles_scratch(int64_t K) { return kStripRows * depths(K) * kDepth * 2; }

inline void tiles_product(const float* x, int64_t ldx, const void* packed, const float* bias,
                          bool accumulate, float* y, int64_t ldy, int64_t rows, int64_t K,
                          int64_t N, bool back, void* scratch) {
  uint16_t* rounded = static_cast<uint16_t*>(scratch);
  const float* init = bias ? bias : accumulate ? y : nullptr;
  for (int64_t r = 0; r < rows;) {
    const int64_t left = rows - r, pairs = left / (2 * kSide) * (2 * kSide);
    const int64_t now = pairs == 0 ? left : pairs < kStripRows ? pairs : kStripRows;
    const int64_t height = now > kSide ? (pairs ? kSide : (now + 1) / 2) : now;
    const Session session(height, now > kSide ? (pairs ? kSide : now - height) : now);
    round_rows(x + r * ldx, ldx, now, K, height, rounded);
    const int64_t ldi = bias ? 0 : ldy;
    const float* begin = init ? init + r * ldi : nullptr;
    const Strip s{rounded, now, height, begin, ldi, y + r * ldy, ldy, K, N};
    strip(s, static_cast<const uint16_t*>(packed), back);
    r += now;
  }
}

}  // namespace recurra::RECURRA_LEVEL

// C[m][n] (+)= sum over k of a[k][m] b[k][n] on tiles; the contract is in kernels.h.
//
// As in contract.h either axis may be the rows of tiles, and a unit is a panel of columns times a
// band of rows. What a unit needs of a and b becomes bfloat16 in scratch memory: panels once a
// call, bands one after another. C goes on with its chain, so nothing shows where a block of rows
// ends.

#pragma once

#include "amx.h"
#include "kernels.h"

namespace recurra::RECURRA_LEVEL {

constexpr int64_t kBandTiles = 8, kBand = kBandTiles * kSide;
constexpr int64_t kPanelSide = 2 * kSide;
// Steps of k whose part of a panel stays in the first cache.
constexpr int64_t kNearDepths = 8;

RECURRA_INLINE int64_t panels_of(int64_t N) { return (N + kPanelSide - 1) / kPanelSide; }

struct Grid {
  const float* const* a;  // rows of tiles
  int64_t M;
  Right<float> right[kMostRights];  // columns
  int64_t bands, panels;            // of all sides together
};

inline Grid contract_grid(const float* const* a, int64_t M, const Right<float>* rights,
                          int64_t sides) {
  Grid g{a, M, {}, 0, 0};
  for (int64_t i = 0; i < sides; i++) g.right[i] = rights[i];
  const auto [b, c, sm, sn, N] = rights[0];
  if (sides == 1 && sn != 1 && sm == 1) {
    g.a = b;
    g.M = N;
    g.right[0] = {a, c, sn, sm, M};
  }
  g.bands = (g.M + kBand - 1) / kBand;
  for (int64_t i = 0; i < sides; i++) g.panels += panels_of(g.right[i].N);
  return g;
}

inline int64_t tiles_units(int64_t M, const Right<float>* rights, int64_t sides) {
  const Grid g = contract_grid(nullptr, M, rights, sides);
  return g.bands * g.panels;
}

constexpr int64_t kPanelNumbers = kContractTileRows * kPanelSide;

inline int64_t tiles_contract_scratch(int64_t M, int64_t N) {
  const int64_t panels = panels_of(M > N ? M : N) + kMostRights;
  return (kContractTileRows * kBand + panels * kPanelNumbers) * 2;
}

// Sixteen columns of rows k.. as vectors of pairs, filled up with 0.
RECURRA_INLINE void gather_pairs(const float* const* rows, int64_t count, int64_t k, int64_t first,
                                 int64_t n, vec<float> (&v)[kSide]) {
  for (int64_t i = 0; i < kSide; i++) {
    const int64_t even = k + 2 * i, odd = even + 1;
    const vec<float> a = even < count ? load_some(rows[even] + first, n) : vec<float>{};
    const vec<float> b = odd < count ? load_some(rows[odd] + first, n) : vec<float>{};
    v[i] = pairs(a, b);
  }
}

// Columns first..first + n of rows as tiles, [n / 16][k / 32] on the left and [k / 32][n / 16] on
// the right.
template <bool on_left>
void gather_tiles(const float* const* rows, int64_t count, int64_t first, int64_t n,
                  uint16_t* out) {
  const int64_t tiles = (n + kSide - 1) / kSide, depth = depths(count);
  for (int64_t k = 0; k < depth; k++) {
    for (int64_t t = 0; t < tiles; t++) {
      vec<float> v[kSide];
      gather_pairs(rows, count, k * kDepth, first + t * kSide, n - t * kSide, v);
      if (on_left) transpose<float>(v);
      uint16_t* to = out + (on_left ? t * depth + k : k * tiles + t) * kTile;
      for (int i = 0; i < kSide; i++) store_pairs(to + i * kDepth, v[i]);
    }
  }
}

// A band by a panel, both in scratch, and the part of C that they make.
struct Unit {
  const uint16_t *band, *panel;
  int64_t depth;
  Part c;
  bool first;
};

template <int R, int C>
void unit_tiles(const Unit& u, int64_t tile_row, int64_t k0, int64_t k1) {
  const auto part = [&](int64_t r, int64_t c) RECURRA_LAMBDA {
    const int64_t m = (tile_row + r) * kSide, n = c * kSide;
    const int64_t rows = u.c.rows - m, columns = u.c.columns - n;
    return Part{u.c.at + m * u.c.row + n * u.c.column, u.c.row, u.c.column,
                rows < kSide ? rows : kSide, columns < kSide ? columns : kSide};
  };
  each_sum<R, C>([&]<int tile>(int64_t r, int64_t c) RECURRA_LAMBDA {
    u.first && k0 == 0 ? tile_clear<tile>() : begin_sums<tile>(part(r, c), kSide);
  });
  const Tiles left{u.band + (tile_row * u.depth + k0) * kTile, u.depth * kTile, kTile};
  const Tiles right{u.panel + k0 * C * kTile, kTile, C * kTile};
  add_products<R, C>(left, right, nullptr, k1 - k0);
  each_sum<R, C>([&]<int tile>(int64_t r, int64_t c) RECURRA_LAMBDA {
    end_sums<tile>(part(r, c), kSide);
  });
}

template <int C>
void run_unit(const Unit& u) {
  const int64_t tiles = (u.c.rows + kSide - 1) / kSide;
  for (int64_t k = 0; k == 0 || k < u.depth; k += kNearDepths) {
    const int64_t end = k + kNearDepths < u.depth ? k + kNearDepths : u.depth;
    for (int64_t t = 0; t < tiles; t += 2)
      t + 1 < tiles ? unit_tiles<2, C>(u, t, k, end) : unit_tiles<1, C>(u, t, k, end);
  }
}

inline void tiles_contract(const float* const* a, int64_t M, const Right<float>* rights,
                           int64_t sides, int64_t count, bool first, int64_t unit0, int64_t unit1,
                           void* scratch) {
  const Grid g = contract_grid(a, M, rights, sides);
  uint16_t* band = static_cast<uint16_t*>(scratch);
  uint16_t* panels = band + kContractTileRows * kBand;
  const Session session(kSide, kSide);
  int64_t here = -1;
  for (int64_t unit = unit0; unit < unit1; unit++) {
    const int64_t i = unit / g.panels;
    int64_t j = unit % g.panels;
    uint16_t* panel = panels + j * kPanelNumbers;
    const Right<float>* r = g.right;
    for (; j >= panels_of(r->N); r++) j -= panels_of(r->N);
    const int64_t m0 = i * kBand, height = g.M - m0 < kBand ? g.M - m0 : kBand;
    const int64_t n0 = j * kPanelSide, left = r->N - n0;
    const int64_t n = left < kPanelSide ? left : kPanelSide;
    if (i != here) gather_tiles<true>(g.a, count, m0, height, band);
    here = i;
    if (unit - unit0 < g.panels) gather_tiles<false>(r->b, count, n0, n, panel);
    const Part c{r->c + m0 * r->sm + n0 * r->sn, r->sm, r->sn, height, n};
    const Unit u{band, panel, depths(count), c, first};
    n > kSide ? run_unit<2>(u) : run_unit<1>(u);
  }
}

}  // namespace recurra::RECURRA_LEVEL

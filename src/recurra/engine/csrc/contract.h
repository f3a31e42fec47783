// C[m][n] (+)= sum over k of a[k][m] b[k][n] for one block of rows; the contract is in kernels.h.
//
// One of the axes m and n runs along vectors ("columns"), the other one along the rows of register
// tiles: the product of two numbers does not say which was which, so the choice may follow the
// strides of C and the waste in half-filled vectors without showing in a result.
//
// Contractions with one left-hand side may go together: its rows are gathered once.
//
// A unit is a panel of columns times a band of rows. Both parts of a and b are copied to scratch
// memory first, where they lie dense for all tiles: panels once a call, bands one after another.

#pragma once

#include "kernels.h"
#include "tile.h"

namespace recurra::RECURRA_LEVEL {

// Height of a band, and its leading dimension in scratch: an odd number of cache lines for both
// scalars, so that a column of it spreads over all cache sets.
constexpr int64_t kBand = 128;
template <typename T>
constexpr int64_t kBandWidth = kBand + 64 / sizeof(T);

template <typename T>
int64_t contract_panels(int64_t N) {
  return (N + kPanel<T> - 1) / kPanel<T>;
}

template <typename T>
struct Grid {
  const T* const* a;  // rows of register tiles
  int64_t M;
  Right<T> right[kMostRights];  // columns
  int64_t bands, panels;        // of all sides together
};

template <typename T>
Grid<T> contract_grid(const T* const* a, int64_t M, const Right<T>* rights, int64_t sides) {
  constexpr int64_t L = kLanes<T>;
  Grid<T> g{a, M, {}, 0, 0};
  for (int64_t i = 0; i < sides; i++) g.right[i] = rights[i];
  const auto [b, c, sm, sn, N] = rights[0];
  // Eighths of a vector operation a row of a and b; C is scattered one by one unless contiguous.
  const int64_t along_n = M * ((N + L - 1) / L) * (sn == 1 ? 8 : 11);
  const int64_t along_m = N * ((M + L - 1) / L) * (sm == 1 ? 8 : 11);
  if (sides == 1 && along_m < along_n) {
    g.a = b;
    g.M = N;
    g.right[0] = {a, c, sn, sm, M};
  }
  g.bands = (g.M + kBand - 1) / kBand;
  for (int64_t i = 0; i < sides; i++) g.panels += contract_panels<T>(g.right[i].N);
  return g;
}

template <typename T>
int64_t contract_units(int64_t M, const Right<T>* rights, int64_t sides) {
  const Grid<T> g = contract_grid<T>(nullptr, M, rights, sides);
  return g.bands * g.panels;
}

template <typename T>
int64_t contract_scratch(int64_t M, int64_t N) {
  const int64_t panels = contract_panels<T>(M > N ? M : N) + kMostRights;
  const int64_t columns = kBandWidth<T> + panels * kPanel<T>;
  return kContractRows * columns * static_cast<int64_t>(sizeof(T));
}

// out[k][0..n), rows `width` apart, = rows[k][first..first + n); filled up with 0 to whole vectors.
// Rows lie far apart, where no prefetcher of the machine sees the next one coming.
template <typename T>
void gather(const T* const* rows, int64_t count, int64_t first, int64_t n, T* out, int64_t width) {
  constexpr int64_t L = kLanes<T>, ahead = 12;
  for (int64_t k = 0; k < count; k++) {
    const T* from = rows[k] + first;
    if (k + ahead < count)
      for (int64_t c = 0; c < n; c += 64 / sizeof(T))
        __builtin_prefetch(rows[k + ahead] + first + c);
    T* to = out + k * width;
    int64_t c = 0;
    for (; c + L <= n; c += L) store<T>(to + c, load(from + c));
    if (c < n) store<T>(to + c, load_part(from + c, n - c));
  }
}

// Adds R rows of C vectors to C, of which n columns count.
template <typename T, int R, int C>
RECURRA_INLINE void put(const vec<T> (&sum)[R][C], bool first, T* c, int64_t sm, int64_t sn,
                        int64_t n) {
  constexpr int L = kLanes<T>;
  if (sn == 1) {
    for (int r = 0; r < R; r++)
      for (int v = 0; v < C; v++) {
        T* to = c + r * sm + v * L;
        const int64_t lanes = n - v * L;
        if (lanes >= L)
          store<T>(to, first ? sum[r][v] : load(to) + sum[r][v]);
        else
          store_part(to, first ? sum[r][v] : load_part(to, lanes) + sum[r][v], lanes);
      }
    return;
  }
  for (int r = 0; r < R; r++) {
    T row[C * L];
    for (int v = 0; v < C; v++) store<T>(row + v * L, sum[r][v]);
    for (int64_t j = 0; j < n; j++) {
      T* to = c + r * sm + j * sn;
      *to = first ? row[j] : *to + row[j];
    }
  }
}

template <typename T, int R, int C>
void contract_tile(const T* a, const T* b, int64_t count, bool first, T* c, int64_t sm,
                   int64_t sn, int64_t n) {
  vec<T> sum[R][C] = {};
  if (!first && sn == 1) {
#pragma GCC unroll 32
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
      for (int v = 0; v < C; v++) __builtin_prefetch(c + r * sm + v * kLanes<T>, 1);
  }
  tile<T, T, R, 1, C>(a, 1, kBandWidth<T>, b, 0, count, sum);
  put<T, R, C>(sum, first, c, sm, sn, n);
}

// A band of `height` rows by one panel of C vectors.
template <typename T, int C>
void contract_panel(const T* a, const T* b, int64_t count, bool first, T* c, int64_t sm,
                    int64_t sn, int64_t height, int64_t n) {
  const int64_t tiles = (height + kTileRows<C> - 1) / kTileRows<C>;
  int64_t m = 0;
  for (int64_t t = 0; t < tiles; t++) {
    const int64_t rows = (height - m + tiles - t - 1) / (tiles - t);
    choose<kTileRows<C>>(rows, [&]<int R>() {
      contract_tile<T, R, C>(a + m, b, count, first, c + m * sm, sm, sn, n);
    });
    m += rows;
  }
}

template <typename T>
void contract(const T* const* a, int64_t M, const Right<T>* rights, int64_t sides, int64_t count,
              bool first, int64_t unit0, int64_t unit1, void* scratch) {
  const Grid<T> g = contract_grid(a, M, rights, sides);
  T* band = static_cast<T*>(scratch);
  T* panels = band + kContractRows * kBandWidth<T>;
  int64_t here = -1;
  for (int64_t unit = unit0; unit < unit1; unit++) {
    const int64_t i = unit / g.panels;
    int64_t j = unit % g.panels;
    T* panel = panels + j * kPanel<T> * kContractRows;
    const Right<T>* r = g.right;
    for (; j >= contract_panels<T>(r->N); r++) j -= contract_panels<T>(r->N);
    const int64_t m0 = g.M * i / g.bands, height = g.M * (i + 1) / g.bands - m0;
    const int64_t n0 = j * kPanel<T>, left = r->N - n0;
    const int64_t n = left < kPanel<T> ? left : kPanel<T>;
    const int64_t vectors = (n + kLanes<T> - 1) / kLanes<T>;
    if (i != here) gather(g.a, count, m0, height, band, kBandWidth<T>);
    here = i;
    if (unit - unit0 < g.panels) gather(r->b, count, n0, n, panel, vectors * kLanes<T>);
    choose<kPanelVectors>(vectors, [&]<int C>() {
      contract_panel<T, C>(band, panel, count, first, r->c + m0 * r->sm + n0 * r->sn, r->sm, r->sn,
                           height, n);
    });
  }
}

}  // namespace recurra::RECURRA_LEVEL

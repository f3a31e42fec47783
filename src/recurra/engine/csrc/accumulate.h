// Sums of rows into the row that their four batch rows share; the contract is in kernels.h.

#pragma once

#include "kernels.h"
#include "level.h"

namespace recurra::RECURRA_LEVEL {

// to[j] += a[j] (* b[j]) for n columns, n at most a vector. An operand with column stride 0
// repeats its first element.
template <typename T>
RECURRA_INLINE vec<T> columns(const T* p, int64_t column, int64_t j, int64_t n) {
  if (!column) return splat(*p);
  return n == kLanes<T> ? load(p + j) : load_part(p + j, n);
}

// Adds the sum of `rows` rows from a (and b) on to the row `to`, which they share, and to `lost`
// what that addition rounds away: their own sum stays in registers from row to row.
template <typename T, bool two>
void add_rows(T* to, T* lost, const T* a, const T* b, const Stride& along_a, const Stride& along_b,
              int64_t rows, int64_t d) {
  constexpr int64_t L = kLanes<T>;
  for (int64_t j = 0; j < d; j += L) {
    const int64_t n = d - j < L ? d - j : L;
    vec<T> part{};
    for (int64_t r = 0; r < rows; r++) {
      const vec<T> x = columns(a + r * along_a.row, along_a.column, j, n);
      if constexpr (two)
        part = fma(x, columns(b + r * along_b.row, along_b.column, j, n), part);
      else
        part += x;
    }
    const vec<T> sum = n == L ? load(to + j) : load_part(to + j, n);
    const vec<T> now = sum + part, added = now - sum;
    const vec<T> away = (sum - (now - added)) + (part - added);
    const vec<T> all = (n == L ? load(lost + j) : load_part(lost + j, n)) + away;
    if (n == L) {
      store<T>(to + j, now);
      store<T>(lost + j, all);
    } else {
      store_part(to + j, now, n);
      store_part(lost + j, all, n);
    }
  }
}

template <typename T>
void accumulate(const Walk<T>& walk, int64_t rows, T* y, const T* const* x, int64_t first) {
  const Stride &a = walk.x[0], &b = walk.x[1];
  for (int64_t r0 = 0; r0 < rows;) {
    const int64_t row = (first + r0) / kSumRows;
    const int64_t end = (row + 1) * kSumRows - first;
    const int64_t now = (end < rows ? end : rows) - r0;
    for (int64_t g = 0; g < walk.n; g++) {
      T* to = y + row * walk.y.row + g * walk.y.group;
      T* lost = to + walk.y.row / 2;
      const T* from = x[0] + r0 * a.row + g * a.group;
      if (walk.reads == 1)
        add_rows<T, false>(to, lost, from, nullptr, a, a, now, walk.d);
      else
        add_rows<T, true>(to, lost, from, x[1] + r0 * b.row + g * b.group, a, b, now, walk.d);
    }
    r0 += now;
  }
}

}  // namespace recurra::RECURRA_LEVEL

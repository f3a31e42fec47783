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

// Rows r0..r1 of the span, which share the row `to`: sums stay in registers from row to row.
template <typename T>
void add_rows(const Span& span, T* to, const Ref<const T>& a, const Ref<const T>& b, int64_t r0,
              int64_t r1, int64_t g) {
  constexpr int64_t L = kLanes<T>;
  for (int64_t j = 0; j < span.d; j += L) {
    const int64_t n = span.d - j < L ? span.d - j : L;
    vec<T> sum = n == L ? load(to + j) : load_part(to + j, n);
    for (int64_t r = r0; r < r1; r++) {
      const vec<T> x = columns(a.p + r * a.row + g * a.group, a.column, j, n);
      if (b.p)
        sum = fma(x, columns(b.p + r * b.row + g * b.group, b.column, j, n), sum);
      else
        sum += x;
    }
    if (n == L)
      store<T>(to + j, sum);
    else
      store_part(to + j, sum, n);
  }
}

template <typename T>
void accumulate(Span span, Ref<T> sums, Ref<const T> a, Ref<const T> b, int64_t first) {
  // Groups that lie side by side everywhere are one.
  const auto dense = [&](int64_t group, int64_t column) { return group == span.d && column == 1; };
  if (dense(sums.group, 1) && dense(a.group, a.column) &&
      (!b.p || dense(b.group, b.column))) {
    span.d *= span.n;
    span.n = 1;
  }
  for (int64_t r0 = 0; r0 < span.rows;) {
    const int64_t row = (first + r0) / kSumRows;
    const int64_t end = (row + 1) * kSumRows - first;
    const int64_t r1 = end < span.rows ? end : span.rows;
    for (int64_t g = 0; g < span.n; g++) {
      add_rows(span, sums.p + row * sums.row + g * sums.group, a, b, r0, r1, g);
    }
    r0 = r1;
  }
}

}  // namespace recurra::RECURRA_LEVEL

// Rows of scores: compiled once a level, see level.h; the contract is in kernels.h.

#include "softmax.h"

#include "equations.h"
#include "kernels.h"
#include "math.h"

namespace recurra::RECURRA_LEVEL {

constexpr int64_t kPartials = 16;
template <typename T>
constexpr int kVectors = kPartials / kLanes<T>;

// The first n lanes of p, the others `rest`.
template <typename T>
RECURRA_INLINE vec<T> load_or(const T* p, int64_t n, T rest) {
  if (n >= kLanes<T>) return load(p);
  T lanes[kLanes<T>];
  for (int i = 0; i < kLanes<T>; i++) lanes[i] = i < n ? p[i] : rest;
  return load(lanes);
}

// Gives take(i, v) all columns, v being vector i of each 16, filled up with `rest`.
template <typename T, typename Take>
RECURRA_INLINE void sweep(const T* s, int64_t n, T rest, Take take) {
  int64_t j = 0;
  for (; j + kPartials <= n; j += kPartials) {
#pragma GCC unroll 8
    for (int i = 0; i < kVectors<T>; i++) take(i, load(s + j + i * kLanes<T>));
  }
  for (int i = 0; i < kVectors<T> && j < n; i++, j += kLanes<T>) take(i, load_or(s + j, n - j, rest));
}

// The join of 16 partial results as a tree.
template <typename T, typename Join>
RECURRA_INLINE T join(const vec<T> (&partial)[kVectors<T>], Join one) {
  T lanes[kPartials];
  for (int i = 0; i < kVectors<T>; i++) store<T>(lanes + i * kLanes<T>, partial[i]);
  for (int64_t half = kPartials / 2; half; half /= 2) {
    for (int64_t i = 0; i < half; i++) lanes[i] = one(lanes[i], lanes[i + half]);
  }
  return lanes[0];
}

template <typename T>
Exponents<T> exponents(const T* s, int64_t n, bool totals) {
  constexpr T least = -static_cast<T>(__builtin_inf());
  const auto add = [](T a, T b) RECURRA_LAMBDA { return a + b; };
  vec<T> high[kVectors<T>], sum[kVectors<T>] = {}, total[kVectors<T>] = {};
  for (auto& each : high) each = splat(least);
  sweep<T>(s, n, least, [&](int i, vec<T> v) RECURRA_LAMBDA {
    high[i] = operation::largest(v, high[i]);
  });
  const T largest = join<T>(high, [](T a, T b) RECURRA_LAMBDA {
    return a > b || a != a ? a : b;
  });
  sweep<T>(s, n, least, [&](int i, vec<T> v) RECURRA_LAMBDA {
    sum[i] += exp(v - splat(largest));
  });
  if (totals) sweep<T>(s, n, 0, [&](int i, vec<T> v) RECURRA_LAMBDA { total[i] += v; });
  return {largest, join<T>(sum, add), join<T>(total, add)};
}

template <typename T>
void shares(T* s, int64_t n, T shift, T less) {
  constexpr int64_t L = kLanes<T>;
  const vec<T> by = splat(shift), low = splat(less);
  int64_t j = 0;
  for (; j + L <= n; j += L) store<T>(s + j, exp(load(s + j) - by) - low);
  if (j < n) store_part(s + j, exp(load_part(s + j, n - j) - by) - low, n - j);
}

template <typename T>
void column_sums(const T* x, int64_t ldx, int64_t rows, int64_t n, bool first, T* total) {
  constexpr int64_t L = kLanes<T>, C = 4;
  int64_t j = 0;
  for (; j + C * L <= n; j += C * L) {
    vec<T> sum[C] = {};
    for (int64_t r = 0; r < rows; r++) {
#pragma GCC unroll 4
      for (int c = 0; c < C; c++) sum[c] += load(x + r * ldx + j + c * L);
    }
    for (int c = 0; c < C; c++) {
      T* to = total + j + c * L;
      store<T>(to, first ? sum[c] : load(to) + sum[c]);
    }
  }
  for (; j < n; j += L) {
    const int64_t lanes = n - j < L ? n - j : L;
    vec<T> sum{};
    for (int64_t r = 0; r < rows; r++) sum += load_part(x + r * ldx + j, lanes);
    store_part(total + j, first ? sum : load_part(total + j, lanes) + sum, lanes);
  }
}

template Exponents<float> exponents(const float*, int64_t, bool);
template Exponents<double> exponents(const double*, int64_t, bool);
template void shares(float*, int64_t, float, float);
template void shares(double*, int64_t, double, double);
template void column_sums(const float*, int64_t, int64_t, int64_t, bool, float*);
template void column_sums(const double*, int64_t, int64_t, int64_t, bool, double*);

}  // namespace recurra::RECURRA_LEVEL

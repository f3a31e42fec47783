// Elementary functions of vectors, V being vec<float> or vec<double>; a lane depends on itself.
//
// exp, expm1, log, log1p, sigmoid and tanh are computed here, alike at every level: within 2 ulp
// in float and 4 in double, NaN stays NaN, infinities and zeros go where mathematics and C send
// them. Coefficients interpolate at Chebyshev nodes in 60 digits and are rounded afterwards.
// sin, cos, erf and pow ask the C library, lane by lane.

#pragma once

#include "level.h"

namespace recurra::RECURRA_LEVEL {

// The numbers of one scalar. `q` is (exp(r) - 1 - r) / r^2 on |r| <= 0.3475, `p` is
// (2 atanh(s) - 2 s) / s^3 by z = s^2 on z <= 0.0296, both from the highest power down.
template <typename T>
struct Numbers;

template <>
struct Numbers<float> {
  typedef uint32_t U __attribute__((vector_size(kVectorBytes)));
  static constexpr int mantissa = 23, bias = 127;
  static constexpr float log2e = 1.44269504f;
  // The upper part has 15 bits, so that its product with an exponent is exact.
  static constexpr float ln2_upper = 0.693145752f, ln2_lower = 1.42860677e-6f;
  // 1.5 * 2^23 pushes fractions out; 127 more leaves the bits of an exponent behind.
  static constexpr float round = 12582912.0f + 127.0f;
  static constexpr float exponent = 8388608.0f;  // 2^23: a number or-ed in is added
  static constexpr float exp_low = -104.0f, exp_high = 89.0f;  // 0 and infinity
  static constexpr float expm1_low = -20.0f, tanh_high = 10.0f;  // -1 and 1
  static constexpr float smallest = 1.17549435e-38f, half_root = 0.707106769f;
  static constexpr float q[] = {1.9891247e-04f, 1.3933881e-03f, 8.3333105e-03f,
                                4.1666463e-02f, 1.6666667e-01f, 0.5f};
  static constexpr float p[] = {2.3336811e-01f, 2.8550586e-01f, 4.0000123e-01f, 6.666667e-01f};
};

template <>
struct Numbers<double> {
  typedef uint64_t U __attribute__((vector_size(kVectorBytes)));
  static constexpr int mantissa = 52, bias = 1023;
  static constexpr double log2e = 1.4426950408889634;
  static constexpr double ln2_upper = 6.93147180369123816490e-01;  // 33 bits
  static constexpr double ln2_lower = 1.90821492927058770002e-10;
  static constexpr double round = 6755399441055744.0 + 1023.0;
  static constexpr double exponent = 4503599627370496.0;
  static constexpr double exp_low = -746.0, exp_high = 710.0;
  static constexpr double expm1_low = -40.0, tanh_high = 22.0;
  static constexpr double smallest = 2.2250738585072014e-308, half_root = 0.70710678118654752;
  static constexpr double q[] = {2.091488256348507e-09,  2.5105490906986696e-08,
                                 2.7557273171941026e-07, 2.7557254740405416e-06,
                                 2.4801587325920163e-05, 1.9841269875342141e-04,
                                 1.3888888888883642e-03, 8.333333333325985e-03,
                                 4.166666666666667e-02,  1.666666666666667e-01,
                                 0.5};
  static constexpr double p[] = {1.3094416666525344e-01, 1.326802614042874e-01,
                                 1.5386267672882226e-01, 1.8181795124476754e-01,
                                 2.2222222396552982e-01, 2.857142857078221e-01,
                                 4.000000000000091e-01,  6.666666666666666e-01};
};

template <typename V>
struct scalar_of;
template <>
struct scalar_of<vec<float>> {
  using T = float;
};
template <>
struct scalar_of<vec<double>> {
  using T = double;
};
template <typename V>
using Of = Numbers<typename scalar_of<V>::T>;
template <typename V>
using Ints = ivec<typename scalar_of<V>::T>;
template <typename V>
using Bits = typename Of<V>::U;

template <typename V>
RECURRA_INLINE V abs(V x) {
  return (V)((Bits<V>)x & ~(Bits<V>)(-V{}));
}

// The size of x with the sign of s.
template <typename V>
RECURRA_INLINE V with_sign(V x, V s) {
  const Bits<V> sign = (Bits<V>)(-V{});
  return (V)(((Bits<V>)x & ~sign) | ((Bits<V>)s & sign));
}

// 2^i for exponents of normal numbers.
template <typename V>
RECURRA_INLINE V power_of_two(Bits<V> i) {
  return (V)((i + Of<V>::bias) << Of<V>::mantissa);
}

// By Horner's rule in x^2 on pairs of coefficients: half as long a chain at the same cost.
template <typename V, typename T, int n>
RECURRA_INLINE V polynomial(const T (&c)[n], V x, V square) {
  V y = n % 2 ? splat(c[0]) : fma(splat(c[0]), x, splat(c[1]));
#pragma GCC unroll 8
  for (int i = 2 - n % 2; i < n; i += 2) y = fma(y, square, fma(splat(c[i]), x, splat(c[i + 1])));
  return y;
}

// exp(x) = 2^n (1 + e) for x in the range of exp: n nearest, so that |e| < 0.42.
template <typename V>
struct Split {
  V n;        // as a number
  Bits<V> i;  // as an integer
  V power;    // 2^n where that is a normal number
  V e;
};

template <typename V>
RECURRA_INLINE Split<V> split(V x) {
  using O = Of<V>;
  const V shifted = fma(x, splat(O::log2e), splat(O::round));
  const V n = shifted - O::round;
  V r = fma(n, splat(-O::ln2_upper), x);
  r = fma(n, splat(-O::ln2_lower), r);
  const V square = r * r;
  const V e = fma(square, polynomial(O::q, r, square), r);
  const Bits<V> bits = (Bits<V>)shifted;
  return {n, bits - (Bits<V>)splat(O::round), (V)(bits << O::mantissa), e};
}

template <typename V>
RECURRA_INLINE V clamp(V x, typename scalar_of<V>::T low, typename scalar_of<V>::T high) {
  return greater(splat(low), lesser(splat(high), x));
}

// y 2^n, rounded once, also where it is subnormal or infinite.
#if defined(__AVX512F__)
RECURRA_INLINE vec<float> scale(vec<float> y, const Split<vec<float>>& s) {
  return _mm512_maskz_scalef_ps(0xffff, y, s.n);
}
RECURRA_INLINE vec<double> scale(vec<double> y, const Split<vec<double>>& s) {
  return _mm512_maskz_scalef_pd(0xff, y, s.n);
}
#else
template <typename V>
RECURRA_INLINE V scale(V y, const Split<V>& s) {
  // Half of n by a logical shift of what is positive: few levels shift 64 bits with the sign.
  const Bits<V> half = ((s.i + 4096) >> 1) - 2048;
  return y * power_of_two<V>(half) * power_of_two<V>(s.i - half);
}
#endif

template <typename V>
RECURRA_INLINE V exp(V x) {
  const Split<V> s = split(clamp(x, Of<V>::exp_low, Of<V>::exp_high));
  return scale(1 + s.e, s);
}

template <typename V>
RECURRA_INLINE V expm1(V x) {
  const Split<V> s = split(clamp(x, Of<V>::expm1_low, Of<V>::exp_high));
  // By half of 2^n, which is finite where the result is.
  const V half = power_of_two<V>(s.i - 1);
  return with_sign(fma(half, s.e, half - typename scalar_of<V>::T(0.5)) * 2, x);
}

template <typename V>
RECURRA_INLINE V sigmoid(V x) {
  const Split<V> s = split(clamp(-x, Of<V>::exp_low, Of<V>::exp_high));
  return 1 / (1 + scale(1 + s.e, s));
}

// (1 - u) / (1 + u) with u = exp(-2|x|), both in parts: near 0 as precise as exp(.) - 1.
template <typename V>
RECURRA_INLINE V tanh(V x) {
  const Split<V> s = split(-2 * lesser(splat(Of<V>::tanh_high), abs(x)));
  const V u = s.power, size = fma(-u, s.e, 1 - u) / fma(u, s.e, 1 + u);
  return (V)((Bits<V>)size | ((Bits<V>)x & (Bits<V>)(-V{})));
}

// y = 2^k (1 + f) for a normal y, with 1 + f between the root of 1/2 and the root of 2.
template <typename V>
struct Logarithm {
  V k, f;
};

template <typename V>
RECURRA_INLINE Logarithm<V> take_apart(V y) {
  using O = Of<V>;
  const Bits<V> one = (Bits<V>)splat<typename scalar_of<V>::T>(1);
  const Bits<V> root = (Bits<V>)splat(O::half_root);
  const Bits<V> moved = (Bits<V>)y + (one - root);
  const Bits<V> biased = moved >> O::mantissa;
  const V k = (V)(biased | (Bits<V>)splat(O::exponent)) - O::exponent - O::bias;
  const V m = (V)((moved & (((Bits<V>{} + 1) << O::mantissa) - 1)) + root);
  return {k, m - 1};
}

// k log(2) + log(1 + f), by s = f / (2 + f) and log(1 + f) = 2 atanh(s).
template <typename V>
RECURRA_INLINE V logarithm(V k, V f) {
  using O = Of<V>;
  using T = typename scalar_of<V>::T;
  const V s = f / (2 + f), z = s * s;
  const V square = T(0.5) * f * f;
  const V rest = fma(s, fma(z, polynomial(O::p, z, z * z), square), k * O::ln2_lower);
  return fma(k, splat(O::ln2_upper), f - (square - rest));
}

// Where the logarithm of x is not a finite number.
template <typename V>
RECURRA_INLINE V at_the_ends(V x, V result) {
  using T = typename scalar_of<V>::T;
  constexpr T infinity = static_cast<T>(__builtin_inf());
  const V y = select(x < infinity, result, x);
  return select(x > 0, y, select(x == 0, splat(-infinity), splat(-infinity) * 0 + x));
}

template <typename V>
RECURRA_INLINE V log(V x) {
  using O = Of<V>;
  const auto small = x < O::smallest;
  const Logarithm<V> l = take_apart(select(small, x * O::exponent, x));
  return at_the_ends(x, logarithm(select(small, l.k - O::mantissa, l.k), l.f));
}

template <typename V>
RECURRA_INLINE V log1p(V x) {
  using O = Of<V>;
  const V u = 1 + x;
  // What rounding took from 1 + x; where 2^-k would leave the range, it is far too little.
  const V lost = select(abs(x) < 1, x - (u - 1), 1 - (u - x));
  const Logarithm<V> l = take_apart(u);
  const V k = select(l.k > O::bias - 1, splat<typename scalar_of<V>::T>(O::bias - 1), l.k);
  const Bits<V> down = (Bits<V>)splat(O::round) - (Bits<V>)(k + O::round);
  const V y = logarithm(l.k, l.f + lost * power_of_two<V>(down));
  return at_the_ends(u, with_sign(y, x));
}

template <typename V, typename F>
RECURRA_INLINE V by_lane(V x, F f) {
  for (int i = 0; i < kLanes<typename scalar_of<V>::T>; i++) x[i] = f(x[i]);
  return x;
}

RECURRA_INLINE vec<float> sin(vec<float> x) {
  return by_lane(x, [](float a) { return __builtin_sinf(a); });
}
RECURRA_INLINE vec<double> sin(vec<double> x) {
  return by_lane(x, [](double a) { return __builtin_sin(a); });
}
RECURRA_INLINE vec<float> cos(vec<float> x) {
  return by_lane(x, [](float a) { return __builtin_cosf(a); });
}
RECURRA_INLINE vec<double> cos(vec<double> x) {
  return by_lane(x, [](double a) { return __builtin_cos(a); });
}
RECURRA_INLINE vec<float> erf(vec<float> x) {
  return by_lane(x, [](float a) { return __builtin_erff(a); });
}
RECURRA_INLINE vec<double> erf(vec<double> x) {
  return by_lane(x, [](double a) { return __builtin_erf(a); });
}
RECURRA_INLINE vec<float> pow(vec<float> a, vec<float> b) {
  for (int i = 0; i < kLanes<float>; i++) a[i] = __builtin_powf(a[i], b[i]);
  return a;
}
RECURRA_INLINE vec<double> pow(vec<double> a, vec<double> b) {
  for (int i = 0; i < kLanes<double>; i++) a[i] = __builtin_pow(a[i], b[i]);
  return a;
}

#if defined(__AVX512F__)
RECURRA_INLINE vec<float> sqrt(vec<float> x) { return _mm512_maskz_sqrt_ps(0xffff, x); }
RECURRA_INLINE vec<double> sqrt(vec<double> x) { return _mm512_maskz_sqrt_pd(0xff, x); }
RECURRA_INLINE vec<float> floor(vec<float> x) {
  return _mm512_maskz_roundscale_ps(0xffff, x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
RECURRA_INLINE vec<double> floor(vec<double> x) {
  return _mm512_maskz_roundscale_pd(0xff, x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
#elif defined(__AVX2__)
RECURRA_INLINE vec<float> sqrt(vec<float> x) { return _mm256_sqrt_ps(x); }
RECURRA_INLINE vec<double> sqrt(vec<double> x) { return _mm256_sqrt_pd(x); }
RECURRA_INLINE vec<float> floor(vec<float> x) { return _mm256_floor_ps(x); }
RECURRA_INLINE vec<double> floor(vec<double> x) { return _mm256_floor_pd(x); }
#else
RECURRA_INLINE vec<float> sqrt(vec<float> x) {
  return by_lane(x, [](float a) { return __builtin_sqrtf(a); });
}
RECURRA_INLINE vec<double> sqrt(vec<double> x) {
  return by_lane(x, [](double a) { return __builtin_sqrt(a); });
}
RECURRA_INLINE vec<float> floor(vec<float> x) {
  return by_lane(x, [](float a) { return __builtin_floorf(a); });
}
RECURRA_INLINE vec<double> floor(vec<double> x) {
  return by_lane(x, [](double a) { return __builtin_floor(a); });
}
#endif

}  // namespace recurra::RECURRA_LEVEL

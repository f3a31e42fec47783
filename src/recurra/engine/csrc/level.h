// Vectors of one SIMD level: vec<T> is as wide as the flags allow, by vector extensions.
//
// The build compiles kernels.cpp once a level with -DRECURRA_LEVEL=<name>, the level's flags and
// -ffp-contract=off: products and sums are fused where fma() says so and nowhere else, or the same
// source would round differently in a vector's body and in a tail. Everything that depends on the
// flags lives in this namespace, so that the linker cannot take one level's code for another's.
//
// Levels differ in width alone, except that a target without fused multiply-add (x86-64 before
// AVX2) rounds fma() twice: its last bits differ from the other levels', not within the level.

#pragma once

#include <cstdint>
#include <utility>

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#define RECURRA_INLINE inline __attribute__((always_inline))
#define RECURRA_LAMBDA __attribute__((always_inline))

namespace recurra::RECURRA_LEVEL {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
constexpr int kRegisters = 32;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
constexpr int kRegisters = 16;
#else
constexpr int kVectorBytes = 16;
#if defined(__ARM_NEON)
constexpr int kRegisters = 32;
#else
constexpr int kRegisters = 16;
#endif
#endif

template <typename T>
struct simd;

template <>
struct simd<float> {
  typedef float V __attribute__((vector_size(kVectorBytes)));
  typedef int32_t I __attribute__((vector_size(kVectorBytes)));
  typedef uint16_t H __attribute__((vector_size(kVectorBytes / 2)));
};

template <>
struct simd<double> {
  typedef double V __attribute__((vector_size(kVectorBytes)));
  typedef int64_t I __attribute__((vector_size(kVectorBytes)));
};

template <typename T>
using vec = typename simd<T>::V;
// Integers as wide as T. A comparison of vec<T> gives one: -1 where true, 0 elsewhere.
template <typename T>
using ivec = typename simd<T>::I;

template <typename T>
constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(T));

template <typename T>
RECURRA_INLINE vec<T> splat(T x) {
  return x - vec<T>{};  // exact for -0 too, where adding 0 is not
}

template <typename T>
RECURRA_INLINE vec<T> load(const T* p) {
  vec<T> v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

template <typename T>
RECURRA_INLINE void store(T* p, vec<T> v) {
  __builtin_memcpy(p, &v, sizeof v);
}

// The first n lanes, 0 <= n <= kLanes; the others are read as 0, and their memory left alone.
RECURRA_INLINE vec<float> load_part(const float* p, int64_t n);
RECURRA_INLINE vec<double> load_part(const double* p, int64_t n);
RECURRA_INLINE void store_part(float* p, vec<float> v, int64_t n);
RECURRA_INLINE void store_part(double* p, vec<double> v, int64_t n);

// a * b + c, rounded once where the target can.
RECURRA_INLINE vec<float> fma(vec<float> a, vec<float> b, vec<float> c);
RECURRA_INLINE vec<double> fma(vec<double> a, vec<double> b, vec<double> c);
RECURRA_INLINE float fma(float a, float b, float c);
RECURRA_INLINE double fma(double a, double b, double c);

#if defined(__AVX512F__)

RECURRA_INLINE __mmask16 first16(int64_t n) { return static_cast<__mmask16>((1u << n) - 1); }
RECURRA_INLINE __mmask8 first8(int64_t n) { return static_cast<__mmask8>((1u << n) - 1); }

RECURRA_INLINE vec<float> load_part(const float* p, int64_t n) {
  return _mm512_maskz_loadu_ps(first16(n), p);
}
RECURRA_INLINE vec<double> load_part(const double* p, int64_t n) {
  return _mm512_maskz_loadu_pd(first8(n), p);
}
RECURRA_INLINE void store_part(float* p, vec<float> v, int64_t n) {
  _mm512_mask_storeu_ps(p, first16(n), v);
}
RECURRA_INLINE void store_part(double* p, vec<double> v, int64_t n) {
  _mm512_mask_storeu_pd(p, first8(n), v);
}
RECURRA_INLINE vec<float> fma(vec<float> a, vec<float> b, vec<float> c) {
  return _mm512_fmadd_ps(a, b, c);
}
RECURRA_INLINE vec<double> fma(vec<double> a, vec<double> b, vec<double> c) {
  return _mm512_fmadd_pd(a, b, c);
}

#elif defined(__AVX2__)

RECURRA_INLINE __m256i first8(int64_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)),
                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
RECURRA_INLINE __m256i first4(int64_t n) {
  return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
}

RECURRA_INLINE vec<float> load_part(const float* p, int64_t n) {
  return _mm256_maskload_ps(p, first8(n));
}
RECURRA_INLINE vec<double> load_part(const double* p, int64_t n) {
  return _mm256_maskload_pd(p, first4(n));
}
RECURRA_INLINE void store_part(float* p, vec<float> v, int64_t n) {
  _mm256_maskstore_ps(p, first8(n), v);
}
RECURRA_INLINE void store_part(double* p, vec<double> v, int64_t n) {
  _mm256_maskstore_pd(p, first4(n), v);
}
RECURRA_INLINE vec<float> fma(vec<float> a, vec<float> b, vec<float> c) {
  return _mm256_fmadd_ps(a, b, c);
}
RECURRA_INLINE vec<double> fma(vec<double> a, vec<double> b, vec<double> c) {
  return _mm256_fmadd_pd(a, b, c);
}

#else

template <typename T>
RECURRA_INLINE vec<T> load_lanes(const T* p, int64_t n) {
  vec<T> v{};
  for (int i = 0; i < kLanes<T>; i++)
    if (i < n) v[i] = p[i];
  return v;
}
template <typename T>
RECURRA_INLINE void store_lanes(T* p, vec<T> v, int64_t n) {
  for (int i = 0; i < kLanes<T>; i++)
    if (i < n) p[i] = v[i];
}

RECURRA_INLINE vec<float> load_part(const float* p, int64_t n) { return load_lanes(p, n); }
RECURRA_INLINE vec<double> load_part(const double* p, int64_t n) { return load_lanes(p, n); }
RECURRA_INLINE void store_part(float* p, vec<float> v, int64_t n) { store_lanes<float>(p, v, n); }
RECURRA_INLINE void store_part(double* p, vec<double> v, int64_t n) {
  store_lanes<double>(p, v, n);
}

#if defined(__ARM_NEON)
RECURRA_INLINE vec<float> fma(vec<float> a, vec<float> b, vec<float> c) {
  return vfmaq_f32(c, a, b);
}
RECURRA_INLINE vec<double> fma(vec<double> a, vec<double> b, vec<double> c) {
  return vfmaq_f64(c, a, b);
}
#else
RECURRA_INLINE vec<float> fma(vec<float> a, vec<float> b, vec<float> c) { return a * b + c; }
RECURRA_INLINE vec<double> fma(vec<double> a, vec<double> b, vec<double> c) { return a * b + c; }
#endif

#endif

#if defined(__FMA__) || defined(__ARM_NEON)
RECURRA_INLINE float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
RECURRA_INLINE double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }
#else
RECURRA_INLINE float fma(float a, float b, float c) { return a * b + c; }
RECURRA_INLINE double fma(double a, double b, double c) { return a * b + c; }
#endif

// Lane i of the result is that of a where `where` is -1, of b where it is 0.
template <typename V, typename I>
RECURRA_INLINE V select(I where, V a, V b) {
  return where ? a : b;
}

// a where it is smaller (larger), else b: so b where one of them is not a number.
#if defined(__AVX512F__)
RECURRA_INLINE vec<float> lesser(vec<float> a, vec<float> b) {
  return _mm512_maskz_min_ps(0xffff, a, b);
}
RECURRA_INLINE vec<double> lesser(vec<double> a, vec<double> b) {
  return _mm512_maskz_min_pd(0xff, a, b);
}
RECURRA_INLINE vec<float> greater(vec<float> a, vec<float> b) {
  return _mm512_maskz_max_ps(0xffff, a, b);
}
RECURRA_INLINE vec<double> greater(vec<double> a, vec<double> b) {
  return _mm512_maskz_max_pd(0xff, a, b);
}
#else
template <typename V>
RECURRA_INLINE V lesser(V a, V b) {
  return select(a < b, a, b);
}
template <typename V>
RECURRA_INLINE V greater(V a, V b) {
  return select(a > b, a, b);
}
#endif

template <typename T>
using Sequence = std::make_integer_sequence<int, kLanes<T>>;

// Lane i plus lane i + S in the first S lanes.
template <int S, typename V, int... i>
RECURRA_INLINE V fold(V v, std::integer_sequence<int, i...>) {
  return v + __builtin_shufflevector(v, v, (i + S < int(sizeof...(i)) ? i + S : i)...);
}

// The sum of all lanes, as a tree: lane i and lane i + half of them first.
template <typename T, int S = kLanes<T> / 2>
RECURRA_INLINE T sum_lanes(vec<T> v) {
  const vec<T> folded = fold<S>(v, Sequence<T>{});
  if constexpr (S == 1)
    return folded[0];
  else
    return sum_lanes<T, S / 2>(folded);
}

// bfloat16: the upper half of a float.
RECURRA_INLINE vec<float> load(const uint16_t* p) {
  simd<float>::H h;
  __builtin_memcpy(&h, p, sizeof h);
#if defined(__AVX512F__)
  const ivec<float> wide = (ivec<float>)_mm512_maskz_cvtepu16_epi32(0xffff, (__m256i)h) << 16;
#elif defined(__AVX2__)
  const ivec<float> wide = (ivec<float>)_mm256_cvtepu16_epi32((__m128i)h) << 16;
#else
  const ivec<float> wide = __builtin_convertvector(h, ivec<float>) << 16;
#endif
  vec<float> v;
  __builtin_memcpy(&v, &wide, sizeof v);
  return v;
}

// To nearest, ties to even; a NaN stays one.
RECURRA_INLINE void store_half(uint16_t* p, vec<float> v) {
  ivec<float> bits;
  __builtin_memcpy(&bits, &v, sizeof bits);
  const ivec<float> upper = (bits >> 16) & 0xffff;
  // An addition that wraps around is of a NaN, which `select` replaces.
  typedef uint32_t U __attribute__((vector_size(kVectorBytes)));
  const ivec<float> rounded = (ivec<float>)(((U)bits + 0x7fff + (U)(upper & 1)) >> 16);
  const ivec<float> half = select(v != v, upper | 0x40, rounded);
  const simd<float>::H h = __builtin_convertvector(half, simd<float>::H);
  __builtin_memcpy(p, &h, sizeof h);
}

}  // namespace recurra::RECURRA_LEVEL

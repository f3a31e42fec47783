// The loops of the matrix recurrence: compiled once a level, see level.h. The contract is in
// matrix.h and kernels.h.
//
// Forward, a step is one pass over S: the sums o_t and b_{t+1}^T S_t are formed while a row of S_t
// is in registers. Backward, with G_t the gradient of S_t, w_t = b_t^T S_{t-1} and
// e_t = -a_t^T G_t, a step is closed and the one before it opened in one pass over G:
//
//   close t:  dD_t = rows of G_t * S_{t-1}   db_t = S_{t-1} e_t   G_{t-1} = diag(D_t) G_t + b_t e_t^T
//   open t:   G_t += q_t do_t^T   dc_t = G_t d_t   da_t = -G_t w_t   dd_t = G_t^T c_t   e_t
//
// and dq_t = S_t do_t when the states are computed once more. w is kept with its sign changed.

#include "matrix.h"

#include "kernels.h"
#include "level.h"
#include "matrix_vectors.h"
#include "tile.h"

namespace recurra::RECURRA_LEVEL {

namespace {

// Vectors of columns that a pass holds in registers: forward, and, in groups, backward.
constexpr int kAhead = kRegisters == 32 ? 4 : 2;
template <typename T>
constexpr int kBackGroups = kAhead / kGroup<T> > 1 ? kAhead / kGroup<T> : 1;
// Columns of a block of the backward.
template <typename T>
constexpr int64_t kBlock = 256 / sizeof(T);

// w = -b^T S of C vectors of columns.
template <typename T, int C>
RECURRA_INLINE void recall(const T* S, int64_t ld, int64_t K, const T* b, vec<T> (&w)[C]) {
  vec<T> sum[C] = {};
  for (int64_t k = 0; k < K; k++) {
#pragma GCC unroll 16
    for (int v = 0; v < C; v++) sum[v] = fma(splat(b[k]), load(S + k * ld + v * kLanes<T>), sum[v]);
  }
#pragma GCC unroll 16
  for (int v = 0; v < C; v++) w[v] = -sum[v];
}

// One step of C vectors of columns. b is that of the step after.
template <typename T, int C, bool erase>
RECURRA_INLINE void step(T* S, const MatrixHead<T>& h, int64_t t, const T* b, vec<T> (&w)[C],
                         const vec<T> (&d)[C], vec<T> (&o)[C]) {
  constexpr int64_t L = kLanes<T>;
  const T *decay = h.decay(t), *a = erase ? h.a(t) : nullptr, *c = h.c(t), *q = h.q(t);
  const int64_t along = h.along_decay, K = h.K;
  vec<T> next[C] = {}, out[C] = {};
  for (int64_t k = 0; k < K; k++) {
    // Read once a row: a store to S might change them, for all that the compiler knows.
    const vec<T> keep = splat(decay[k * along]), add = splat(c[k]), ask = splat(q[k]);
    const vec<T> take = erase ? splat(a[k]) : keep, look = erase ? splat(b[k]) : keep;
#pragma GCC unroll 16
    for (int v = 0; v < C; v++) {
      T* at = S + (k * C + v) * L;
      vec<T> s = load(at) * keep;
      if constexpr (erase) s = fma(take, w[v], s);
      s = fma(add, d[v], s);
      store<T>(at, s);
      out[v] = fma(ask, s, out[v]);
      if constexpr (erase) next[v] = fma(look, s, next[v]);
    }
  }
#pragma GCC unroll 16
  for (int v = 0; v < C; v++) o[v] = out[v], w[v] = -next[v];
}

template <typename T, int C, bool erase>
void ahead(const MatrixHead<T>& h, const MatrixResult<T>& to, int64_t first, int64_t n, T* S,
           const Stop& stop) {
  constexpr int64_t ld = C * kLanes<T>;
  fetch(h.S + first, h.V, h.K, n, S, ld);
  vec<T> w[C] = {}, d[C], o[C];
  if (erase && h.steps > 0) recall<T, C>(S, ld, h.K, h.b(0), w);
  for (int64_t t = 0; t < h.steps; t++) {
    if (t > 0 && t % kMatrixEvery == 0) {
      if (stop.ask(stop.context)) return;
      if (to.kept) {
        T* kept = to.kept + (t / kMatrixEvery - 1) * h.K * h.V;
        put_back(S, ld, h.K, n, kept + first, h.V);
      }
    }
    if (h.reset && h.reset[t]) {
      clear(S, h.K * ld);
      for (auto& each : w) each = vec<T>{};
    }
    read(h.d(t) + first, n, d);
    step<T, C, erase>(S, h, t, erase ? h.b(t + 1 < h.steps ? t + 1 : t) : nullptr, w, d, o);
    write(to.o(t) + first, n, o);
  }
  put_back(S, ld, h.K, n, to.last + first, h.V);
}

// What the backward of one block of columns works with; rows of columns are ld apart.
template <typename T>
struct Work {
  const MatrixHead<T>& h;
  const MatrixGradient<T>& to;
  int64_t first, n, ld;
  T *states, *G;             // [kMatrixEvery + 1][K, ld], [K, ld]
  T *w, *e;                  // [kMatrixEvery + 1][ld], [ld]
  T *q, *decay, *a, *b, *c;  // chains of each row k
  const T* zeros;            // [kChains]

  T* state(int64_t i) const { return states + i * h.K * ld; }
};

// Chains go on where the columns before them left them, and begin at 0.
template <typename T>
struct Chains {
  const T* from;
  int64_t step;
  T* to;

  RECURRA_INLINE void begin(int64_t k, vec<T> (&v)[kGroup<T>]) const {
#pragma GCC unroll 16
    for (int i = 0; i < kGroup<T>; i++) v[i] = load(from + k * step + i * kLanes<T>);
  }
  RECURRA_INLINE void end(int64_t k, const vec<T> (&v)[kGroup<T>]) const {
#pragma GCC unroll 16
    for (int i = 0; i < kGroup<T>; i++) store<T>(to + k * kChains + i * kLanes<T>, v[i]);
  }
};

template <typename T>
RECURRA_INLINE Chains<T> chains(const Work<T>& work, T* to, int64_t j) {
  return {j == 0 ? work.zeros : to, j == 0 ? 0 : kChains, to};
}

// States i and, from it, i + 1 of columns j..: the step t once more.
template <typename T, int C, bool erase>
void again(const Work<T>& work, int64_t i, int64_t t, const T* next_b, int64_t j) {
  constexpr int64_t L = kLanes<T>;
  const MatrixHead<T>& h = work.h;
  const T *decay = h.decay(t), *a = erase ? h.a(t) : nullptr, *c = h.c(t);
  const int64_t along = h.along_decay, K = h.K, ld = work.ld;
  const T* before = work.state(i) + j;
  T* after = work.state(i + 1) + j;
  const Chains<T> of_q = chains(work, work.q, j);
  vec<T> w[C], d[C], out[C], next[C] = {};
  if constexpr (erase) read(work.w + i * ld + j, C * L, w);
  read(h.d(t) + work.first + j, work.n - j, d);
  read(work.to.o(t) + work.first + j, work.n - j, out);
  for (int64_t k = 0; k < K; k++) {
    vec<T> q[kGroup<T>];
    of_q.begin(k, q);
    const vec<T> keep = splat(decay[k * along]), add = splat(c[k]);
    const vec<T> take = erase ? splat(a[k]) : keep, look = erase ? splat(next_b[k]) : keep;
#pragma GCC unroll 16
    for (int v = 0; v < C; v++) {
      vec<T> s = load(before + k * ld + v * L) * keep;
      if constexpr (erase) s = fma(take, w[v], s);
      s = fma(add, d[v], s);
      store<T>(after + k * ld + v * L, s);
      if constexpr (erase) next[v] = fma(look, s, next[v]);
      q[v % kGroup<T>] = fma(s, out[v], q[v % kGroup<T>]);
    }
    of_q.end(k, q);
  }
  if constexpr (erase) {
    for (auto& each : next) each = -each;
    write(work.w + (i + 1) * ld + j, C * L, next);
  }
}

// Closes the step t + 1 and opens the step t, of columns j..; i: where the states of t begin.
template <typename T, int C, bool erase, bool close, bool open>
void back(const Work<T>& work, int64_t i, int64_t t, int64_t j) {
  constexpr int64_t L = kLanes<T>;
  constexpr int P = kGroup<T>;
  const MatrixHead<T>& h = work.h;
  const int64_t along = h.along_decay, K = h.K, ld = work.ld;
  const T *decay = close ? h.decay(t + 1) : nullptr, *b = close && erase ? h.b(t + 1) : nullptr;
  const T *q = open ? h.q(t) : nullptr, *c = open ? h.c(t) : nullptr;
  const T* a = open && erase ? h.a(t) : nullptr;
  const T* S = close ? work.state(i + 1) + j : nullptr;
  T* G = work.G + j;
  const Chains<T> of_decay = chains(work, work.decay, j), of_b = chains(work, work.b, j);
  const Chains<T> of_a = chains(work, work.a, j), of_c = chains(work, work.c, j);
  vec<T> e[C] = {}, out[C] = {}, d[C] = {}, w[C] = {}, dd[C] = {}, next[C] = {};
  if constexpr (close && erase) read(work.e + j, C * L, e);
  if constexpr (open) {
    read(work.to.o(t) + work.first + j, work.n - j, out);
    read(h.d(t) + work.first + j, work.n - j, d);
    if constexpr (erase) read(work.w + i * ld + j, C * L, w);
  }
  for (int64_t k = 0; k < K; k++) {
    vec<T> g[C];
#pragma GCC unroll 16
    for (int v = 0; v < C; v++) g[v] = load(G + k * ld + v * L);
    if constexpr (close) {
      vec<T> to_decay[P], to_b[P];
      of_decay.begin(k, to_decay);
      if constexpr (erase) of_b.begin(k, to_b);
#pragma GCC unroll 16
      for (int v = 0; v < C; v++) {
        const vec<T> s = load(S + k * ld + v * L);
        to_decay[v % P] = fma(g[v], s, to_decay[v % P]);
        g[v] = g[v] * splat(decay[k * along]);
        if constexpr (erase) {
          to_b[v % P] = fma(s, e[v], to_b[v % P]);
          g[v] = fma(splat(b[k]), e[v], g[v]);
        }
      }
      of_decay.end(k, to_decay);
      if constexpr (erase) of_b.end(k, to_b);
    }
    if constexpr (open) {
      vec<T> to_c[P], to_a[P];
      of_c.begin(k, to_c);
      if constexpr (erase) of_a.begin(k, to_a);
#pragma GCC unroll 16
      for (int v = 0; v < C; v++) {
        g[v] = fma(splat(q[k]), out[v], g[v]);
        to_c[v % P] = fma(g[v], d[v], to_c[v % P]);
        dd[v] = fma(splat(c[k]), g[v], dd[v]);
        if constexpr (erase) {
          to_a[v % P] = fma(g[v], w[v], to_a[v % P]);
          next[v] = fma(splat(a[k]), g[v], next[v]);
        }
      }
      of_c.end(k, to_c);
      if constexpr (erase) of_a.end(k, to_a);
    }
#pragma GCC unroll 16
    for (int v = 0; v < C; v++) store<T>(G + k * ld + v * L, g[v]);
  }
  if constexpr (open) {
    write(work.to.d(t) + work.first + j, work.n - j, dd);
    if constexpr (erase) {
      for (auto& each : next) each = -each;
      write(work.e + j, C * L, next);
    }
  }
}

// body.run<C>(j) for all columns j.. of a block, C vectors of them at a time.
template <typename T, typename Body>
RECURRA_INLINE void by_columns(int64_t ld, Body body) {
  constexpr int64_t unit = kBackGroups<T> * kGroup<T> * kLanes<T>;
  for (int64_t j = 0; j < ld; j += unit) {
    const int64_t left = (ld - j < unit ? ld - j : unit) / (kGroup<T> * kLanes<T>);
    choose<kBackGroups<T>>(left, [&]<int m>() { body.template operator()<m * kGroup<T>>(j); });
  }
}

template <typename T, bool erase, bool close, bool open>
void back_step(const Work<T>& work, int64_t i, int64_t t, bool add) {
  by_columns<T>(work.ld, [&]<int C>(int64_t j) { back<T, C, erase, close, open>(work, i, t, j); });
  const MatrixGradient<T>& to = work.to;
  const int64_t K = work.h.K;
  if constexpr (close) {
    if (work.h.along_decay)
      sum_rows(work.decay, K, add, to.decay(t + 1));
    else
      sum_all(work.decay, K, add, to.decay(t + 1));
    if constexpr (erase) sum_rows(work.b, K, add, to.b(t + 1));
  }
  if constexpr (open) {
    sum_rows(work.c, K, add, to.c(t));
    if constexpr (erase) sum_rows(work.a, K, add, to.a(t));
  }
}

// States and w of the steps t0..t1, the first state being there, and dq.
template <typename T, bool erase>
void again_steps(const Work<T>& work, int64_t t0, int64_t t1, bool add) {
  const MatrixHead<T>& h = work.h;
  if constexpr (erase) {
    by_columns<T>(work.ld, [&]<int C>(int64_t j) {
      vec<T> w[C];
      recall<T, C>(work.state(0) + j, work.ld, h.K, h.b(t0), w);
      write(work.w + j, C * kLanes<T>, w);
    });
  }
  for (int64_t t = t0; t < t1; t++) {
    const int64_t i = t - t0;
    if (h.reset && h.reset[t]) {
      clear(work.state(i), h.K * work.ld);
      clear(work.w + i * work.ld, work.ld);
    }
    const T* next_b = erase ? h.b(t + 1 < t1 ? t + 1 : t) : nullptr;
    by_columns<T>(work.ld, [&]<int C>(int64_t j) { again<T, C, erase>(work, i, t, next_b, j); });
    sum_rows(work.q, h.K, add, work.to.q(t));
  }
}

template <typename T, bool erase>
bool back_block(const Work<T>& work, const Stop& stop) {
  const MatrixHead<T>& h = work.h;
  const bool add = work.first > 0;
  fetch(work.to.last + work.first, h.V, h.K, work.n, work.G, work.ld);
  for (int64_t chunk = (h.steps + kMatrixEvery - 1) / kMatrixEvery - 1; chunk >= 0; chunk--) {
    if (stop.ask(stop.context)) return false;
    const int64_t t0 = chunk * kMatrixEvery;
    const int64_t t1 = h.steps < t0 + kMatrixEvery ? h.steps : t0 + kMatrixEvery;
    const T* from = chunk > 0 ? work.to.kept + (chunk - 1) * h.K * h.V : h.S;
    fetch(from + work.first, h.V, h.K, work.n, work.state(0), work.ld);
    again_steps<T, erase>(work, t0, t1, add);
    back_step<T, erase, false, true>(work, t1 - 1 - t0, t1 - 1, add);
    for (int64_t t = t1 - 2; t >= t0; t--) {
      if (!h.reset || !h.reset[t + 1]) {
        back_step<T, erase, true, true>(work, t - t0, t, add);
        continue;
      }
      back_step<T, erase, true, false>(work, t - t0, t, add);
      clear(work.G, h.K * work.ld);
      back_step<T, erase, false, true>(work, t - t0, t, add);
    }
    back_step<T, erase, true, false>(work, -1, t0 - 1, add);
    if (h.reset && h.reset[t0]) clear(work.G, h.K * work.ld);
  }
  put_back(work.G, work.ld, h.K, work.n, work.to.S + work.first, h.V);
  return true;
}

template <typename T>
int64_t chains_of(int64_t K) {
  return whole<T>(K, kChains) * kChains;
}

}  // namespace

template <typename T>
int64_t matrix_columns() {
  return kAhead * kLanes<T>;
}

template <typename T>
int64_t matrix_scratch(int64_t K, int64_t V, bool backward) {
  const int64_t ahead = K * matrix_columns<T>();
  const int64_t ld = whole<T>(V < kBlock<T> ? V : kBlock<T>, kChains);
  const int64_t back = (kMatrixEvery + 2) * (K + 1) * ld + 5 * chains_of<T>(K) + kChains;
  return (backward ? back : ahead) * static_cast<int64_t>(sizeof(T));
}

template <typename T>
void matrix_forward(const MatrixHead<T>& h, const MatrixResult<T>& to, int64_t first, int64_t n,
                    void* scratch, const Stop& stop) {
  T* S = static_cast<T*>(scratch);
  choose<kAhead>((n + kLanes<T> - 1) / kLanes<T>, [&]<int C>() {
    h.a.at ? ahead<T, C, true>(h, to, first, n, S, stop)
           : ahead<T, C, false>(h, to, first, n, S, stop);
  });
}

template <typename T>
void matrix_backward(const MatrixHead<T>& h, const MatrixGradient<T>& to, void* scratch,
                     const Stop& stop) {
  for (int64_t first = 0; first < h.V; first += kBlock<T>) {
    const int64_t n = h.V - first < kBlock<T> ? h.V - first : kBlock<T>;
    T* free = static_cast<T*>(scratch);
    const auto take = [&](int64_t count) { return free += count, free - count; };
    Work<T> work{h, to, first, n, whole<T>(n, kChains), {}, {}, {}, {}, {}, {}, {}, {}, {}, {}};
    T* zeros = take(kChains);
    clear(zeros, kChains);
    work.zeros = zeros;
    for (T** each : {&work.q, &work.decay, &work.a, &work.b, &work.c}) {
      *each = take(chains_of<T>(h.K));
      clear(*each, chains_of<T>(h.K));
    }
    work.G = take(h.K * work.ld);
    work.e = take(work.ld);
    work.w = take((kMatrixEvery + 1) * work.ld);
    work.states = take((kMatrixEvery + 1) * h.K * work.ld);
    const bool done = h.a.at ? back_block<T, true>(work, stop) : back_block<T, false>(work, stop);
    if (!done) return;
  }
}

#define RECURRA_MATRIX(T)                                                                         \
  template int64_t matrix_columns<T>();                                                           \
  template int64_t matrix_scratch<T>(int64_t, int64_t, bool);                                     \
  template void matrix_forward<T>(const MatrixHead<T>&, const MatrixResult<T>&, int64_t, int64_t, \
                                  void*, const Stop&);                                            \
  template void matrix_backward<T>(const MatrixHead<T>&, const MatrixGradient<T>&, void*,         \
                                   const Stop&);
RECURRA_MATRIX(float)
RECURRA_MATRIX(double)
#undef RECURRA_MATRIX

}  // namespace recurra::RECURRA_LEVEL

// The alignments of one sequence of labels with frames, and the loss of given scores.
//
// A place (t, u) has read frames 0..t and said u labels. From it goes a blank, to the next frame,
// or the next label, which stays:
//
//   none(t, u), next(t, u)   log p of them, by a softmax of the place's scores s (V)
//   a(0, 0) = 0
//   a(t, u) = log(exp(a(t-1, u) + none(t-1, u)) + exp(a(t, u-1) + next(t, u-1)))
//   nats    = -(a(T-1, U) + none(T-1, U))
//
// Going back, the share of all alignments that pass a place splits as the two terms of its a do; no
// logarithm is left there. With the shares p of the blank and q of the label that leave a place,
//
//   ds[v] = (p + q) exp(s[v]) / sum - p [v = blank] - q [v = next label]
//
// Source: Graves, "Sequence Transduction with Recurrent Neural Networks", 2012, arXiv:1211.3711,
// section 2.4.

#pragma once

#include <algorithm>
#include <cmath>

#include "blocks.h"
#include "dispatch.h"
#include "run.h"

namespace recurra {

// The loss of given scores. Strides in elements; every field fills 8 bytes, as native.py writes
// them.
struct LatticeJob {
  int64_t twice;  // double
  int64_t B, T, places, V, blank;
  const void* scores;  // [B, T, places, V] at scores + b * s_row + t * s_step + u * s_place
  int64_t s_row, s_step, s_place;
  const int64_t* targets;  // [B, places - 1] one behind the other
  const int64_t* frames;   // [B] 0..T
  const int64_t* labels;   // [B] 0..places - 1; 0 where there are no frames
  // Written, each in one piece; they alias nothing.
  void* nats;  // [B]
  void* ds;    // [B, T, places, V], zeros in the padding; null: not wanted
};

// Null, or what is wrong.
const char* check_lattice(const LatticeJob& job) noexcept;

// The job is checked. `error` (never null) gets one line on failure.
Outcome run_lattice(const Level& level, const LatticeJob& job, int64_t threads, Team team,
                    int (*poll)(), char* error, int64_t error_size) noexcept;

// What is wrong with frames, labels and targets, or null.
const char* check_labels(int64_t B, int64_t T, int64_t places, int64_t V, int64_t blank,
                         const int64_t* targets, const int64_t* frames,
                         const int64_t* labels) noexcept;

// Places of the row that has most.
int64_t most_places(int64_t B, const int64_t* frames, const int64_t* labels) noexcept;

// The places of a row at work, one array for all of them each.
class Lattice {
 public:
  Lattice() = default;
  Lattice(int64_t places, int64_t wide, Carver& carver)
      : none(carver.take<double>(places)),
        next(carver.take<double>(places)),
        shift(carver.take<double>(places)),
        from_below_(carver.take<double>(places)),
        edge_(carver.take<double>(wide)) {}

  // log p of all alignments of a row of `frames` times `wide` places; none and next are given.
  double climb(int64_t frames, int64_t wide) noexcept;

  // Makes none and next the shares p and q, after a climb that came to `end`.
  void descend(int64_t frames, int64_t wide, double end) noexcept;

  double *none, *next;
  double* shift;  // what a softmax takes from the scores of a place

 private:
  double* from_below_;  // of what is summed at a place, the share that came from the frame before
  double* edge_;        // [wide]
};

// none, next and shift of place n by its scores; target: the next label, below 0 where none is.
template <typename T>
void measure_place(const Kernels<T>& kernels, const T* s, int64_t V, int64_t blank, int64_t target,
                   int64_t n, Lattice& lattice) {
  const Exponents<T> e = kernels.exponents(s, V, false);
  const double shift = std::log(static_cast<double>(e.sum)) + e.largest;
  lattice.shift[n] = shift;
  lattice.none[n] = s[blank] - shift;
  lattice.next[n] = target < 0 ? 0.0 : s[target] - shift;
}

// s becomes ds.
template <typename T>
void differentiate_place(const Kernels<T>& kernels, T* s, int64_t V, int64_t blank, int64_t target,
                         int64_t n, const Lattice& lattice) {
  const double p = lattice.none[n], q = lattice.next[n];
  if (static_cast<T>(p + q) == 0) {
    std::fill_n(s, V, T(0));
    return;
  }
  kernels.shares(s, V, static_cast<T>(lattice.shift[n] - std::log(p + q)), T(0));
  s[blank] -= static_cast<T>(p);
  if (target >= 0) s[target] -= static_cast<T>(q);
}

}  // namespace recurra

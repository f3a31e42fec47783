// The recurrence of a matrix, one head of one batch row at a time:
//
//   S_t = diag(D_t) S_{t-1} - a_t (b_t^T S_{t-1}) + c_t d_t^T        S (K, V)
//   o_t = S_t^T q_t
//
// Columns of S are independent of each other, so a block of them goes through all of time while it
// lies in the first cache. Sums over k are ascending fused chains; sums over columns are 16 fused
// chains, number j mod 16, joined as a tree, for blocks of 256 bytes that are added in ascending
// order. So no result depends on the level, and a sequence may be cut anywhere.

#pragma once

#include <cstdint>

namespace recurra {

// A training forward keeps S before every so many-th step; the backward computes what lies between.
constexpr int64_t kMatrixEvery = 16;

// Rows of one head: that of step t begins at `at + t * step`, and its numbers follow each other.
template <typename T>
struct Along {
  T* at;
  int64_t step;

  T* operator()(int64_t t) const { return at + t * step; }
};

template <typename T>
struct MatrixHead {
  int64_t K, V, steps;
  int64_t along_decay;                  // 1: D_t (K); 0: one number for all k
  Along<const T> decay, a, b, c, d, q;  // (K), d (V); a.at null: a and b are left out
  const uint8_t* reset;                 // [steps]: S becomes 0 before the step; null: never
  const T* S;                           // [K, V] what the first step starts from
};

// What the forward writes. kept: null, or [(steps - 1) / kMatrixEvery][K, V].
template <typename T>
struct MatrixResult {
  Along<T> o;  // (V)
  T *last, *kept;
};

// What the backward reads: gradients of o and of the last S; and writes: of everything else.
template <typename T>
struct MatrixGradient {
  Along<const T> o;
  const T *last, *kept;
  Along<T> decay, a, b, c, d, q;
  T* S;
};

// Asked every kMatrixEvery steps; where it answers true, a loop returns with its work half done.
struct Stop {
  bool (*ask)(void* context);
  void* context;
};

}  // namespace recurra

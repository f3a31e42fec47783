// A call of the matrix recurrence: checks, memory, and heads shared among threads.

#pragma once

#include "dispatch.h"
#include "layout.h"
#include "run.h"

namespace recurra {

// Strides in elements: [0] batch, [1] time, [2] head, inner 1.
struct MatrixArguments {
  Argument decay;          // (B, T, N, K), or (B, T, N) where along_decay is 0
  Argument a, b, c, d, q;  // (B, T, N, K), d (B, T, N, V); a and b null: left out
  Argument S;              // (B, N, K, V), [1] unread, K and V behind each other
  Argument o, last;        // (B, T, N, V), as S
};

// Every field fills 8 bytes, as native.py writes them.
struct MatrixJob {
  int64_t twice, backward, along_decay;  // twice: double; the others as in matrix.h
  int64_t B, T, N, K, V;
  const int64_t* lengths;  // [B], the true steps of each row; null: all T
  const uint8_t* reset;    // [B, T]; null: never
  void* kept;              // matrix_kept() bytes, by the forward written and by the backward read;
                           // null: the forward keeps nothing
  MatrixArguments values;     // o and last are written by the forward, with zeros past a length
  MatrixArguments gradients;  // of the backward: o and last are read, all others written, with
                              // zeros past a length; a null one that is not read is not there
};

// Null, or what is wrong.
const char* check_matrix(const MatrixJob& job) noexcept;

// Bytes of what a training forward keeps; -1 where they leave 64 bits. The job is checked.
int64_t matrix_kept(const MatrixJob& job) noexcept;

// The job is checked. `error` (never null) gets one line on failure.
Outcome run_matrix(const Level& level, const MatrixJob& job, int64_t threads, Team team,
                   int (*poll)(), char* error, int64_t error_size) noexcept;

}  // namespace recurra

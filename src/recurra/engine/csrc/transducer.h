// The loss of an RNN transducer, with its gradients, a group of places at a time:
//
//   h(t, u) = tanh(f[t] + g[u])      s(t, u) = w h(t, u) + b      nats by s, see lattice.h
//   dw = ds^T h      db = the sum of the rows of ds      dh = ds w
//   df[t] = sum over u of (1 - h^2) dh      dg[u] = sum over t of (1 - h^2) dh
//
// Each thread takes a row of the batch at a time. It holds h and s of all places of the row where
// they take at most 16 MiB; otherwise of one group, and computes them twice. So neither all scores
// nor all h are ever held. dw and db are summed up over parts of the batch, as many as the sizes
// say. Bits depend on the operands alone, as in kernels.h; the number of threads does not show in
// them, nor, in df and dg, what stands in other rows.
//
// Source: Graves, 2013, arXiv:1303.5778, section 2.2, for f and g joined by a tanh.

#pragma once

#include "lattice.h"

namespace recurra {

// Strides in elements; every field fills 8 bytes, as native.py writes them.
struct TransducerJob {
  int64_t twice;  // double
  int64_t tiles;  // products on tiles of bfloat16, see Packing; float alone
  int64_t B, T, places, J, V, blank;
  const void* f;  // [B, T, J] of (b, t) at f + b * f_row + t * f_step
  int64_t f_row, f_step;
  const void* g;  // [B, places, J] of (b, u) at g + b * g_row + u * g_place
  int64_t g_row, g_place;
  const void* w;  // [V, J] row v at w + v * ldw
  int64_t ldw;
  const void* b;           // [V]; null: zeros
  const int64_t* targets;  // [B, places - 1] one behind the other
  const int64_t* frames;   // [B] 0..T
  const int64_t* labels;   // [B] 0..places - 1; 0 where there are no frames
  // Written, each in one piece; they alias nothing.
  void* nats;   // [B]
  void* total;  // [1] the sum of nats, summed in double
  void* df;     // [B, T, J], zeros in the padding; null: not wanted, as those below
  void* dg;     // [B, places, J]; where df is
  void* dw;     // [V, J]
  void* db;     // [V]; where dw is
};

// Null, or what is wrong.
const char* check_transducer(const TransducerJob& job) noexcept;

// The job is checked. `error` (never null) gets one line on failure.
Outcome run_transducer(const Level& level, const TransducerJob& job, int64_t threads, Team team,
                       int (*poll)(), char* error, int64_t error_size) noexcept;

}  // namespace recurra

// The loss over a vocabulary, with its gradients, a group of rows at a time:
//
//   s = h w^T + b
//   nats[r] = log(sum over v of exp(s[r][v])) - (1 - e) s[r][target] - e (mean over v of s[r][v])
//   ds[r][v] = exp(s[r][v]) / sum - e / V - (1 - e) [v = target]
//   dh = ds w      dw = ds^T h      db = the sum of the rows of ds
//
// Only a group's scores are ever held, which take 16 MiB, or half of what w does where that is more.
// A row whose target is below 0 counts nothing. Bits depend on the operands alone, as in kernels.h; neither the size of a group
// nor the number of threads shows in them.

#pragma once

#include "dispatch.h"
#include "run.h"

namespace recurra {

// Strides in elements; every field fills 8 bytes, as native.py writes them.
struct NatsJob {
  int64_t twice;  // double
  int64_t tiles;  // products on tiles of bfloat16, see Packing; float alone
  int64_t rows, H, V;
  const void* h;  // [rows, H] row r at h + r * ldh
  int64_t ldh;
  const void* w;  // [V, H] row v at w + v * ldw
  int64_t ldw;
  const void* b;           // [V]; null: zeros
  const int64_t* targets;  // [rows] below V
  double smoothing;        // e
  // Written, each in one piece; they alias nothing.
  void* nats;   // [rows]
  void* total;  // [1] the sum of nats, summed in double
  void* dh;     // [rows, H]; null: not wanted, as those below
  void* dw;     // [V, H]
  void* db;     // [V]
};

// Null, or what is wrong.
const char* check_nats(const NatsJob& job) noexcept;

// The job is checked. `error` (never null) gets one line on failure.
Outcome run_nats(const Level& level, const NatsJob& job, int64_t threads, Team team, int (*poll)(),
                 char* error, int64_t error_size) noexcept;

}  // namespace recurra

// Jobs, from pointers to results: lays memory out, packs, runs tiles on the pool, sums up.

#pragma once

#include "decode.h"
#include "dispatch.h"
#include "layout.h"
#include "pool.h"

namespace recurra {

// What recurra_program_new hands out.
struct Handle {
  std::unique_ptr<Program> program;
  Decoded<float> single;  // one of the two is filled
  Decoded<double> twice;

  const Decoded<float>& decoded(float) const { return single; }
  const Decoded<double>& decoded(double) const { return twice; }
};

enum class Outcome { done, failed, cancelled };

// The jobs' programs exist and 0 <= B, T <= 2^31. `error` (never null) gets one line on failure.
Outcome run_jobs(const Level& level, const Job* jobs, int64_t count, int64_t threads, Team team,
                 int (*poll)(), char* error, int64_t error_size) noexcept;

}  // namespace recurra

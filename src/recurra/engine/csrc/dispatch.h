// Which level's loops run on this machine: the widest there is, or the one RECURRA_SIMD names.

#pragma once

#include "kernels.h"

namespace recurra {

struct Level {
  const char* name;
  const Kernels<float>* single;
  const Kernels<double>* twice;

  const Kernels<float>& kernels(float) const { return *single; }
  const Kernels<double>& kernels(double) const { return *twice; }
  bool has_tiles() const { return single->of(Packing::tiles).product; }
};

// Decided once a process. Null, and one line in `error`, where RECURRA_SIMD names none that can run.
const Level* chosen_level(const char** error) noexcept;

}  // namespace recurra

// What follows the tiles of a backward: CONTRACT and TOTAL, sums over every row and step.
//
// Rows come in packed order, in blocks of kContractRows counted from the first, so no sum depends
// on tiles or threads. The work is cut by elements of the results: share i of n takes its part of
// every result.

#pragma once

#include "control.h"
#include "kernels.h"
#include "layout.h"

namespace recurra {

template <typename T>
struct Sums {
  const Program* program;
  const Kernels<T>* kernels;
  const Rows* rows;
  const Argument* arguments;
  T* const* memory;  // by buffer: KEPT, HISTORY and SUM
  Control* control;
  int64_t worker;
  void* scratch;  // [contract_scratch(M, N)] of the largest contraction
};

template <typename T>
void run_share(const Sums<T>& sums, int64_t share, int64_t shares) noexcept;

}  // namespace recurra

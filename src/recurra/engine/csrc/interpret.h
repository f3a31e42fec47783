// Carries a tile of rows through all of time.
//
// One thread, one tile. Writes the tile's rows of the arguments, of kept memory and of the sums,
// and the scratch behind `memory`; reads nothing that another tile writes. Does not allocate.

#pragma once

#include "control.h"
#include "decode.h"
#include "layout.h"

namespace recurra {

template <typename T>
struct Machine {
  const Program* program;
  const Decoded<T>* code;
  const Kernels<T>* kernels;
  const Rows* rows;
  const Argument* arguments;
  const void* const* packed;  // by matrix: its blocks behind each other
  // By buffer: where PARAMETER, KEPT, HISTORY and SUM begin, and the scratch of CHUNK (of a
  // tile's rows times chunk_steps), TILE (rows), STATE (twice the rows).
  T* const* memory;
  T** base;  // [2 * buffers] to work in
  int64_t chunk_steps;
  bool backward;
  Control* control;
  int64_t worker;
  void* scratch;  // [product_scratch(K)] of the largest product
  int64_t steps_before = 0;  // of earlier calls on the same matrices: a product goes to and fro
};

// Returns early, with results undefined, once the call is to stop.
template <typename T>
void run_tile(const Machine<T>& machine, const Tile& tile) noexcept;

}  // namespace recurra

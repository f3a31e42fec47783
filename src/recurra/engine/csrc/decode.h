// A program made ready to run: every instruction with its loop and the places of its operands.
//
// Done once a program, so that the loop over time only adds a base pointer to an offset. The base
// of an operand is found by its slot: 2 * buffer, and one more for the state after the step.

#pragma once

#include <cstdint>
#include <vector>

#include "kernels.h"
#include "program.h"

namespace recurra {

struct Place {
  int64_t slot, offset, row, group, column;
};

enum class Action : int64_t { pointwise, load, store, product, batched, accumulate };

template <typename T>
struct Step {
  Action action;
  void (*loop)(const Walk<T>&, int64_t, T*, const T* const*);  // pointwise alone
  Walk<T> walk;
  Place y, x[kMostReads];
  int64_t argument;  // load and store: the argument outside
  bool timed;        // load and store: whether its rows differ from step to step
  bool doubled;      // at the beginning: into both copies of a state
  int64_t matrix, init, K, N, bytes;  // product; bytes of a packed block
  decltype(Products<T>::product) multiply;
  int64_t numbers[8];  // batched
};

// Steps first..last that run together; local ones on strips of `strip` rows at a time. A moving one
// is a single LOAD or STORE between a chunk and an argument.
struct Run {
  int64_t first, last, strip;
  bool local, moving;
};

// Runs first..last: flat on all rows of a chunk at once, or step by step.
struct Pass {
  int64_t first, last;
  bool flat;
};

// Which row of its buffer an operand's rows begin at: the same all along, or another at each step.
enum Row : int64_t { kFixed, kKeptRow, kBefore, kAfter, kOld, kNew, kChunkRow, kRowKinds };

struct Slot {
  int64_t slot, buffer, ld;
  Row row;
  Kind kind;
  bool after;
};

template <typename T>
struct Segment {
  std::vector<Step<T>> steps;
  std::vector<Slot> slots;  // those that the steps touch; between the edges those that move
  // [1]: for a tile that is the whole batch, whose kept rows lie behind each other.
  std::vector<Run> runs[2];
  std::vector<Pass> passes[2];
  bool by_length = false;  // at the end: rows of different lengths find their states in different places
};

template <typename T>
struct Decoded {
  Segment<T> segments[kPhases];     // all but CONTRACT
  std::vector<int64_t> matrices[2];  // those that the forward and the backward multiply by
  int64_t chunk_columns = 0;         // of all CHUNK buffers together
  bool chunked[2] = {};              // whether a direction has a use for chunks of one step or more

  const Segment<T>& segment(Phase phase) const { return segments[static_cast<int64_t>(phase)]; }
};

template <typename T>
Decoded<T> decode(const Program& program, const Kernels<T>& kernels);

}  // namespace recurra

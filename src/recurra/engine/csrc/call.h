// The memory of one call, and what is checked before it is used.

#pragma once

#include "decode.h"
#include "dispatch.h"
#include "layout.h"
#include "run.h"

namespace recurra {

// A job with its memory; pointers to scalars are untyped here.
struct Ready {
  const Job* job;
  const Handle* handle;
  const Program* program;
  Rows rows;
  void** memory;  // by buffer: PARAMETER, KEPT, HISTORY, SUM
  void** packed;  // by matrix: its blocks behind each other; null where it is not used
  int64_t tile_rows, chunk_steps;  // at most
  int64_t product_bytes;           // what its products need to work in
  int64_t scratch_bytes;           // of a tile, with those
};

struct Memory {
  Ready* jobs;
  char* seen;
  Tile* tiles;
  int64_t worker_bytes;
  char* workers;  // [threads][worker_bytes]

  void* worker(int64_t at) const { return workers + at * worker_bytes; }
};

// Lays everything out in memory from `carver`; with a null base it only counts.
Memory lay_out(const Level& level, const Job* jobs, int64_t count, int64_t threads, Carver& carver);

// A tile's CHUNK, TILE and STATE buffers, from the carver's base; memory may be null: only count.
void place_scratch(const Program& program, int64_t tile_rows, int64_t chunk_steps, Carver& carver,
                   void** memory);

// Points `memory` at arguments, kept rows and sums; null, or what is missing or wrong.
const char* connect(Ready& ready, char* seen);

template <typename Body>
void by_scalar(const Program& program, const Body& body) {
  program.is_double ? body(double{}) : body(float{});
}

}  // namespace recurra

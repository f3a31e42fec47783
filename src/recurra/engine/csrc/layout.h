// Where rows lie: packed time, tiles, and the memory kept from the forward to the backward.
//
// Rows are sorted by falling length. At step t the first alive(t) rows live; row r of step t is
// packed row offset[t] + r. A tile is a range of rows that one thread carries through all of time;
// it begins at a multiple of 4. What a row computes depends on neither.

#pragma once

#include <cstdint>

#include "blocks.h"
#include "program.h"

namespace recurra {

struct Argument {
  void* ptr;
  int64_t stride[3];
};

// One run of a program, as the caller describes it; see api.h.
struct Job {
  void* program;
  const Argument* arguments;
  int64_t count, B, T;
  const int64_t* order;
  const int64_t* lengths;
  int32_t reverse, backward;
  void* kept;
};

constexpr int64_t kMostTileRows = 64;

struct Rows {
  int64_t B, T;
  const int64_t* order;  // batch index of a row; null: the same
  const int64_t* length;  // [B], falling
  const int64_t* offset;  // [T + 1]
  bool reverse;

  int64_t packed() const { return offset[T]; }
  int64_t alive(int64_t t) const { return offset[t + 1] - offset[t]; }
  int64_t batch(int64_t r) const { return order ? order[r] : r; }
  int64_t time(int64_t t, int64_t r) const { return reverse ? length[r] - 1 - t : t; }
  // Rows of a HISTORY buffer: B first states, then what each step leaves behind.
  int64_t before(int64_t t, int64_t r) const { return t == 0 ? r : after(t - 1, r); }
  int64_t after(int64_t t, int64_t r) const { return B + offset[t] + r; }
};

// Lays out the rows of a job in memory from `carver`; with a null base it only counts.
Rows lay_out(const Job& job, Carver& carver);

// Null, or what is wrong with order and lengths. seen: [B] bytes to work in.
const char* check_rows(const Job& job, char* seen);

struct Tile {
  int64_t job, first, rows;
};

// At most `most_tiles(B)` tiles of even work, about `wanted` where rows allow; their number.
int64_t most_tiles(int64_t B);
int64_t cut(const Rows& rows, int64_t job, int64_t wanted, Tile* tiles);

// Sets memory[b] of KEPT and HISTORY buffers behind each other from a 64-byte aligned base, and
// returns their bytes, -1 where these leave 64 bits. memory may be null: only count.
int64_t place_kept(const Program& program, int64_t B, int64_t packed, void* base, void** memory);

}  // namespace recurra

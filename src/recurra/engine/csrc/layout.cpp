#include "layout.h"

#include <algorithm>
#include <cstring>

namespace recurra {

namespace {

constexpr int64_t kStep = 4;  // tiles begin at multiples of this, see kSumRows

}  // namespace

Rows lay_out(const Job& job, Carver& carver) {
  int64_t* length = carver.take<int64_t>(job.B);
  int64_t* offset = carver.take<int64_t>(job.T + 1);
  if (offset) {
    for (int64_t r = 0; r < job.B; ++r) length[r] = job.lengths ? job.lengths[r] : job.T;
    offset[0] = 0;
    int64_t alive = job.B;
    for (int64_t t = 0; t < job.T; ++t) {
      while (alive > 0 && length[alive - 1] <= t) --alive;
      offset[t + 1] = offset[t] + alive;
    }
  }
  return {job.B, job.T, job.order, length, offset, job.reverse != 0};
}

const char* check_rows(const Job& job, char* seen) {
  if (job.lengths) {
    for (int64_t r = 0; r < job.B; ++r) {
      if (job.lengths[r] < 0 || job.lengths[r] > job.T) return "a length is not in 0 ... T";
      if (r && job.lengths[r] > job.lengths[r - 1]) return "lengths do not fall";
    }
  }
  if (job.order) {
    std::memset(seen, 0, job.B);
    for (int64_t r = 0; r < job.B; ++r) {
      const int64_t row = job.order[r];
      if (row < 0 || row >= job.B || seen[row]) return "order is no permutation of the rows";
      seen[row] = 1;
    }
  }
  return nullptr;
}

int64_t most_tiles(int64_t B) { return (B + kStep - 1) / kStep; }

int64_t cut(const Rows& rows, int64_t job, int64_t wanted, Tile* tiles) {
  const int64_t B = rows.B;
  int64_t count = 0, first = 0;
  // A row costs a little even where it has no step. Wide: counts of steps times counts of tiles.
  __extension__ using Wide = __int128;
  const Wide all = rows.packed() + B;
  Wide done = 0;
  wanted = std::max(wanted, (B + kMostTileRows - 1) / kMostTileRows);
  for (int64_t r = 0; r < B; r += kStep) {
    const int64_t end = std::min(r + kStep, B);
    for (int64_t i = r; i < end; ++i) done += rows.length[i] + 1;
    const bool share = done * wanted >= all * (count + 1);
    if (share || end - first == kMostTileRows || end == B) {
      tiles[count++] = {job, first, end - first};
      first = end;
    }
  }
  return count;
}

int64_t place_kept(const Program& program, int64_t B, int64_t packed, void* base, void** memory) {
  Carver carver(base);
  const int64_t scalar = program.is_double ? sizeof(double) : sizeof(float);
  const auto& buffers = program.buffers;
  for (size_t at = 0; at < buffers.size(); ++at) {
    const Buffer& b = buffers[at];
    const bool history = b.kind == Kind::history;
    if (!history && (b.kind != Kind::kept || b.alias >= 0)) continue;
    int64_t bytes;
    if (__builtin_mul_overflow(packed + (history ? B : 0), b.ld * scalar, &bytes)) return -1;
    char* place = carver.take<char>(bytes);
    if (memory) memory[at] = place;
  }
  for (size_t at = 0; memory && at < buffers.size(); ++at) {
    if (buffers[at].alias >= 0) memory[at] = memory[buffers[at].alias];
  }
  return carver.used();
}

}  // namespace recurra

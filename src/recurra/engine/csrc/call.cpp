#include "call.h"

#include <algorithm>

#include "kernels.h"

namespace recurra {

namespace {

// What the CHUNK buffers of a tile may fill of the second cache; more where products are so fast
// that reading a matrix takes longer, for each chunk reads it once.
constexpr int64_t kChunkBytes = 512 << 10, kTilesChunkBytes = 2 << 20;

int64_t scalar_bytes(const Program& program) {
  return program.is_double ? sizeof(double) : sizeof(float);
}

// Sizes that leave 64 bits become a size that no memory has.
int64_t times(int64_t a, int64_t b) {
  int64_t product;
  return __builtin_mul_overflow(a, b, &product) ? INT64_MAX / 2 : product;
}

const std::vector<int64_t>& matrices(const Ready& ready) {
  const bool backward = ready.job->backward;
  const Handle& h = *ready.handle;
  return ready.program->is_double ? h.twice.matrices[backward] : h.single.matrices[backward];
}

int64_t packed_bytes(const Level& level, const Program& program, const Matrix& m) {
  int64_t bytes = 0;
  by_scalar(program, [&](auto scalar) {
    bytes = level.kernels(scalar).of(m.packing).packed_bytes(m.K, m.N);
  });
  return times(bytes, m.blocks);
}

int64_t chunk_columns(const Ready& ready) {
  return ready.program->is_double ? ready.handle->twice.chunk_columns
                                  : ready.handle->single.chunk_columns;
}

void lay_out_job(const Level& level, const Job& job, Ready& ready, Carver& carver) {
  const Handle& handle = *static_cast<const Handle*>(job.program);
  const Program& program = *handle.program;
  ready.job = &job;
  ready.handle = &handle;
  ready.program = &program;
  ready.rows = lay_out(job, carver);
  ready.tile_rows = std::min((job.B + kSumRows - 1) / kSumRows * kSumRows, kMostTileRows);
  const int64_t step = times(chunk_columns(ready), ready.tile_rows * scalar_bytes(program));
  const int64_t most = program.tiles ? kTilesChunkBytes : kChunkBytes;
  ready.chunk_steps = std::clamp<int64_t>(most / std::max<int64_t>(step, 1), 1,
                                          std::max<int64_t>(job.T, 1));
  ready.memory = carver.take<void*>(static_cast<int64_t>(program.buffers.size()));
  ready.packed = carver.take<void*>(static_cast<int64_t>(program.matrices.size()));
  if (ready.memory) std::fill_n(ready.memory, program.buffers.size(), nullptr);
  if (ready.packed) std::fill_n(ready.packed, program.matrices.size(), nullptr);
  ready.product_bytes = 0;
  for (const int64_t at : matrices(ready)) {
    const Matrix& m = program.matrices[at];
    char* place = carver.take<char>(packed_bytes(level, program, m));
    if (ready.packed) ready.packed[at] = place;
    by_scalar(program, [&](auto scalar) {
      const int64_t bytes = level.kernels(scalar).of(m.packing).product_scratch(m.K);
      ready.product_bytes = std::max(ready.product_bytes, bytes);
    });
  }
  const int64_t sum_rows = (job.B + kSumRows - 1) / kSumRows;
  for (size_t at = 0; at < program.buffers.size(); ++at) {
    const Buffer& b = program.buffers[at];
    if (b.kind != Kind::sum || !job.backward) continue;
    char* place = carver.take<char>(times(sum_rows, b.ld * scalar_bytes(program)));
    if (ready.memory) ready.memory[at] = place;
  }
  Carver scratch(nullptr);
  place_scratch(program, ready.tile_rows, ready.chunk_steps, scratch, nullptr);
  scratch.take<char>(ready.product_bytes);
  ready.scratch_bytes = scratch.used() < 0 ? INT64_MAX / 2 : scratch.used();
}

// What the sums over all rows of a backward need to work in.
int64_t sum_scratch(const Level& level, const Ready& ready) {
  int64_t most = 0;
  for (const Instruction& i : ready.program->segment(Phase::contract)) {
    if (i.code != kContract || !ready.job->backward) continue;
    const int64_t M = i.numbers[1], N = i.numbers[2];
    if (M == 0 || N == 0) continue;
    by_scalar(*ready.program, [&](auto scalar) {
      const auto& products = level.kernels(scalar).of(packing_of(i));
      most = std::max(most, products.contract_scratch(M, times(kMostRights, N)));
    });
  }
  return most;
}

// Whether null is an answer: a result that nobody wants. Everything else must be there.
const char* find_arguments(const Ready& ready) {
  const Job& job = *ready.job;
  const Program& program = *ready.program;
  if (job.B == 0) return nullptr;
  const bool steps = ready.rows.packed() > 0;
  const auto missing = [&](const Operand& o) {
    const Buffer& b = program.buffers[o.buffer];
    if (b.kind == Kind::parameter || b.kind == Kind::outer_row) {
      return b.width > 0 && !job.arguments[b.argument].ptr;
    }
    return b.kind == Kind::outer && b.width > 0 && steps && !job.arguments[b.argument].ptr;
  };
  const int64_t begin = job.backward ? static_cast<int64_t>(Phase::b_begin) : 0;
  const int64_t end = job.backward ? kPhases : static_cast<int64_t>(Phase::b_begin);
  for (int64_t p = begin; p < end; ++p) {
    for (const Instruction& i : program.segments[p]) {
      // Where CONTRACT and TOTAL write is no operand, and a STORE's first one may be null.
      const size_t first = i.code == kStore ? 1 : 0;
      for (size_t at = first; at < i.operands.size(); ++at) {
        if (missing(i.operands[at])) return "an argument that is read is null";
      }
    }
  }
  for (const int64_t at : matrices(ready)) {
    const Matrix& m = program.matrices[at];
    const bool empty = m.K == 0 || m.N == 0 || m.blocks == 0;
    if (!empty && !job.arguments[m.argument].ptr) return "a matrix is null";
  }
  return nullptr;
}

}  // namespace

void place_scratch(const Program& program, int64_t tile_rows, int64_t chunk_steps, Carver& carver,
                   void** memory) {
  for (size_t at = 0; at < program.buffers.size(); ++at) {
    const Buffer& b = program.buffers[at];
    int64_t rows = 0;
    if (b.kind == Kind::chunk) rows = times(tile_rows, chunk_steps);
    if (b.kind == Kind::tile) rows = tile_rows;
    if (b.kind == Kind::state) rows = 2 * tile_rows;
    if (rows == 0) continue;
    char* place = carver.take<char>(times(rows, b.ld * scalar_bytes(program)));
    if (memory) memory[at] = place;
  }
}

Memory lay_out(const Level& level, const Job* jobs, int64_t count, int64_t threads,
               Carver& carver) {
  Memory memory{};
  memory.jobs = carver.take<Ready>(count);
  int64_t most_rows = 1, tiles = 0, most_buffers = 0, scratch = 0, sums = 0;
  for (int64_t at = 0; at < count; ++at) {
    Ready counted{};
    Ready& ready = memory.jobs ? memory.jobs[at] : counted;
    lay_out_job(level, jobs[at], ready, carver);
    most_rows = std::max(most_rows, jobs[at].B);
    tiles += most_tiles(jobs[at].B);
    most_buffers = std::max(most_buffers, static_cast<int64_t>(ready.program->buffers.size()));
    scratch = std::max(scratch, ready.scratch_bytes);
    sums = std::max(sums, sum_scratch(level, ready));
  }
  memory.seen = carver.take<char>(most_rows);
  memory.tiles = carver.take<Tile>(tiles);
  // A worker's memory: the sums' scratch, or pointers by buffer and by slot and a tile's scratch.
  const int64_t pointers = 3 * most_buffers * static_cast<int64_t>(sizeof(void*)) + 128;
  memory.worker_bytes = std::max((pointers + scratch + 127) / 64 * 64, (sums + 63) / 64 * 64);
  memory.workers = carver.take<char>(times(memory.worker_bytes, threads));
  return memory;
}

const char* connect(Ready& ready, char* seen) {
  const Job& job = *ready.job;
  const Program& program = *ready.program;
  if (const char* complaint = check_rows(job, seen)) return complaint;
  if (const char* complaint = find_arguments(ready)) return complaint;
  const int64_t bytes = place_kept(program, job.B, ready.rows.packed(), nullptr, nullptr);
  if (bytes < 0) return "the memory to keep leaves 64 bits";
  if (bytes > 0 && !job.kept) return "the memory to keep is null";
  place_kept(program, job.B, ready.rows.packed(), job.kept, ready.memory);
  for (size_t at = 0; at < program.buffers.size(); ++at) {
    const Buffer& b = program.buffers[at];
    if (b.kind == Kind::parameter) ready.memory[at] = job.arguments[b.argument].ptr;
  }
  return nullptr;
}

}  // namespace recurra

#include "recall.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "denormals.h"

namespace recurra {

namespace {

constexpr int64_t kMostBytes = 16 << 20;

int64_t scalar_bytes(const Program& program) {
  return program.is_double ? sizeof(double) : sizeof(float);
}

// Whether an instruction makes columns of a CHUNK buffer of x, parameters and such columns alone.
bool by_x_alone(const Program& program, const Instruction& i, int64_t x) {
  if (i.code == kStore) return false;
  const auto known = [&](const Operand& o) {
    const Buffer& b = program.buffers[o.buffer];
    return b.kind == Kind::chunk || b.kind == Kind::parameter ||
           (b.kind == Kind::outer && b.argument == x);
  };
  return program.buffers[i.operands[0].buffer].kind == Kind::chunk &&
         std::all_of(i.operands.begin(), i.operands.end(), known);
}

// The CHUNK buffers that are filled before the loop and read later; none where that does not pay.
std::vector<int64_t> worth_knowing(const Program& program, int64_t x) {
  std::set<int64_t> filled, read;
  bool product = false;
  for (const Instruction& i : program.segment(Phase::f_before)) {
    if (!by_x_alone(program, i, x)) return {};
    filled.insert(i.operands[0].buffer);
    product = product || i.code == kProduct;
  }
  if (!product) return {};
  for (const Phase phase : {Phase::f_step, Phase::f_after}) {
    for (const Instruction& i : program.segment(phase)) {
      for (const Operand& o : i.operands) {
        if (filled.count(o.buffer)) read.insert(o.buffer);
      }
    }
  }
  return {read.begin(), read.end()};
}

// The code with its phase before the loop alone, or with all others.
template <typename T>
Decoded<T> part(const Decoded<T>& code, bool before) {
  Decoded<T> made = code;
  for (int64_t phase = 0; phase < kPhases; ++phase) {
    const bool is_before = phase == static_cast<int64_t>(Phase::f_before);
    if (is_before != before) made.segments[phase] = Segment<T>{};
  }
  return made;
}

int64_t width_bytes(const Program& program, int64_t buffer) {
  return program.buffers[buffer].width * scalar_bytes(program);
}

}  // namespace

std::shared_ptr<Recall> recall_of(const Handle& handle, int64_t x, int64_t table_rows) {
  const Program& program = *handle.program;
  auto made = std::make_shared<Recall>();
  made->buffers = worth_knowing(program, x);
  for (const int64_t buffer : made->buffers) made->bytes += width_bytes(program, buffer);
  if (made->bytes == 0 || table_rows > kMostBytes / made->bytes) return nullptr;
  if (!made->rows.take(table_rows * made->bytes)) return nullptr;
  if (program.is_double) {
    made->twice = part(handle.twice, false);
  } else {
    made->single = part(handle.single, false);
  }
  return made;
}

template <typename T>
void learn(Recall& recall, Machine<T> machine, Argument& x, const Argument& table,
           int64_t table_rows, int64_t steps) {
  const FlushDenormals flush;
  const Decoded<T> before = part(*machine.code, true);
  std::vector<int64_t> offset(steps + 1);
  for (int64_t t = 0; t <= steps; ++t) offset[t] = t;
  char* to = recall.rows.get();
  for (int64_t first = 0; first < table_rows; first += steps) {
    const int64_t count = std::min(steps, table_rows - first);
    const Rows rows{1, count, nullptr, &count, offset.data(), false};
    x = {static_cast<T*>(table.ptr) + first * table.stride[0], {0, table.stride[0], 0}};
    machine.code = &before;
    machine.rows = &rows;
    machine.chunk_steps = count;
    run_tile(machine, {0, 0, 1});
    for (int64_t t = 0; t < count; ++t) {
      for (const int64_t at : recall.buffers) {
        const int64_t bytes = width_bytes(*machine.program, at);
        std::memcpy(to, machine.memory[at] + t * machine.program->buffers[at].ld, bytes);
        to += bytes;
      }
    }
  }
}

template void learn(Recall&, Machine<float>, Argument&, const Argument&, int64_t, int64_t);
template void learn(Recall&, Machine<double>, Argument&, const Argument&, int64_t, int64_t);

void recall_tile(const Recall& recall, const Program& program, const Tile& tile,
                 const int64_t* ids, int64_t row, int64_t steps, void* const* memory) noexcept {
  for (int64_t t = 0; t < steps; ++t) {
    for (int64_t r = 0; r < tile.rows; ++r) {
      const char* from = recall.rows.get() + ids[(tile.first + r) * row + t] * recall.bytes;
      for (const int64_t at : recall.buffers) {
        const int64_t bytes = width_bytes(program, at);
        const int64_t place = (t * tile.rows + r) * program.buffers[at].ld;
        std::memcpy(static_cast<char*>(memory[at]) + place * scalar_bytes(program), from, bytes);
        from += bytes;
      }
    }
  }
}

}  // namespace recurra

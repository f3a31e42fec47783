#include "stream.h"

#include <algorithm>
#include <cstring>

#include "denormals.h"
#include "interpret.h"

namespace recurra {

namespace {

// Steps that one stage does before the next one does them, and what they may fill of the cache.
constexpr int64_t kMostPiece = 128, kPieceBytes = 256 << 10;

template <typename T>
Machine<T> machine_of(const Stage& stage, const Level& level, Control& control,
                      int64_t steps_before, T scalar) {
  const Ready& ready = stage.memory.jobs[0];
  return {ready.program,
          &ready.handle->decoded(scalar),
          &level.kernels(scalar),
          &ready.rows,
          ready.job->arguments,
          ready.packed,
          reinterpret_cast<T* const*>(stage.places),
          reinterpret_cast<T**>(stage.bases),
          ready.chunk_steps,
          false,
          &control,
          0,
          nullptr,
          steps_before};
}

template <typename T>
void pack(const Ready& ready, const Level& level, T scalar) {
  for (const int64_t at : ready.handle->decoded(scalar).matrices[0]) {
    const Matrix& m = ready.program->matrices[at];
    const Products<T>& products = level.kernels(scalar).of(m.packing);
    const Argument& a = ready.job->arguments[m.argument];
    for (int64_t block = 0; block < m.blocks; ++block) {
      products.pack(static_cast<const T*>(a.ptr) + block * a.stride[0], a.stride[1], a.stride[2],
                    m.K, m.N,
                    static_cast<char*>(ready.packed[at]) + block * products.packed_bytes(m.K, m.N),
                    0, products.panels(m.N));
    }
  }
}

template <typename T>
void copy_packed(const Ready& ready, const Ready& other, const Level& level, T scalar) {
  for (const int64_t at : ready.handle->decoded(scalar).matrices[0]) {
    const Matrix& m = ready.program->matrices[at];
    const int64_t bytes = level.kernels(scalar).of(m.packing).packed_bytes(m.K, m.N);
    std::memcpy(ready.packed[at], other.packed[at], m.blocks * bytes);
  }
}

}  // namespace

const char* Stream::make(const Level& level, const StageJob* stages, int64_t count, int64_t rows,
                         const Stream* like) {
  level_ = &level;
  rows_ = rows;
  for (int64_t at = 0; at < count; ++at) {
    if (const char* complaint = add(stages[at])) return complaint;
  }
  const auto twin = [](const Stage& a, const Stage& b) { return a.handle == b.handle; };
  if (like && !std::equal(stages_.begin(), stages_.end(), like->stages_.begin(),
                          like->stages_.end(), twin)) {
    return "stream: other stages";
  }
  if (!scalar_bytes_) return "stream: no program";
  int64_t widest = 1;
  for (const Stage& stage : stages_) widest = std::max(widest, stage.width);
  piece_ = std::clamp<int64_t>(kPieceBytes / (rows * widest * scalar_bytes_), 1, kMostPiece);
  length_.assign(rows, piece_);
  steps_ = piece_;
  for (size_t at = 0; at < stages_.size(); ++at) {
    const char* complaint = place(stages_[at], like ? &like->stages_[at] : nullptr);
    if (complaint) return complaint;
  }
  return nullptr;
}

const char* Stream::add(const StageJob& given) {
  if (const char* complaint = check(given)) return complaint;
  Stage stage;
  if (given.program) {
    stage.handle = static_cast<const Handle*>(given.program);
    const int64_t bytes = stage.handle->program->is_double ? sizeof(double) : sizeof(float);
    if (scalar_bytes_ && scalar_bytes_ != bytes) return "stream: stages of two types";
    scalar_bytes_ = bytes;
  }
  if (!stages_.empty()) {
    const bool follows = given.program && given.input_count == 1 &&
                         given.inputs[1] == stages_.back().width;
    if (!follows) return "stream: a stage does not take what the one before it gives";
  }
  stage.arguments.assign(given.arguments, given.arguments + given.count);
  stage.inputs.assign(given.inputs, given.inputs + 2 * given.input_count);
  stage.states.assign(given.states, given.states + 3 * given.state_count);
  stage.output = given.output;
  stage.width = given.width;
  stage.table_rows = given.table_rows;
  stages_.push_back(std::move(stage));
  return nullptr;
}

const char* Stream::place(Stage& stage, const Stage* like) {
  const char* const none = "stream: no memory for it";
  const bool last = &stage == &stages_.back();
  if (!last && !stage.between.take(rows_ * piece_ * stage.width * scalar_bytes_)) return none;
  if (!stage.handle) return nullptr;
  int64_t bytes = 0;
  Carver counted(nullptr), states(nullptr);
  for (size_t k = 2; k < stage.states.size(); k += 3) {
    states.take<char>(rows_ * stage.states[k] * scalar_bytes_);
  }
  if (!stage.state.take(states.used())) return none;
  Carver carver(stage.state.get());
  for (size_t k = 0; k < stage.states.size(); k += 3) {
    const int64_t width = stage.states[k + 2];
    char* at = carver.take<char>(rows_ * width * scalar_bytes_);
    std::memset(at, 0, rows_ * width * scalar_bytes_);
    stage.arguments[stage.states[k]] = stage.arguments[stage.states[k + 1]] = {at, {width, 0, 0}};
  }
  stage.job = {const_cast<Handle*>(stage.handle), stage.arguments.data(),
               static_cast<int64_t>(stage.arguments.size()), rows_, piece_, nullptr, nullptr, 0, 0,
               nullptr};
  const Program& program = *stage.handle->program;
  const int64_t kept = place_kept(program, rows_, rows_ * piece_, nullptr, nullptr);
  if (kept < 0 || !stage.kept.take(kept)) return none;
  stage.job.kept = stage.kept.get();
  lay_out(*level_, &stage.job, 1, 1, counted);
  bytes = counted.used();
  if (bytes <= 0 || !stage.held.take(bytes)) return none;
  Carver whole(stage.held.get());
  stage.memory = lay_out(*level_, &stage.job, 1, 1, whole);
  Ready& ready = stage.memory.jobs[0];
  // Where x and y will stand is known at a push; until then any place does.
  for (size_t k = 0; k < stage.inputs.size(); k += 2) {
    stage.arguments[stage.inputs[k]].ptr = stage.held.get();
  }
  stage.arguments[stage.output].ptr = stage.held.get();
  if (const char* complaint = connect(ready, stage.memory.seen)) return complaint;
  stage.tiles = cut(ready.rows, 0, 1, stage.memory.tiles);
  ready.rows.length = length_.data();
  by_scalar(program, [&](auto scalar) {
    if (like) {
      copy_packed(ready, like->memory.jobs[0], *level_, scalar);
    } else {
      pack(ready, *level_, scalar);
    }
  });
  const auto buffers = static_cast<int64_t>(program.buffers.size());
  Carver worker(stage.memory.worker(0));
  stage.places = worker.take<void*>(buffers);
  stage.bases = worker.take<void*>(2 * buffers);
  std::copy_n(ready.memory, buffers, stage.places);
  place_scratch(program, ready.tile_rows, ready.chunk_steps, worker, stage.places);
  const bool looked_up = stages_.size() > 1 && &stage == &stages_[1] && !stages_[0].handle;
  if (looked_up) stage.recall = like ? like->recall : recalled(stage);
  return nullptr;
}

std::shared_ptr<const Recall> Stream::recalled(Stage& stage) const {
  const Stage& table = stages_[0];
  const Ready& ready = stage.memory.jobs[0];
  const int64_t x = stage.inputs[0];
  std::shared_ptr<Recall> made = recall_of(*stage.handle, x, table.table_rows);
  if (!made) return nullptr;
  by_scalar(*ready.program, [&](auto scalar) {
    Control control(nullptr);
    learn(*made, machine_of(stage, *level_, control, 0, scalar), stage.arguments[x],
          table.arguments[0], table.table_rows, ready.tile_rows * ready.chunk_steps);
  });
  return made;
}

void* Stream::state(int64_t stage, int64_t state) const {
  if (stage < 0 || stage >= static_cast<int64_t>(stages_.size()) || state < 0) return nullptr;
  const Stage& found = stages_[stage];
  if (3 * state >= static_cast<int64_t>(found.states.size())) return nullptr;
  return found.arguments[found.states[3 * state]].ptr;
}

Stream::Outcome Stream::push(void* const* x, void* y, int64_t steps, int64_t first,
                             int64_t last) noexcept {
  if (busy_.test_and_set(std::memory_order_acquire)) return busy;
  Outcome outcome = done;
  // All are looked at before the first step; and again, for they may have changed, before others.
  const auto* ids = static_cast<const int64_t*>(x[0]);
  if (!stages_[0].handle && !rows_exist(ids, steps, first, first ? last : steps)) {
    outcome = no_such_row;
  } else {
    const FlushDenormals flush;
    for (int64_t t = first; t < last; t += piece_) {
      piece(x, y, steps, t, std::min(piece_, last - t));
    }
  }
  busy_.clear(std::memory_order_release);
  return outcome;
}

bool Stream::rows_exist(const int64_t* ids, int64_t steps, int64_t first, int64_t last) const {
  const int64_t table = stages_[0].table_rows;
  const auto there = [&](int64_t id) { return id >= 0 && id < table; };
  for (int64_t r = 0; r < rows_; ++r, ids += steps) {
    if (!std::all_of(ids + first, ids + last, there)) return false;
  }
  return true;
}

// Steps first..first + count of so many through all stages.
void Stream::piece(void* const* x, void* y, int64_t steps, int64_t first, int64_t count) {
  set_steps(count);
  Span before{}, ids{};
  for (Stage& stage : stages_) {
    const bool last = &stage == &stages_.back();
    const int64_t width = stage.width;
    const Span after = last ? Span{static_cast<char*>(y) + first * width * scalar_bytes_,
                                   steps * width, width}
                            : Span{stage.between.get(), count * width, width};
    if (!stage.handle) {
      ids = {static_cast<char*>(x[0]) + first * static_cast<int64_t>(sizeof(int64_t)), steps, 1};
      look_up(stage, ids, after, count);
    } else {
      for (size_t k = 0; k < stage.inputs.size(); k += 2) {
        const int64_t wide = stage.inputs[k + 1];
        const bool outside = &stage == stages_.data();
        const Span from =
            outside ? Span{static_cast<char*>(x[k / 2]) + first * wide * scalar_bytes_,
                           steps * wide, wide}
                    : before;
        stage.arguments[stage.inputs[k]] = {from.at, {from.row, from.time, 0}};
      }
      run(stage, after, ids);
    }
    before = after;
  }
  passed_ += count;
}

void Stream::set_steps(int64_t steps) {
  if (steps == steps_) return;
  steps_ = steps;
  std::fill(length_.begin(), length_.end(), steps);
  for (Stage& stage : stages_) {
    if (stage.handle) stage.memory.jobs[0].rows.T = steps;
  }
}

void Stream::look_up(const Stage& stage, const Span& ids, const Span& y, int64_t steps) const {
  const Argument& table = stage.arguments[0];
  const int64_t bytes = stage.width * scalar_bytes_;
  for (int64_t r = 0; r < rows_; ++r) {
    const int64_t* id = reinterpret_cast<const int64_t*>(ids.at) + r * ids.row;
    char* to = y.at + r * y.row * scalar_bytes_;
    for (int64_t t = 0; t < steps; ++t) {
      const char* from =
          static_cast<const char*>(table.ptr) + id[t] * table.stride[0] * scalar_bytes_;
      std::memcpy(to + t * bytes, from, bytes);
    }
  }
}

void Stream::run(Stage& stage, const Span& y, const Span& ids) {
  stage.arguments[stage.output] = {y.at, {y.row, y.time, 0}};
  const Ready& ready = stage.memory.jobs[0];
  // A piece of more than a chunk computes what is known, for a chunk's memory holds no more.
  const bool known = stage.recall && steps_ <= ready.chunk_steps;
  by_scalar(*ready.program, [&](auto scalar) {
    Control control(nullptr);
    auto machine = machine_of(stage, *level_, control, passed_, scalar);
    if (known) machine.code = &stage.recall->code(scalar);
    for (int64_t at = 0; at < stage.tiles; ++at) {
      const Tile& tile = stage.memory.tiles[at];
      if (known) {
        recall_tile(*stage.recall, *ready.program, tile, reinterpret_cast<const int64_t*>(ids.at),
                    ids.row, steps_, stage.places);
      }
      run_tile(machine, tile);
    }
  });
}

}  // namespace recurra

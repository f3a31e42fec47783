#include "interpret.h"

#include <algorithm>

namespace recurra {

namespace {

// Rows `row`.. of a tile at step t; `copy` is the state before the step, of two.
struct Moment {
  int64_t t, row, chunk_row, copy;
};

template <typename T>
class Interpreter {
 public:
  Interpreter(const Machine<T>& machine, const Tile& tile)
      : m_(machine), rows_(*machine.rows), first_(tile.first), count_(tile.rows),
        whole_(tile.rows == machine.rows->B), copy_rows_(tile.rows) {}

  void run() {
    const int64_t longest = count_ ? rows_.length[first_] : 0;
    const bool chunked = m_.code->chunked[m_.backward] || m_.code->chunk_columns > 0;
    const int64_t steps = chunked ? m_.chunk_steps : std::max<int64_t>(longest, 1);
    const int64_t chunks = (longest + steps - 1) / steps;
    edge(m_.backward ? Phase::b_begin : Phase::f_begin);
    settle();
    for (int64_t i = 0; i < chunks; ++i) {
      const int64_t chunk = m_.backward ? chunks - 1 - i : i;
      if (!run_chunk(chunk * steps, std::min((chunk + 1) * steps, longest))) return;
    }
    edge(m_.backward ? Phase::b_end : Phase::f_end);
    for (const Phase phase : m_.backward ? kBack : kAhead) clear_padding(m_.code->segment(phase));
  }

 private:
  static constexpr Phase kAhead[] = {Phase::f_before, Phase::f_step, Phase::f_after};
  static constexpr Phase kBack[] = {Phase::b_before, Phase::b_step, Phase::b_after};

  int64_t alive(int64_t t) const { return std::min(rows_.alive(t) - first_, count_); }

  // Steps done before t, of which the last left its state in copy `copy(t)`.
  int64_t copy(int64_t t) const { return (m_.backward ? rows_.T - 1 - t : t) & 1; }

  bool run_chunk(int64_t t0, int64_t t1) {
    int64_t all = 0;
    for (int64_t t = t0; t < t1; ++t) all += alive(t);
    over_chunk(m_.backward ? Phase::b_before : Phase::f_before, t0, t1, all);
    const auto& segment = m_.code->segment(m_.backward ? Phase::b_step : Phase::f_step);
    const Run* runs = segment.runs[0].data();
    const auto count = static_cast<int64_t>(segment.runs[0].size());
    const bool done = each_step(t0, t1, all, [&](int64_t t, int64_t chunk_row, int64_t rows) {
      const Moment moment{t, 0, chunk_row, copy(t)};
      point(segment, moment);
      for (int64_t at = 0; at < count; ++at) execute(segment, runs[at], rows, moment);
    });
    if (!done) return false;
    over_chunk(m_.backward ? Phase::b_after : Phase::f_after, t0, t1, all);
    return true;
  }

  // In the order of the direction; false once the call is to stop.
  template <typename Body>
  bool each_step(int64_t t0, int64_t t1, int64_t all, const Body& body) {
    int64_t chunk_row = m_.backward ? all : 0;
    for (int64_t i = t0; i < t1; ++i) {
      const int64_t t = m_.backward ? t0 + t1 - 1 - i : i;
      const int64_t rows = alive(t);
      // Steps of few rows are so short that asking at each would be felt.
      if ((rows > kSumRows || (i - t0) % 8 == 0) && m_.control->stopped(m_.worker)) return false;
      if (m_.backward) chunk_row -= rows;
      body(t, chunk_row, rows);
      if (!m_.backward) chunk_row += rows;
    }
    return true;
  }

  void over_chunk(Phase phase, int64_t t0, int64_t t1, int64_t all) {
    const auto& segment = m_.code->segment(phase);
    const Run* runs = segment.runs[whole_].data();
    for (const Pass& pass : segment.passes[whole_]) {
      if (pass.flat) {
        const Moment moment{t0, 0, 0, 0};
        point(segment, moment);
        for (int64_t at = pass.first; at < pass.last; ++at) {
          if (runs[at].moving) {
            move(segment.steps[runs[at].first], t0, t1);
          } else {
            execute(segment, runs[at], all, moment);
          }
        }
        continue;
      }
      const bool done = each_step(t0, t1, all, [&](int64_t t, int64_t chunk_row, int64_t rows) {
        const Moment moment{t, 0, chunk_row, 0};
        point(segment, moment);
        for (int64_t at = pass.first; at < pass.last; ++at) {
          execute(segment, runs[at], rows, moment);
        }
      });
      if (!done) return;
    }
  }

  // BEGIN or END: once a tile, or once for each run of rows of equal length.
  void edge(Phase phase) {
    const auto& segment = m_.code->segment(phase);
    if (segment.steps.empty()) return;
    for (int64_t row = 0; row < count_;) {
      const int64_t length = rows_.length[first_ + row];
      int64_t end = segment.by_length ? row + 1 : count_;
      while (end < count_ && rows_.length[first_ + end] == length) ++end;
      edge_rows(phase, segment, row, end - row, length);
      row = end;
    }
  }

  void edge_rows(Phase phase, const Segment<T>& segment, int64_t row, int64_t rows,
                 int64_t length) {
    const int64_t last = phase == Phase::f_end ? length : phase == Phase::b_end ? rows_.T : 0;
    for (const Step<T>& step : segment.steps) {
      for (int64_t copy = 0; copy <= step.doubled; ++copy) {
        const Moment moment{0, row, 0, (last & 1) ^ copy};
        for (const Slot& slot : segment.slots) {
          m_.base[slot.slot] = edge_base(slot, phase, moment, length);
        }
        run_step(step, 0, rows, moment);
      }
    }
  }

  // Both states of an operand are one here: the first or the last one.
  T* edge_base(const Slot& slot, Phase phase, const Moment& moment, int64_t length) const {
    T* memory = m_.memory[slot.buffer];
    switch (slot.kind) {
      case Kind::history: {
        const bool end = phase == Phase::f_end || (m_.backward && slot.after);
        return memory + rows_.before(end ? length : 0, first_ + moment.row) * slot.ld;
      }
      case Kind::state: return memory + (moment.copy * copy_rows_ + moment.row) * slot.ld;
      case Kind::tile: return memory + moment.row * slot.ld;
      default: return memory;
    }
  }

  // Sets the bases of all operands that stay where they are from step to step.
  void settle() {
    const auto buffers = static_cast<int64_t>(m_.program->buffers.size());
    for (int64_t at = 0; at < buffers; ++at) m_.base[2 * at] = m_.base[2 * at + 1] = m_.memory[at];
  }

  // Sets those of a segment's other operands for the rows that live at a step.
  void point(const Segment<T>& segment, const Moment& moment) {
    if (segment.slots.empty()) return;
    int64_t rows[kRowKinds];
    rows[kFixed] = 0;
    rows[kKeptRow] = rows_.offset[moment.t] + first_;
    rows[kBefore] = rows_.before(moment.t, first_);
    rows[kAfter] = rows_.after(moment.t, first_);
    rows[kOld] = moment.copy * copy_rows_;
    rows[kNew] = (moment.copy ^ 1) * copy_rows_;
    rows[kChunkRow] = moment.chunk_row;
    for (const Slot& slot : segment.slots) {
      m_.base[slot.slot] = m_.memory[slot.buffer] + rows[slot.row] * slot.ld;
    }
  }

  void execute(const Segment<T>& segment, const Run& run, int64_t rows, const Moment& moment) {
    const Step<T>* steps = segment.steps.data();
    const int64_t strip = run.local ? run.strip : rows;
    for (int64_t row = 0; row < rows; row += strip) {
      const int64_t now = std::min(strip, rows - row);
      for (int64_t at = run.first; at < run.last; ++at) run_step(steps[at], row, now, moment);
    }
  }

  T* address(const Place& place, int64_t row) const {
    return m_.base[place.slot] + place.offset + row * place.row;
  }

  // Rows row.. of the moment's rows.
  void run_step(const Step<T>& step, int64_t row, int64_t rows, const Moment& moment) {
    if (step.action == Action::product) return product(step, row, rows, moment);
    if (step.action == Action::load || step.action == Action::store) {
      T* inner = address(inside(step), row);
      return outside(step, inner, moment.t, first_ + moment.row + row, rows);
    }
    const T* x[kMostReads];
    for (int64_t at = 0; at < step.walk.reads; ++at) x[at] = address(step.x[at], row);
    if (step.action == Action::pointwise) {
      step.loop(step.walk, rows, address(step.y, row), x);
    } else if (step.action == Action::batched) {
      m_.kernels->batched(step.walk, rows, address(step.y, row), x, step.numbers);
    } else {
      m_.kernels->accumulate(step.walk, rows, address(step.y, 0), x, first_ + moment.row + row);
    }
  }

  void product(const Step<T>& step, int64_t row, int64_t rows, const Moment& moment) {
    const bool back = (moment.copy ^ m_.steps_before) & 1;
    const char* packed = static_cast<const char*>(m_.packed[step.matrix]);
    const Place &x = step.x[0], &y = step.y;
    for (int64_t g = 0; g < step.walk.n; ++g, packed += step.bytes) {
      const T* bias = step.init == 2 ? address(step.x[1], row) + g * step.x[1].group : nullptr;
      step.multiply(address(x, row) + g * x.group, x.row, packed, bias, step.init == 0,
                    address(y, row) + g * y.group, y.row, rows, step.K, step.N, back, m_.scratch);
    }
  }

  // LOAD and STORE of a chunk's rows, step after step.
  void move(const Step<T>& step, int64_t t0, int64_t t1) {
    const Place& inner = inside(step);
    T* rows = address(inner, 0);
    for (int64_t t = t0; t < t1; ++t) {
      const int64_t count = alive(t);
      outside(step, rows, t, first_, count);
      rows += count * inner.row;
    }
  }

  static const Place& inside(const Step<T>& step) {
    return step.action == Action::load ? step.y : step.x[0];
  }

  // LOAD and STORE: rows of an argument, each at its own address.
  void outside(const Step<T>& step, T* inner, int64_t t, int64_t first, int64_t rows) {
    const Argument& argument = m_.arguments[step.argument];
    if (!argument.ptr) return;
    const bool load = step.action == Action::load;
    const Place& place = inside(step);
    const Place& outer = load ? step.x[0] : step.y;
    for (int64_t at = first; at < first + rows; ++at, inner += place.row) {
      T* there = static_cast<T*>(argument.ptr) + rows_.batch(at) * argument.stride[0];
      if (step.timed) there += rows_.time(t, at) * argument.stride[1];
      there += outer.offset;
      if (load) {
        copy(step, inner, place, there, outer);
      } else {
        copy(step, there, outer, inner, place);
      }
    }
  }

  // What is stored a step is 0 past a row's length.
  void clear_padding(const Segment<T>& segment) const {
    const T zero = 0;
    const Place repeated{};
    for (const Step<T>& step : segment.steps) {
      if (step.action != Action::store || !step.timed) continue;
      const Argument& argument = m_.arguments[step.argument];
      if (!argument.ptr) continue;
      for (int64_t r = first_; r < first_ + count_; ++r) {
        T* row = static_cast<T*>(argument.ptr) + rows_.batch(r) * argument.stride[0];
        for (int64_t t = rows_.length[r]; t < rows_.T; ++t) {
          copy(step, row + t * argument.stride[1] + step.y.offset, step.y, &zero, repeated);
        }
      }
    }
  }

  void copy(const Step<T>& step, T* y, const Place& to, const T* x, const Place& from) const {
    for (int64_t g = 0; g < step.walk.n; ++g) {
      T* y_group = y + g * to.group;
      const T* x_group = x + g * from.group;
      if (from.column) {
        std::copy_n(x_group, step.walk.d, y_group);
      } else {
        std::fill_n(y_group, step.walk.d, *x_group);
      }
    }
  }

  const Machine<T>& m_;
  const Rows& rows_;
  const int64_t first_, count_;
  const bool whole_;
  const int64_t copy_rows_;
};

}  // namespace

template <typename T>
void run_tile(const Machine<T>& machine, const Tile& tile) noexcept {
  Interpreter<T>(machine, tile).run();
}

template void run_tile(const Machine<float>&, const Tile&) noexcept;
template void run_tile(const Machine<double>&, const Tile&) noexcept;

}  // namespace recurra

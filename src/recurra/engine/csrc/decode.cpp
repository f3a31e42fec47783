#include "decode.h"

#include <algorithm>
#include <utility>

#include "operations.h"

namespace recurra {

namespace {

// What a strip's operands may fill of the first cache.
constexpr int64_t kStripBytes = 32 << 10;

bool is_edge(Phase phase) {
  return phase == Phase::f_begin || phase == Phase::f_end || phase == Phase::b_begin ||
         phase == Phase::b_end;
}
bool is_begin(Phase phase) { return phase == Phase::f_begin || phase == Phase::b_begin; }
bool is_chunk(Phase phase) {
  return phase == Phase::f_before || phase == Phase::f_after || phase == Phase::b_before ||
         phase == Phase::b_after;
}

template <typename T>
class Decoder {
 public:
  Decoder(const Program& program, const Kernels<T>& kernels)
      : program_(program), kernels_(kernels) {}

  Decoded<T> run() {
    Decoded<T> decoded;
    for (const Buffer& b : program_.buffers) {
      if (b.kind == Kind::chunk) decoded.chunk_columns += b.ld;
    }
    for (int64_t p = 0; p < static_cast<int64_t>(Phase::contract); ++p) {
      const auto phase = static_cast<Phase>(p);
      const bool backward = phase >= Phase::b_begin;
      Segment<T>& segment = decoded.segments[p];
      for (const Instruction& i : program_.segments[p]) {
        segment.steps.push_back(step(i, phase));
        if (i.code == kProduct) decoded.matrices[backward].push_back(i.numbers[0]);
      }
      if (is_chunk(phase) && !segment.steps.empty()) decoded.chunked[backward] = true;
      segment.slots = slots(phase);
      segment.by_length = by_length(phase);
      for (const bool whole : {false, true}) group(phase, whole, segment);
    }
    for (auto& matrices : decoded.matrices) {
      std::sort(matrices.begin(), matrices.end());
      matrices.erase(std::unique(matrices.begin(), matrices.end()), matrices.end());
    }
    return decoded;
  }

 private:
  const Buffer& buffer(const Operand& o) const { return program_.buffers[o.buffer]; }

  Place place(const Operand& o) const {
    const Buffer& b = buffer(o);
    const int64_t row = b.kind == Kind::parameter ? 0 : b.ld;
    return {2 * o.buffer + o.after, o.offset, row, o.group, o.column};
  }

  Step<T> step(const Instruction& i, Phase phase) const {
    Step<T> s{};
    s.y = place(i.operands[0]);
    s.walk = {i.n, i.d, static_cast<T>(i.literal), stride(s.y), {}, 0, false, false};
    s.walk.reads = static_cast<int64_t>(i.operands.size()) - 1;
    for (int64_t at = 0; at < s.walk.reads; ++at) {
      s.x[at] = place(i.operands[at + 1]);
      s.walk.x[at] = stride(s.x[at]);
    }
    s.doubled = is_begin(phase) && buffer(i.operands[0]).kind == Kind::state;
    switch (i.code) {
      case kLoad: outside(Action::load, i.operands[1], s); break;
      case kStore: outside(Action::store, i.operands[0], s); break;
      case kProduct:
        s.action = Action::product;
        product(i, s);
        break;
      case kBatched:
        s.action = Action::batched;
        std::copy(i.numbers.begin(), i.numbers.end(), s.numbers);
        break;
      case kAccumulate:
        s.action = Action::accumulate;
        flatten(s.walk);
        break;
      default:
        s.action = Action::pointwise;
        s.loop = kernels_.pointwise[i.code];
        if (kOperationTable[i.code].form == Form::map) flatten(s.walk);
    }
    return s;
  }

  void product(const Instruction& i, Step<T>& s) const {
    const Matrix& matrix = program_.matrices[i.numbers[0]];
    s.matrix = i.numbers[0];
    s.init = i.numbers[1];
    s.K = matrix.K;
    s.N = matrix.N;
    const Products<T>& products = kernels_.of(matrix.packing);
    s.bytes = products.packed_bytes(s.K, s.N);
    s.multiply = products.product;
  }

  static Stride stride(const Place& p) { return {p.row, p.group, p.column}; }

  // Groups of one column each become columns, groups side by side one group: long loops inside.
  static void flatten(Walk<T>& w) {
    const auto every = [&](const auto& fits) {
      return fits(w.y) && std::all_of(w.x, w.x + w.reads, fits);
    };
    if (w.d == 1 && w.n > 1 && every([](const Stride& s) { return s.group <= 1; })) {
      for (int64_t at = 0; at < w.reads; ++at) w.x[at].column = w.x[at].group;
      std::swap(w.n, w.d);
    }
    w.plain = w.d == 1 || every([](const Stride& s) { return s.column == 1; });
    if (w.plain && w.n > 1 && every([&](const Stride& s) { return s.group == w.d; })) {
      w.d *= w.n;
      w.n = 1;
    }
    w.solid = w.plain && w.n == 1 && every([&](const Stride& s) { return s.row == w.d; });
  }

  void outside(Action action, const Operand& o, Step<T>& s) const {
    s.action = action;
    s.argument = buffer(o).argument;
    s.timed = buffer(o).kind == Kind::outer;
  }

  static Row row_of(Kind kind, bool after) {
    switch (kind) {
      case Kind::kept: return kKeptRow;
      case Kind::history: return after ? kAfter : kBefore;
      case Kind::state: return after ? kNew : kOld;
      case Kind::chunk: return kChunkRow;
      default: return kFixed;
    }
  }

  std::vector<Slot> slots(Phase phase) const {
    std::vector<Slot> found;
    for (const Instruction& i : program_.segment(phase)) {
      for (const Operand& o : i.operands) {
        const Buffer& b = buffer(o);
        if (b.kind == Kind::outer || b.kind == Kind::outer_row) continue;
        const Row row = row_of(b.kind, o.after);
        if (row == kFixed && !is_edge(phase)) continue;
        const Slot slot{2 * o.buffer + o.after, o.buffer, b.ld, row, b.kind, o.after};
        const auto same = [&](const Slot& other) { return other.slot == slot.slot; };
        if (std::none_of(found.begin(), found.end(), same)) found.push_back(slot);
      }
    }
    return found;
  }

  bool by_length(Phase phase) const {
    for (const Instruction& i : program_.segment(phase)) {
      for (const Operand& o : i.operands) {
        const Kind kind = buffer(o).kind;
        if (kind == Kind::history && phase != Phase::f_begin) return true;
        if (kind == Kind::state && phase == Phase::f_end) return true;
      }
    }
    return false;
  }

  // Whether an instruction only carries a chunk's rows from or to an argument.
  bool moving(const Instruction& i, Phase phase) const {
    if (!is_chunk(phase) || (i.code != kLoad && i.code != kStore)) return false;
    return buffer(i.operands[i.code == kStore]).kind == Kind::chunk;
  }

  // Whether an instruction over a chunk can take all its rows at once.
  bool flat(const Instruction& i, Phase phase, bool whole) const {
    if (!is_chunk(phase)) return false;
    if (moving(i, phase)) return true;
    return std::all_of(i.operands.begin(), i.operands.end(), [&](const Operand& o) {
      const Kind kind = buffer(o).kind;
      if (kind == Kind::chunk || kind == Kind::parameter) return true;
      return whole && (kind == Kind::kept || (kind == Kind::history && o.after));
    });
  }

  // Columns that a row of an instruction moves through the cache.
  int64_t columns(const Instruction& i) const {
    int64_t columns = 0;
    for (const Operand& o : i.operands) {
      if (buffer(o).kind == Kind::parameter) continue;
      const int64_t reach = (o.group ? i.n : 1) * (o.column ? i.d : 1);
      columns += std::min(reach, buffer(o).width);
    }
    return columns;
  }

  void group(Phase phase, bool whole, Segment<T>& segment) const {
    const auto& instructions = program_.segment(phase);
    const auto count = static_cast<int64_t>(instructions.size());
    auto& runs = segment.runs[whole];
    auto& passes = segment.passes[whole];
    const auto local = [&](int64_t at) {
      return instructions[at].code != kProduct && !moving(instructions[at], phase);
    };
    for (int64_t at = 0; at < count;) {
      const bool is_flat = flat(instructions[at], phase, whole);
      int64_t last = at, touched = 0;
      while (last < count && (last == at || (local(at) && local(last))) &&
             flat(instructions[last], phase, whole) == is_flat) {
        touched += columns(instructions[last++]);
      }
      // Most operands of a run are met twice: as a result, and where it is read.
      const int64_t bytes = std::max<int64_t>(touched * sizeof(T) / 2, 1);
      const int64_t strip = std::max<int64_t>(kStripBytes / bytes / kSumRows * kSumRows, kSumRows);
      if (passes.empty() || passes.back().flat != is_flat) {
        passes.push_back({static_cast<int64_t>(runs.size()), 0, is_flat});
      }
      runs.push_back({at, last, strip, local(at), moving(instructions[at], phase)});
      passes.back().last = static_cast<int64_t>(runs.size());
      at = last;
    }
  }

  const Program& program_;
  const Kernels<T>& kernels_;
};

}  // namespace

template <typename T>
Decoded<T> decode(const Program& program, const Kernels<T>& kernels) {
  return Decoder<T>(program, kernels).run();
}

template Decoded<float> decode(const Program&, const Kernels<float>&);
template Decoded<double> decode(const Program&, const Kernels<double>&);

}  // namespace recurra

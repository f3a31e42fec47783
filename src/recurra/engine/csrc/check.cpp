#include "check.h"

#include <algorithm>

#include "operations.h"

namespace recurra {

namespace {

const char* const kKindNames[kKinds] = {"parameter", "outer", "outer_row", "kept", "history",
                                        "state",     "chunk", "tile",      "sum"};
const char* const kPhaseNames[kPhases] = {"F_BEGIN",  "F_BEFORE", "F_STEP",  "F_AFTER",
                                          "F_END",    "B_BEGIN",  "B_BEFORE", "B_STEP",
                                          "B_AFTER",  "B_END",    "CONTRACT"};

using Kinds = unsigned;  // a bit a kind

constexpr Kinds only(Kind kind) { return 1u << static_cast<unsigned>(kind); }

constexpr Kinds kParameter = only(Kind::parameter), kOuter = only(Kind::outer),
                kOuterRow = only(Kind::outer_row), kKept = only(Kind::kept),
                kHistory = only(Kind::history), kState = only(Kind::state),
                kChunk = only(Kind::chunk), kTile = only(Kind::tile), kSum = only(Kind::sum);
constexpr Kinds kOutside = kOuter | kOuterRow;
constexpr Kinds kWritten = kKept | kHistory | kState | kChunk | kTile;
constexpr Kinds kRead = kParameter | kWritten;

enum class Moment { once, chunk, step, last };

Moment moment(Phase phase) {
  switch (phase) {
    case Phase::f_begin:
    case Phase::f_end:
    case Phase::b_begin:
    case Phase::b_end: return Moment::once;
    case Phase::f_step:
    case Phase::b_step: return Moment::step;
    case Phase::contract: return Moment::last;
    default: return Moment::chunk;
  }
}

bool is_backward(Phase phase) { return phase >= Phase::b_begin && phase <= Phase::b_end; }

// Which kinds have rows in a phase.
Kinds present(Phase phase) {
  const Kinds sum = is_backward(phase) ? kSum : 0;
  switch (moment(phase)) {
    case Moment::once: return kParameter | kOuterRow | kHistory | kState | kTile | sum;
    case Moment::chunk: return kParameter | kOutside | kKept | kHistory | kChunk | kTile | sum;
    case Moment::step: return kParameter | kOutside | kWritten | sum;
    case Moment::last: return kOuter | kKept | kHistory | kSum;
  }
  return 0;
}

// n intervals of d columns, `group` apart. Columns apart are intervals of groups side by side.
struct Columns {
  int64_t offset, n, group, d;

  int64_t end() const { return n && d ? offset + (n - 1) * group + d : offset; }
};

Columns columns(const Operand& o, int64_t n, int64_t d) {
  if (n == 0 || d == 0) return {o.offset, 0, 0, 0};
  if (o.column > 1 && d > 1) return {o.offset, d, o.column, o.group ? n : 1};
  const int64_t width = o.column ? d : 1;
  if (n == 1 || o.group == 0) return {o.offset, 1, width, width};
  return {o.offset, n, o.group, width};
}

bool meet(const Columns& a, const Columns& b) {
  for (int64_t i = 0, j = 0; i < a.n && j < b.n;) {
    const int64_t x = a.offset + i * a.group, y = b.offset + j * b.group;
    if (x < y + b.d && y < x + a.d) return true;
    // Groups may overlap each other, so the one that begins first is not behind us for good.
    if (a.group < a.d || b.group < b.d) {
      if (x < b.end() && b.offset < a.end()) return true;
    }
    x < y ? ++i : ++j;
  }
  return false;
}

class Checker {
 public:
  explicit Checker(Program& program) : program_(program) {}

  std::string run() {
    for (size_t at = 0; at < program_.buffers.size() && error_.empty(); ++at) buffer(at);
    for (size_t at = 0; at < program_.matrices.size() && error_.empty(); ++at) {
      const Matrix& m = program_.matrices[at];
      require(m.argument < program_.arguments, "matrix " + std::to_string(at) + ": no argument " +
                                                   std::to_string(m.argument));
      require(m.packing == Packing::full || !program_.is_double,
              "matrix " + std::to_string(at) + ": half of double");
      program_.tiles |= m.packing == Packing::tiles;
    }
    for (int64_t p = 0; p < kPhases && error_.empty(); ++p) {
      phase_ = static_cast<Phase>(p);
      for (size_t at = 0; at < program_.segments[p].size() && error_.empty(); ++at) {
        where_ = std::string(kPhaseNames[p]) + " " + std::to_string(at) + ": ";
        instruction(program_.segments[p][at]);
      }
    }
    if (error_.empty()) sums();
    return error_.empty() ? error_ : "program: " + error_;
  }

 private:
  void require(bool good, const std::string& complaint) {
    if (!good && error_.empty()) error_ = where_ + complaint;
  }

  void buffer(size_t at) {
    Buffer& b = program_.buffers[at];
    where_ = "buffer " + std::to_string(at) + ": ";
    const bool argument = only(b.kind) & (kParameter | kOutside);
    require(argument ? b.argument >= 0 && b.argument < program_.arguments : b.argument == -1,
            "no argument " + std::to_string(b.argument) + " for kind " + name(b));
    if (b.alias >= 0 && error_.empty()) {
      const auto count = static_cast<int64_t>(program_.buffers.size());
      const bool root = b.alias < count && b.alias != static_cast<int64_t>(at) &&
                        program_.buffers[b.alias].alias < 0;
      require(root && b.kind == Kind::kept && program_.buffers[b.alias].kind == Kind::kept &&
                  program_.buffers[b.alias].width >= b.width,
              "alias " + std::to_string(b.alias) + " is no kept buffer of this width or more");
      if (error_.empty()) b.ld = program_.buffers[b.alias].ld;
    }
    where_.clear();
  }

  static std::string name(const Buffer& b) { return kKindNames[static_cast<int64_t>(b.kind)]; }

  // The operand exists, is of one of `kinds`, has rows in this phase, and stays in its columns.
  void operand(const Operand& o, Kinds kinds, const Columns& reach) {
    if (!error_.empty()) return;
    if (o.buffer < 0 || o.buffer >= static_cast<int64_t>(program_.buffers.size())) {
      return require(false, "no buffer " + std::to_string(o.buffer));
    }
    const Buffer& b = program_.buffers[o.buffer];
    require(only(b.kind) & kinds & present(phase_), "a " + name(b) + " operand does not fit here");
    require(reach.end() <= b.width, "columns up to " + std::to_string(reach.end()) + " of buffer " +
                                        std::to_string(o.buffer) + ", which has " +
                                        std::to_string(b.width));
  }

  void operand(const Instruction& i, size_t at, Kinds kinds) {
    operand(i.operands[at], kinds, columns(i.operands[at], i.n, i.d));
  }

  // A result of groups of d columns.
  void target(const Instruction& i, int64_t d) {
    const Columns reach = columns(i.operands[0], i.n, d);
    operand(i.operands[0], kWritten, reach);
    if (!error_.empty()) return;
    // A tile's rows are the same at all steps, and a chunk's steps may run in any grouping.
    require(moment(phase_) != Moment::chunk ||
                program_.buffers[i.operands[0].buffer].kind != Kind::tile,
            "a tile buffer cannot be written over a chunk");
    solid(i, d);
  }

  void solid(const Instruction& i, int64_t d) {
    require(i.operands[0].column == 1 || d <= 1, "a result cannot repeat a column");
    require(i.operands[0].group >= d || i.n <= 1, "groups of a result overlap");
  }

  int64_t memory(const Operand& o) const {
    const int64_t alias = program_.buffers[o.buffer].alias;
    return alias < 0 ? o.buffer : alias;
  }

  bool same_rows(const Operand& a, const Operand& b) const {
    if (memory(a) != memory(b)) return false;
    const Kinds kind = only(program_.buffers[a.buffer].kind);
    return !(kind & (kState | kHistory)) || a.after == b.after || moment(phase_) == Moment::once;
  }

  // A result beside an operand: apart, or the very same elements.
  void apart(const Operand& y, const Columns& to, const Operand& x, const Columns& from,
             bool in_place) {
    if (!error_.empty() || !same_rows(y, x) || !meet(to, from)) return;
    const bool same = to.offset == from.offset && to.n == from.n && to.d == from.d &&
                      (to.group == from.group || to.n <= 1);
    require(in_place && same, "the result overlaps an operand");
  }

  void arity(const Instruction& i, size_t operands, size_t numbers) {
    require(i.operands.size() == operands && i.numbers.size() == numbers,
            std::to_string(i.operands.size()) + " operands and " +
                std::to_string(i.numbers.size()) + " numbers, where " + std::to_string(operands) +
                " and " + std::to_string(numbers) + " belong");
  }

  static bool reduces(const Instruction& i) {
    return i.code >= 0 && i.code < kOperationCount && kOperationTable[i.code].form == Form::reduce;
  }

  void instruction(const Instruction& i) {
    for (size_t at = 0; at < i.operands.size(); ++at) {
      const Operand& o = i.operands[at];
      require(o.column <= 1 || (at > 0 && reduces(i)), "columns apart are for a reduction to read");
    }
    const bool last = phase_ == Phase::contract;
    require(last == (i.code == kContract || i.code == kTotal), "this code has no place here");
    if (!error_.empty()) return;
    switch (i.code) {
      case kLoad: return load(i);
      case kStore: return store(i);
      case kProduct: return product(i);
      case kBatched: return batched(i);
      case kAccumulate: return accumulate(i);
      case kContract: return contract(i);
      case kTotal: return total(i);
      default: return pointwise(i);
    }
  }

  void load(const Instruction& i) {
    arity(i, 2, 0);
    if (!error_.empty()) return;
    target(i, i.d);
    operand(i, 1, kOutside);
  }

  void store(const Instruction& i) {
    arity(i, 2, 0);
    if (!error_.empty()) return;
    operand(i, 0, kOutside);
    solid(i, i.d);
    operand(i, 1, kRead);
  }

  void product(const Instruction& i) {
    require(i.numbers.size() == 2 && i.numbers[1] <= 2, "a product has a matrix and an init");
    if (!error_.empty()) return;
    arity(i, i.numbers[1] == 2 ? 3 : 2, 2);
    require(i.numbers[0] < static_cast<int64_t>(program_.matrices.size()), "no such matrix");
    if (!error_.empty()) return;
    const Matrix& m = program_.matrices[i.numbers[0]];
    require(i.n == m.blocks && i.d == m.N, "a product has the matrix's blocks and columns");
    for (const Operand& o : i.operands) require(o.column == 1, "a product repeats no column");
    const Columns to = columns(i.operands[0], m.blocks, m.N);
    const Columns from = columns(i.operands[1], m.blocks, m.K);
    target(i, m.N);
    operand(i.operands[1], kRead, from);
    apart(i.operands[0], to, i.operands[1], from, false);
    if (i.numbers[1] == 2) operand(i, 2, kParameter);
  }

  void batched(const Instruction& i) {
    arity(i, 3, 8);
    if (!error_.empty()) return;
    const auto& x = i.numbers;
    require(x[7] <= 1, "accumulate is 0 or 1");
    const bool none = i.n == 0 || x[0] == 0 || x[2] == 0;
    const bool reads = !none && x[1] > 0;
    const int64_t a = reads ? (x[0] - 1) * x[3] + (x[1] - 1) * x[4] + 1 : 0;
    const int64_t b = reads ? (x[1] - 1) * x[5] + (x[2] - 1) * x[6] + 1 : 0;
    const Operand* o = i.operands.data();
    for (int64_t at = 0; at < 3; ++at) require(o[at].column == 1, "batched repeats no column");
    require(a <= kFar && b <= kFar, "strides out of range");
    if (!error_.empty()) return;
    const int64_t made = none ? 0 : x[0] * x[2];
    const Columns to = columns(o[0], i.n, made);
    const Columns left = columns(o[1], i.n, a), right = columns(o[2], i.n, b);
    target(i, made);
    operand(o[1], kRead, left);
    operand(o[2], kRead, right);
    apart(o[0], to, o[1], left, false);
    apart(o[0], to, o[2], right, false);
  }

  void accumulate(const Instruction& i) {
    require(i.operands.size() == 2 || i.operands.size() == 3, "accumulate reads one or two");
    if (!error_.empty()) return;
    arity(i, i.operands.size(), 0);
    operand(i, 0, kSum);
    require(i.operands[0].column == 1, "a sum cannot repeat a column");
    for (size_t at = 1; at < i.operands.size(); ++at) operand(i, at, kRead);
  }

  void contract(const Instruction& i) {
    arity(i, 2, 6);
    if (!error_.empty()) return;
    require(packing_of(i) == Packing::full || packing_of(i) == Packing::tiles,
            "a contraction is 0 in full or 2 on tiles");
    require(packing_of(i) == Packing::full || !program_.is_double, "tiles of double");
    program_.tiles |= packing_of(i) == Packing::tiles;
    output(i);
    const int64_t M = i.numbers[1], N = i.numbers[2], rows = i.numbers[3] * i.numbers[4];
    require(i.numbers[4] > 0 && rows <= int64_t(1) << 30, "a contraction of so many rows");
    if (!error_.empty()) return;
    operand(i.operands[0], kOuter | kKept | kHistory, {i.operands[0].offset, rows, M, M});
    operand(i.operands[1], kOuter | kKept | kHistory, {i.operands[1].offset, rows, N, N});
  }

  void total(const Instruction& i) {
    arity(i, 1, 1);
    if (!error_.empty()) return;
    output(i);
    operand(i, 0, kSum);
  }

  void output(const Instruction& i) {
    require(i.numbers[0] < program_.arguments, "no argument " + std::to_string(i.numbers[0]));
  }

  void pointwise(const Instruction& i) {
    require(i.code >= 0 && i.code < kOperationCount, "no code " + std::to_string(i.code));
    if (!error_.empty()) return;
    const Operation& operation = kOperationTable[i.code];
    arity(i, operation.reads + 1, 0);
    if (!error_.empty()) return;
    const bool reduced = reduces(i);
    const bool across = std::any_of(i.operands.begin(), i.operands.end(),
                                    [](const Operand& o) { return o.column > 1; });
    for (size_t at = 1; at < i.operands.size(); ++at) {
      require(!across || i.operands[at].group <= 1, "columns apart are of groups side by side");
    }
    const bool extreme = i.code >= kOperationCount - 4 && i.code < kOperationCount - 2;
    require(!extreme || i.d > 0 || i.n == 0, "no largest of no columns");
    const int64_t made = reduced ? 1 : i.d;
    const Columns to = columns(i.operands[0], i.n, made);
    target(i, made);
    for (size_t at = 1; at < i.operands.size(); ++at) {
      operand(i, at, kRead);
      const Columns from = columns(i.operands[at], i.n, i.d);
      if (error_.empty()) apart(i.operands[0], to, i.operands[at], from, !reduced);
    }
  }

  // Two sums into one column must not change their order with the length of a chunk.
  void sums() {
    struct Target {
      const Instruction* i;
      Phase phase;
    };
    std::vector<Target> targets;
    for (int64_t p = 0; p < kPhases; ++p) {
      for (const Instruction& i : program_.segments[p]) {
        if (i.code == kAccumulate) targets.push_back({&i, static_cast<Phase>(p)});
      }
    }
    for (const Target& a : targets) {
      for (const Target& b : targets) {
        if (&a == &b || moment(a.phase) != Moment::chunk || moment(b.phase) == Moment::once) {
          continue;
        }
        const Operand &x = a.i->operands[0], &y = b.i->operands[0];
        where_ = std::string(kPhaseNames[static_cast<int64_t>(a.phase)]) + ": ";
        require(x.buffer != y.buffer ||
                    !meet(columns(x, a.i->n, a.i->d), columns(y, b.i->n, b.i->d)),
                "two sums into the same columns");
      }
    }
  }

  static constexpr int64_t kFar = int64_t(1) << 31;

  Program& program_;
  Phase phase_ = Phase::f_begin;
  std::string where_, error_;
};

}  // namespace

std::string check(Program& program) { return Checker(program).run(); }

}  // namespace recurra

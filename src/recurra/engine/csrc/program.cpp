#include "program.h"

#include <cstring>

#include "check.h"

namespace recurra {

namespace {

constexpr int64_t kVersion = 2;
// Every size and stride: products of two and sums of four of them stay within 64 bits.
constexpr int64_t kMost = int64_t(1) << 30;

// Takes words one by one. After the last one, or after a word out of range, every word is 0.
class Words {
 public:
  Words(const int64_t* words, int64_t count) : words_(words), left_(count) {}

  int64_t any() {
    if (!good_ || left_ <= 0) return fail();
    --left_;
    return *words_++;
  }

  int64_t within(int64_t least, int64_t most) {
    const int64_t word = any();
    return word < least || word > most ? fail() : word;
  }

  // A number of things of at least `size` words each.
  int64_t count(int64_t size) { return within(0, left_ / size); }

  bool flag() { return within(0, 1) == 1; }
  bool good() const { return good_; }
  bool done() const { return left_ == 0; }

 private:
  int64_t fail() {
    good_ = false;
    return 0;
  }

  const int64_t* words_;
  int64_t left_;
  bool good_ = true;
};

// Rows of a large power of two apart would share few cache sets.
int64_t leading(int64_t width) {
  const int64_t ld = (width + 15) / 16 * 16;
  return ld >= 256 && ld % 128 == 0 ? ld + 16 : ld;
}

Instruction instruction(Words& words) {
  Instruction i;
  i.code = words.any();
  i.n = words.within(0, kMost);
  i.d = words.within(0, kMost);
  const int64_t literal = words.any();
  std::memcpy(&i.literal, &literal, sizeof(literal));
  i.operands.resize(words.count(5));
  for (Operand& o : i.operands) {
    o.buffer = words.any();
    o.offset = words.within(0, kMost);
    o.group = words.within(0, kMost);
    o.column = words.within(0, kMost);
    o.after = words.flag();
  }
  i.numbers.resize(words.count(1));
  for (int64_t& number : i.numbers) number = words.within(0, kMost);
  return i;
}

void read(Words& words, Program& program) {
  program.is_double = words.flag();
  program.arguments = words.within(0, kMost);
  program.buffers.resize(words.count(4));
  for (Buffer& b : program.buffers) {
    b.kind = static_cast<Kind>(words.within(0, kKinds - 1));
    b.width = words.within(0, kMost);
    b.argument = words.within(-1, kMost);
    b.alias = words.within(-1, kMost);
    b.ld = leading(b.width) * (b.kind == Kind::sum ? 2 : 1);  // and what its sums lost
  }
  program.matrices.resize(words.count(5));
  for (Matrix& m : program.matrices) {
    m.argument = words.within(0, kMost);
    m.K = words.within(0, kMost);
    m.N = words.within(0, kMost);
    m.blocks = words.within(0, kMost);
    m.packing = static_cast<Packing>(words.within(0, kPackings - 1));
  }
  for (auto& segment : program.segments) {
    const int64_t count = words.count(6);
    segment.reserve(count);
    for (int64_t at = 0; at < count && words.good(); ++at) segment.push_back(instruction(words));
  }
}

}  // namespace

std::unique_ptr<Program> parse(const int64_t* words, int64_t count, std::string& error) {
  auto program = std::make_unique<Program>();
  Words reader(words, count);
  if (const int64_t version = reader.any(); version != kVersion) {
    error = "program: version " + std::to_string(version) + "; this library reads " +
            std::to_string(kVersion);
    return nullptr;
  }
  read(reader, *program);
  if (!reader.good() || !reader.done()) {
    error = "program: the words end too early, go on too long, or hold a size out of range";
    return nullptr;
  }
  error = check(*program);
  return error.empty() ? std::move(program) : nullptr;
}

}  // namespace recurra

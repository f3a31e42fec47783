#include "after.h"

#include <algorithm>
#include <optional>

namespace recurra {

namespace {

// Writes the addresses of packed rows one after another.
template <typename T>
class Addresses {
 public:
  // inner: so many rows of `width` columns lie one after another in each packed row.
  Addresses(const Sums<T>& sums, const Operand& o, int64_t skipped, int64_t inner, int64_t width)
      : rows_(*sums.rows),
        buffer_(sums.program->buffers[o.buffer]),
        after_(o.after),
        inner_(inner),
        width_(width) {
    const bool outer = buffer_.kind == Kind::outer;
    const Argument* argument = outer ? &sums.arguments[buffer_.argument] : nullptr;
    base_ = outer ? static_cast<const T*>(argument->ptr) : sums.memory[o.buffer];
    if (outer) batch_ = argument->stride[0], time_ = argument->stride[1];
    columns_ = o.offset + skipped;
  }

  void next(int64_t count, const T** out) {
    while (count > 0) {
      const int64_t now = std::min(count, inner_ - j_);
      const T* first = row(r_) + columns_;
      for (int64_t i = 0; i < now; ++i) out[i] = first + (j_ + i) * width_;
      out += now, count -= now, j_ += now;
      if (j_ == inner_) j_ = 0, ++r_;
      if (r_ == rows_.alive(t_)) ++t_, r_ = 0;
    }
  }

 private:
  const T* row(int64_t r) const {
    switch (buffer_.kind) {
      case Kind::outer: return base_ + rows_.batch(r) * batch_ + rows_.time(t_, r) * time_;
      case Kind::history:
        return base_ + (after_ ? rows_.after(t_, r) : rows_.before(t_, r)) * buffer_.ld;
      default: return base_ + (rows_.offset[t_] + r) * buffer_.ld;
    }
  }

  const Rows& rows_;
  const Buffer& buffer_;
  const bool after_;
  const int64_t inner_, width_;
  const T* base_;
  int64_t batch_ = 0, time_ = 0, columns_, t_ = 0, r_ = 0, j_ = 0;
};

// One contraction and those after it that have its left-hand side; of several blocks, one.
template <typename T>
class Together {
 public:
  Together(const Sums<T>& sums, const Instruction* first, const Instruction* end, int64_t block)
      : sums_(sums),
        first_(*first),
        products_(sums.kernels->of(packing_of(*first))),
        inner_(first->numbers[4]),
        left_(sums, first->operands[0], block * inner_ * first->numbers[1], inner_,
              first->numbers[1]) {
    for (const Instruction* i = first; i != end && sides_ < kMostRights; ++i, ++taken_) {
      if (i != first && !fits(*i)) break;
      const Argument& c = sums.arguments[i->numbers[0]];
      if (!c.ptr) continue;
      const int64_t N = i->numbers[2];
      T* out = static_cast<T*>(c.ptr) + block * c.stride[0];
      right_[sides_] = {b_[sides_], out, c.stride[1], c.stride[2], N};
      from_[sides_++].emplace(sums, i->operands[1], block * inner_ * N, inner_, N);
    }
  }

  int64_t taken() const { return taken_; }

  // False once the call is to stop.
  bool run(int64_t share, int64_t shares) {
    const int64_t M = first_.numbers[1], all = sums_.rows->packed() * inner_;
    const int64_t units = sides_ ? products_.contract_units(M, right_, sides_) : 0;
    const int64_t unit0 = units * share / shares, unit1 = units * (share + 1) / shares;
    if (unit0 == unit1) return true;
    int64_t done = 0;
    // Without any rows there is still a result: zeros.
    do {
      if (sums_.control->stopped(sums_.worker)) return false;
      const int64_t now = std::min(all - done, products_.contract_rows);
      left_.next(now, a_);
      for (int64_t i = 0; i < sides_; ++i) from_[i]->next(now, b_[i]);
      products_.contract(a_, M, right_, sides_, now, done == 0, unit0, unit1, sums_.scratch);
      done += now;
    } while (done < all);
    return true;
  }

 private:
  bool fits(const Instruction& i) const {
    const Operand &one = first_.operands[0], &other = i.operands[0];
    return i.code == kContract && i.numbers[3] == 1 && first_.numbers[3] == 1 &&
           i.numbers[1] == first_.numbers[1] && i.numbers[4] == inner_ &&
           i.numbers[5] == first_.numbers[5] && one.buffer == other.buffer &&
           one.offset == other.offset && one.after == other.after;
  }

  const Sums<T>& sums_;
  const Instruction& first_;
  const Products<T>& products_;
  const int64_t inner_;
  Addresses<T> left_;
  std::optional<Addresses<T>> from_[kMostRights];
  Right<T> right_[kMostRights];
  int64_t sides_ = 0, taken_ = 0;
  const T *a_[kContractTileRows], *b_[kMostRights][kContractTileRows];
};

// The rows of a sum are added in ascending order, and then what was rounded away: half a row later
// by those before, and here.
template <typename T>
T whole(const T* from, int64_t rows, int64_t ld) {
  T sum = 0, lost = 0;
  for (int64_t r = 0; r < rows; ++r, from += ld) {
    const T now = sum + *from, added = now - sum;
    lost += (sum - (now - added)) + (*from - added) + from[ld / 2];
    sum = now;
  }
  // Beyond all numbers nothing is known of what was lost.
  return lost == lost ? sum + lost : sum;
}

template <typename T>
void total(const Sums<T>& sums, const Instruction& i) {
  T* out = static_cast<T*>(sums.arguments[i.numbers[0]].ptr);
  if (!out) return;
  const Operand& o = i.operands[0];
  const int64_t ld = sums.program->buffers[o.buffer].ld;
  const int64_t rows = (sums.rows->B + kSumRows - 1) / kSumRows;
  const T* from = sums.memory[o.buffer] + o.offset;
  for (int64_t g = 0; g < i.n; ++g) {
    for (int64_t j = 0; j < i.d; ++j)
      out[g * i.d + j] = whole(from + g * o.group + j * o.column, rows, ld);
  }
}

}  // namespace

template <typename T>
void run_share(const Sums<T>& sums, int64_t share, int64_t shares) noexcept {
  const auto& segment = sums.program->segment(Phase::contract);
  const Instruction* i = segment.data();
  const Instruction* end = i + segment.size();
  int64_t turn = 0;
  while (i != end) {
    if (i->code == kTotal) {
      if (turn++ % shares == share) total(sums, *i);
      ++i;
      continue;
    }
    const int64_t blocks = i->numbers[3];
    int64_t taken = 1;
    for (int64_t block = 0; block < blocks; ++block) {
      Together<T> together(sums, i, end, block);
      if (!together.run(share, shares)) return;
      taken = together.taken();
    }
    i += taken;
  }
}

template void run_share(const Sums<float>&, int64_t, int64_t) noexcept;
template void run_share(const Sums<double>&, int64_t, int64_t) noexcept;

}  // namespace recurra

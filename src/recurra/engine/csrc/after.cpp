#include "after.h"

#include <algorithm>

namespace recurra {

namespace {

// Writes the addresses of packed rows one after another.
template <typename T>
class Addresses {
 public:
  Addresses(const Sums<T>& sums, const Operand& o, int64_t skipped)
      : rows_(*sums.rows), buffer_(sums.program->buffers[o.buffer]), after_(o.after) {
    const bool outer = buffer_.kind == Kind::outer;
    const Argument* argument = outer ? &sums.arguments[buffer_.argument] : nullptr;
    base_ = outer ? static_cast<const T*>(argument->ptr) : sums.memory[o.buffer];
    if (outer) batch_ = argument->stride[0], time_ = argument->stride[1];
    columns_ = o.offset + skipped;
  }

  void next(int64_t count, const T** out) {
    while (count > 0) {
      const int64_t now = std::min(count, rows_.alive(t_) - r_);
      for (int64_t i = 0; i < now; ++i) out[i] = row(r_ + i) + columns_;
      out += now, count -= now, r_ += now;
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
  const T* base_;
  int64_t batch_ = 0, time_ = 0, columns_, t_ = 0, r_ = 0;
};

template <typename T>
void contract(const Sums<T>& sums, const Instruction& i, int64_t share, int64_t shares) {
  const Argument& c = sums.arguments[i.numbers[0]];
  if (!c.ptr) return;
  const int64_t M = i.numbers[1], N = i.numbers[2], blocks = i.numbers[3];
  const int64_t sm = c.stride[1], sn = c.stride[2];
  const int64_t units = sums.kernels->contract_units(M, N, sm, sn);
  const int64_t unit0 = units * share / shares, unit1 = units * (share + 1) / shares;
  if (unit0 == unit1) return;
  const int64_t all = sums.rows->packed();
  const T *a[kContractRows], *b[kContractRows];
  for (int64_t block = 0; block < blocks; ++block) {
    Addresses<T> left(sums, i.operands[0], block * M), right(sums, i.operands[1], block * N);
    T* out = static_cast<T*>(c.ptr) + block * c.stride[0];
    int64_t done = 0;
    // Without any rows there is still a result: zeros.
    do {
      if (sums.control->stopped(sums.worker)) return;
      const int64_t now = std::min(all - done, kContractRows);
      left.next(now, a);
      right.next(now, b);
      sums.kernels->contract(a, b, now, done == 0, out, sm, sn, M, N, unit0, unit1, sums.scratch);
      done += now;
    } while (done < all);
  }
}

// The rows of a sum are few and added in ascending order.
template <typename T>
void total(const Sums<T>& sums, const Instruction& i) {
  T* out = static_cast<T*>(sums.arguments[i.numbers[0]].ptr);
  if (!out) return;
  const Operand& o = i.operands[0];
  const Buffer& buffer = sums.program->buffers[o.buffer];
  const int64_t rows = (sums.rows->B + kSumRows - 1) / kSumRows;
  std::fill_n(out, i.n * i.d, T(0));
  for (int64_t r = 0; r < rows; ++r) {
    const T* from = sums.memory[o.buffer] + r * buffer.ld + o.offset;
    for (int64_t g = 0; g < i.n; ++g) {
      for (int64_t j = 0; j < i.d; ++j) out[g * i.d + j] += from[g * o.group + j * o.column];
    }
  }
}

}  // namespace

template <typename T>
void run_share(const Sums<T>& sums, int64_t share, int64_t shares) noexcept {
  int64_t turn = 0;
  for (const Instruction& i : sums.program->segment(Phase::contract)) {
    if (i.code == kContract) {
      contract(sums, i, share, shares);
    } else if (turn++ % shares == share) {
      total(sums, i);
    }
  }
}

template void run_share(const Sums<float>&, int64_t, int64_t) noexcept;
template void run_share(const Sums<double>&, int64_t, int64_t) noexcept;

}  // namespace recurra

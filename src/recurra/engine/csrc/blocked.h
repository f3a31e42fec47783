// Large matrices by blocks that stay at hand: what dense.h and nats.h share.

#pragma once

#include <algorithm>
#include <cstdio>

#include "blocks.h"
#include "kernels.h"

namespace recurra {

// Rows of W that are packed as one: so much of x is read again for every panel of columns.
constexpr int64_t kBlockRows = 1024;
// Columns of a that a task sums: so much of c waits, while all rows pass, for what is added to it.
constexpr int64_t kStrip = 256;

// W (K, N), element (k, n) at w + k * sk + n * sn, packed in blocks of rows.
template <typename T>
class Packed {
 public:
  Packed(const Products<T>& products, const T* w, int64_t sk, int64_t sn, int64_t K, int64_t N,
         int64_t threads, Carver& carver)
      : products_(products), w_(w), sk_(sk), sn_(sn), K_(K), N_(N) {
    blocks_ = std::max<int64_t>(1, (K + kBlockRows - 1) / kBlockRows);
    bytes_ = products.packed_bytes(std::min(K, kBlockRows), N);
    packed_ = carver.take<char>(bytes_ * (blocks_ - 1));
    carver.take<char>(products.packed_bytes(rows_of(blocks_ - 1), N));
    scratch_bytes_ = (products.product_scratch(std::min(K, kBlockRows)) + 63) / 64 * 64;
    scratch_ = carver.take<char>(scratch_bytes_ * threads);
  }

  // Tasks that pack; each by one thread, in any order.
  int64_t tasks() const { return blocks_ * products_.panels(N_); }

  void pack(int64_t task) const {
    const int64_t panels = products_.panels(N_), block = task / panels, panel = task % panels;
    products_.pack(w_ + block * kBlockRows * sk_, sk_, sn_, rows_of(block), N_,
                   packed_ + block * bytes_, panel, panel + 1);
  }

  // y = x W + bias, as Products::product; bias may be null.
  void product(int64_t worker, const T* x, int64_t ldx, const T* bias, T* y, int64_t ldy,
               int64_t rows) const {
    void* scratch = scratch_ + worker * scratch_bytes_;
    if (poisoned()) poison(scratch, scratch_bytes_);
    for (int64_t block = 0; block < blocks_; ++block) {
      products_.product(x + block * kBlockRows, ldx, packed_ + block * bytes_,
                        block ? nullptr : bias, block > 0, y, ldy, rows, rows_of(block), N_, false,
                        scratch);
    }
  }

 private:
  int64_t rows_of(int64_t block) const { return std::min(K_ - block * kBlockRows, kBlockRows); }

  const Products<T>& products_;
  const T* w_;
  int64_t sk_, sn_, K_, N_, blocks_, bytes_, scratch_bytes_;
  char *packed_, *scratch_;
};

// c = a^T b over rows that come in groups; element (m, n) of c at c + m * sm + n * sn.
template <typename T>
class Strips {
 public:
  Strips(const Products<T>& products, int64_t M, int64_t N, T* c, int64_t sm, int64_t sn,
         int64_t threads, Carver& carver)
      : products_(products), M_(M), N_(N), c_(c), sm_(sm), sn_(sn) {
    scratch_bytes_ = (products.contract_scratch(std::min(M, kStrip), N) + 63) / 64 * 64;
    scratch_ = carver.take<char>(scratch_bytes_ * threads);
    addresses_ = carver.take<const T*>(2 * products.contract_rows * threads);
  }

  int64_t tasks() const { return (M_ + kStrip - 1) / kStrip; }

  // Adds rows to a strip. a, b: the first of them, rows lda and ldb apart. first: c is not read,
  // but written. All groups of rows but the last are whole blocks of kContractRows.
  void add(int64_t task, int64_t worker, const T* a, int64_t lda, const T* b, int64_t ldb,
           int64_t rows, bool first) const {
    const int64_t m = task * kStrip, width = std::min(kStrip, M_ - m);
    const int64_t most = products_.contract_rows;
    const T** at = addresses_ + worker * 2 * most;
    void* scratch = scratch_ + worker * scratch_bytes_;
    if (poisoned()) poison(scratch, scratch_bytes_);
    for (int64_t r = 0; r < rows; r += most) {
      const int64_t count = std::min(most, rows - r);
      for (int64_t k = 0; k < count; ++k) {
        at[k] = a + (r + k) * lda + m;
        at[most + k] = b + (r + k) * ldb;
      }
      const Right<T> right{at + most, c_ + m * sm_, sm_, sn_, N_};
      products_.contract(at, width, &right, 1, count, first && r == 0, 0,
                         products_.contract_units(width, &right, 1), scratch);
    }
  }

 private:
  const Products<T>& products_;
  int64_t M_, N_;
  T* c_;
  int64_t sm_, sn_, scratch_bytes_;
  char* scratch_;
  const T** addresses_;
};

// total[m] of the columns of a strip, whose rows come as those of Strips::add.
template <typename T>
void add_totals(const Kernels<T>& kernels, const T* a, int64_t lda, int64_t rows, int64_t M,
                int64_t task, bool first, T* total) {
  const int64_t m = task * kStrip, width = std::min(kStrip, M - m);
  for (int64_t r = 0; r < rows; r += kContractRows) {
    kernels.column_sums(a + r * lda + m, lda, std::min(kContractRows, rows - r), width,
                        first && r == 0, total + m);
  }
}

// Runs make(carver) once to count and once to run in memory from the cache; `what` begins the line
// where there is none.
template <typename Make>
bool in_block(const char* what, char* error, int64_t error_size, const Make& make) {
  Carver counter(nullptr);
  make(counter, false);
  const int64_t bytes = counter.used();
  void* block = bytes > 0 ? take_block(bytes) : nullptr;
  if (!block && bytes != 0) {
    std::snprintf(error, error_size, "%s: no memory for a call of this size", what);
    return false;
  }
  Carver carver(block);
  make(carver, true);
  give_block(block, bytes);
  return true;
}

}  // namespace recurra

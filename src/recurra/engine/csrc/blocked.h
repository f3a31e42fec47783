// Large matrices by blocks that stay at hand: what dense.h, nats.h and transducer.h share.

#pragma once

#include <algorithm>
#include <cstdio>

#include "blocks.h"
#include "kernels.h"

namespace recurra {

// Rows and columns of W that are packed as one, and stay in the second cache while rows pass.
constexpr int64_t kBlock = 1024;
// Columns of a that a task sums: so much of c waits, while all rows pass, for what is added to it.
constexpr int64_t kStrip = 512;

inline int64_t blocks_of(int64_t n) { return std::max<int64_t>(1, (n + kBlock - 1) / kBlock); }

// W (K, N), element (k, n) at w + k * sk + n * sn, packed in blocks: for each block of columns, its
// blocks of rows.
template <typename T>
class Packed {
 public:
  Packed(const Products<T>& products, const T* w, int64_t sk, int64_t sn, int64_t K, int64_t N,
         int64_t threads, Carver& carver)
      : products_(products), w_(w), sk_(sk), sn_(sn), K_(K), N_(N), deep_(blocks_of(K)) {
    bytes_ = products.packed_bytes(std::min(K, kBlock), std::min(N, kBlock));
    packed_ = carver.take<char>(bytes_ * deep_ * blocks_of(N));
    scratch_bytes_ = (products.product_scratch(std::min(K, kBlock)) + 63) / 64 * 64;
    scratch_ = carver.take<char>(scratch_bytes_ * threads);
  }

  // Tasks that pack; each by one thread, in any order.
  int64_t tasks() const { return deep_ * blocks_of(N_); }

  void pack(int64_t task) const {
    const int64_t k = task % deep_ * kBlock, n = task / deep_ * kBlock;
    const int64_t columns = std::min(N_ - n, kBlock);
    products_.pack(w_ + k * sk_ + n * sn_, sk_, sn_, std::min(K_ - k, kBlock), columns,
                   packed_ + task * bytes_, 0, products_.panels(columns));
  }

  // A block of columns of y = x W + bias, as Products::product; y is at its first column, bias at
  // that of the first block, or null.
  void columns(int64_t worker, int64_t block, const T* x, int64_t ldx, const T* bias, T* y,
               int64_t ldy, int64_t rows) const {
    const T* init = bias ? bias + block * kBlock : nullptr;
    for (int64_t deep = 0; deep < deep_; ++deep) {
      product(worker, deep, block, x + deep * kBlock, ldx, init, y, ldy, rows);
    }
  }

  // What a block of columns of x adds to y = x W; the first one begins it.
  void add(int64_t worker, int64_t deep, const T* x, int64_t ldx, T* y, int64_t ldy,
           int64_t rows) const {
    for (int64_t block = 0; block < blocks_of(N_); ++block) {
      product(worker, deep, block, x, ldx, nullptr, y + block * kBlock, ldy, rows);
    }
  }

 private:
  void product(int64_t worker, int64_t deep, int64_t block, const T* x, int64_t ldx, const T* bias,
               T* y, int64_t ldy, int64_t rows) const {
    void* scratch = scratch_ + worker * scratch_bytes_;
    if (poisoned()) poison(scratch, scratch_bytes_);
    products_.product(x, ldx, packed_ + (block * deep_ + deep) * bytes_, deep ? nullptr : bias,
                      deep > 0, y, ldy, rows, std::min(K_ - deep * kBlock, kBlock),
                      std::min(N_ - block * kBlock, kBlock), false, scratch);
  }

  const Products<T>& products_;
  const T* w_;
  int64_t sk_, sn_, K_, N_, deep_, bytes_, scratch_bytes_;
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

  // The same for another c.
  Strips at(T* c) const {
    Strips other = *this;
    other.c_ = c;
    return other;
  }

  // Adds rows to a strip. a: the strip's first column; a and b: the first row, rows lda and ldb
  // apart. first: c is not read, but written. All groups of rows but the last are whole blocks of
  // kContractRows.
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
        at[k] = a + (r + k) * lda;
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

// total[m] of a strip of M columns; a and the rows as those of Strips::add.
template <typename T>
void add_totals(const Kernels<T>& kernels, const T* a, int64_t lda, int64_t rows, int64_t M,
                int64_t task, bool first, T* total) {
  const int64_t m = task * kStrip, width = std::min(kStrip, M - m);
  for (int64_t r = 0; r < rows; r += kContractRows) {
    kernels.column_sums(a + r * lda, lda, std::min(kContractRows, rows - r), width,
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

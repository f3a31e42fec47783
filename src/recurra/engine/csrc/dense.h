// Products of many rows with one matrix, and the sums over rows that are their gradients.
//
// Bits depend on the operands alone, as those of kernels.h do: a product is one ascending chain
// over k that starts at the bias, a sum over rows is taken over blocks of kContractRows of them.

#pragma once

#include "dispatch.h"
#include "run.h"

namespace recurra {

// y = x w + bias. Strides in elements; every field fills 8 bytes, as native.py writes them.
struct ProductJob {
  int64_t twice;  // double
  int64_t rows, K, N;
  const void* x;  // [rows, K] row r at x + r * ldx
  int64_t ldx;
  const void* w;  // [K, N] element (k, n) at w + k * sk + n * sn
  int64_t sk, sn;
  const void* bias;  // [N]; null: zeros
  void* y;           // [rows, N] written, behind each other; aliases nothing
};

// c = a^T b, and total = the sum of the rows of a; either may be null.
struct SumsJob {
  int64_t twice;
  int64_t rows, M, N;
  const void* a;  // [rows, M] row r at a + r * lda
  int64_t lda;
  const void* b;  // [rows, N] row r at b + r * ldb
  int64_t ldb;
  void* c;      // [M, N] written, behind each other; aliases nothing
  void* total;  // [M] likewise
};

// Null, or what is wrong.
const char* check_product(const ProductJob& job) noexcept;
const char* check_sums(const SumsJob& job) noexcept;

// The job is checked. `error` (never null) gets one line on failure.
Outcome run_product(const Level& level, const ProductJob& job, int64_t threads, Team team,
                    int (*poll)(), char* error, int64_t error_size) noexcept;
Outcome run_sums(const Level& level, const SumsJob& job, int64_t threads, Team team, int (*poll)(),
                 char* error, int64_t error_size) noexcept;

}  // namespace recurra

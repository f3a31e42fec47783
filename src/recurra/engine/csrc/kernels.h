// The loops that a program runs on, one table for each SIMD level and scalar.
//
// Every result depends on the operands alone: not on how a caller cuts rows, columns or units, not
// on the level's vector width, not on what lies beside a row. (On a target without fused
// multiply-add the generic level rounds products and contractions twice; see level.h.) Nothing
// allocates, throws, or touches memory outside the rows and columns named. Any count may be 0.
// Pointers to T are aligned to T only; `packed` and `scratch` to 64 bytes.

#pragma once

#include <cstdint>

#include "matrix.h"
#include "softmax.h"

namespace recurra {

constexpr int kMostReads = 4;

// Element (r, g, j) of an operand at p is p[r * row + g * group + j * column], column 0 or 1. Of
// what a reduction reads the column may be any, where the groups are 0 or 1.
struct Stride {
  int64_t row, group, column;
};

// How an instruction goes over rows of n groups of d columns: all that is the same at every step.
template <typename T>
struct Walk {
  int64_t n, d;
  T literal;
  Stride y, x[kMostReads];
  int64_t reads;
  bool plain;  // no operand repeats a column
  bool solid;  // plain, one group, and every operand's rows follow each other: all rows are one run
};

// Rows of a contraction that are added to C at once: of vectors a chain from zero, then one
// addition; of tiles more, for C then goes on with its chain.
constexpr int64_t kContractRows = 128, kContractTileRows = 1024;

// Batch rows that share a row of a SUM buffer.
constexpr int64_t kSumRows = 4;

constexpr int64_t kOperations = 96;

// One of the right-hand sides of a contraction, and where its sums go: element (m, n) at
// c + m * sm + n * sn, any strides.
template <typename T>
struct Right {
  const T* const* b;
  T* c;
  int64_t sm, sn, N;
};
constexpr int64_t kMostRights = 4;

// How a matrix is packed, and so how its products are computed.
//
//   full   every number as it is
//   half   W as bfloat16, nearest even; x and sums as they are (float alone)
//   tiles  W and x, and both sides of a contraction, as bfloat16, nearest even; sums are float, of
//          32 k at once: what begins + (sum over even k + sum over odd k), both chains from zero
//          (float alone, and where the machine multiplies tiles)
enum class Packing : int64_t { full, half, tiles };
constexpr int64_t kPackings = 3;

// The products of matrices packed in one way.
template <typename T>
struct Products {
  // Bytes that pack() fills for a (K, N) matrix, and its units of work: panels of columns.
  int64_t (*packed_bytes)(int64_t K, int64_t N);
  int64_t (*panels)(int64_t N);

  // Copies columns of panels panel0..panel1 of W, element (k, n) at w + k * sk + n * sn, to
  // `packed`, which is the start of the whole.
  void (*pack)(const T* w, int64_t sk, int64_t sn, int64_t K, int64_t N, void* packed,
               int64_t panel0, int64_t panel1);

  // y[r][n] = ((init + x[r][0] W[0][n]) + x[r][1] W[1][n]) + ..., each + a fused multiply-add; of
  // tiles, 32 k at once.
  //
  //   x [rows, K]  read, row r at x + r * ldx; must not alias y
  //   y [rows, N]  row r at y + r * ldy; init where accumulate is set and bias is null
  //   bias [N]     init where it is not null; otherwise init is 0
  //   back         takes the columns from the last to the first: every other time, so that what was
  //                read last, and is still at hand, is read first
  //   scratch      [product_scratch(K)] bytes of the calling thread
  int64_t (*product_scratch)(int64_t K);
  void (*product)(const T* x, int64_t ldx, const void* packed, const T* bias, bool accumulate,
                  T* y, int64_t ldy, int64_t rows, int64_t K, int64_t N, bool back, void* scratch);

  // For each right-hand side: c[m][n] (first: =, else +=) sum over k < count of a[k][m] * b[k][n]:
  // one block of rows.
  //
  //   a, b     addresses of rows: row k begins at a[k] (M columns) and b[k] (N columns);
  //            count <= contract_rows; in all blocks but the last it is equal to that or, of
  //            tiles, a multiple of 32
  //   rights   [1..kMostRights]
  //   unit0..  the tiles of all c to work on, of contract_units(); threads share them by units, so
  //            that nobody splits k. Blocks of rows come in ascending order.
  //   scratch  [contract_scratch(M, N)] bytes of the calling thread, N of all sides together
  int64_t contract_rows;
  int64_t (*contract_units)(int64_t M, const Right<T>* rights, int64_t sides);
  int64_t (*contract_scratch)(int64_t M, int64_t N);
  void (*contract)(const T* const* a, int64_t M, const Right<T>* rights, int64_t sides,
                   int64_t count, bool first, int64_t unit0, int64_t unit1, void* scratch);
};

template <typename T>
struct Kernels {
  // By packing; nulls where there are none.
  Products<T> products[kPackings];

  const Products<T>& of(Packing packing) const {
    return products[static_cast<int64_t>(packing)];
  }

  // Per row r and group g: y[i J + j] (+)= sum over k of a[i a_i + k a_k] * b[k b_k + j b_j], k
  // in ascending fused chains (for a_k = b_k = 1 in fixed partial chains, see batched.h).
  // numbers: I, K, J, a_i, a_k, b_k, b_j, accumulate. y must alias neither x[0] = a nor x[1] = b.
  // The columns of the walk are not looked at.
  void (*batched)(const Walk<T>& walk, int64_t rows, T* y, const T* const* x,
                  const int64_t* numbers);

  // y = operation(x...), by number in the table of operations.py; see pointwise.h.
  void (*pointwise[kOperations])(const Walk<T>& walk, int64_t rows, T* y, const T* const* x);

  // y[(first + r) / kSumRows][g][j] += sum over r of a[r][g][j] (* b[r][g][j], fused, where the walk
  // reads two), r ascending from zero. What that addition rounds away is added half a row of y
  // later, so that the two halves together are exact but for the sum of few rows. y begins at the
  // row of batch row 0; its column must be 1; it aliases nothing.
  void (*accumulate)(const Walk<T>& walk, int64_t rows, T* y, const T* const* x, int64_t first);

  // Of a row s of n scores, n at least 1; totals: whether the total is wanted, which is 0 else.
  Exponents<T> (*exponents)(const T* s, int64_t n, bool totals);

  // s = exp(s - shift) - less.
  void (*shares)(T* s, int64_t n, T shift, T less);

  // total[j] (first: =, else +=) sum over rows of x[r * ldx + j], r ascending from zero.
  void (*column_sums)(const T* x, int64_t ldx, int64_t rows, int64_t n, bool first, T* total);

  // The matrix recurrence of one head; see matrix.h. The forward works on columns
  // first..first + n, at most matrix_columns() of them; the backward on all.
  // scratch: matrix_scratch() bytes of the calling thread.
  int64_t (*matrix_columns)();
  int64_t (*matrix_scratch)(int64_t K, int64_t V, bool backward);
  void (*matrix_forward)(const MatrixHead<T>& head, const MatrixResult<T>& to, int64_t first,
                         int64_t n, void* scratch, const Stop& stop);
  void (*matrix_backward)(const MatrixHead<T>& head, const MatrixGradient<T>& to, void* scratch,
                          const Stop& stop);
};

// Level tables, each in kernels.cpp compiled with the flags of that level; which of them exist is
// the build's choice, which of those may run is dispatch.h's.
namespace generic {
extern const Kernels<float> float_kernels;
extern const Kernels<double> double_kernels;
}  // namespace generic
namespace avx2 {
extern const Kernels<float> float_kernels;
extern const Kernels<double> double_kernels;
}  // namespace avx2
namespace avx512 {
extern const Kernels<float> float_kernels;
extern const Kernels<double> double_kernels;
}  // namespace avx512
// What avx512 lacks.
namespace amx {
extern const Products<float> tiles;
}  // namespace amx

}  // namespace recurra

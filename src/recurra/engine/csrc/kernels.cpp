// The tables of one level: compiled once a level, see level.h.

#include "kernels.h"

#include "accumulate.h"
#include "batched.h"
#include "contract.h"
#include "pointwise.h"
#include "product.h"

namespace recurra::RECURRA_LEVEL {

// In matrix.cpp.
template <typename T>
int64_t matrix_columns();
template <typename T>
int64_t matrix_scratch(int64_t K, int64_t V, bool backward);
template <typename T>
void matrix_forward(const MatrixHead<T>& h, const MatrixResult<T>& to, int64_t first, int64_t n,
                    void* scratch, const Stop& stop);
template <typename T>
void matrix_backward(const MatrixHead<T>& h, const MatrixGradient<T>& to, void* scratch,
                     const Stop& stop);

// In softmax.cpp.
template <typename T>
Exponents<T> exponents(const T* s, int64_t n, bool totals);
template <typename T>
void shares(T* s, int64_t n, T shift, T less);
template <typename T>
void column_sums(const T* x, int64_t ldx, int64_t rows, int64_t n, bool first, T* total);

template <typename T, typename W>
constexpr Products<T> products() {
  return {packed_bytes<T, W>, panels<T>,         pack<T, W>,          product_scratch<T>,
          product<T, W>,      kContractRows,     contract_units<T>,   contract_scratch<T>,
          contract<T>};
}

template <typename T>
constexpr Kernels<T> table() {
  Kernels<T> k{};
  k.products[static_cast<int>(Packing::full)] = products<T, T>();
  if constexpr (sizeof(T) == 4)
    k.products[static_cast<int>(Packing::half)] = products<T, uint16_t>();
  k.batched = batched<T>;
  k.accumulate = accumulate<T>;
  k.matrix_columns = matrix_columns<T>;
  k.matrix_scratch = matrix_scratch<T>;
  k.matrix_forward = matrix_forward<T>;
  k.matrix_backward = matrix_backward<T>;
  k.exponents = exponents<T>;
  k.shares = shares<T>;
  k.column_sums = column_sums<T>;
  set_pointwise(k);
  return k;
}

constexpr Kernels<float> float_kernels = table<float>();
constexpr Kernels<double> double_kernels = table<double>();

}  // namespace recurra::RECURRA_LEVEL

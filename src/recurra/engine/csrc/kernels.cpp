// The tables of one level: compiled once a level, see level.h.

#include "kernels.h"

#include "accumulate.h"
#include "batched.h"
#include "contract.h"
#include "pointwise.h"
#include "product.h"

namespace recurra::RECURRA_LEVEL {

template <typename T>
constexpr Kernels<T> table() {
  Kernels<T> k{};
  k.packed_bytes = packed_bytes<T>;
  k.panels = panels<T>;
  k.pack = pack<T>;
  k.product = product<T>;
  k.contract_units = contract_units<T>;
  k.contract_scratch = contract_scratch<T>;
  k.contract = contract<T>;
  k.batched = batched<T>;
  k.accumulate = accumulate<T>;
  set_pointwise(k);
  return k;
}

constexpr Kernels<float> float_kernels = table<float>();
constexpr Kernels<double> double_kernels = table<double>();

}  // namespace recurra::RECURRA_LEVEL

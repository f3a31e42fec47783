// Rows of scores and what a softmax makes of them: of each level in softmax.cpp.

#pragma once

#include <cstdint>

namespace recurra {

// largest: of all scores, NaN where one is; sum: of exp(score - largest); total: of the scores.
// Sums are 16 partial ones, joined as a tree.
template <typename T>
struct Exponents {
  T largest, sum, total;
};

}  // namespace recurra

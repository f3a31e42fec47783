// A program as program.py writes it, read from words and checked once.
//
// parse() believes nothing. After it, for every instruction: the code, arity, kinds and phase fit;
// every operand stays within the columns of its buffer; every buffer, matrix, argument and alias
// exists; a result overlaps what is read only where the operation allows it (element by element,
// at the same place). What is left to check at a call: null pointers, lengths, order.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kernels.h"

namespace recurra {

enum class Kind : int64_t {
  parameter,
  outer,
  outer_row,
  kept,
  history,
  state,
  chunk,
  tile,
  sum,
};
constexpr int64_t kKinds = 9;

enum class Phase : int64_t {
  f_begin,
  f_before,
  f_step,
  f_after,
  f_end,
  b_begin,
  b_before,
  b_step,
  b_after,
  b_end,
  contract,
};
constexpr int64_t kPhases = 11;

enum Code : int64_t {
  kLoad = 1000,
  kStore = 1001,
  kProduct = 1002,
  kBatched = 1003,
  kAccumulate = 1004,
  kContract = 1005,
  kTotal = 1006,
};

struct Buffer {
  Kind kind;
  int64_t width, argument, alias;
  int64_t ld;  // elements from row to row, where the memory is the library's
};

struct Matrix {
  int64_t argument, K, N, blocks;
  Packing packing;
};

struct Operand {
  int64_t buffer, offset, group;
  int64_t column;  // 0 or 1; of what a reduction reads with groups of 0 or 1 any
  bool after;
};

struct Instruction {
  int64_t code, n, d;
  double literal;
  std::vector<Operand> operands;
  std::vector<int64_t> numbers;
};

// How a CONTRACT is computed.
inline Packing packing_of(const Instruction& contract) {
  return static_cast<Packing>(contract.numbers[5]);
}

struct Program {
  bool is_double;
  int64_t arguments;
  std::vector<Buffer> buffers;
  std::vector<Matrix> matrices;
  std::vector<Instruction> segments[kPhases];
  bool tiles;  // whether anything is computed on them

  const std::vector<Instruction>& segment(Phase phase) const {
    return segments[static_cast<int64_t>(phase)];
  }
};

// Null, and one line in `error`, where the words are no program.
std::unique_ptr<Program> parse(const int64_t* words, int64_t count, std::string& error);

}  // namespace recurra

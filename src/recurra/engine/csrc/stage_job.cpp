#include "stage_job.h"

#include <algorithm>

namespace recurra {

namespace {

// Every place outside that an argument stands for has at most so many columns.
bool fits(const Program& program, int64_t argument, int64_t width) {
  return argument >= 0 && argument < program.arguments &&
         std::all_of(program.buffers.begin(), program.buffers.end(), [&](const Buffer& b) {
           const bool outside = b.kind == Kind::outer || b.kind == Kind::outer_row;
           return b.argument != argument || (outside && b.width <= width);
         });
}

}  // namespace

const char* check(const StageJob& given) {
  if (given.count < 0 || given.input_count < 1 || given.state_count < 0 || given.width < 1) {
    return "stream: a stage without x or y";
  }
  if (!given.program) {
    const bool table = given.count == 1 && given.arguments[0].ptr && given.table_rows > 0;
    return table && given.input_count == 1 && given.state_count == 0 ? nullptr
                                                                     : "stream: no table";
  }
  const Program& program = *static_cast<const Handle*>(given.program)->program;
  for (const Matrix& m : program.matrices) {
    if (m.packing == Packing::tiles) return "stream: a matrix in tiles, which calls alone take";
  }
  bool good = given.count == program.arguments && fits(program, given.output, given.width);
  for (int64_t k = 0; k < given.input_count; ++k) {
    good = good && fits(program, given.inputs[2 * k], given.inputs[2 * k + 1]);
  }
  for (int64_t k = 0; k < given.state_count; ++k) {
    const int64_t* s = given.states + 3 * k;
    good = good && s[2] > 0 && fits(program, s[0], s[2]) && fits(program, s[1], s[2]);
  }
  return good ? nullptr : "stream: arguments that are not those of the program";
}

}  // namespace recurra

// One of the programs of a stream as the caller describes it; see api.h.

#pragma once

#include "call.h"

namespace recurra {

struct StageJob {
  void* program;  // null: a lookup, whose first argument is a table of `table_rows` rows
  const Argument* arguments;
  int64_t count;
  const int64_t* inputs;  // [input_count][2] the arguments that are parts of x, and their widths
  int64_t input_count;
  const int64_t* states;  // [state_count][3] those of the first and the last state, and its width
  int64_t state_count;
  int64_t output, width;  // the argument that is y, and its width
  int64_t table_rows;
};

// Null, or one line that says what of it does not fit its program.
const char* check(const StageJob& given);

}  // namespace recurra

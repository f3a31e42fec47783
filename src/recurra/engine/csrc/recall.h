// What stands before the loop of a program that follows a table, computed once a row of the table.
//
// Such a program sees of x nothing but a row of the table, and what stands before its loop needs no
// state. So it is known by the row's number: products on x become copies, of the same bits.

#pragma once

#include <memory>
#include <vector>

#include "interpret.h"
#include "run.h"

namespace recurra {

struct Recall {
  std::vector<int64_t> buffers;  // CHUNK, those that are read in the loop or after it
  int64_t bytes = 0;             // of what is known of a row, a buffer behind the other
  Owned rows;                    // [table_rows][bytes]
  Decoded<float> single;         // the program's code without what is known; one of the two is filled
  Decoded<double> twice;

  const Decoded<float>& code(float) const { return single; }
  const Decoded<double>& code(double) const { return twice; }
};

// With memory that is not filled yet. Null where something else than x decides, where no product
// is saved, where it is too much, or where there is no memory. x: the argument that is x.
std::shared_ptr<Recall> recall_of(const Handle& handle, int64_t x, int64_t table_rows);

// Fills it. machine: of the program, its matrices packed; its scratch is written, and so is x, the
// argument that is x. steps: rows of a CHUNK buffer, at most.
template <typename T>
void learn(Recall& recall, Machine<T> machine, Argument& x, const Argument& table,
           int64_t table_rows, int64_t steps);

// Sets the CHUNK buffers of a tile as what stands before the loop would. ids: that of row r at step
// t is ids[r * row + t], each in the table. memory: by buffer, of `steps` steps at least.
void recall_tile(const Recall& recall, const Program& program, const Tile& tile,
                 const int64_t* ids, int64_t row, int64_t steps, void* const* memory) noexcept;

}  // namespace recurra

// Programs one behind the other that step through time as data come.
//
// A stream owns its packed weights and its states; a push allocates nothing, takes no lock and
// asks nobody. What it computes is what run_jobs computes on the same steps, bit for bit.

#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "call.h"
#include "recall.h"
#include "stage_job.h"

namespace recurra {

// A stage with its memory; what a call of run_jobs makes anew each time stays here.
struct Stage {
  const Handle* handle = nullptr;  // null: a lookup
  std::vector<Argument> arguments;
  std::vector<int64_t> inputs, states;
  int64_t output = 0, width = 0, table_rows = 0;
  Job job{};
  Owned held, kept, state, between;
  Memory memory{};
  void** places = nullptr;  // by buffer
  void** bases = nullptr;   // to work in
  std::shared_ptr<const Recall> recall;  // of a stage behind a lookup; null: nothing is known
  int64_t tiles = 0;
};

class Stream {
 public:
  // Null, or what is wrong; then the stream is of no use. like: null, or a stream of the same
  // stages, whose packed weights are copied in the place of the stages' own.
  const char* make(const Level& level, const StageJob* stages, int64_t count, int64_t rows,
                   const Stream* like);

  // The memory of a state (rows, width), to be read and written between pushes; null: none such.
  void* state(int64_t stage, int64_t state) const;

  // Parts of x.
  int64_t parts() const { return static_cast<int64_t>(stages_[0].inputs.size()) / 2; }

  enum Outcome { done, no_such_row, busy };

  // Steps first..last of so many. x: parts (rows, steps, width), of a lookup int64; y likewise; all
  // without gaps. Where an id is in no table nothing is done, nor while another thread pushes.
  Outcome push(void* const* x, void* y, int64_t steps, int64_t first, int64_t last) noexcept;

 private:
  // Steps of rows; strides in elements.
  struct Span {
    char* at;
    int64_t row, time;
  };

  const char* add(const StageJob& given);
  const char* place(Stage& stage, const Stage* like);
  bool rows_exist(const int64_t* ids, int64_t steps, int64_t first, int64_t last) const;
  void set_steps(int64_t steps);
  void piece(void* const* x, void* y, int64_t steps, int64_t first, int64_t count);
  void look_up(const Stage& stage, const Span& ids, const Span& y, int64_t steps) const;
  void run(Stage& stage, const Span& y, const Span& ids);
  std::shared_ptr<const Recall> recalled(Stage& stage) const;

  const Level* level_ = nullptr;
  int64_t scalar_bytes_ = 0, rows_ = 0, piece_ = 1, steps_ = 0, passed_ = 0;
  std::vector<Stage> stages_;
  std::vector<int64_t> length_;
  std::atomic_flag busy_ = ATOMIC_FLAG_INIT;
};

}  // namespace recurra

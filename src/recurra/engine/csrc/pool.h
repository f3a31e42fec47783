// The library's own threads, one pool a process.
//
// Workers spin briefly after their work, then sleep. A caller works along as worker 0. A pool that
// is busy with another caller's work is not waited for: the call then runs on its own thread
// alone. A forked child starts with no workers and makes its own.

#pragma once

#include <cstdint>

namespace recurra {

constexpr int64_t kMostThreads = 256;

struct Work {
  void* context;
  void (*work)(void* context, int64_t worker);  // called once by every worker that takes part
  void (*idle)(void* context);                  // called by worker 0 now and then while it waits
};

// Returns when all workers that took part are done. threads: 1 to kMostThreads, the caller with it.
void run_on_pool(int64_t threads, const Work& work) noexcept;

}  // namespace recurra

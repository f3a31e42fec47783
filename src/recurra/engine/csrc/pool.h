// Threads that share the work of a call: those of the caller's own team, or the library's pool.
//
// A team is what another library in the process keeps: threads that it lets spin on every core for
// milliseconds after their last work, beside which threads of ours would get half of each core.
// Without one there is a pool, one a process: workers spin briefly after their work, then sleep; who
// wakes late finds the work done, and is not waited for. A caller works along as worker 0. Where
// another caller is at work already, a call runs on its own thread alone. A forked child has no
// team, starts with no workers and makes its own.

#pragma once

#include <cstdint>

namespace recurra {

constexpr int64_t kMostThreads = 256;

struct Work {
  void* context;
  void (*work)(void* context, int64_t worker);  // called once by every worker that takes part
  void (*idle)(void* context);                  // called by worker 0 now and then while it waits
};

// Calls `part` on so many threads, the calling one among them, and returns when all have returned.
// This is GOMP_parallel of the GNU OpenMP runtime, which others offer too; the flags are 0.
using Team = void (*)(void (*part)(void*), void* context, unsigned threads, unsigned flags);

// Returns when all workers that took part are done. threads: 1 to kMostThreads, the caller with it.
// team: may be null.
void run_on_threads(int64_t threads, const Work& work, Team team) noexcept;

}  // namespace recurra

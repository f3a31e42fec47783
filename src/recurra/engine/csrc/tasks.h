// The tasks of one call, shared among threads as they come.

#pragma once

#include <algorithm>
#include <atomic>

#include "control.h"
#include "denormals.h"
#include "pool.h"

namespace recurra {

class Tasks {
 public:
  Tasks(int64_t threads, Team team, int (*poll)())
      : threads_(threads), team_(team), control_(poll) {}

  // Calls body(task, worker) once for each task below `count`, and returns when all have returned.
  // False where the call is cancelled: some were not begun then.
  template <typename Body>
  bool run(int64_t count, const Body& body) {
    Shared<Body> shared{this, &body, count, {0}};
    Work work;
    work.context = &shared;
    work.work = [](void* context, int64_t worker) {
      static_cast<Shared<Body>*>(context)->part(worker);
    };
    work.idle = [](void* context) { static_cast<Shared<Body>*>(context)->tasks->control_.ask(); };
    // A team keeps its size, for it would end threads that it does not need this time.
    run_on_threads(count < 2 ? 1 : team_ ? threads_ : std::min(threads_, count), work, team_);
    return !control_.stopped();
  }

  int64_t threads() const { return threads_; }

  // Whether the call is cancelled; asked by a task that takes long, of its worker.
  bool stopped(int64_t worker) { return control_.stopped(worker); }

 private:
  template <typename Body>
  struct Shared {
    Tasks* tasks;
    const Body* body;
    int64_t count;
    std::atomic<int64_t> next;

    void part(int64_t worker) {
      const FlushDenormals flush;
      for (;;) {
        const int64_t task = next.fetch_add(1, std::memory_order_relaxed);
        if (task >= count || tasks->control_.stopped(worker)) return;
        (*body)(task, worker);
      }
    }
  };

  const int64_t threads_;
  const Team team_;
  Control control_;
};

}  // namespace recurra

#include "run.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>

#include "after.h"
#include "call.h"
#include "denormals.h"
#include "interpret.h"

namespace recurra {

namespace {

// Below this many weights, packing is not worth waking anybody for.
constexpr int64_t kWorthSharing = 1 << 16;

class Call {
 public:
  Call(const Level& level, int64_t count, int64_t threads, Team team, int (*poll)(),
       const Memory& memory)
      : level_(level), count_(count), threads_(threads), team_(team), memory_(memory),
        control_(poll) {
    const int64_t each = (threads + count - 1) / std::max<int64_t>(count, 1);
    for (int64_t at = 0; at < count; ++at) {
      tiles_ += cut(memory.jobs[at].rows, at, each, memory.tiles + tiles_);
    }
  }

  bool run() {
    stage(&Call::pack, weights() < kWorthSharing ? 1 : threads_);
    stage(&Call::tile, tiles_);
    stage(&Call::sum, threads_);
    return !control_.stopped();
  }

 private:
  using Task = void (Call::*)(int64_t task, int64_t tasks, int64_t worker);

  // Tasks 0..tasks are taken by whoever is free.
  void stage(Task task, int64_t tasks) {
    struct Context {
      Call* call;
      Task task;
      int64_t tasks;
      std::atomic<int64_t> next{0};
    } context{this, task, tasks};
    Work work;
    work.context = &context;
    work.work = [](void* pointer, int64_t worker) {
      auto& c = *static_cast<Context*>(pointer);
      const FlushDenormals flush;
      for (;;) {
        const int64_t at = c.next.fetch_add(1, std::memory_order_relaxed);
        if (at >= c.tasks || c.call->control_.stopped()) return;
        (c.call->*c.task)(at, c.tasks, worker);
      }
    };
    work.idle = [](void* pointer) { static_cast<Context*>(pointer)->call->control_.ask(); };
    // A team keeps its size, for it would end threads that it does not need this time.
    run_on_threads(tasks < 2 ? 1 : team_ ? threads_ : std::min(threads_, tasks), work, team_);
  }

  int64_t weights() const {
    int64_t weights = 0;
    for (int64_t at = 0; at < count_; ++at) {
      for (const Matrix& m : memory_.jobs[at].program->matrices) weights += m.blocks * m.K * m.N;
    }
    return weights;
  }

  void pack(int64_t share, int64_t shares, int64_t) {
    for (int64_t at = 0; at < count_; ++at) {
      const Ready& ready = memory_.jobs[at];
      if (ready.rows.B == 0) continue;
      by_scalar(*ready.program, [&](auto scalar) { pack_job(ready, share, shares, scalar); });
    }
  }

  template <typename T>
  void pack_job(const Ready& ready, int64_t share, int64_t shares, T scalar) {
    for (const int64_t at : ready.handle->decoded(scalar).matrices[ready.job->backward]) {
      const Matrix& m = ready.program->matrices[at];
      const Argument& argument = ready.job->arguments[m.argument];
      const Products<T>& products = level_.kernels(scalar).of(m.packing);
      const int64_t panels = products.panels(m.N), bytes = products.packed_bytes(m.K, m.N);
      for (int64_t block = 0; block < m.blocks; ++block) {
        products.pack(static_cast<const T*>(argument.ptr) + block * argument.stride[0],
                      argument.stride[1], argument.stride[2], m.K, m.N,
                      static_cast<char*>(ready.packed[at]) + block * bytes,
                      panels * share / shares, panels * (share + 1) / shares);
      }
    }
  }

  void tile(int64_t task, int64_t, int64_t worker) {
    const Tile& tile = memory_.tiles[task];
    const Ready& ready = memory_.jobs[tile.job];
    by_scalar(*ready.program, [&](auto scalar) { tile_of(tile, ready, worker, scalar); });
  }

  template <typename T>
  void tile_of(const Tile& tile, const Ready& ready, int64_t worker, T scalar) {
    const Program& program = *ready.program;
    const auto buffers = static_cast<int64_t>(program.buffers.size());
    if (poisoned()) poison(memory_.worker(worker), memory_.worker_bytes);
    Carver carver(memory_.worker(worker));
    void** memory = carver.take<void*>(buffers);
    T** base = carver.take<T*>(2 * buffers);
    std::copy_n(ready.memory, buffers, memory);
    place_scratch(program, ready.tile_rows, ready.chunk_steps, carver, memory);
    char* scratch = carver.take<char>(ready.product_bytes);
    clear_sums<T>(tile, ready);
    const Machine<T> machine{&program,
                             &ready.handle->decoded(scalar),
                             &level_.kernels(scalar),
                             &ready.rows,
                             ready.job->arguments,
                             ready.packed,
                             reinterpret_cast<T* const*>(memory),
                             base,
                             ready.chunk_steps,
                             ready.job->backward != 0,
                             &control_,
                             worker,
                             scratch};
    run_tile(machine, tile);
  }

  template <typename T>
  void clear_sums(const Tile& tile, const Ready& ready) {
    if (!ready.job->backward) return;
    const auto& buffers = ready.program->buffers;
    for (size_t at = 0; at < buffers.size(); ++at) {
      if (buffers[at].kind != Kind::sum) continue;
      const int64_t rows = (tile.rows + kSumRows - 1) / kSumRows;
      T* first = static_cast<T*>(ready.memory[at]) + tile.first / kSumRows * buffers[at].ld;
      std::fill_n(first, rows * buffers[at].ld, T(0));
    }
  }

  void sum(int64_t share, int64_t shares, int64_t worker) {
    for (int64_t at = 0; at < count_; ++at) {
      const Ready& ready = memory_.jobs[at];
      if (!ready.job->backward) continue;
      by_scalar(*ready.program, [&](auto scalar) {
        using T = decltype(scalar);
        const Sums<T> sums{ready.program,
                           &level_.kernels(scalar),
                           &ready.rows,
                           ready.job->arguments,
                           reinterpret_cast<T* const*>(ready.memory),
                           &control_,
                           worker,
                           memory_.worker(worker)};
        run_share(sums, share, shares);
      });
    }
  }

  const Level& level_;
  const int64_t count_, threads_;
  const Team team_;
  const Memory& memory_;
  Control control_;
  int64_t tiles_ = 0;
};

}  // namespace

Outcome run_jobs(const Level& level, const Job* jobs, int64_t count, int64_t threads, Team team,
                 int (*poll)(), char* error, int64_t error_size) noexcept {
  const auto fail = [&](const char* complaint) {
    std::snprintf(error, error_size, "run: %s", complaint);
    return Outcome::failed;
  };
  Carver counter(nullptr);
  lay_out(level, jobs, count, threads, counter);
  const int64_t bytes = counter.used();
  void* block = bytes > 0 ? take_block(bytes) : nullptr;
  if (!block) return fail("no memory for a call of this size");
  Carver carver(block);
  const Memory memory = lay_out(level, jobs, count, threads, carver);
  const char* complaint = nullptr;
  for (int64_t at = 0; at < count && !complaint; ++at) {
    complaint = connect(memory.jobs[at], memory.seen);
  }
  Outcome outcome = Outcome::done;
  if (complaint) {
    outcome = fail(complaint);
  } else if (!Call(level, count, threads, team, poll, memory).run()) {
    outcome = Outcome::cancelled;
  }
  give_block(block, bytes);
  return outcome;
}

}  // namespace recurra

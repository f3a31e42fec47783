#include "dense.h"

#include <cstdio>

#include "blocked.h"
#include "tasks.h"

namespace recurra {

namespace {

constexpr int64_t kMost = int64_t(1) << 40;
// Rows of a task: few enough for x to stay at hand, many enough for W to be worth its way here.
constexpr int64_t kTaskRows = 192;

// Whether sizes are such that no product of a few of them leaves 64 bits.
bool fit(int64_t rows, int64_t a, int64_t b) {
  for (const int64_t each : {rows, a, b}) {
    if (each < 0 || each > kMost) return false;
  }
  int64_t all;
  return !__builtin_mul_overflow(std::max<int64_t>(rows, 1), std::max<int64_t>(a, 1), &all) &&
         !__builtin_mul_overflow(all, std::max<int64_t>(b, 1), &all);
}

template <typename T>
bool product(const Kernels<T>& kernels, const ProductJob& job, Tasks& tasks, Carver& carver,
             bool run) {
  const Packed<T> w(kernels.of(Packing::full), static_cast<const T*>(job.w), job.sk, job.sn, job.K,
                    job.N, tasks.threads(), carver);
  if (!run) return true;
  if (!tasks.run(w.tasks(), [&](int64_t task, int64_t) { w.pack(task); })) return false;
  const int64_t share = (job.rows + tasks.threads() - 1) / tasks.threads();
  const int64_t height = std::min(kTaskRows, share), count = (job.rows + height - 1) / height;
  return tasks.run(count, [&](int64_t task, int64_t worker) {
    const int64_t r = job.rows * task / count, end = job.rows * (task + 1) / count;
    const T* x = static_cast<const T*>(job.x) + r * job.ldx;
    for (int64_t block = 0; block < blocks_of(job.N); ++block) {
      T* y = static_cast<T*>(job.y) + r * job.N + block * kBlock;
      w.columns(worker, block, x, job.ldx, static_cast<const T*>(job.bias), y, job.N, end - r);
    }
  });
}

template <typename T>
bool sums(const Kernels<T>& kernels, const SumsJob& job, Tasks& tasks, Carver& carver, bool run) {
  const T *a = static_cast<const T*>(job.a), *b = static_cast<const T*>(job.b);
  T *c = static_cast<T*>(job.c), *total = static_cast<T*>(job.total);
  // Strips go along the longer side, so that there are some to share.
  const bool along_a = job.M >= job.N;
  const Products<T>& products = kernels.of(Packing::full);
  const Strips<T> strips =
      along_a ? Strips<T>(products, job.M, job.N, c, job.N, 1, tasks.threads(), carver)
              : Strips<T>(products, job.N, job.M, c, 1, job.N, tasks.threads(), carver);
  if (!run) return true;
  const int64_t strip_tasks = c ? strips.tasks() : 0;
  const int64_t totals = total ? (job.M + kStrip - 1) / kStrip : 0;
  return tasks.run(strip_tasks + totals, [&](int64_t task, int64_t worker) {
    if (task >= strip_tasks) {
      const int64_t strip = task - strip_tasks;
      add_totals(kernels, a + strip * kStrip, job.lda, job.rows, job.M, strip, true, total);
    } else if (along_a) {
      strips.add(task, worker, a + task * kStrip, job.lda, b, job.ldb, job.rows, true);
    } else {
      strips.add(task, worker, b + task * kStrip, job.ldb, a, job.lda, job.rows, true);
    }
  });
}

template <typename Body>
Outcome in_call(const char* what, int64_t threads, Team team, int (*poll)(), char* error,
                int64_t error_size, const Body& body) {
  Tasks tasks(threads, team, poll);
  bool done = true;
  const bool began = in_block(what, error, error_size, [&](Carver& carver, bool run) {
    done = body(tasks, carver, run);
  });
  return !began ? Outcome::failed : done ? Outcome::done : Outcome::cancelled;
}

}  // namespace

const char* check_product(const ProductJob& job) noexcept {
  if (!fit(job.rows, job.K, job.N)) return "dense: rows, K and N must be 0 ... 2^40";
  if (job.rows == 0 || job.N == 0) return nullptr;
  if (!job.y) return "dense: y is null";
  if (job.K > 0 && (!job.x || !job.w)) return "dense: x or w is null";
  return nullptr;
}

const char* check_sums(const SumsJob& job) noexcept {
  if (!fit(job.rows, job.M, job.N)) return "dense: rows, M and N must be 0 ... 2^40";
  if (job.M == 0 || (!job.c && !job.total)) return nullptr;
  if (job.rows < 1) return "dense: sums need a row";
  if (!job.a || (job.c && job.N > 0 && !job.b)) return "dense: a or b is null";
  return nullptr;
}

Outcome run_product(const Level& level, const ProductJob& job, int64_t threads, Team team,
                    int (*poll)(), char* error, int64_t error_size) noexcept {
  if (job.rows == 0 || job.N == 0) return Outcome::done;
  return in_call("dense", threads, team, poll, error, error_size,
                 [&](Tasks& tasks, Carver& carver, bool run) {
                   return job.twice ? product(*level.twice, job, tasks, carver, run)
                                    : product(*level.single, job, tasks, carver, run);
                 });
}

Outcome run_sums(const Level& level, const SumsJob& job, int64_t threads, Team team, int (*poll)(),
                 char* error, int64_t error_size) noexcept {
  if (job.M == 0 || (!job.total && (!job.c || job.N == 0))) return Outcome::done;
  return in_call("dense", threads, team, poll, error, error_size,
                 [&](Tasks& tasks, Carver& carver, bool run) {
                   return job.twice ? sums(*level.twice, job, tasks, carver, run)
                                    : sums(*level.single, job, tasks, carver, run);
                 });
}

}  // namespace recurra

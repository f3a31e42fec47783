#include "nats.h"

#include <cmath>
#include <cstdio>

#include "blocked.h"
#include "tasks.h"

namespace recurra {

namespace {

constexpr int64_t kMost = int64_t(1) << 40;
constexpr int64_t kScoreBytes = 16 << 20;
// Rows of a task: their scores are about to fall out of the second cache.
constexpr int64_t kTaskRows = 96;

// Rows of a group: whole blocks of a contraction.
template <typename T>
int64_t group_rows(const NatsJob& job) {
  const int64_t row = job.V * static_cast<int64_t>(sizeof(T));
  const int64_t blocks = std::max<int64_t>(1, kScoreBytes / (row * kContractRows));
  return std::min(blocks * kContractRows, job.rows);
}

template <typename T>
class NatsCall {
 public:
  NatsCall(const Kernels<T>& kernels, const NatsJob& job, int64_t threads, Carver& carver)
      : kernels_(kernels),
        job_(job),
        h_(static_cast<const T*>(job.h)),
        b_(static_cast<const T*>(job.b)),
        nats_(static_cast<T*>(job.nats)),
        w_(products(), static_cast<const T*>(job.w), 1, job.ldw, job.H, job.V, threads, carver),
        back_(products(), static_cast<const T*>(job.w), job.ldw, 1, job.dh ? job.V : 0, job.H,
              threads, carver),
        strips_(products(), job.V, job.H, static_cast<T*>(job.dw), job.H, 1, threads, carver),
        group_(group_rows<T>(job)),
        scores_(carver.take<T>(group_ * job.V)) {}

  bool run(Tasks& tasks) {
    const int64_t packs = w_.tasks(), backs = job_.dh ? back_.tasks() : 0;
    const bool packed = tasks.run(packs + backs, [&](int64_t task, int64_t) {
      task < packs ? w_.pack(task) : back_.pack(task - packs);
    });
    if (!packed) return false;
    for (int64_t r = 0; r < job_.rows; r += group_) {
      if (!group(r, std::min(group_, job_.rows - r), tasks)) return false;
    }
    double total = 0;
    for (int64_t r = 0; r < job_.rows; ++r) total += nats_[r];
    *static_cast<T*>(job_.total) = static_cast<T>(total);
    return true;
  }

 private:
  const Products<T>& products() const {
    return kernels_.of(job_.tiles ? Packing::tiles : Packing::full);
  }

  bool group(int64_t first, int64_t rows, Tasks& tasks) {
    const int64_t share = (rows + tasks.threads() - 1) / tasks.threads();
    const int64_t height = std::min(kTaskRows, share), count = (rows + height - 1) / height;
    const bool done = tasks.run(count, [&](int64_t task, int64_t worker) {
      const int64_t r = rows * task / count;
      some(worker, first + r, rows * (task + 1) / count - r, scores_ + r * job_.V);
    });
    if (!done || !(job_.dw || job_.db)) return done;
    return tasks.run(strips_.tasks(), [&](int64_t task, int64_t worker) {
      if (job_.dw) {
        strips_.add(task, worker, scores_, job_.V, h_ + first * job_.ldh, job_.ldh, rows,
                    first == 0);
      }
      if (job_.db) {
        add_totals(kernels_, scores_, job_.V, rows, job_.V, task, first == 0,
                   static_cast<T*>(job_.db));
      }
    });
  }

  // Rows from their scores to dh; ds stands where their scores stood.
  void some(int64_t worker, int64_t first, int64_t rows, T* s) const {
    w_.product(worker, h_ + first * job_.ldh, job_.ldh, b_, s, job_.V, rows);
    const bool differentiate = job_.dh || job_.dw || job_.db;
    for (int64_t r = 0; r < rows; ++r) row(first + r, s + r * job_.V, differentiate);
    if (!job_.dh) return;
    T* dh = static_cast<T*>(job_.dh) + first * job_.H;
    back_.product(worker, s, job_.V, nullptr, dh, job_.H, rows);
  }

  void row(int64_t r, T* s, bool differentiate) const {
    const int64_t target = job_.targets[r], V = job_.V;
    if (target < 0) {
      nats_[r] = 0;
      if (differentiate) std::fill_n(s, V, T(0));
      return;
    }
    const double e = job_.smoothing;
    const Exponents<T> found = kernels_.exponents(s, V, e > 0);
    const double shift = std::log(static_cast<double>(found.sum)) + found.largest;
    const double right = (1 - e) * (shift - s[target]);
    nats_[r] = static_cast<T>(e > 0 ? right + e * (shift - found.total / double(V)) : right);
    if (!differentiate) return;
    kernels_.shares(s, V, static_cast<T>(shift), static_cast<T>(e / double(V)));
    s[target] -= static_cast<T>(1 - e);
  }

  const Kernels<T>& kernels_;
  const NatsJob& job_;
  const T *h_, *b_;
  T* nats_;
  const Packed<T> w_, back_;
  const Strips<T> strips_;
  const int64_t group_;
  T* scores_;
};

template <typename T>
Outcome run_as(const Kernels<T>& kernels, const NatsJob& job, int64_t threads, Team team,
               int (*poll)(), char* error, int64_t error_size) {
  Tasks tasks(threads, team, poll);
  bool done = true;
  const bool began = in_block("nats", error, error_size, [&](Carver& carver, bool run) {
    NatsCall<T> call(kernels, job, threads, carver);
    if (run) done = call.run(tasks);
  });
  return !began ? Outcome::failed : done ? Outcome::done : Outcome::cancelled;
}

}  // namespace

const char* check_nats(const NatsJob& job) noexcept {
  int64_t all;
  if (job.tiles && job.twice) return "nats: tiles are of float";
  for (const int64_t each : {job.rows, job.H, job.V}) {
    if (each < 0 || each > kMost) return "nats: rows, H and V must be 0 ... 2^40";
  }
  if (__builtin_mul_overflow(std::max<int64_t>(job.rows, kContractRows), job.V, &all) ||
      __builtin_mul_overflow(all, std::max<int64_t>(job.H, 1), &all)) {
    return "nats: too many numbers";
  }
  if (job.rows < 1 || job.V < 1) return "nats: a row and a number of the vocabulary are needed";
  if (!(job.smoothing >= 0 && job.smoothing < 1)) return "nats: smoothing must be 0 ... below 1";
  if (!job.nats || !job.total || !job.targets) return "nats: targets or a result is null";
  if (job.H > 0 && (!job.h || !job.w)) return "nats: h or w is null";
  for (int64_t r = 0; r < job.rows; ++r) {
    if (job.targets[r] >= job.V) return "nats: targets must be below V";
  }
  return nullptr;
}

Outcome run_nats(const Level& level, const NatsJob& job, int64_t threads, Team team, int (*poll)(),
                 char* error, int64_t error_size) noexcept {
  if (job.tiles && !level.has_tiles()) {
    std::snprintf(error, error_size, "nats: this level has no tiles");
    return Outcome::failed;
  }
  return job.twice ? run_as(*level.twice, job, threads, team, poll, error, error_size)
                   : run_as(*level.single, job, threads, team, poll, error, error_size);
}

}  // namespace recurra

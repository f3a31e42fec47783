#include "nats.h"

#include <cmath>
#include <cstdio>

#include "blocked.h"
#include "tasks.h"

namespace recurra {

namespace {

constexpr int64_t kMost = int64_t(1) << 40;
constexpr int64_t kScoreBytes = 16 << 20;
// Rows of a task: few enough for a block of their scores to stay in the second cache.
constexpr int64_t kTasrow_s = 128;
static_assert(kBlock % kStrip == 0);

// From row to row of a block of scores: rows that lie a whole page apart would share cache sets.
int64_t row_of(const NatsJob& job) { return std::min((job.V + 15) / 16 * 16, kBlock) + 16; }

// Rows of a group: whole blocks of a contraction.
template <typename T>
int64_t group_rows(const NatsJob& job) {
  const int64_t size = sizeof(T), most = std::max(kScoreBytes, job.V * job.H * size / 2);
  const int64_t blocks = std::max<int64_t>(1, most / (job.V * size * kContractRows));
  return std::min(blocks * kContractRows, job.rows);
}

template <typename T>
class NatsCall {
 public:
  NatsCall(const Kernels<T>& kernels, const NatsJob& job, int64_t threads, Carver& carver)
      : kernels_(kernels),
        job_(job),
        h_(static_cast<const T*>(job.h)),
        blocks_(blocks_of(job.V)),
        group_(group_rows<T>(job)),
        row_(row_of(job)),
        w_(products(), static_cast<const T*>(job.w), 1, job.ldw, job.H, job.V, threads, carver),
        back_(products(), static_cast<const T*>(job.w), job.ldw, 1, job.dh ? job.V : 0, job.H,
              threads, carver),
        strips_(products(), job.V, job.H, static_cast<T*>(job.dw), job.H, 1, threads, carver),
        scores_(carver.take<T>(group_ * row_ * blocks_)),
        parts_(carver.take<Exponents<T>>(group_ * blocks_)),
        shifts_(carver.take<T>(group_)) {}

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
    for (int64_t r = 0; r < job_.rows; ++r) total += static_cast<T*>(job_.nats)[r];
    *static_cast<T*>(job_.total) = static_cast<T>(total);
    return true;
  }

 private:
  const Products<T>& products() const {
    return kernels_.of(job_.tiles ? Packing::tiles : Packing::full);
  }

  // Where the scores of a block begin; rows are those of the group.
  T* scores(int64_t block, int64_t row) const {
    return scores_ + (block * group_ + row) * row_;
  }

  bool group(int64_t first, int64_t rows, Tasks& tasks) const {
    const int64_t share = (rows + tasks.threads() - 1) / tasks.threads();
    const int64_t height = std::min(kTasrow_s, share), count = (rows + height - 1) / height;
    const bool done = tasks.run(count, [&](int64_t task, int64_t worker) {
      const int64_t row = rows * task / count, end = rows * (task + 1) / count;
      measure(worker, first, row, end - row);
      if (job_.dh || job_.dw || job_.db) differentiate(worker, first, row, end - row);
    });
    if (!done || !(job_.dw || job_.db)) return done;
    return tasks.run(strips_.tasks(), [&](int64_t task, int64_t worker) {
      const int64_t column = task * kStrip;
      const T* s = scores(column / kBlock, 0) + column % kBlock;
      if (job_.dw) {
        strips_.add(task, worker, s, row_, h_ + first * job_.ldh, job_.ldh, rows, first == 0);
      }
      if (!job_.db) return;
      add_totals(kernels_, s, row_, rows, job_.V, task, first == 0, static_cast<T*>(job_.db));
    });
  }

  int64_t columns_of(int64_t block) const { return std::min(job_.V - block * kBlock, kBlock); }

  // The scores of rows of a group, and their nats.
  void measure(int64_t worker, int64_t first, int64_t row, int64_t rows) const {
    const T *h = h_ + (first + row) * job_.ldh, *b = static_cast<const T*>(job_.b);
    for (int64_t block = 0; block < blocks_; ++block) {
      T* s = scores(block, row);
      w_.columns(worker, block, h, job_.ldh, b, s, row_, rows);
      for (int64_t r = 0; r < rows; ++r) {
        parts_[(row + r) * blocks_ + block] =
            kernels_.exponents(s + r * row_, columns_of(block), job_.smoothing > 0);
      }
    }
    for (int64_t r = row; r < row + rows; ++r) {
      const int64_t target = job_.targets[first + r];
      static_cast<T*>(job_.nats)[first + r] = target < 0 ? T(0) : nats(r, target);
    }
  }

  // Of one row, from its parts.
  T nats(int64_t row, int64_t target) const {
    const Exponents<T>* parts = parts_ + row * blocks_;
    T largest = parts[0].largest;
    for (int64_t i = 1; i < blocks_; ++i) {
      largest = parts[i].largest > largest || parts[i].largest != parts[i].largest
                    ? parts[i].largest
                    : largest;
    }
    double sum = 0, total = 0;
    for (int64_t i = 0; i < blocks_; ++i) {
      const double below = static_cast<double>(parts[i].largest) - largest;
      // A block of -inf alone has no sum.
      if (!std::isinf(below)) sum += parts[i].sum * std::exp(below);
      total += parts[i].total;
    }
    const double e = job_.smoothing, shift = std::log(sum) + largest;
    const double right = (1 - e) * (shift - scores(target / kBlock, row)[target % kBlock]);
    shifts_[row] = static_cast<T>(shift);
    return static_cast<T>(e > 0 ? right + e * (shift - total / double(job_.V)) : right);
  }

  // dh of rows of a group; ds stands where their scores stood.
  void differentiate(int64_t worker, int64_t first, int64_t row, int64_t rows) const {
    T* dh = static_cast<T*>(job_.dh) + (first + row) * job_.H;
    const T less = static_cast<T>(job_.smoothing / double(job_.V));
    for (int64_t block = 0; block < blocks_; ++block) {
      T* s = scores(block, row);
      for (int64_t r = 0; r < rows; ++r) {
        T* to = s + r * row_;
        const int64_t target = job_.targets[first + row + r];
        if (target < 0) {
          std::fill_n(to, columns_of(block), T(0));
          continue;
        }
        kernels_.shares(to, columns_of(block), shifts_[row + r], less);
        if (target / kBlock == block) to[target % kBlock] -= static_cast<T>(1 - job_.smoothing);
      }
      if (job_.dh) back_.add(worker, block, s, row_, dh, job_.H, rows);
    }
  }

  const Kernels<T>& kernels_;
  const NatsJob& job_;
  const T* h_;
  const int64_t blocks_, group_, row_;
  const Packed<T> w_, back_;
  const Strips<T> strips_;
  T* scores_;
  Exponents<T>* parts_;  // [group][blocks]
  T* shifts_;            // [group] what a softmax takes from the scores of a row
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

#include "transducer.h"

#include <cstdio>

#include "blocked.h"
#include "operations.h"
#include "tasks.h"

namespace recurra {

namespace {

// The operations by number.
enum Operation : int {
#define RECURRA_NUMBER(name, reads, form) number_##name,
  RECURRA_OPERATIONS(RECURRA_NUMBER)
#undef RECURRA_NUMBER
};

// What a group may take of the second cache, and a row of the batch of memory.
constexpr int64_t kGroupBytes = 512 << 10, kHeldBytes = 16 << 20;
// Sums over rows of the batch: so many bytes of them, or so many of them, wait to be added up.
constexpr int64_t kPartBytes = 32 << 20, kParts = 8;
// Numbers of a task that adds them up.
constexpr int64_t kMerged = 4096;

// From row to row of a matrix at hand: rows that lie a whole page apart would share cache sets.
int64_t row_of(int64_t columns) { return (columns + 15) / 16 * 16 + 16; }

// A row of the batch.
template <typename T>
struct Sequence {
  const T *f, *g;
  T *df, *dg;
  const int64_t* targets;
  int64_t frames, wide;

  int64_t target(int64_t place) const {
    const int64_t u = place % wide;
    return u + 1 < wide ? targets[u] : -1;
  }
};

// The memory of a worker, rows are places: of a held row, and of a group.
template <typename T>
struct Desk {
  T *h, *s, *dh;
  Lattice lattice;
};

// What a part of the batch adds up.
template <typename T>
struct Sums {
  T *dw, *db;
};

template <typename T>
class TransducerCall {
 public:
  TransducerCall(const Kernels<T>& kernels, const TransducerJob& job, int64_t threads,
                 Carver& carver)
      : kernels_(kernels),
        job_(job),
        ldh_(row_of(job.J)),
        lds_(row_of(job.V)),
        places_(most_places(job.B, job.frames, job.labels)),
        group_(group_rows()),
        held_(std::min(places_, std::max(kHeldBytes / row_bytes(), group_))),
        parts_(parts()),
        w_(products(), static_cast<const T*>(job.w), 1, job.ldw, job.J, job.V, threads, carver),
        back_(products(), static_cast<const T*>(job.w), job.ldw, 1, job.df ? job.V : 0, job.J,
              threads, carver),
        strips_(products(), job.V, job.J, nullptr, job.J, 1, threads, carver),
        desks_(carver.take<Desk<T>>(threads)),
        sums_(carver.take<T>(parts_ > 1 && job.dw ? parts_ * (job.J + 1) * job.V : 0)) {
    for (int64_t i = 0; i < threads; ++i) {
      const Desk<T> desk{carver.take<T>(held_ * ldh_), carver.take<T>(held_ * lds_),
                         carver.take<T>(job.df ? group_ * ldh_ : 0),
                         Lattice(places_, job.places, carver)};
      if (desks_) desks_[i] = desk;
    }
  }

  bool run(Tasks& tasks) const {
    const int64_t packs = w_.tasks(), backs = job_.df ? back_.tasks() : 0;
    const bool packed = tasks.run(packs + backs, [&](int64_t task, int64_t) {
      task < packs ? w_.pack(task) : back_.pack(task - packs);
    });
    if (!packed) return false;
    const bool done = tasks.run(parts_, [&](int64_t part, int64_t worker) {
      const Sums<T> sums = sums_of(part);
      if (job_.dw) {
        std::fill_n(sums.dw, job_.V * job_.J, T(0));
        std::fill_n(sums.db, job_.V, T(0));
      }
      const int64_t end = job_.B * (part + 1) / parts_;
      for (int64_t b = job_.B * part / parts_; b < end; ++b) sequence(b, worker, sums, tasks);
    });
    if (!done || !merge(tasks)) return false;
    double total = 0;
    for (int64_t b = 0; b < job_.B; ++b) total += static_cast<T*>(job_.nats)[b];
    *static_cast<T*>(job_.total) = static_cast<T>(total);
    return true;
  }

 private:
  const Products<T>& products() const {
    return kernels_.of(job_.tiles ? Packing::tiles : Packing::full);
  }
  int64_t row_bytes() const { return (ldh_ + lds_) * static_cast<int64_t>(sizeof(T)); }

  // Whole blocks of a contraction.
  int64_t group_rows() const {
    const int64_t bytes = row_bytes() + ldh_ * static_cast<int64_t>(sizeof(T));
    return std::clamp<int64_t>(kGroupBytes / (bytes * kContractRows), 1, 8) * kContractRows;
  }

  int64_t parts() const {
    const int64_t bytes = std::max<int64_t>(job_.V * job_.J * sizeof(T), 1);
    return std::min(job_.B, std::max(kParts, kPartBytes / bytes));
  }

  Sums<T> sums_of(int64_t part) const {
    if (parts_ == 1 || !job_.dw) return {static_cast<T*>(job_.dw), static_cast<T*>(job_.db)};
    T* dw = sums_ + part * (job_.J + 1) * job_.V;
    return {dw, dw + job_.J * job_.V};
  }

  // A row of the batch, from its products to its gradients.
  void sequence(int64_t b, int64_t worker, const Sums<T>& sums, Tasks& tasks) const {
    const Sequence<T> row = begin(b);
    const int64_t places = row.frames * row.wide;
    const bool held = places <= held_;
    Lattice& lattice = desks_[worker].lattice;
    for (int64_t n = 0; n < places; n += group_) {
      if (tasks.stopped(worker)) return;
      const int64_t rows = std::min(group_, places - n), at = held ? n : 0;
      score(worker, row, n, rows, at);
      for (int64_t r = 0; r < rows; ++r) {
        const T* s = desks_[worker].s + (at + r) * lds_;
        measure_place(kernels_, s, job_.V, job_.blank, row.target(n + r), n + r, lattice);
      }
    }
    const double end = places ? lattice.climb(row.frames, row.wide) : 0;
    static_cast<T*>(job_.nats)[b] = static_cast<T>(-end);
    if (places == 0 || !(job_.df || job_.dw)) return;
    lattice.descend(row.frames, row.wide, end);
    for (int64_t n = 0; n < places; n += group_) {
      if (tasks.stopped(worker)) return;
      const int64_t rows = std::min(group_, places - n), at = held ? n : 0;
      if (!held) score(worker, row, n, rows, at);
      differentiate(worker, row, n, rows, at, sums);
    }
  }

  // Its gradients hold zeros.
  Sequence<T> begin(int64_t b) const {
    Sequence<T> row{};
    row.frames = job_.frames[b];
    row.wide = job_.labels[b] + 1;
    if (job_.df) {
      row.df = static_cast<T*>(job_.df) + b * job_.T * job_.J;
      row.dg = static_cast<T*>(job_.dg) + b * job_.places * job_.J;
      std::fill_n(row.df, job_.T * job_.J, T(0));
      std::fill_n(row.dg, job_.places * job_.J, T(0));
    }
    if (row.frames == 0) return row;
    row.f = static_cast<const T*>(job_.f) + b * job_.f_row;
    row.g = static_cast<const T*>(job_.g) + b * job_.g_row;
    row.targets = job_.targets + b * (job_.places - 1);
    return row;
  }

  // Places first..first + rows by runs that have one frame: body(t, u, r, count), r from 0 on.
  template <typename Body>
  static void each_run(const Sequence<T>& row, int64_t first, int64_t rows, const Body& body) {
    for (int64_t r = 0; r < rows;) {
      const int64_t t = (first + r) / row.wide, u = (first + r) % row.wide;
      const int64_t count = std::min(row.wide - u, rows - r);
      body(t, u, r, count);
      r += count;
    }
  }

  // y = operation(a, b), rows y_row, a_row and b_row apart.
  void apply(Operation operation, int64_t rows, T* y, int64_t y_row, const T* a, int64_t a_row,
             const T* b, int64_t b_row) const {
    const Walk<T> walk{1, job_.J, 0, {y_row, 0, 1}, {{a_row, 0, 1}, {b_row, 0, 1}}, 2, true, false};
    const T* x[kMostReads] = {a, b};
    kernels_.pointwise[operation](walk, rows, y, x);
  }

  // h and s of places n.., in rows `at`.. of the desk.
  void score(int64_t worker, const Sequence<T>& row, int64_t n, int64_t rows, int64_t at) const {
    T *h = desks_[worker].h + at * ldh_, *s = desks_[worker].s + at * lds_;
    each_run(row, n, rows, [&](int64_t t, int64_t u, int64_t r, int64_t count) {
      const T *f = row.f + t * job_.f_step, *g = row.g + u * job_.g_place;
      apply(number_add_tanh, count, h + r * ldh_, ldh_, f, 0, g, job_.g_place);
    });
    const T* bias = static_cast<const T*>(job_.b);
    for (int64_t block = 0; block < blocks_of(job_.V); ++block) {
      w_.columns(worker, block, h, ldh_, bias, s + block * kBlock, lds_, rows);
    }
  }

  // What such places add to the gradients; ds stands where their scores stood.
  void differentiate(int64_t worker, const Sequence<T>& row, int64_t n, int64_t rows, int64_t at,
                     const Sums<T>& sums) const {
    const Desk<T>& desk = desks_[worker];
    T *h = desk.h + at * ldh_, *s = desk.s + at * lds_;
    for (int64_t r = 0; r < rows; ++r) {
      differentiate_place(kernels_, s + r * lds_, job_.V, job_.blank, row.target(n + r), n + r,
                          desk.lattice);
    }
    if (job_.dw) {
      const Strips<T> strips = strips_.at(sums.dw);
      for (int64_t strip = 0; strip < strips.tasks(); ++strip) {
        const T* ds = s + strip * kStrip;
        strips.add(strip, worker, ds, lds_, h, ldh_, rows, false);
        add_totals(kernels_, ds, lds_, rows, job_.V, strip, false, sums.db);
      }
    }
    if (!job_.df) return;
    for (int64_t block = 0; block < blocks_of(job_.V); ++block) {
      back_.add(worker, block, s + block * kBlock, lds_, desk.dh, ldh_, rows);
    }
    part(row, n, rows, h, desk.dh);
  }

  // Adds to df and dg, by dh, which becomes what it is before the tanh.
  void part(const Sequence<T>& row, int64_t n, int64_t rows, const T* h, T* dh) const {
    each_run(row, n, rows, [&](int64_t t, int64_t u, int64_t r, int64_t count) {
      T *d = dh + r * ldh_, *dg = row.dg + u * job_.J;
      apply(number_tanh_grad, count, d, ldh_, d, ldh_, h + r * ldh_, ldh_);
      kernels_.column_sums(d, ldh_, count, job_.J, false, row.df + t * job_.J);
      apply(number_add, count, dg, job_.J, dg, job_.J, d, ldh_);
    });
  }

  // Adds the parts of the batch up, in their order.
  bool merge(Tasks& tasks) const {
    const int64_t of_w = job_.V * job_.J, all = of_w + job_.V;
    if (parts_ == 1 || !job_.dw) return true;
    return tasks.run((all + kMerged - 1) / kMerged, [&](int64_t task, int64_t) {
      for (int64_t i = task * kMerged; i < std::min(all, (task + 1) * kMerged); ++i) {
        T sum = 0;
        for (int64_t p = 0; p < parts_; ++p) sum += sums_[p * all + i];
        (i < of_w ? static_cast<T*>(job_.dw)[i] : static_cast<T*>(job_.db)[i - of_w]) = sum;
      }
    });
  }

  const Kernels<T>& kernels_;
  const TransducerJob& job_;
  const int64_t ldh_, lds_, places_, group_, held_, parts_;
  const Packed<T> w_, back_;
  const Strips<T> strips_;
  Desk<T>* desks_;  // [threads]
  T* sums_;         // [parts][V J + V] where there are several
};

template <typename T>
Outcome run_as(const Kernels<T>& kernels, const TransducerJob& job, int64_t threads, Team team,
               int (*poll)(), char* error, int64_t error_size) {
  Tasks tasks(threads, team, poll);
  bool done = true;
  const bool began = in_block("transducer", error, error_size, [&](Carver& carver, bool run) {
    const TransducerCall<T> call(kernels, job, threads, carver);
    if (run) done = call.run(tasks);
  });
  return !began ? Outcome::failed : done ? Outcome::done : Outcome::cancelled;
}

}  // namespace

const char* check_transducer(const TransducerJob& job) noexcept {
  if (job.tiles && job.twice) return "transducer: tiles are of float";
  if (const char* line = check_labels(job.B, job.T, job.places, job.V, job.blank, job.targets,
                                      job.frames, job.labels)) {
    return line;
  }
  int64_t all;
  if (job.J < 1 || __builtin_mul_overflow(job.J, job.B * job.T * job.places + job.V, &all) ||
      __builtin_mul_overflow(all, job.V, &all)) {
    return "transducer: J must be 1 or more, and B (U + 1) T J V below 2^63";
  }
  if (job.B < 1) return "transducer: a row is needed";
  if (!job.nats || !job.total) return "transducer: a result is null";
  if ((job.T > 0 && !job.f) || !job.g || !job.w) return "transducer: f, g or w is null";
  if (!job.df != !job.dg || !job.dw != !job.db) return "transducer: df needs dg, and dw db";
  return nullptr;
}

Outcome run_transducer(const Level& level, const TransducerJob& job, int64_t threads, Team team,
                       int (*poll)(), char* error, int64_t error_size) noexcept {
  if (job.tiles && !level.has_tiles()) {
    std::snprintf(error, error_size, "transducer: this level has no tiles");
    return Outcome::failed;
  }
  return job.twice ? run_as(*level.twice, job, threads, team, poll, error, error_size)
                   : run_as(*level.single, job, threads, team, poll, error, error_size);
}

}  // namespace recurra

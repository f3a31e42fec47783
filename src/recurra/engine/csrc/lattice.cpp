#include "lattice.h"

#include <limits>

#include "blocked.h"
#include "tasks.h"

namespace recurra {

namespace {

constexpr int64_t kMost = int64_t(1) << 40;

template <typename T>
class LatticeCall {
 public:
  LatticeCall(const Kernels<T>& kernels, const LatticeJob& job, int64_t threads, Carver& carver)
      : kernels_(kernels), job_(job), lattices_(carver.take<Lattice>(threads)) {
    const int64_t places = most_places(job.B, job.frames, job.labels);
    for (int64_t i = 0; i < threads; ++i) {
      const Lattice lattice(places, job.places, carver);
      if (lattices_) lattices_[i] = lattice;
    }
  }

  bool run(Tasks& tasks) const {
    return tasks.run(job_.B, [&](int64_t b, int64_t worker) { sequence(b, worker, tasks); });
  }

 private:
  int64_t target(int64_t b, int64_t u) const {
    return u < job_.labels[b] ? job_.targets[b * (job_.places - 1) + u] : -1;
  }

  void sequence(int64_t b, int64_t worker, Tasks& tasks) const {
    const int64_t frames = job_.frames[b], wide = job_.labels[b] + 1;
    Lattice& lattice = lattices_[worker];
    const T* scores = static_cast<const T*>(job_.scores) + b * job_.s_row;
    for (int64_t t = 0; t < frames; ++t) {
      if (tasks.stopped(worker)) return;
      for (int64_t u = 0; u < wide; ++u) {
        const T* s = scores + t * job_.s_step + u * job_.s_place;
        measure_place(kernels_, s, job_.V, job_.blank, target(b, u), t * wide + u, lattice);
      }
    }
    const double end = frames ? lattice.climb(frames, wide) : 0;
    static_cast<T*>(job_.nats)[b] = static_cast<T>(-end);
    if (!job_.ds) return;
    if (frames) lattice.descend(frames, wide, end);
    for (int64_t t = 0; t < job_.T; ++t) {
      if (tasks.stopped(worker)) return;
      T* ds = static_cast<T*>(job_.ds) + (b * job_.T + t) * job_.places * job_.V;
      const int64_t alive = t < frames ? wide : 0;
      for (int64_t u = 0; u < alive; ++u) {
        std::copy_n(scores + t * job_.s_step + u * job_.s_place, job_.V, ds + u * job_.V);
        differentiate_place(kernels_, ds + u * job_.V, job_.V, job_.blank, target(b, u),
                            t * wide + u, lattice);
      }
      std::fill_n(ds + alive * job_.V, (job_.places - alive) * job_.V, T(0));
    }
  }

  const Kernels<T>& kernels_;
  const LatticeJob& job_;
  Lattice* lattices_;
};

template <typename T>
Outcome run_as(const Kernels<T>& kernels, const LatticeJob& job, int64_t threads, Team team,
               int (*poll)(), char* error, int64_t error_size) {
  Tasks tasks(threads, team, poll);
  bool done = true;
  const bool began = in_block("transducer", error, error_size, [&](Carver& carver, bool run) {
    const LatticeCall<T> call(kernels, job, threads, carver);
    if (run) done = call.run(tasks);
  });
  return !began ? Outcome::failed : done ? Outcome::done : Outcome::cancelled;
}

}  // namespace

double Lattice::climb(int64_t frames, int64_t wide) noexcept {
  constexpr double never = -std::numeric_limits<double>::infinity();
  for (int64_t t = 0; t < frames; ++t) {
    const double* before = none + (t - 1) * wide;
    for (int64_t u = 0; u < wide; ++u) {
      const int64_t n = t * wide + u;
      const double below = t > 0 ? edge_[u] + before[u] : never;
      const double left = u > 0 ? edge_[u - 1] + next[n - 1] : n == 0 ? 0 : never;
      const bool higher = below > left;
      const double high = higher ? below : left, low = higher ? left : below;
      // The difference of two that are both out of reach is no number.
      const double e = low == never ? 0 : std::exp(low - high);
      edge_[u] = low == never ? high : high + std::log1p(e);
      from_below_[n] = (higher ? 1 : e) / (1 + e);
    }
  }
  return edge_[wide - 1] + none[frames * wide - 1];
}

void Lattice::descend(int64_t frames, int64_t wide, double end) noexcept {
  // What has no alignment has no gradient either.
  const double all = std::isfinite(end) ? 1 : std::numeric_limits<double>::quiet_NaN();
  std::fill_n(edge_, wide, 0.0);
  edge_[wide - 1] = all;
  for (int64_t t = frames - 1; t >= 0; --t) {
    double label = 0;
    for (int64_t u = wide - 1; u >= 0; --u) {
      const int64_t n = t * wide + u;
      const double blank = edge_[u], here = blank + label;
      none[n] = blank;
      next[n] = label;
      edge_[u] = here * from_below_[n];
      label = here * (1 - from_below_[n]);
    }
  }
}

int64_t most_places(int64_t B, const int64_t* frames, const int64_t* labels) noexcept {
  int64_t most = 0;
  for (int64_t b = 0; b < B; ++b) most = std::max(most, frames[b] * (labels[b] + 1));
  return most;
}

const char* check_labels(int64_t B, int64_t T, int64_t places, int64_t V, int64_t blank,
                         const int64_t* targets, const int64_t* frames,
                         const int64_t* labels) noexcept {
  int64_t all = 1;
  for (const int64_t each : {B, T, places, V}) {
    if (each < 0 || each > kMost) return "transducer: B, T, U + 1 and V must be 0 ... 2^40";
    if (__builtin_mul_overflow(all, std::max<int64_t>(each, 1), &all)) {
      return "transducer: too many numbers";
    }
  }
  if (places < 1 || blank < 0 || blank >= V) return "transducer: blank must be below V";
  if (B > 0 && (!frames || !labels || (places > 1 && !targets))) {
    return "transducer: frames, labels or targets are null";
  }
  for (int64_t b = 0; b < B; ++b) {
    if (frames[b] < 0 || frames[b] > T) return "transducer: frames must be 0 ... T";
    if (labels[b] < 0 || labels[b] >= places) return "transducer: labels must be 0 ... U";
    if (frames[b] == 0 && labels[b] > 0) return "transducer: a row without frames has labels";
    for (int64_t u = 0; u < labels[b]; ++u) {
      const int64_t target = targets[b * (places - 1) + u];
      if (target < 0 || target >= V) return "transducer: targets must be 0 ... below V";
    }
  }
  return nullptr;
}

const char* check_lattice(const LatticeJob& job) noexcept {
  if (const char* line = check_labels(job.B, job.T, job.places, job.V, job.blank, job.targets,
                                      job.frames, job.labels)) {
    return line;
  }
  if (job.B == 0) return nullptr;
  return !job.nats || (job.T > 0 && !job.scores) ? "transducer: scores or nats is null" : nullptr;
}

Outcome run_lattice(const Level& level, const LatticeJob& job, int64_t threads, Team team,
                    int (*poll)(), char* error, int64_t error_size) noexcept {
  return job.twice ? run_as(*level.twice, job, threads, team, poll, error, error_size)
                   : run_as(*level.single, job, threads, team, poll, error, error_size);
}

}  // namespace recurra

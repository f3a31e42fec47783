#include "matrix_run.h"

#include <algorithm>
#include <atomic>
#include <cstdio>

#include "control.h"
#include "denormals.h"

namespace recurra {

namespace {

constexpr int64_t kMost = int64_t(1) << 31;

int64_t chunks_kept(int64_t steps) { return std::max<int64_t>(steps - 1, 0) / kMatrixEvery; }

int64_t steps_of(const MatrixJob& job, int64_t b) { return job.lengths ? job.lengths[b] : job.T; }

template <typename T>
Along<T> along(const Argument& argument, int64_t b, int64_t n) {
  if (!argument.ptr) return {nullptr, 0};
  T* base = static_cast<T*>(argument.ptr);
  return {base + b * argument.stride[0] + n * argument.stride[2], argument.stride[1]};
}

template <typename T>
void clear_past(const Along<T>& rows, int64_t width, int64_t steps, int64_t T_) {
  if (!rows.at) return;
  for (int64_t t = steps; t < T_; ++t) std::fill_n(rows(t), width, T(0));
}

template <typename T>
class MatrixCall {
 public:
  MatrixCall(const MatrixJob& job, const Kernels<T>& kernels, int (*poll)(), Carver& carver,
             int64_t threads)
      : job_(job), kernels_(kernels), control_(poll) {
    const int64_t columns = kernels.matrix_columns();
    blocks_ = job.backward ? 1 : (job.V + columns - 1) / columns;
    first_kept_ = carver.take<int64_t>(job.B);
    scratch_bytes_ = kernels.matrix_scratch(job.K, job.V, job.backward);
    for (int64_t worker = 0; worker < threads; ++worker) {
      void* mine = carver.take<char>(scratch_bytes_);
      if (worker == 0) scratch_ = static_cast<char*>(mine);
    }
  }

  bool run(int64_t threads, Team team) {
    int64_t kept = 0;
    for (int64_t b = 0; b < job_.B; ++b) {
      first_kept_[b] = kept;
      kept += chunks_kept(steps_of(job_, b)) * job_.N;
    }
    tasks_ = job_.B * job_.N * blocks_;
    Work work;
    work.context = this;
    work.work = [](void* call, int64_t worker) { static_cast<MatrixCall*>(call)->part(worker); };
    work.idle = [](void* call) { static_cast<MatrixCall*>(call)->control_.ask(); };
    // A team keeps its size, for it would end threads that it does not need this time.
    run_on_threads(tasks_ < 2 ? 1 : team ? threads : std::min(threads, tasks_), work, team);
    return !control_.stopped();
  }

 private:
  struct Asking {
    Control* control;
    int64_t worker;
  };

  void part(int64_t worker) {
    const FlushDenormals flush;
    void* scratch = scratch_ + worker * ((scratch_bytes_ + 63) / 64 * 64);
    Asking asking{&control_, worker};
    const Stop stop{[](void* context) {
                      const auto& [control, worker] = *static_cast<Asking*>(context);
                      return control->stopped(worker);
                    },
                    &asking};
    for (;;) {
      const int64_t task = next_.fetch_add(1, std::memory_order_relaxed);
      if (task >= tasks_ || control_.stopped(worker)) return;
      if (poisoned()) poison(scratch, scratch_bytes_);
      const int64_t head = task / blocks_;
      if (job_.backward)
        backward(head / job_.N, head % job_.N, scratch, stop);
      else
        forward(head / job_.N, head % job_.N, task % blocks_, scratch, stop);
    }
  }

  MatrixHead<T> head_of(int64_t b, int64_t n) const {
    const MatrixArguments& v = job_.values;
    return {job_.K,
            job_.V,
            steps_of(job_, b),
            job_.along_decay,
            along<const T>(v.decay, b, n),
            along<const T>(v.a, b, n),
            along<const T>(v.b, b, n),
            along<const T>(v.c, b, n),
            along<const T>(v.d, b, n),
            along<const T>(v.q, b, n),
            job_.reset ? job_.reset + b * job_.T : nullptr,
            along<const T>(v.S, b, n).at};
  }

  T* kept(int64_t b, int64_t n) const {
    if (!job_.kept) return nullptr;
    const int64_t at = first_kept_[b] + n * chunks_kept(steps_of(job_, b));
    return static_cast<T*>(job_.kept) + at * job_.K * job_.V;
  }

  void forward(int64_t b, int64_t n, int64_t block, void* scratch, const Stop& stop) {
    const MatrixHead<T> head = head_of(b, n);
    const MatrixArguments& v = job_.values;
    const MatrixResult<T> to{along<T>(v.o, b, n), along<T>(v.last, b, n).at, kept(b, n)};
    const int64_t first = block * kernels_.matrix_columns();
    const int64_t columns = std::min(kernels_.matrix_columns(), job_.V - first);
    kernels_.matrix_forward(head, to, first, columns, scratch, stop);
    if (head.steps == job_.T) return;
    clear_past<T>({to.o.at + first, to.o.step}, columns, head.steps, job_.T);
  }

  void backward(int64_t b, int64_t n, void* scratch, const Stop& stop) {
    const MatrixHead<T> head = head_of(b, n);
    const MatrixArguments& g = job_.gradients;
    const MatrixGradient<T> to{along<const T>(g.o, b, n), along<const T>(g.last, b, n).at,
                               kept(b, n),                along<T>(g.decay, b, n),
                               along<T>(g.a, b, n),       along<T>(g.b, b, n),
                               along<T>(g.c, b, n),       along<T>(g.d, b, n),
                               along<T>(g.q, b, n),       along<T>(g.S, b, n).at};
    kernels_.matrix_backward(head, to, scratch, stop);
    clear_past(to.decay, job_.along_decay ? job_.K : 1, head.steps, job_.T);
    for (const auto* each : {&to.a, &to.b, &to.c, &to.q}) {
      clear_past(*each, job_.K, head.steps, job_.T);
    }
    clear_past(to.d, job_.V, head.steps, job_.T);
  }

  const MatrixJob& job_;
  const Kernels<T>& kernels_;
  Control control_;
  int64_t blocks_, tasks_ = 0, scratch_bytes_;
  int64_t* first_kept_;
  char* scratch_ = nullptr;
  std::atomic<int64_t> next_{0};
};

template <typename T>
Outcome run_as(const Kernels<T>& kernels, const MatrixJob& job, int64_t threads, Team team,
               int (*poll)(), char* error, int64_t error_size) noexcept {
  Carver counter(nullptr);
  MatrixCall<T>(job, kernels, nullptr, counter, threads);
  const int64_t bytes = counter.used();
  void* block = bytes > 0 ? take_block(bytes) : nullptr;
  if (!block) {
    std::snprintf(error, error_size, "matrix: no memory for a call of this size");
    return Outcome::failed;
  }
  Carver carver(block);
  const bool done = MatrixCall<T>(job, kernels, poll, carver, threads).run(threads, team);
  give_block(block, bytes);
  return done ? Outcome::done : Outcome::cancelled;
}

}  // namespace

const char* check_matrix(const MatrixJob& job) noexcept {
  for (const int64_t each : {job.B, job.T, job.N}) {
    if (each < 0 || each > kMost) return "matrix: B, T and N must be 0 ... 2^31";
  }
  if (job.K < 1 || job.V < 1 || job.K > kMost || job.V > kMost) {
    return "matrix: K and V must be 1 ... 2^31";
  }
  int64_t heads;
  if (__builtin_mul_overflow(job.B * job.N, job.V, &heads)) return "matrix: too many numbers";
  for (int64_t b = 0; job.lengths && b < job.B; ++b) {
    if (job.lengths[b] < 0 || job.lengths[b] > job.T) return "matrix: lengths must be 0 ... T";
  }
  const MatrixArguments &v = job.values, &g = job.gradients;
  if (!v.a.ptr != !v.b.ptr) return "matrix: a and b are left out together";
  if (job.B == 0 || job.N == 0) return nullptr;
  if (!v.S.ptr) return "matrix: S is null";
  if (job.backward ? !g.S.ptr || !g.last.ptr : !v.last.ptr) return "matrix: the last S is null";
  if (job.T == 0) return nullptr;
  for (const Argument* each : {&v.decay, &v.c, &v.d, &v.q}) {
    if (!each->ptr) return "matrix: an argument is null";
  }
  if (!job.backward) return v.o.ptr ? nullptr : "matrix: o is null";
  for (const Argument* each : {&g.o, &g.decay, &g.c, &g.d, &g.q}) {
    if (!each->ptr) return "matrix: a gradient is null";
  }
  if (v.a.ptr && (!g.a.ptr || !g.b.ptr)) return "matrix: a gradient is null";
  if (matrix_kept(job) != 0 && !job.kept) return "matrix: the memory to keep is null";
  return nullptr;
}

int64_t matrix_kept(const MatrixJob& job) noexcept {
  int64_t chunks = 0, bytes = job.twice ? sizeof(double) : sizeof(float);
  for (int64_t b = 0; b < job.B; ++b) chunks += chunks_kept(steps_of(job, b));
  for (const int64_t each : {chunks, job.N, job.K, job.V}) {
    if (__builtin_mul_overflow(bytes, each, &bytes)) return -1;
  }
  return bytes;
}

Outcome run_matrix(const Level& level, const MatrixJob& job, int64_t threads, Team team,
                   int (*poll)(), char* error, int64_t error_size) noexcept {
  if (job.B == 0 || job.N == 0) return Outcome::done;
  return job.twice ? run_as(*level.twice, job, threads, team, poll, error, error_size)
                   : run_as(*level.single, job, threads, team, poll, error, error_size);
}

}  // namespace recurra

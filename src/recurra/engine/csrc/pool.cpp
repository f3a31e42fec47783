#include "pool.h"

#include <pthread.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>

namespace recurra {

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kSpin = std::chrono::microseconds(30);
constexpr auto kNap = std::chrono::milliseconds(5);

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

template <typename Done>
bool spin(const Done& done) {
  const auto until = Clock::now() + kSpin;
  do {
    for (int i = 0; i < 64; ++i) {
      if (done()) return true;
      relax();
    }
  } while (Clock::now() < until);
  return done();
}

class Pool {
 public:
  // False where another caller has the pool.
  bool try_run(int64_t threads, const Work& work) {
    const std::unique_lock<std::mutex> caller(callers_, std::try_to_lock);
    if (!caller.owns_lock()) return false;
    const int64_t helpers = grow(threads - 1);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      work_ = work;
      helpers_ = helpers;
      pending_.store(helpers, std::memory_order_relaxed);
      round_.fetch_add(1, std::memory_order_release);
    }
    if (sleeping_ > 0) wake_.notify_all();
    work.work(work.context, 0);
    wait(work);
    return true;
  }

 private:
  // Threads live as long as the process: nothing joins them, and no destructor runs under them.
  int64_t grow(int64_t wanted) {
    while (workers_ < wanted) {
      try {
        const int64_t worker = workers_ + 1;
        std::thread([this, worker] { serve(worker); }).detach();
        ++workers_;
      } catch (const std::system_error&) {
        break;
      }
    }
    return wanted < workers_ ? wanted : workers_;
  }

  void serve(int64_t worker) {
    // A worker born in the middle of a round has not missed it: rounds begin after grow().
    int64_t seen = worker_round_;
    for (;;) {
      const auto called = [&] { return round_.load(std::memory_order_acquire) != seen; };
      if (!spin(called)) {
        std::unique_lock<std::mutex> lock(mutex_);
        ++sleeping_;
        wake_.wait(lock, called);
        --sleeping_;
      }
      Work work;
      bool mine;
      {
        const std::lock_guard<std::mutex> lock(mutex_);
        seen = round_.load(std::memory_order_relaxed);
        mine = worker <= helpers_;
        work = work_;
      }
      if (!mine) continue;
      work.work(work.context, worker);
      if (pending_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        const std::lock_guard<std::mutex> lock(mutex_);
        done_.notify_one();
      }
    }
  }

  void wait(const Work& work) {
    const auto done = [&] { return pending_.load(std::memory_order_acquire) == 0; };
    while (!spin(done)) {
      work.idle(work.context);
      std::unique_lock<std::mutex> lock(mutex_);
      done_.wait_for(lock, kNap, done);
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    worker_round_ = round_.load(std::memory_order_relaxed);
  }

  std::mutex callers_, mutex_;
  std::condition_variable wake_, done_;
  std::atomic<int64_t> round_{0}, pending_{0};
  std::atomic<int64_t> sleeping_{0}, worker_round_{0};
  int64_t workers_ = 0, helpers_ = 0;
  Work work_{};
};

std::atomic<Pool*> pool{nullptr};

// The parent's threads do not exist in the child, and its locks may be held: leave it all behind.
void in_child() { pool.store(nullptr, std::memory_order_relaxed); }
const int at_fork = pthread_atfork(nullptr, nullptr, in_child);

Pool* the_pool() {
  Pool* found = pool.load(std::memory_order_acquire);
  if (found) return found;
  Pool* made = new (std::nothrow) Pool;
  if (pool.compare_exchange_strong(found, made, std::memory_order_acq_rel)) return made;
  delete made;
  return found;
}

}  // namespace

void run_on_pool(int64_t threads, const Work& work) noexcept {
  Pool* shared = threads > 1 ? the_pool() : nullptr;
  if (!shared || !shared->try_run(threads, work)) work.work(work.context, 0);
}

}  // namespace recurra

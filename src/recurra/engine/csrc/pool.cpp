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
  void run(int64_t threads, const Work& work) {
    const int64_t helpers = grow(threads - 1);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      work_ = work;
      helpers_ = helpers;
      open_ = true;
      round_.fetch_add(1, std::memory_order_release);
    }
    if (sleeping_ > 0) wake_.notify_all();
    work.work(work.context, 0);
    wait(work);
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
    int64_t seen = 0;
    for (;;) {
      const auto called = [&] { return round_.load(std::memory_order_acquire) != seen; };
      if (!spin(called)) {
        std::unique_lock<std::mutex> lock(mutex_);
        ++sleeping_;
        wake_.wait(lock, called);
        --sleeping_;
      }
      Work work;
      {
        const std::lock_guard<std::mutex> lock(mutex_);
        seen = round_.load(std::memory_order_relaxed);
        if (!open_ || worker > helpers_) continue;
        active_.fetch_add(1, std::memory_order_relaxed);
        work = work_;
      }
      work.work(work.context, worker);
      if (active_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        const std::lock_guard<std::mutex> lock(mutex_);
        done_.notify_one();
      }
    }
  }

  void wait(const Work& work) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      open_ = false;
    }
    const auto done = [&] { return active_.load(std::memory_order_acquire) == 0; };
    while (!spin(done)) {
      work.idle(work.context);
      std::unique_lock<std::mutex> lock(mutex_);
      done_.wait_for(lock, kNap, done);
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_, done_;
  std::atomic<int64_t> round_{0}, active_{0}, sleeping_{0};
  bool open_ = false;  // whether workers may still join the round
  int64_t workers_ = 0, helpers_ = 0;
  Work work_{};
};

// What the threads of a team see of one call.
class Round {
 public:
  Round(int64_t threads, const Work& work) : threads_(threads), work_(work) {}

  void part() {
    if (pthread_equal(pthread_self(), caller_)) return lead();
    const int64_t worker = next_.fetch_add(1, std::memory_order_relaxed);
    if (worker >= threads_) return;
    active_.fetch_add(1, std::memory_order_relaxed);
    work_.work(work_.context, worker);
    active_.fetch_sub(1, std::memory_order_release);
  }

 private:
  // The caller waits for the others here, where it can be asked to stop, and not in the team.
  void lead() {
    work_.work(work_.context, 0);
    while (!spin([&] { return active_.load(std::memory_order_acquire) == 0; })) {
      work_.idle(work_.context);
    }
  }

  const int64_t threads_;
  const Work& work_;
  const pthread_t caller_ = pthread_self();
  std::atomic<int64_t> next_{1}, active_{0};
};

// What a process shares: who works, and on which threads.
struct Threads {
  std::mutex callers;
  Pool pool;
};

std::atomic<Threads*> shared{nullptr};

// The parent's threads do not exist in the child, and its locks may be held: leave it all behind.
std::atomic<bool> forked{false};
void in_child() {
  shared.store(nullptr, std::memory_order_relaxed);
  forked.store(true, std::memory_order_relaxed);
}
const int at_fork = pthread_atfork(nullptr, nullptr, in_child);

Threads* the_threads() {
  Threads* found = shared.load(std::memory_order_acquire);
  if (found) return found;
  Threads* made = new (std::nothrow) Threads;
  if (shared.compare_exchange_strong(found, made, std::memory_order_acq_rel)) return made;
  delete made;
  return found;
}

}  // namespace

void run_on_threads(int64_t threads, const Work& work, Team team) noexcept {
  Threads* all = threads > 1 ? the_threads() : nullptr;
  if (!all) return work.work(work.context, 0);
  const std::unique_lock<std::mutex> caller(all->callers, std::try_to_lock);
  if (!caller.owns_lock()) return work.work(work.context, 0);
  if (!team || forked.load(std::memory_order_relaxed)) return all->pool.run(threads, work);
  Round round(threads, work);
  team([](void* context) { static_cast<Round*>(context)->part(); }, &round,
       static_cast<unsigned>(threads), 0);
}

}  // namespace recurra

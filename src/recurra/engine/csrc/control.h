// Whether a call should stop, asked between steps by every thread that works for it.

#pragma once

#include <time.h>

#include <atomic>
#include <cstdint>

namespace recurra {

class Control {
 public:
  // poll: may be null; then nothing here reads a clock.
  explicit Control(int (*poll)()) : poll_(poll), asked_(poll ? now() : 0) {}

  // Worker 0, the caller's own thread, also asks the caller, every 20 ms at most.
  bool stopped(int64_t worker) {
    if (worker == 0 && poll_) ask();
    return stop_.load(std::memory_order_relaxed);
  }

  void ask() {
    if (!poll_) return;
    const int64_t moment = now();
    if (moment - asked_ < kPause) return;
    asked_ = moment;
    if (poll_() != 0) stop_.store(true, std::memory_order_relaxed);
  }

  bool stopped() const { return stop_.load(std::memory_order_relaxed); }

 private:
  static constexpr int64_t kPause = 20'000'000;

  static int64_t now() {
    timespec time;
#ifdef CLOCK_MONOTONIC_COARSE
    clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
#else
    clock_gettime(CLOCK_MONOTONIC, &time);
#endif
    return time.tv_sec * int64_t(1'000'000'000) + time.tv_nsec;
  }

  int (*poll_)();
  int64_t asked_;
  std::atomic<bool> stop_{false};
};

}  // namespace recurra

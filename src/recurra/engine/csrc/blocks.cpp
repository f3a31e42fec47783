#include "blocks.h"

#include <pthread.h>
#include <sys/mman.h>

#include <bit>
#include <cstdlib>
#include <cstring>
#include <mutex>

namespace recurra {

namespace {

constexpr int64_t kHuge = int64_t(2) << 20;
constexpr int64_t kMostCached = int64_t(1) << 30;
constexpr int64_t kMostBytes = int64_t(1) << 46;
constexpr int kPlaces = 64;

struct Cached {
  void* block;
  int64_t size;
};

std::mutex mutex;
Cached cache[kPlaces];  // the oldest first
int cached = 0;
int64_t cached_bytes = 0;

// A fork may happen while another thread holds the mutex; the child needs it free.
void before_fork() { mutex.lock(); }
void after_fork() { mutex.unlock(); }
const int at_fork = pthread_atfork(before_fork, after_fork, after_fork);

// Sizes in quarters of a power of two, so that nearly equal demands share blocks.
int64_t size_class(int64_t bytes) {
  if (bytes <= 4096) return 4096;
  const int64_t step = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(bytes - 1))) / 4;
  return (bytes + step - 1) / step * step;
}

void* remove(int at) {
  void* block = cache[at].block;
  cached_bytes -= cache[at].size;
  --cached;
  std::memmove(cache + at, cache + at + 1, sizeof(Cached) * (cached - at));
  return block;
}

void* find(int64_t size) {
  const std::lock_guard<std::mutex> lock(mutex);
  for (int at = cached - 1; at >= 0; --at) {
    if (cache[at].size == size) return remove(at);
  }
  return nullptr;
}

void* fresh(int64_t size) {
  if (size < kHuge) return std::aligned_alloc(64, size);
  void* block = std::aligned_alloc(kHuge, (size + kHuge - 1) / kHuge * kHuge);
#ifdef MADV_HUGEPAGE
  if (block) madvise(block, (size + kHuge - 1) / kHuge * kHuge, MADV_HUGEPAGE);
#endif
  return block;
}

}  // namespace

bool poisoned() noexcept {
  static const bool on = [] {
    const char* value = std::getenv("RECURRA_POISON");
    return value && std::strcmp(value, "1") == 0;
  }();
  return on;
}

void poison(void* memory, int64_t bytes) noexcept {
  if (memory) std::memset(memory, 0xff, bytes);
}

void* take_block(int64_t bytes) noexcept {
  if (bytes <= 0 || bytes > kMostBytes) return nullptr;
  const int64_t size = size_class(bytes);
  void* block = find(size);
  if (!block) block = fresh(size);
  if (poisoned()) poison(block, bytes);
  return block;
}

void give_block(void* block, int64_t bytes) noexcept {
  if (!block || bytes <= 0) return;
  const int64_t size = size_class(bytes);
  const std::lock_guard<std::mutex> lock(mutex);
  if (size > kMostCached) return std::free(block);
  while (cached == kPlaces || cached_bytes + size > kMostCached) std::free(remove(0));
  cache[cached++] = {block, size};
  cached_bytes += size;
}

}  // namespace recurra

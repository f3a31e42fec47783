// Memory that outlives a call: blocks are handed back to a cache, not to the system.
//
// A fresh page costs more than the work on it, and a layer asks for the same sizes at every call.
// Safe to call from any thread; the cache survives fork.

#pragma once

#include <cstdint>

namespace recurra {

// At least `bytes` bytes, 64-byte aligned, contents undefined (NaN under RECURRA_POISON=1); null
// when there is no memory. 0 bytes is null.
void* take_block(int64_t bytes) noexcept;

// Back to the cache; `bytes` as it was asked for.
void give_block(void* block, int64_t bytes) noexcept;

// RECURRA_POISON=1, for tests: uninitialised memory holds NaN, in float and in double.
bool poisoned() noexcept;
void poison(void* memory, int64_t bytes) noexcept;

// A block of the cache's.
class Owned {
 public:
  Owned() = default;
  Owned(Owned&& other) noexcept : block_(other.block_), bytes_(other.bytes_) {
    other.block_ = nullptr;
  }
  Owned& operator=(Owned&&) = delete;
  ~Owned() { give_block(block_, bytes_); }

  // False where there is no memory; none is needed for 0 bytes.
  bool take(int64_t bytes) {
    block_ = take_block(bytes_ = bytes);
    return bytes == 0 || block_;
  }
  char* get() const { return static_cast<char*>(block_); }

 private:
  void* block_ = nullptr;
  int64_t bytes_ = 0;
};

// Hands out pieces of one block. With a null base it only counts, so that one function both
// measures and places.
class Carver {
 public:
  explicit Carver(void* base) : base_(static_cast<char*>(base)) {}

  template <typename T>
  T* take(int64_t count) {
    T* piece = base_ ? reinterpret_cast<T*>(base_ + used_) : nullptr;
    int64_t bytes;
    if (__builtin_mul_overflow(count, static_cast<int64_t>(sizeof(T)), &bytes) ||
        __builtin_add_overflow(bytes, 63, &bytes) ||
        __builtin_add_overflow(used_, bytes / 64 * 64, &used_)) {
      overflown_ = true;
      used_ = 0;
    }
    return piece;
  }

  // -1 where the sizes leave 64 bits.
  int64_t used() const { return overflown_ ? -1 : used_; }

 private:
  char* base_;
  int64_t used_ = 0;
  bool overflown_ = false;
};

}  // namespace recurra

// Counts what the calling thread allocates between counting_begin and counting_end; preloaded.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>

static __thread long count = -1;

void counting_begin(void) { count = 0; }

long counting_end(void) {
  long found = count;
  count = -1;
  return found;
}

static void note(void) {
  if (count >= 0) ++count;
}

// The C library's own, under the names by which it can be had without asking the loader.
extern void* __libc_malloc(size_t);
extern void* __libc_calloc(size_t, size_t);
extern void* __libc_realloc(void*, size_t);
extern void* __libc_memalign(size_t, size_t);

void* malloc(size_t size) { return note(), __libc_malloc(size); }
void* calloc(size_t n, size_t size) { return note(), __libc_calloc(n, size); }
void* realloc(void* block, size_t size) { return note(), __libc_realloc(block, size); }
void* memalign(size_t to, size_t size) { return note(), __libc_memalign(to, size); }
void* aligned_alloc(size_t to, size_t size) { return note(), __libc_memalign(to, size); }

int posix_memalign(void** block, size_t to, size_t size) {
  note();
  *block = __libc_memalign(to, size);
  return *block ? 0 : 12;
}

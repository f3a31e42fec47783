#include "dispatch.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#if defined(RECURRA_AMX)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace recurra {

namespace {

struct Candidate {
  Level level;
  bool (*runs)();
};

#if defined(__x86_64__)
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#endif
#if defined(RECURRA_AMX)
// Tiles are large, so the system wants to be asked before a process uses them.
bool has_amx() {
  constexpr unsigned kTiles = 1u << 24, kBfloat16 = 1u << 22, kRounding = 1u << 5;
  constexpr long kAsk = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM
  unsigned a, b, c, d, rounding;
  if (!has_avx512() || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  if (!(d & kTiles) || !(d & kBfloat16)) return false;
  if (!__get_cpuid_count(7, 1, &rounding, &b, &c, &d) || !(rounding & kRounding)) return false;
  return syscall(SYS_arch_prctl, kAsk, kTileData) == 0;
}

// What avx512 has, and tiles.
const Kernels<float> kAmxKernels = [] {
  Kernels<float> kernels = avx512::float_kernels;
  kernels.products[static_cast<int>(Packing::tiles)] = amx::tiles;
  return kernels;
}();
#endif
bool always() { return true; }

const Candidate kCandidates[] = {
#if defined(RECURRA_AMX)
    {{"amx", &kAmxKernels, &avx512::double_kernels}, has_amx},
#endif
#if defined(__x86_64__)
    {{"avx512", &avx512::float_kernels, &avx512::double_kernels}, has_avx512},
    {{"avx2", &avx2::float_kernels, &avx2::double_kernels}, has_avx2},
#endif
    {{"generic", &generic::float_kernels, &generic::double_kernels}, always},
};

struct Choice {
  const Level* level = nullptr;
  char error[160] = "";

  Choice() {
    const char* wanted = std::getenv("RECURRA_SIMD");
    char fitting[64] = "";
    for (const Candidate& candidate : kCandidates) {
      if (!candidate.runs()) continue;
      if (*fitting) std::strcat(fitting, ", ");
      std::strcat(fitting, candidate.level.name);
      const bool named = !wanted || !*wanted || std::strcmp(wanted, candidate.level.name) == 0;
      if (named && !level) level = &candidate.level;
    }
    if (!level) {
      std::snprintf(error, sizeof(error), "RECURRA_SIMD: %.40s does not run here; %s would",
                    wanted, fitting);
    }
  }
};

}  // namespace

const Level* chosen_level(const char** error) noexcept {
  static const Choice choice;
  if (error) *error = choice.error;
  return choice.level;
}

}  // namespace recurra

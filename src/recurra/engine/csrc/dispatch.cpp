#include "dispatch.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

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
bool always() { return true; }

const Candidate kCandidates[] = {
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

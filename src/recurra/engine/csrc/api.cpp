#include "api.h"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>

#include "blocks.h"
#include "dispatch.h"
#include "operations.h"
#include "pool.h"
#include "run.h"
#include "stream.h"

using namespace recurra;

namespace {

constexpr int kAbi = 8;
constexpr int64_t kMostSteps = int64_t(1) << 31;
constexpr int64_t kMostJobs = 1024;
constexpr int64_t kMostRows = int64_t(1) << 24;

void say(char* error, int64_t size, const char* line) {
  if (error && size > 0) std::snprintf(error, size, "%s", line);
}

std::unique_ptr<Handle> make(const Level& level, const int64_t* words, int64_t count,
                             std::string& error) {
  auto handle = std::make_unique<Handle>();
  handle->program = parse(words, count, error);
  if (!handle->program) return nullptr;
  if (handle->program->tiles && !level.has_tiles()) {
    error = std::string("program: tiles, which level ") + level.name + " lacks";
    return nullptr;
  }
  if (handle->program->is_double) {
    handle->twice = decode(*handle->program, *level.twice);
  } else {
    handle->single = decode(*handle->program, *level.single);
  }
  return handle;
}

const char* check_job(const Job& job) {
  if (!job.program) return "run: no program";
  if (job.B < 0 || job.B > kMostSteps || job.T < 0 || job.T > kMostSteps) {
    return "run: B and T must be 0 ... 2^31";
  }
  const Program& program = *static_cast<const Handle*>(job.program)->program;
  if (job.count != program.arguments || (job.count > 0 && !job.arguments)) {
    return "run: as many arguments as the program has are needed";
  }
  return nullptr;
}

template <typename Of, typename Check, typename Run>
int run_checked(const Of* job, Check check, Run run, int64_t threads, Team team,
                int (*poll)(void), char* error, int64_t error_size) {
  const char* complaint = nullptr;
  const Level* level = chosen_level(&complaint);
  if (level) complaint = job ? check(*job) : "run: no job";
  if (complaint && *complaint) return say(error, error_size, complaint), 1;
  char none[1];
  if (!error || error_size <= 0) error = none, error_size = sizeof(none);
  threads = std::clamp<int64_t>(threads, 1, kMostThreads);
  return static_cast<int>(run(*level, *job, threads, team, poll, error, error_size));
}

}  // namespace

int recurra_abi(void) { return kAbi; }

const char* recurra_level(void) {
  const Level* level = chosen_level(nullptr);
  return level ? level->name : nullptr;
}

const char* recurra_operations(void) {
#define RECURRA_LINE(name, reads, form) #name " " #reads "\n"
  return RECURRA_OPERATIONS(RECURRA_LINE);
#undef RECURRA_LINE
}

void* recurra_program_new(const int64_t* words, int64_t count, char* error, int64_t error_size) {
  const char* complaint = nullptr;
  const Level* level = chosen_level(&complaint);
  if (!level) return say(error, error_size, complaint), nullptr;
  try {
    std::string line;
    std::unique_ptr<Handle> handle = make(*level, words, std::max<int64_t>(count, 0), line);
    if (!handle) say(error, error_size, line.c_str());
    return handle.release();
  } catch (const std::exception&) {
    return say(error, error_size, "program: no memory for it"), nullptr;
  }
}

void recurra_program_free(void* program) { delete static_cast<Handle*>(program); }

int64_t recurra_kept_bytes(void* program, int64_t B, int64_t N) {
  if (!program || B < 0 || B > kMostSteps || N < 0 || N > kMostSteps * kMostSteps) return -1;
  return place_kept(*static_cast<Handle*>(program)->program, B, N, nullptr, nullptr);
}

void* recurra_block_take(int64_t bytes) { return take_block(bytes); }

void recurra_block_give(void* block, int64_t bytes) { give_block(block, bytes); }

int recurra_run(const recurra_job* jobs, int64_t count, int64_t threads, Team team,
                int (*poll)(void), char* error, int64_t error_size) {
  const char* complaint = nullptr;
  const Level* level = chosen_level(&complaint);
  if (!level) return say(error, error_size, complaint), 1;
  if (count == 0) return 0;
  if (count < 0 || count > kMostJobs || !jobs) return say(error, error_size, "run: no jobs"), 1;
  for (int64_t at = 0; at < count; ++at) {
    if ((complaint = check_job(jobs[at]))) return say(error, error_size, complaint), 1;
  }
  char none[1];
  if (!error || error_size <= 0) error = none, error_size = sizeof(none);
  threads = std::clamp<int64_t>(threads, 1, kMostThreads);
  return static_cast<int>(run_jobs(*level, jobs, count, threads, team, poll, error, error_size));
}

int64_t recurra_matrix_kept(const recurra_matrix_job* job) {
  if (!job || job->B < 0 || job->B > kMostSteps) return -1;
  return matrix_kept(*job);
}

int recurra_matrix(const recurra_matrix_job* job, int64_t threads, Team team, int (*poll)(void),
                   char* error, int64_t error_size) {
  return run_checked(job, check_matrix, run_matrix, threads, team, poll, error, error_size);
}

int recurra_product(const recurra_product_job* job, int64_t threads, Team team, int (*poll)(void),
                    char* error, int64_t error_size) {
  return run_checked(job, check_product, run_product, threads, team, poll, error, error_size);
}

int recurra_sums(const recurra_sums_job* job, int64_t threads, Team team, int (*poll)(void),
                 char* error, int64_t error_size) {
  return run_checked(job, check_sums, run_sums, threads, team, poll, error, error_size);
}

int recurra_nats(const recurra_nats_job* job, int64_t threads, Team team, int (*poll)(void),
                 char* error, int64_t error_size) {
  return run_checked(job, check_nats, run_nats, threads, team, poll, error, error_size);
}

int recurra_lattice(const recurra_lattice_job* job, int64_t threads, Team team, int (*poll)(void),
                    char* error, int64_t error_size) {
  return run_checked(job, check_lattice, run_lattice, threads, team, poll, error, error_size);
}

int recurra_transducer(const recurra_transducer_job* job, int64_t threads, Team team,
                       int (*poll)(void), char* error, int64_t error_size) {
  return run_checked(job, check_transducer, run_transducer, threads, team, poll, error,
                     error_size);
}

void* recurra_stream_new(const recurra_stage* stages, int64_t count, int64_t rows,
                         const void* like, char* error, int64_t error_size) {
  const char* complaint = nullptr;
  const Level* level = chosen_level(&complaint);
  if (!level) return say(error, error_size, complaint), nullptr;
  if (!stages || count < 1 || count > kMostJobs || rows < 1 || rows > kMostRows) {
    return say(error, error_size, "stream: no stages, or no rows"), nullptr;
  }
  try {
    auto stream = std::make_unique<Stream>();
    complaint = stream->make(*level, stages, count, rows, static_cast<const Stream*>(like));
    if (!complaint) return stream.release();
  } catch (const std::exception&) {
    complaint = "stream: no memory for it";
  }
  return say(error, error_size, complaint), nullptr;
}

void recurra_stream_free(void* stream) { delete static_cast<Stream*>(stream); }

void* recurra_stream_state(const void* stream, int64_t stage, int64_t state) {
  return static_cast<const Stream*>(stream)->state(stage, state);
}

int recurra_push(void* stream, void* x, void* y, int64_t steps) {
  return recurra_push_some(stream, x, y, steps, 0, steps);
}

int recurra_push_some(void* stream, void* x, void* y, int64_t steps, int64_t first,
                      int64_t last) {
  Stream& found = *static_cast<Stream*>(stream);
  return found.push(found.parts() == 1 ? &x : static_cast<void**>(x), y, steps, first, last);
}

// The C interface, as native.py knows it. Nothing here throws; errors are one line of text.
//
// Calls are safe from any thread. A program may be run by several at once, and must not be freed
// while one runs it.

#pragma once

#include <cstdint>

#include "dense.h"
#include "layout.h"
#include "matrix_run.h"
#include "nats.h"
#include "pool.h"
#include "stream.h"
#include "transducer.h"

#define RECURRA_API extern "C" __attribute__((visibility("default")))

// Grows whenever a line below, a struct, or the words of a program change their meaning.
RECURRA_API int recurra_abi(void);

// "amx", ...; null where RECURRA_SIMD asks for what does not run here.
RECURRA_API const char* recurra_level(void);

// "copy 1\nneg 1\n...": the operations by number, and how many operands each reads.
RECURRA_API const char* recurra_operations(void);

// Null, and a line in `error`, where the words are no program.
RECURRA_API void* recurra_program_new(const int64_t* words, int64_t count, char* error,
                                      int64_t error_size);
RECURRA_API void recurra_program_free(void* program);

// Bytes that a job of B rows and N steps in all keeps for its backward; -1 where there is no such.
RECURRA_API int64_t recurra_kept_bytes(void* program, int64_t B, int64_t N);

// 64-byte aligned memory from a cache; null where there is none. Handed back with the same bytes.
RECURRA_API void* recurra_block_take(int64_t bytes);
RECURRA_API void recurra_block_give(void* block, int64_t bytes);

// Strides in elements. PARAMETER: a contiguous row. OUTER: stride[0] batch, [1] time, inner 1; what
// is stored to one is 0 past a row's length. OUTER_ROW: [0] batch. Matrix: [0] block, [1] K, [2] N.
// CONTRACT's result: [0] block, [1] M, [2] N. TOTAL's: a contiguous row. A null result is not wanted.
using recurra_argument = recurra::Argument;

// order: the batch index of each row, lengths: the steps of each row, falling; null: as they
// come, all T. kept: recurra_kept_bytes, written by the forward, read and written by the backward.
using recurra_job = recurra::Job;

// 0 done, 1 an error with its line, 2 cancelled: `poll`, which the calling thread asks every 20 ms
// at most, answered other than 0. poll may be null. team: whose threads work, see pool.h; null: the
// library's own. Results depend on neither threads nor jobs.
RECURRA_API int recurra_run(const recurra_job* jobs, int64_t count, int64_t threads,
                            recurra::Team team, int (*poll)(void), char* error,
                            int64_t error_size);

// The matrix recurrence of matrix.h over whole sequences. Bytes that its forward keeps for the
// backward; -1 where the job does not fit. recurra_matrix answers as recurra_run does.
using recurra_matrix_job = recurra::MatrixJob;
RECURRA_API int64_t recurra_matrix_kept(const recurra_matrix_job* job);
RECURRA_API int recurra_matrix(const recurra_matrix_job* job, int64_t threads, recurra::Team team,
                               int (*poll)(void), char* error, int64_t error_size);

// The jobs of dense.h, nats.h, lattice.h and transducer.h; each answers as recurra_run does.
using recurra_product_job = recurra::ProductJob;
using recurra_sums_job = recurra::SumsJob;
using recurra_nats_job = recurra::NatsJob;
using recurra_lattice_job = recurra::LatticeJob;
using recurra_transducer_job = recurra::TransducerJob;
RECURRA_API int recurra_product(const recurra_product_job* job, int64_t threads,
                                recurra::Team team, int (*poll)(void), char* error,
                                int64_t error_size);
RECURRA_API int recurra_sums(const recurra_sums_job* job, int64_t threads, recurra::Team team,
                             int (*poll)(void), char* error, int64_t error_size);
RECURRA_API int recurra_nats(const recurra_nats_job* job, int64_t threads, recurra::Team team,
                             int (*poll)(void), char* error, int64_t error_size);
RECURRA_API int recurra_lattice(const recurra_lattice_job* job, int64_t threads,
                                recurra::Team team, int (*poll)(void), char* error,
                                int64_t error_size);
RECURRA_API int recurra_transducer(const recurra_transducer_job* job, int64_t threads,
                                   recurra::Team team, int (*poll)(void), char* error,
                                   int64_t error_size);

// A stream of stages, each a program or, at the beginning, a lookup; see stream.h. The arguments of
// the stages are read here and, but for matrices, at every push. like: null, or a stream of the
// same stages and other rows, whose packed weights serve once more. Null, and a line in `error`,
// where they do not fit together.
using recurra_stage = recurra::StageJob;
RECURRA_API void* recurra_stream_new(const recurra_stage* stages, int64_t count, int64_t rows,
                                     const void* like, char* error, int64_t error_size);
RECURRA_API void recurra_stream_free(void* stream);

// The memory of a stage's state, (rows, width); null where there is none.
RECURRA_API void* recurra_stream_state(const void* stream, int64_t stage, int64_t state);

// Steps on. x: as Stream::push takes it; where the first stage has one part, that part itself.
// 0 done, 1 an id that is in no table, 2 another thread pushes; nothing was done then. Does not
// allocate.
RECURRA_API int recurra_push(void* stream, void* x, void* y, int64_t steps);

// Steps first..last of them alone.
RECURRA_API int recurra_push_some(void* stream, void* x, void* y, int64_t steps, int64_t first,
                                  int64_t last);

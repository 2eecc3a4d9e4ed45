/* Timing of anything that queues work on a device. */
#ifndef LIMN_OPS_BENCH_H
#define LIMN_OPS_BENCH_H

#include "limn/bench.h"
#include "ops/op.h"

/** Queues one run. */
typedef limn_status limn_bench_call(void *user);

/** Calls it once uncounted, then as limn/bench.h says. */
limn_status limn_bench_measure(limn_device *device, limn_bench_call *call, void *user,
                               const limn_bench_params *params, limn_bench_time *out);

/** The same for long work that has been compiled: every call is a sample. */
limn_status limn_bench_measure_long(limn_device *device, limn_bench_call *call, void *user,
                                    const limn_bench_params *params, limn_bench_time *out);

/** Reads one case, "stride=2 f32[1,8,8,16] f32[32,16,3,3]", of `length` bytes.  Its parameters are
 *  written into `text`, which the case then points to.  LIMN_BAD_USAGE where it is none. */
limn_status limn_bench_parse_case(limn_context *ctx, const char *op, const char *from,
                                  size_t length, char *text, size_t size, limn_op_example *out);

/** Fills input `which` of an op with values drawn from `seed`: by the op's own `fill`, else floats
 *  uniform in [-1, 1) and integers 0. */
limn_status limn_bench_fill(limn_device *device, const limn_op *op, const void *params,
                            const limn_desc *in, int in_count, int which, uint64_t seed,
                            limn_tensor *tensor);

/** Floats uniform in [-1, 1), addressed by (seed, stream). */
limn_status limn_bench_fill_uniform(limn_device *device, uint64_t seed, uint64_t stream,
                                    limn_tensor *tensor);

#endif

/* limn/bench.h: how fast a device runs single ops, training steps, inference and explanations.
 *
 * Every figure is a median of samples, each the mean of as many runs as fill about 10 ms, with the
 * device waited for at both ends.  A first run, which compiles kernels, is not counted.  Inputs are
 * random and do not compress.
 */
#ifndef LIMN_BENCH_H
#define LIMN_BENCH_H

#include "limn/device.h"

#ifdef __cplusplus
extern "C" {
#endif

/** When a measurement ends.  Zero-initialised members are the defaults. */
typedef struct limn_bench_params {
    double seconds;    /**< time limit of one measurement, above 0; 0: 1 */
    int samples;       /**< taken even when the time is up, up to 1000; 0: 5 */
    double spread;     /**< a smaller spread of ten samples or more ends it early; 0: 0.02 */
    uint64_t seed;     /**< of inputs and initial values */
    const char *cases; /**< of an op, in place of its own: parameters and inputs as a row's `shape`
                            shows them, ";" between cases; NULL: its own */
} limn_bench_params;

/** A duration, measured again and again. */
typedef struct limn_bench_time {
    double seconds; /**< median */
    double spread;  /**< (upper quartile - lower quartile) / median */
    double fastest; /**< sample */
    double cpu;     /**< processor time of this process in one run, all threads, mean */
    int samples;
} limn_bench_time;

/** What the device itself reaches, by its fastest samples: chains of fused multiply-adds in
 * registers (the op fma_chain; one counts as two operations), and a copy between two buffers beyond
 * the caches (the op copy; one read and one write of each byte). */
typedef struct limn_bench_peak {
    double flops;     /**< single precision operations per second */
    double bandwidth; /**< bytes per second */
} limn_bench_peak;

LIMN_API limn_status limn_bench_peak_measure(limn_device *device, const limn_bench_params *params,
                                             limn_bench_peak *out);

/** Name of benched op number `index`, from 0; NULL past the last.  Static. */
LIMN_API const char *limn_bench_op_at(size_t index);

/** One direction of one case of one op. */
typedef struct limn_bench_row {
    const char *op;
    const char *shape;     /**< parameters and inputs: "pad=1 f32[64,32,32,64] f32[64,64,3,3]" */
    const char *direction; /**< "forward", "backward" */
    limn_bench_time time;
    double flops; /**< arithmetic of one run */
    double bytes; /**< least memory traffic of one run: each input read, each output written, once;
                       twice what must be seen as a whole before anything can be written */
    uint64_t memory; /**< device memory of the case: values, gradients, scratch */
} limn_bench_row;

/** Called after each measurement; the strings live during the call. */
typedef void (*limn_bench_fn)(void *user, const limn_bench_row *row);

/** Measures every case of the named op, forward and then backward where the op has one.
 *  LIMN_BAD_USAGE: no benched op has this name, or a given case is no case of it.  A case that the
 *  device has no memory for is skipped with a warning. */
LIMN_API limn_status limn_bench_op(limn_device *device, const char *op,
                                   const limn_bench_params *params, limn_bench_fn seen, void *user);

/** The time a perfect program would need on a device with these peaks: whichever of arithmetic and
 *  memory traffic takes longer (the roofline model: Williams, Waterman, Patterson 2009). */
LIMN_API double limn_bench_least_seconds(const limn_bench_peak *peak, double flops, double bytes);

/* ---- whole steps ---------------------------------------------------------------------------- */

/** A training step (forward, loss, backward, SGD with momentum and weight decay) or inference, on
 *  random images with random labels.  Zero-initialised members are the defaults. */
typedef struct limn_bench_step_params {
    const char *arch;
    int64_t batch;         /**< images; 0: 64 */
    int64_t height, width; /**< pixels; 0: 32 */
    int64_t channels;      /**< 0: 3 */
    int class_count;       /**< 0: 10 */
    bool inference;
    const char *loss; /**< a loss of limn/train.h with its default settings; NULL: "ce" */
    int64_t views;    /**< rows of each image in the step, other values each; 0: 1 */
    bool recompute;   /**< as in limn/train.h */
} limn_bench_step_params;

/** Time of one kernel within a step. */
typedef struct limn_bench_kernel {
    const char *op; /**< whose kernel it is */
    const char *kernel;
    double launches; /**< in one step */
    double seconds;  /**< in one step, from device events */
} limn_bench_kernel;

/** What one op does in one step of a network: for limn_bench_least_seconds. */
typedef struct limn_bench_work {
    const char *op; /**< as in limn_bench_kernel */
    double flops;   /**< arithmetic by the op's definition; an algorithm may need less */
    double bytes;   /**< least memory traffic; of backward for all gradients it can have */
} limn_bench_work;

typedef struct limn_bench_step_result {
    limn_bench_time time;             /**< of one step */
    double flops;                     /**< of one step, the update of the weights left out */
    uint64_t memory;                  /**< planned device memory: activations, gradients, scratch */
    uint64_t state;                   /**< parameters, running statistics, momentum */
    const limn_bench_kernel *kernels; /**< longest first; owned by the step */
    size_t kernel_count;              /**< 0 unless profiled */
    const limn_bench_work *works;     /**< in the order in which they run; owned by the step */
    size_t work_count;                /**< 0 unless profiled; loss and update are not among them */
} limn_bench_step_result;

typedef struct limn_bench_step limn_bench_step;

/** Makes the model and runs one step, which compiles all kernels, then gives back all memory but
 *  the model's: what a process holds now is what it holds after loading the model and compiling. */
LIMN_API limn_status limn_bench_step_create(limn_device *device,
                                            const limn_bench_step_params *params, uint64_t seed,
                                            limn_bench_step **out);

/** Measures it; with `profile` once more, kernel by kernel. */
LIMN_API limn_status limn_bench_step_run(limn_bench_step *step, const limn_bench_params *params,
                                         bool profile, limn_bench_step_result *out);

LIMN_API void limn_bench_step_destroy(limn_bench_step **step);

/* ---- explanations --------------------------------------------------------------------------- */

/** One random image explained by a fresh model.  Zero-initialised members are the defaults. */
typedef struct limn_bench_explain_params {
    const char *arch;
    const char *method;    /**< of limn/attribution.h */
    int64_t masks;         /**< for methods that use masks; 0: the method's default */
    int64_t batch;         /**< changed copies at a time; 0: chosen by the method */
    int64_t height, width; /**< pixels; 0: 224 */
    int64_t channels;      /**< 0: 3 */
    int class_count;       /**< 0: 10 */
} limn_bench_explain_params;

typedef struct limn_bench_explain_result {
    limn_bench_time time; /**< of one image */
    double flops;         /**< of one forward run of one image */
    uint64_t state;       /**< parameters and running statistics */
} limn_bench_explain_result;

typedef struct limn_bench_explain limn_bench_explain;

/** Makes model and image and explains it once with as few masks as compile all kernels, then gives
 *  back all memory but the model's and the image's.  LIMN_BAD_USAGE: unknown names. */
LIMN_API limn_status limn_bench_explain_create(limn_device *device,
                                               const limn_bench_explain_params *params,
                                               uint64_t seed, limn_bench_explain **out);
/** Measures it; each sample is one image, the first one counts. */
LIMN_API limn_status limn_bench_explain_run(limn_bench_explain *explain,
                                            const limn_bench_params *params,
                                            limn_bench_explain_result *out);
LIMN_API void limn_bench_explain_destroy(limn_bench_explain **explain);

#ifdef __cplusplus
}
#endif
#endif

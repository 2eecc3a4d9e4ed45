/* What the files of `limn explain` share. */
#ifndef LIMN_TOOLS_EXPLAIN_H
#define LIMN_TOOLS_EXPLAIN_H

#include "cli.h"

#include "limn/attribution.h"
#include "limn/heatmap.h"

enum { EXPLAIN_METHODS = 32 };

/** One run. */
typedef struct explain_job {
    cli *c;
    limn_context *ctx;
    limn_device *device;
    limn_model *model;
    const limn_dataset *data; /**< the images; from a file or from pictures */
    bool pictures;            /**< they are pictures: `names` are their files */
    const char *const *names;
    const limn_dataset *reference; /**< --reference, or NULL */
    int64_t first, count;          /**< images to be explained */
    limn_targets *targets;
    int method_count;
    const limn_attribution_method *methods[EXPLAIN_METHODS];
    limn_attribution_params params[EXPLAIN_METHODS]; /**< resolved, one for each method */
    double seconds[EXPLAIN_METHODS];
    int64_t zero[EXPLAIN_METHODS], not_finite[EXPLAIN_METHODS]; /**< images without a map */
    uint8_t *flaws[EXPLAIN_METHODS]; /**< one an image: a bit of explain_flaw */
    int done;                        /**< methods whose files are written */
} explain_job;

enum explain_flaw { EXPLAIN_ZERO = 1, EXPLAIN_NOT_FINITE = 2 };

limn_status explain_out_of_memory(explain_job *j);

/** Opens the arguments after MODEL: one data set, or pictures. */
limn_status explain_open_images(explain_job *j);

/** Reads --target and decides what is explained of each image. */
limn_status explain_make_targets(explain_job *j);

/** Class names that the target refers to, and how many. */
const char *const *explain_classes(const explain_job *j, int *count);

/** Writes the maps of method `m`, its pictures with --png, and attributions.json of all methods up
 *  to this one.  Once the maps are written they stay, also where a picture fails. */
limn_status explain_write(explain_job *j, int m, const float *maps);

/** Prints what was done: lines, or the content of attributions.json. */
limn_status explain_print(explain_job *j);

#endif

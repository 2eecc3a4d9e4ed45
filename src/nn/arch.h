/* The architectures, as table rows. */
#ifndef LIMN_NN_ARCH_H
#define LIMN_NN_ARCH_H

#include "nn/builder.h"

enum { LIMN_MAX_STAGES = 4 };

typedef struct limn_arch limn_arch;

/** A block: `path` names it; `x` is its input. */
typedef limn_flow limn_block_fn(limn_builder *b, const limn_arch *arch, const char *path,
                                limn_flow x, int64_t width, int stride);

struct limn_arch {
    limn_arch_info info;
    int stem_width, stem_kernel, stem_stride; /**< width 0: no stem */
    bool stem_pool;                           /**< 3x3 max-pool, stride 2, after the stem */
    limn_block_fn *block;
    limn_block_fn *shortcut; /**< where a block changes shape; path: downsample */
    int expansion;           /**< channels out of a block over its width */
    int stages;
    int blocks[LIMN_MAX_STAGES]; /**< 0: the stage is one block without an index */
    int widths[LIMN_MAX_STAGES];
    bool pool_between; /**< 2x2 max-pools, not strides, between stages */
};

extern const limn_arch limn_arch_table[];
extern const size_t limn_arch_count;

/** NULL, error set and the nearest name hinted at, where there is none of this name. */
const limn_arch *limn_arch_find(limn_context *ctx, const char *name);

/** From normalised images to [N, features].  `last_block` receives the last block's value. */
limn_flow limn_arch_encode(limn_builder *b, const limn_arch *arch, limn_flow images,
                           limn_flow *last_block);

#endif

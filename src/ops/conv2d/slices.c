/* CPU devices: the gradient of the filters of groups with many input channels, in slices of the
 * batch.  How the sums are cut depends on the shape alone, so their order does, too. */
#include "ops/conv2d/conv2d.h"

#include <stdio.h>

enum {
    REGION_CHANNELS = 264,     /* of x, and */
    REGION_BYTES = 256 * 1024, /* of sums, that a core's cache holds beside each other */
    FEWEST_ITEMS = 48,         /* worth having, so that many cores share the work evenly */
    SLICE_PIXELS = 512,        /* that a slice's sums are worth */
    SLICES_BYTES = 16 << 20    /* of all slices' sums, unless one alone takes more */
};

/* How one gradient is cut up. */
typedef struct cut {
    int nv, mc;              /* tile: mc channels x 16 * nv filters */
    int blocks, tiles;       /* of filters, of channels */
    int block_run, tile_run; /* in a region */
    size_t regions, slices;
    int slice_rows, all_rows;
    size_t floats; /* of one slice's sums */
} cut;

static int divide_up(int64_t a, int64_t b)
{
    return (int)((a + b - 1) / b);
}

/* Evenly long runs of at most `most`. */
static int even_run(int count, int most)
{
    return divide_up(count, divide_up(count, most < 1 ? 1 : most));
}

static cut cut_of(const conv2d_shape *s)
{
    cut c = {.nv = s->kg > 32 ? 4 : s->kg > 16 ? 2 : 1};
    const int kb = 16 * c.nv;
    c.mc = c.nv == 4 ? 6 : c.nv == 2 ? 8 : 12;
    c.blocks = divide_up(s->kg, kb);
    c.tiles = divide_up(s->cg, c.mc);
    c.tile_run = even_run(c.tiles, REGION_CHANNELS / c.mc);
    c.block_run = even_run(c.blocks, REGION_BYTES / (int)sizeof(float) / (c.tile_run * c.mc * kb));
    c.regions = (size_t)divide_up(c.tiles, c.tile_run) * (size_t)divide_up(c.blocks, c.block_run) *
                (size_t)s->taps * (size_t)s->groups;
    c.floats = (size_t)s->groups * (size_t)c.blocks * (size_t)s->taps * (size_t)(c.tiles * c.mc) *
               (size_t)kb;
    c.all_rows = s->n * s->h.out;
    size_t slices = (FEWEST_ITEMS + c.regions - 1) / c.regions;
    const size_t by_pixels = (size_t)c.all_rows * (size_t)s->w.out / SLICE_PIXELS;
    const size_t by_bytes = SLICES_BYTES / (sizeof(float) * c.floats);
    slices = slices < by_pixels ? slices : by_pixels;
    slices = slices < by_bytes ? slices : by_bytes;
    c.slice_rows = divide_up(c.all_rows, slices > 0 ? (int64_t)slices : 1);
    c.slices = (size_t)divide_up(c.all_rows, c.slice_rows);
    return c;
}

size_t conv2d_slices_scratch(const conv2d_shape *s)
{
    const cut c = cut_of(s);
    return sizeof(float) * c.floats * c.slices;
}

limn_status conv2d_slices_run(const conv2d_call *call)
{
    const conv2d_shape *s = call->shape;
    const cut c = cut_of(s);
    char defines[32];
    snprintf(defines, sizeof(defines), "-DMC=%d -DNV=%d", c.mc, c.nv);
    const limn_grid grid = {{c.regions, c.slices, 1}, {1, 1, 1}};
    const limn_status status = LIMN_LAUNCH(
        call->device, "conv2d_slices", defines, grid, limn_in(call->x), limn_in(call->dy),
        limn_out(call->scratch), limn_int(c.all_rows), limn_int(c.slice_rows), limn_int(s->groups),
        limn_int(c.blocks), limn_int(c.tile_run), limn_int(c.block_run), limn_int(s->h.in),
        limn_int(s->w.in), limn_int(s->cg), limn_int(s->h.out), limn_int(s->w.out), limn_int(s->kg),
        limn_int(s->h.kernel), limn_int(s->w.kernel), limn_int(s->h.stride), limn_int(s->h.pad),
        limn_int(s->h.dilation), limn_int(s->w.stride), limn_int(s->w.pad),
        limn_int(s->w.dilation));
    if (status != LIMN_OK)
        return status;
    const int panels = s->groups * c.blocks;
    const limn_grid sum = {{(size_t)divide_up((int64_t)s->cg * s->taps, 16), (size_t)panels, 1},
                           {1, 1, 1}};
    return LIMN_LAUNCH(call->device, "conv2d_slices_sum", defines, sum, limn_in(call->scratch),
                       limn_out(call->result), limn_int((int64_t)c.slices), limn_int(panels),
                       limn_int(c.blocks), limn_int(s->kg), limn_int(s->cg), limn_int(s->taps));
}

/* Are there matrix units, and do they compute right? */
#include "ops/matrix_units.h"

#include "base/memory.h"

#include <stdio.h>

enum { TILE = 64, STEP = 16, FACTORS = TILE * STEP, SUMS = TILE * TILE };

/* A row of the table in cl/common/matrix.h. */
static const struct {
    const char *name;
    unsigned smallest_subgroup; /* of the devices that may have them; 0: any */
} kinds[LIMN_MATRIX_KINDS] = {
    [LIMN_MATRIX_PTX] = {"NVIDIA's, by PTX", 0},
    [LIMN_MATRIX_CDNA] = {"AMD's, CDNA", 0},
    [LIMN_MATRIX_RDNA3] = {"AMD's, RDNA3", 0},
    [LIMN_MATRIX_RDNA4] = {"AMD's, RDNA4", 0},
    [LIMN_MATRIX_XMX8] = {"Intel's, sub-groups of 8", 8},
    [LIMN_MATRIX_XMX16] = {"Intel's, sub-groups of 16", 16},
};

static void define(limn_matrix_units units, bool stand_in, char *text, size_t size)
{
    snprintf(text, size, " -DMATRIX=%s%d", stand_in ? "-" : "", (int)units);
}

void limn_matrix_define(const limn_device_limits *limits, char *text, size_t size)
{
    const bool none = limits->matrix_units == LIMN_MATRIX_NONE;
    define(none ? limits->matrix_stand_in : limits->matrix_units, none, text, size);
}

/* Small integers, whose products and sums are exact in any order; no two rows are alike. */
static void draw(float *x, float *y)
{
    for (int i = 0; i < FACTORS; i++) {
        const int row = i / STEP, term = i % STEP;
        x[i] = (float)((row * 7 + term * 5 + row * term) % 17 - 8);
        y[i] = (float)((row * 3 + term * 11 + row * row * term) % 19 - 9);
    }
}

static bool is_right(const float *x, const float *y, const float *z)
{
    for (int i = 0; i < SUMS; i++) {
        const int row = i / TILE, column = i % TILE;
        float sum = (float)(row - 2 * column);
        for (int m = 0; m < STEP; m++)
            sum += x[row * STEP + m] * y[column * STEP + m];
        if (!(z[i] == sum))
            return false;
    }
    return true;
}

static limn_status probe(limn_device *device, const char *defines, float *host,
                         limn_buffer *const b[3], bool *right)
{
    float *x = host, *y = host + FACTORS, *z = host + 2 * FACTORS;
    draw(x, y);
    limn_status status = limn_buffer_write(b[0], 0, x, FACTORS * sizeof *x);
    if (status == LIMN_OK)
        status = limn_buffer_write(b[1], 0, y, FACTORS * sizeof *y);
    if (status == LIMN_OK)
        status = LIMN_LAUNCH(device, "conv2d_matrix_probe", defines,
                             ((limn_grid){{TILE, 1, 1}, {TILE, 1, 1}}), limn_in(b[0]),
                             limn_in(b[1]), limn_out(b[2]));
    if (status == LIMN_OK)
        status = limn_buffer_read(b[2], 0, z, SUMS * sizeof *z);
    *right = status == LIMN_OK && is_right(x, y, z);
    return status;
}

limn_status limn_matrix_probe(limn_device *device, limn_matrix_units units, bool stand_in,
                              bool *right)
{
    char defines[32];
    static const size_t counts[3] = {FACTORS, FACTORS, SUMS};
    define(units, stand_in, defines, sizeof defines);
    *right = false;
    limn_buffer *b[3] = {NULL};
    float *host = limn_calloc(2 * FACTORS + SUMS, sizeof *host);
    limn_status status =
        host ? LIMN_OK : limn_out_of_memory(limn_device_context(device), "matrix units");
    for (int i = 0; i < 3 && status == LIMN_OK; i++)
        status = limn_buffer_create(device, counts[i] * sizeof *host, &b[i]);
    if (status == LIMN_OK)
        status = probe(device, defines, host, b, right);
    for (int i = 0; i < 3; i++)
        limn_buffer_destroy(&b[i]);
    limn_free(host);
    return status;
}

bool limn_matrix_suits(const limn_device_limits *limits, limn_matrix_units units)
{
    const unsigned needed = kinds[units].smallest_subgroup;
    return !needed || needed == limits->smallest_subgroup;
}

limn_status limn_matrix_find(limn_device *device)
{
    limn_context *ctx = limn_device_context(device);
    const limn_device_limits *limits = limn_device_get_limits(device);
    for (int i = LIMN_MATRIX_NONE + 1; i < LIMN_MATRIX_KINDS && !limits->is_cpu; i++) {
        bool right = false;
        if (!limn_matrix_suits(limits, (limn_matrix_units)i))
            continue;
        const limn_status status = limn_matrix_probe(device, (limn_matrix_units)i, false, &right);
        if (status == LIMN_INTERRUPTED || status == LIMN_OUT_OF_DEVICE_MEMORY ||
            (status != LIMN_OK && limn_error_is_host_memory(ctx)))
            return status;
        if (status == LIMN_OK && right) {
            limn_device_set_matrix_units(device, (limn_matrix_units)i);
            limn_log(ctx, LIMN_LOG_INFO, "matrix units: %s", kinds[i].name);
            return LIMN_OK;
        }
        if (status == LIMN_OK)
            limn_log(ctx, LIMN_LOG_WARNING, "matrix units, %s, compute wrong: they are left out",
                     kinds[i].name);
        else
            limn_log(ctx, LIMN_LOG_DEBUG, "no matrix units, %s: %s", kinds[i].name,
                     limn_error_text(ctx));
        limn_error_clear(ctx);
    }
    limn_device_set_matrix_units(device, LIMN_MATRIX_NONE);
    return LIMN_OK;
}

/* Are there matrix units, and do they compute right? */
#include "ops/conv2d/conv2d.h"

#include "base/memory.h"

#include <stdio.h>

enum { TILE = 64, STEP = 16, FACTORS = TILE * STEP, SUMS = TILE * TILE };

/* A name, and what MATRIX is in cl/common/matrix.h. */
static const struct {
    const char *name;
    limn_matrix_units units;
} kinds[] = {{"NVIDIA's, by PTX", LIMN_MATRIX_PTX}};

void conv2d_matrix_define(limn_matrix_units units, char *text, size_t size)
{
    snprintf(text, size, "-DMATRIX=%d", units == LIMN_MATRIX_NONE ? 1 : (int)units);
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

static limn_status probe(limn_device *device, limn_matrix_units units, float *host,
                         limn_buffer *const b[3], bool *right)
{
    char define[32];
    float *x = host, *y = host + FACTORS, *z = host + 2 * FACTORS;
    conv2d_matrix_define(units, define, sizeof define);
    draw(x, y);
    limn_status status = limn_buffer_write(b[0], 0, x, FACTORS * sizeof *x);
    if (status == LIMN_OK)
        status = limn_buffer_write(b[1], 0, y, FACTORS * sizeof *y);
    if (status == LIMN_OK)
        status = LIMN_LAUNCH(device, "conv2d_matrix_probe", define,
                             ((limn_grid){{TILE, 1, 1}, {TILE, 1, 1}}), limn_in(b[0]),
                             limn_in(b[1]), limn_out(b[2]));
    if (status == LIMN_OK)
        status = limn_buffer_read(b[2], 0, z, SUMS * sizeof *z);
    *right = status == LIMN_OK && is_right(x, y, z);
    return status;
}

limn_status conv2d_matrix_probe(limn_device *device, limn_matrix_units units, bool *right)
{
    static const size_t counts[3] = {FACTORS, FACTORS, SUMS};
    *right = false;
    limn_buffer *b[3] = {NULL};
    float *host = limn_calloc(2 * FACTORS + SUMS, sizeof *host);
    limn_status status =
        host ? LIMN_OK : limn_out_of_memory(limn_device_context(device), "matrix units");
    for (int i = 0; i < 3 && status == LIMN_OK; i++)
        status = limn_buffer_create(device, counts[i] * sizeof *host, &b[i]);
    if (status == LIMN_OK)
        status = probe(device, units, host, b, right);
    for (int i = 0; i < 3; i++)
        limn_buffer_destroy(&b[i]);
    limn_free(host);
    return status;
}

limn_status conv2d_matrix_find(limn_device *device)
{
    limn_context *ctx = limn_device_context(device);
    limn_device_set_matrix_units(device, LIMN_MATRIX_NONE);
    if (limn_device_get_limits(device)->is_cpu)
        return LIMN_OK;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        bool right = false;
        const limn_status status = conv2d_matrix_probe(device, kinds[i].units, &right);
        if (status == LIMN_INTERRUPTED || status == LIMN_OUT_OF_DEVICE_MEMORY ||
            (status != LIMN_OK && limn_error_is_host_memory(ctx)))
            return status;
        if (status == LIMN_OK && right) {
            limn_device_set_matrix_units(device, kinds[i].units);
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
    return LIMN_OK;
}

#include "tensor/tensor.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {
    [LIMN_F32] = {"f32", 4},
    [LIMN_I32] = {"i32", 4},
    [LIMN_U8] = {"u8", 1},
};

limn_desc limn_desc_make(limn_dtype dtype, int rank, int64_t d0, int64_t d1, int64_t d2, int64_t d3)
{
    const int64_t dim[LIMN_MAX_RANK] = {d0, d1, d2, d3};
    limn_desc desc = {.dtype = dtype, .rank = rank};
    for (int i = 0; i < rank; i++)
        desc.dim[i] = dim[i];
    return desc;
}

size_t limn_dtype_size(limn_dtype dtype)
{
    return dtypes[dtype].size;
}

const char *limn_dtype_name(limn_dtype dtype)
{
    return dtypes[dtype].name;
}

int64_t limn_desc_count(const limn_desc *desc)
{
    int64_t count = 1;
    for (int i = 0; i < desc->rank; i++)
        count *= desc->dim[i];
    return count;
}

size_t limn_desc_bytes(const limn_desc *desc)
{
    return (size_t)limn_desc_count(desc) * limn_dtype_size(desc->dtype);
}

bool limn_desc_equal(const limn_desc *a, const limn_desc *b)
{
    return a->dtype == b->dtype && a->rank == b->rank &&
           memcmp(a->dim, b->dim, (size_t)a->rank * sizeof *a->dim) == 0;
}

const char *limn_desc_text(const limn_desc *desc, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "%s[", limn_dtype_name(desc->dtype));
    for (int i = 0; i < desc->rank && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%lld", i ? "," : "",
                                 (long long)desc->dim[i]);
    if (used < size)
        snprintf(text + used, size - used, "]");
    return text;
}

limn_status limn_tensor_create(limn_device *device, const limn_desc *desc, limn_tensor **out)
{
    *out = limn_calloc(1, sizeof **out);
    if (!*out)
        return limn_out_of_memory(limn_device_context(device), "tensor");
    (*out)->desc = *desc;
    const limn_status status = limn_buffer_create(device, limn_desc_bytes(desc), &(*out)->buffer);
    if (status != LIMN_OK)
        limn_tensor_destroy(out);
    return status;
}

void limn_tensor_destroy(limn_tensor **tensor)
{
    if (!tensor || !*tensor)
        return;
    limn_buffer_destroy(&(*tensor)->buffer);
    limn_free(*tensor);
    *tensor = NULL;
}

limn_status limn_tensor_write(limn_tensor *tensor, const void *data)
{
    return limn_buffer_write(tensor->buffer, 0, data, limn_desc_bytes(&tensor->desc));
}

limn_status limn_tensor_write_doubles(limn_tensor *tensor, const double *values)
{
    const size_t count = (size_t)limn_desc_count(&tensor->desc);
    limn_context *ctx = limn_device_context(limn_buffer_device(tensor->buffer));
    void *data;
    limn_status status =
        limn_alloc(ctx, "tensor", count, limn_dtype_size(tensor->desc.dtype), &data);
    if (status != LIMN_OK)
        return status;
    for (size_t i = 0; i < count; i++)
        switch (tensor->desc.dtype) {
        case LIMN_F32:
            ((float *)data)[i] = (float)values[i];
            break;
        case LIMN_I32:
            ((int32_t *)data)[i] = (int32_t)values[i];
            break;
        case LIMN_U8:
            ((uint8_t *)data)[i] = (uint8_t)values[i];
            break;
        }
    status = limn_tensor_write(tensor, data);
    limn_free(data);
    return status;
}

limn_status limn_tensor_read(const limn_tensor *tensor, void *data)
{
    return limn_buffer_read(tensor->buffer, 0, data, limn_desc_bytes(&tensor->desc));
}

limn_status limn_tensor_zero(limn_tensor *tensor)
{
    const unsigned char zero = 0;
    return limn_buffer_fill(tensor->buffer, 0, limn_desc_bytes(&tensor->desc), &zero, 1);
}

void limn_nhwc_to_nchw(const float *from, float *to, int64_t n, int64_t h, int64_t w, int64_t c)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < c; k++)
            for (int64_t p = 0; p < h * w; p++)
                to[(i * c + k) * h * w + p] = from[(i * h * w + p) * c + k];
}

void limn_nchw_to_nhwc(const float *from, float *to, int64_t n, int64_t h, int64_t w, int64_t c)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < c; k++)
            for (int64_t p = 0; p < h * w; p++)
                to[(i * h * w + p) * c + k] = from[(i * c + k) * h * w + p];
}

/* Cases of ops as text. */
#include "ops/bench.h"

#include "base/context.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Beyond any device's memory, and far from where bytes would overflow. */
static const size_t MOST_ELEMENTS = (size_t)1 << 40;

/* "f32[64,3,3,3]", all of it; false where it is no description of a tensor. */
static bool read_desc(const char *word, size_t length, limn_desc *out)
{
    static const limn_dtype dtypes[] = {LIMN_F32, LIMN_I32, LIMN_U8};
    const char *at = memchr(word, '[', length);
    const char *end = word + length;
    if (!at)
        return false;
    int found = -1;
    for (int i = 0; i < 3; i++) {
        const char *name = limn_dtype_name(dtypes[i]);
        if (strlen(name) == (size_t)(at - word) && memcmp(name, word, strlen(name)) == 0)
            found = i;
    }
    if (found < 0)
        return false;
    int64_t dim[LIMN_MAX_RANK] = {0};
    int rank = 0;
    while (at < end && (*at == '[' || *at == ',') && rank < LIMN_MAX_RANK) {
        char *next;
        dim[rank] = strtoll(at + 1, &next, 10);
        if (next == at + 1 || next >= end || dim[rank] < 1 || dim[rank] > INT32_MAX)
            return false;
        rank++;
        at = next;
    }
    size_t elements = 1;
    for (int i = 0; i < rank; i++)
        if (!limn_size_mul(elements, (size_t)dim[i], &elements) || elements > MOST_ELEMENTS)
            return false;
    *out = limn_desc_make(dtypes[found], rank, dim[0], dim[1], dim[2], dim[3]);
    return at + 1 == end && *at == ']';
}

limn_status limn_bench_parse_case(limn_context *ctx, const char *op, const char *from,
                                  size_t length, char *text, size_t size, limn_op_example *out)
{
    size_t used = 0;
    *out = (limn_op_example){.params = text};
    text[0] = '\0';
    for (size_t at = 0; at < length;) {
        const size_t blank = strspn(from + at, " ");
        at += blank < length - at ? blank : length - at;
        size_t word = 0;
        while (at + word < length && from[at + word] != ' ')
            word++;
        const bool is_input = word && memchr(from + at, '[', word);
        const bool fits = is_input ? out->in_count < LIMN_OP_MAX_IN &&
                                         read_desc(from + at, word, &out->in[out->in_count])
                                   : used + word + 2 <= size;
        if (!fits)
            return limn_fail(ctx, LIMN_BAD_USAGE, "bad case", op,
                             "'%.*s' is no tensor such as f32[64,32,32,3]", (int)word, from + at);
        if (is_input)
            out->in_count++;
        else if (word)
            used += (size_t)snprintf(text + used, size - used, "%s%.*s", used ? " " : "", (int)word,
                                     from + at);
        at += word;
    }
    return LIMN_OK;
}

/* What the fuzz targets of `limn convert` share: one job on files made of the input. */
#ifndef LIMN_TESTS_FUZZ_CONVERT_H
#define LIMN_TESTS_FUZZ_CONVERT_H

#include "convert/convert.h"

typedef struct fuzz_file {
    const char *name;
    const uint8_t *data;
    size_t size;
} fuzz_file;

/** Writes the files into a folder of their own, converts them, and aborts unless either the output
 *  opens as a data set with as many images as reported, or there is an error text and no output.
 *  Leaves nothing behind. */
void fuzz_convert(const convert_format *format, const fuzz_file *files, size_t count);

#endif

/* Any archive, any format in it: names, links, order, pictures. */
#include "convert.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const fuzz_file file = {"input.zip", data, size};
    fuzz_convert(NULL, &file, 1);
    return 0;
}

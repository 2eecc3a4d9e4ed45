/* The IDX reader: the first two bytes say how long the image file is, the rest is the label file.
 */
#include "convert.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const size_t rest = size - 2, wanted = (size_t)data[0] << 8 | data[1];
    const size_t images = wanted < rest ? wanted : rest;
    const fuzz_file files[] = {{"images", data + 2, images},
                               {"labels", data + 2 + images, rest - images}};
    fuzz_convert(&convert_idx, files, 2);
    return 0;
}

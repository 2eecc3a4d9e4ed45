/* The reader of CIFAR-10 record files. */
#include "convert.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const fuzz_file file = {"records.bin", data, size};
    fuzz_convert(&convert_cifar10, &file, 1);
    return 0;
}

/* Runs a fuzz target over every file of a corpus folder; for builds without libFuzzer.  An empty
 * or missing folder is a failure. */
#define _POSIX_C_SOURCE 200809L
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int run_file(const char *folder, const char *name)
{
    char path[4096];
    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path)
        return -1;
    FILE *file = fopen(path, "rb");
    if (!file)
        return -1;
    uint8_t *bytes = NULL;
    long size = -1;
    if (fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) >= 0 &&
        fseek(file, 0, SEEK_SET) == 0 && (bytes = malloc(size ? (size_t)size : 1)) != NULL &&
        fread(bytes, 1, (size_t)size, file) != (size_t)size)
        size = -1;
    fclose(file);
    if (bytes && size >= 0) {
        printf("%s\n", path);
        fflush(stdout);
        LLVMFuzzerTestOneInput(bytes, (size_t)size);
    }
    const int result = bytes && size >= 0 ? 0 : -1;
    free(bytes);
    return result;
}

int main(int argc, char **argv)
{
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    if (!folder) {
        fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
        return EXIT_FAILURE;
    }
    int count = 0, failed = 0;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        count++;
        if (run_file(argv[1], entry->d_name) != 0) {
            fprintf(stderr, "%s/%s: cannot be read\n", argv[1], entry->d_name);
            failed++;
        }
    }
    closedir(folder);
    printf("%d inputs\n", count);
    return count > 0 && failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

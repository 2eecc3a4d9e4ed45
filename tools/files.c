#define _POSIX_C_SOURCE 200809L
#include "files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST_BYTES = 8 };

limn_status files_make_folder(cli *c, const char *path)
{
    char *copy = calloc(strlen(path) + 1, 1);
    int reason = copy ? 0 : ENOMEM;
    if (copy)
        strcpy(copy, path);
    for (char *at = copy ? copy + 1 : NULL; at && !reason; at++) {
        if (*at != '/' && *at != '\0')
            continue;
        const char end = *at;
        *at = '\0';
        if (mkdir(copy, 0777) != 0 && errno != EEXIST)
            reason = errno;
        *at = end;
        if (!end)
            break;
    }
    struct stat info;
    if (!reason && (stat(path, &info) != 0 || !S_ISDIR(info.st_mode)))
        reason = ENOTDIR;
    free(copy);
    return reason ? cli_fail(c, LIMN_FAILED, "cannot make folder", path, "%s", strerror(reason))
                  : LIMN_OK;
}

/* Cuts the last part of a path: "a/b" becomes "a", "a" becomes ".", "/a" becomes "/". */
static void cut_last(char *path)
{
    char *slash = strrchr(path, '/');
    if (!slash)
        strcpy(path, ".");
    else if (slash == path)
        slash[1] = '\0';
    else
        *slash = '\0';
}

limn_status files_check_folder(cli *c, const char *path)
{
    struct stat info;
    int reason = 0;
    char *at = calloc(strlen(path) + 2, 1);
    if (!at)
        return cli_fail(c, LIMN_FAILED, "out of memory", path, "the host has no more memory");
    strcpy(at, path);
    while (stat(at, &info) != 0 && errno == ENOENT && strcmp(at, ".") != 0 && strcmp(at, "/") != 0)
        cut_last(at);
    if (stat(at, &info) != 0)
        reason = errno;
    else if (!S_ISDIR(info.st_mode))
        reason = ENOTDIR;
    else if (access(at, W_OK | X_OK) != 0)
        reason = errno;
    free(at);
    return reason
               ? cli_fail(c, LIMN_FAILED, "cannot write into folder", path, "%s", strerror(reason))
               : LIMN_OK;
}

limn_status files_check_place(cli *c, const char *path)
{
    struct stat info;
    if (!path)
        return LIMN_OK;
    char *folder = calloc(strlen(path) + 2, 1);
    if (!folder)
        return cli_fail(c, LIMN_FAILED, "out of memory", path, "the host has no more memory");
    strcpy(folder, path);
    cut_last(folder);
    int reason = 0;
    if (stat(folder, &info) != 0 || (S_ISDIR(info.st_mode) && access(folder, W_OK | X_OK) != 0))
        reason = errno;
    else if (!S_ISDIR(info.st_mode))
        reason = ENOTDIR;
    else if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        reason = EISDIR;
    free(folder);
    return reason ? cli_fail(c, LIMN_FAILED, "cannot write", path, "%s", strerror(reason))
                  : LIMN_OK;
}

char *files_join(cli *c, const char *folder, const char *name)
{
    const size_t room = strlen(folder) + strlen(name) + 2;
    char *path = calloc(room, 1);
    if (path)
        snprintf(path, room, "%s/%s", folder, name);
    else
        cli_fail(c, LIMN_FAILED, "out of memory", folder, "the host has no more memory");
    return path;
}

limn_status files_is_picture(cli *c, const char *path, bool *out)
{
    unsigned char first[FIRST_BYTES] = {0};
    FILE *file = fopen(path, "rb");
    if (!file)
        return cli_fail(c, LIMN_BAD_INPUT, "cannot open", path, "%s", strerror(errno));
    const size_t got = fread(first, 1, sizeof first, file);
    const bool failed = ferror(file) != 0;
    const int reason = errno;
    fclose(file);
    if (failed)
        return cli_fail(c, LIMN_BAD_INPUT, "cannot read", path, "%s", strerror(reason));
    *out = got >= 3 && (memcmp(first, "\x89PNG", 4) == 0 || memcmp(first, "\xff\xd8\xff", 3) == 0);
    return LIMN_OK;
}

limn_status files_write(cli *c, const char *path, const char *text)
{
    const size_t room = strlen(path) + 32;
    char *temporary = calloc(room, 1);
    if (!temporary)
        return cli_fail(c, LIMN_FAILED, "out of memory", path, "the host has no more memory");
    snprintf(temporary, room, "%s.%ld.tmp", path, (long)getpid());
    FILE *file = fopen(temporary, "wb");
    bool good = file && fputs(text, file) >= 0 && fflush(file) == 0 && fsync(fileno(file)) == 0;
    int reason = good ? 0 : errno;
    if (file && fclose(file) != 0 && good) {
        good = false;
        reason = errno;
    }
    if (good && rename(temporary, path) != 0) {
        good = false;
        reason = errno;
    }
    if (!good)
        unlink(temporary);
    free(temporary);
    return good ? LIMN_OK : cli_fail(c, LIMN_FAILED, "cannot write", path, "%s", strerror(reason));
}

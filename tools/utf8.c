#include "utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_continuation(unsigned char byte)
{
    return (byte & 0xC0) == 0x80;
}

/* Length of the UTF-8 sequence at `text`, 0 where it is not valid. */
static size_t utf8_length(const unsigned char *text)
{
    if (text[0] < 0x80)
        return 1;
    if (text[0] >= 0xC2 && text[0] <= 0xDF)
        return is_continuation(text[1]) ? 2 : 0;
    if (text[0] >= 0xE0 && text[0] <= 0xEF) {
        const unsigned char least = text[0] == 0xE0 ? 0xA0 : 0x80;
        const unsigned char most = text[0] == 0xED ? 0x9F : 0xBF;
        return text[1] >= least && text[1] <= most && is_continuation(text[2]) ? 3 : 0;
    }
    if (text[0] >= 0xF0 && text[0] <= 0xF4) {
        const unsigned char least = text[0] == 0xF0 ? 0x90 : 0x80;
        const unsigned char most = text[0] == 0xF4 ? 0x8F : 0xBF;
        return text[1] >= least && text[1] <= most && is_continuation(text[2]) &&
                       is_continuation(text[3])
                   ? 4
                   : 0;
    }
    return 0;
}

char *utf8_printable(const char *text)
{
    char *out = malloc(4 * strlen(text) + 1);
    if (!out)
        return NULL;
    char *to = out;
    for (const unsigned char *at = (const unsigned char *)text; *at;) {
        const size_t length = utf8_length(at);
        if (length == 0 || *at < 0x20 || *at == 0x7F || (*at == 0xC2 && at[1] < 0xA0)) {
            to += sprintf(to, "\\x%02X", (unsigned)*at++);
        } else {
            memcpy(to, at, length);
            to += length;
            at += length;
        }
    }
    *to = '\0';
    return out;
}

bool utf8_valid(const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at;) {
        const size_t length = utf8_length(at);
        if (length == 0)
            return false;
        at += length;
    }
    return true;
}

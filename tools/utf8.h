/* Foreign bytes, such as file names, as text that can be shown. */
#ifndef LIMN_TOOLS_UTF8_H
#define LIMN_TOOLS_UTF8_H

#include <stdbool.h>

bool utf8_valid(const char *text);

/** A copy to be freed; what is no UTF-8, or would steer a terminal, is shown as \xNN.  NULL without
 *  memory. */
char *utf8_printable(const char *text);

#endif

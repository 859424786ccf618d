/* SPDX-License-Identifier: Apache-2.0
 *
 * ids: a letter and at least six digits; no sign, no leading zeros beyond the padding.
 */
#include "common/ids.h"

#include <stddef.h>

enum { DIGITS_LEAST = 6, DIGITS_MOST = 18 };

static uint64_t digits(const char *text, size_t *ret_count)
{
    uint64_t number = 0;
    size_t count = 0;
    while (text[count] >= '0' && text[count] <= '9' && count <= DIGITS_MOST)
        number = number * 10 + (uint64_t)(text[count++] - '0');
    *ret_count = text[count] == '\0' && count <= DIGITS_MOST ? count : 0;
    return number;
}

uint64_t pl_id_parse(const char *text, char prefix)
{
    uint32_t six = 0; /* most have no more, and an id is read several times a command */
    if (text[0] != prefix)
        return 0;
    for (size_t i = 1; i <= DIGITS_LEAST; i++) {
        unsigned digit = (unsigned)(unsigned char)text[i] - '0';
        if (digit > 9)
            return 0;
        six = six * 10 + digit;
    }
    if (text[DIGITS_LEAST + 1] == '\0')
        return six;
    size_t count;
    uint64_t number = digits(text + 1, &count);
    return count > DIGITS_LEAST && text[1] != '0' ? number : 0;
}

uint64_t pl_id_parse_loose(const char *text, char prefix)
{
    size_t count;
    if (text[0] != prefix && text[0] != prefix + ('a' - 'A'))
        return 0;
    uint64_t number = digits(text + 1, &count);
    return count != 0 ? number : 0;
}

const char *pl_id_format(char prefix, uint64_t number, char out[24])
{
    size_t count = DIGITS_LEAST; /* snprintf would be felt in every receipt */
    out[0] = prefix;
    if (number < 1000000) {
        uint32_t rest = (uint32_t)number;
        for (size_t i = DIGITS_LEAST; i > 0; i--, rest /= 10)
            out[i] = (char)('0' + rest % 10);
        out[DIGITS_LEAST + 1] = '\0';
        return out;
    }
    for (uint64_t rest = number / 1000000; rest != 0; rest /= 10)
        count++;
    out[count + 1] = '\0';
    for (; count > 0; count--, number /= 10)
        out[count] = (char)('0' + number % 10);
    return out;
}

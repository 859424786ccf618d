/* SPDX-License-Identifier: Apache-2.0
 *
 * sink: see sink.h. What is rarer than a byte stands here, so that those who write many fields stay
 * short.
 */
#include "common/sink.h"

uint8_t *pl_sink_long(const uint8_t *begin, uint8_t *at, uint64_t value)
{
    if (value < 0x4000 && value >= 0x80 && at - begin > 1) { /* most of them */
        at[-1] = (uint8_t)(value >> 7);
        at[-2] = (uint8_t)(value | 0x80);
        return at - 2;
    }
    size_t len = (size_t)(64 - __builtin_clzll(value | 1) + 6) / 7;
    if (len > (size_t)(at - begin))
        return NULL;
    at -= len;
    for (size_t i = 0; i + 1 < len; i++, value >>= 7)
        at[i] = (uint8_t)(value | 0x80);
    at[len - 1] = (uint8_t)value;
    return at;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * slice: borrowed bytes. A slice never outlives what it points into; whoever hands one out says
 * until when it may be read.
 */
#ifndef PL_SLICE_H
#define PL_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct pl_slice {
    const uint8_t *data;
    size_t len;
};

static inline struct pl_slice pl_slice(const void *data, size_t len)
{
    return (struct pl_slice){(const uint8_t *)data, len};
}
/* memcpy for what is mostly short, where a call takes longer than the bytes do: first and last
 * half, which may overlap, are read before either is written. */
static inline void pl_copy(void *to, const void *from, size_t len)
{
    uint8_t *into = (uint8_t *)to, first[16], last[16];
    const uint8_t *bytes = (const uint8_t *)from;
    if (len >= 16 && len <= 32) {
        memcpy(first, bytes, 16);
        memcpy(last, bytes + len - 16, 16);
        memcpy(into, first, 16);
        memcpy(into + len - 16, last, 16);
    } else if (len >= 8 && len < 16) {
        memcpy(first, bytes, 8);
        memcpy(last, bytes + len - 8, 8);
        memcpy(into, first, 8);
        memcpy(into + len - 8, last, 8);
    } else if (len >= 4 && len < 8) {
        memcpy(first, bytes, 4);
        memcpy(last, bytes + len - 4, 4);
        memcpy(into, first, 4);
        memcpy(into + len - 4, last, 4);
    } else {
        memcpy(to, from, len);
    }
}
static inline struct pl_slice pl_slice_str(const char *text)
{
    return pl_slice(text, strlen(text));
}
static inline bool pl_slice_eq(struct pl_slice a, struct pl_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}
static inline bool pl_slice_eq_str(struct pl_slice a, const char *text)
{
    return pl_slice_eq(a, pl_slice_str(text));
}

#endif

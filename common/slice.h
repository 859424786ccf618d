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

/* SPDX-License-Identifier: Apache-2.0
 *
 * buf: a growable byte buffer that declares its ceiling. Owned by one thread. A write that would
 * pass the ceiling (or finds no memory) fails with PL_E_TOO_BIG and leaves the buffer unchanged.
 */
#ifndef PL_BUF_H
#define PL_BUF_H

#include "common/slice.h"
#include "common/status.h"

struct pl_buf {
    uint8_t *data; /* owns */
    size_t start;  /* first unread byte */
    size_t end;    /* one past the last byte */
    size_t cap;
    size_t ceiling; /* of end - start */
};

void pl_buf_init(struct pl_buf *buf, size_t ceiling);
void pl_buf_fini(struct pl_buf *buf);
void pl_buf_clear(struct pl_buf *buf); /* empty; keeps the memory */
static inline size_t pl_buf_len(const struct pl_buf *buf)
{
    return buf->end - buf->start;
}
/* Borrowed until the next write, consume or fini. Never NULL: what is empty may be compared and
 * copied too. */
static inline struct pl_slice pl_buf_slice(const struct pl_buf *buf)
{
    if (buf->data == NULL)
        return pl_slice("", 0);
    return pl_slice(buf->data + buf->start, pl_buf_len(buf));
}
PL_MUST_CHECK struct pl_status pl_buf_append(struct pl_buf *buf, const void *data, size_t len);
PL_MUST_CHECK struct pl_status pl_buf_append_str(struct pl_buf *buf, const char *text);
__attribute__((format(printf, 2, 3))) PL_MUST_CHECK struct pl_status
pl_buf_printf(struct pl_buf *buf, const char *format, ...);
/* Room for `len` more bytes at *ret; they count only after pl_buf_commit. */
PL_MUST_CHECK struct pl_status pl_buf_reserve(struct pl_buf *buf, size_t len, uint8_t **ret);
void pl_buf_commit(struct pl_buf *buf, size_t len);
void pl_buf_consume(struct pl_buf *buf, size_t len); /* drops bytes from the front */
/* What comes from a file descriptor, to its end; or until there are more than `most` bytes, and
 * then it is one too many: the caller looks at pl_buf_len. IO with errno. */
PL_MUST_CHECK struct pl_status pl_buf_read(struct pl_buf *buf, int fd, size_t most);

/* little-endian fixed width, for formats */
static inline void pl_put_le32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}
static inline void pl_put_le64(uint8_t *p, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}
static inline uint32_t pl_get_le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
static inline uint64_t pl_get_le64(const uint8_t *p)
{
    return (uint64_t)pl_get_le32(p) | (uint64_t)pl_get_le32(p + 4) << 32;
}

#endif

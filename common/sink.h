/* SPDX-License-Identifier: Apache-2.0
 *
 * sink: protobuf bytes from the end of a room towards its begin, so that each length is known when
 * it is written: a value, then its length, then its tag. What does not fit is left out, and
 * noticed at the end.
 */
#ifndef PL_SINK_H
#define PL_SINK_H

#include "common/slice.h"

struct pl_sink {
    uint8_t *begin; /* of the room */
    uint8_t *at;    /* first byte written; what comes is put before it */
    bool failed;
};

static inline __attribute__((always_inline)) void pl_sink_put(struct pl_sink *sink,
                                                              const void *data, size_t len)
{
    if (len > (size_t)(sink->at - sink->begin)) {
        sink->failed = true;
        return;
    }
    sink->at -= len;
    if (len > 0)
        pl_copy(sink->at, data, len);
}

/* A varint of any length before `at`: where it begins; NULL: it does not fit. */
uint8_t *pl_sink_long(const uint8_t *begin, uint8_t *at, uint64_t value);

static inline __attribute__((always_inline)) void pl_sink_varint(struct pl_sink *sink,
                                                                 uint64_t value)
{
    if (value < 0x80 && sink->at > sink->begin) { /* most tags, lengths and small numbers */
        *--sink->at = (uint8_t)value;
        return;
    }
    uint8_t *place = pl_sink_long(sink->begin, sink->at, value);
    if (place == NULL)
        sink->failed = true;
    else
        sink->at = place;
}

/* Ends a length-delimited value that began when the sink was at `end`. */
static inline void pl_sink_length(struct pl_sink *sink, const uint8_t *end)
{
    pl_sink_varint(sink, (uint64_t)(end - sink->at));
}

#endif

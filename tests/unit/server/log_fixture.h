/* SPDX-License-Identifier: Apache-2.0
 *
 * log_fixture: entries put into a store as the writer puts them, without a writer: log_begin, then
 * batch_add, then log_end; or all at once.
 */
#ifndef TEST_SERVER_LOG_FIXTURE_H
#define TEST_SERVER_LOG_FIXTURE_H

#include <poll.h>

#include "common/check.h"
#include "server/batch.h"

static void log_appended(void *arg, enum store_outcome outcome)
{
    *(int *)arg = (int)outcome;
}

/* Behind all that is there. */
static inline void log_begin(struct store *store, struct batch *batch)
{
    struct store_head head;
    store_head(store, &head);
    batch_init(batch);
    batch_begin(batch, head.next_seq);
}

/* It is durable, and gone. */
static inline void log_end(struct store *store, struct batch *batch)
{
    static const uint8_t writer[STORE_WRITER_BYTES];
    struct store_head head;
    int outcome = -1;
    store_head(store, &head);
    batch_close(batch, &head, 1, writer, 1770000000000000);
    store_append(store, &batch->header, true, log_appended, &outcome);
    for (int i = 0; i < 10000 && outcome < 0; i++) {
        store_dispatch(store); /* before waiting: it may be done already */
        struct pollfd fd = {.fd = store_fd(store), .events = POLLIN};
        if (outcome < 0)
            (void)poll(&fd, 1, 1000);
    }
    assert_int_equal(outcome, STORE_DURABLE);
    batch_fini(batch);
}

static inline void log_append(struct store *store, const struct pl_slice *entry, size_t count)
{
    struct batch batch;
    log_begin(store, &batch);
    for (size_t i = 0; i < count; i++)
        batch_add(&batch, entry[i], 0);
    log_end(store, &batch);
}

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * mem: an array of batches.
 */
#include "server/store/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/check.h"

struct mem_store {
    struct store store;        /* first member */
    struct store_batch *batch; /* owns; bodies too */
    size_t count, cap;
    struct store_head head, after; /* as completed; with the append in flight */
    size_t room;
    int fd;
    store_append_fn done;
    void *done_arg;
    enum store_outcome outcome;
};

struct mem_reader {
    struct store_reader reader; /* first member */
    struct mem_store *mem;
};

static struct mem_store *of(struct store *store)
{
    return (struct mem_store *)store;
}

static enum store_outcome judge(const struct mem_store *mem, const struct store_batch *batch)
{
    if (batch->body.len > STORE_BATCH_BYTES_MAX)
        return STORE_TOO_BIG;
    if (store_is_head(&mem->head, batch))
        return STORE_DURABLE;
    if (batch->epoch < mem->head.epoch)
        return STORE_FENCED;
    if (!store_follows_head(&mem->head, batch))
        return STORE_CONFLICT;
    return batch->body.len > mem->room ? STORE_NO_SPACE : STORE_DURABLE;
}

static void keep(struct mem_store *mem, const struct store_batch *batch)
{
    if (mem->count == mem->cap) {
        mem->cap = mem->cap != 0 ? mem->cap * 2 : 16;
        mem->batch = reallocarray(mem->batch, mem->cap, sizeof(*mem->batch));
        PL_ASSERT(mem->batch != NULL);
    }
    uint8_t *body = malloc(batch->body.len + 1);
    PL_ASSERT(body != NULL);
    if (batch->body.len != 0)
        memcpy(body, batch->body.data, batch->body.len);
    struct store_batch *kept = &mem->batch[mem->count++];
    *kept = *batch;
    kept->body = pl_slice(body, batch->body.len);
    store_batch_seal(kept);
    mem->room -= batch->body.len;
    store_head_advance(&mem->after, kept);
}

static void mem_append(struct store *store, const struct store_batch *batch, bool idle,
                       store_append_fn done, void *arg)
{
    struct mem_store *mem = of(store);
    uint64_t one = 1;
    (void)idle;
    PL_ASSERT(mem->done == NULL);
    mem->outcome = judge(mem, batch);
    if (mem->outcome == STORE_DURABLE && batch->number != mem->head.batch)
        keep(mem, batch);
    mem->done = done;
    mem->done_arg = arg;
    ssize_t written = write(mem->fd, &one, sizeof(one));
    PL_ASSERT(written == sizeof(one));
}

static void mem_dispatch(struct store *store)
{
    struct mem_store *mem = of(store);
    uint64_t ignored;
    ssize_t got = read(mem->fd, &ignored, sizeof(ignored));
    PL_ASSERT(got == sizeof(ignored) || errno == EAGAIN);
    store_append_fn done = mem->done;
    mem->done = NULL;
    mem->head = mem->after;
    if (done != NULL)
        done(mem->done_arg, mem->outcome);
}

static struct pl_status mem_read(struct store *store, uint64_t from_batch, store_batch_fn fn,
                                 void *arg)
{
    struct mem_store *mem = of(store);
    for (size_t i = from_batch == 0 ? 0 : (size_t)from_batch - 1; i < mem->count; i++) {
        if (!store_batch_verify(&mem->batch[i]))
            return pl_fail(CORRUPT, "a batch in memory changed");
        PL_TRY(fn(arg, &mem->batch[i]));
    }
    return pl_ok();
}

static void mem_head(struct store *store, struct store_head *ret)
{
    *ret = of(store)->head;
}

static struct pl_status mem_has_room(struct store *store, size_t body_bytes)
{
    return of(store)->room >= body_bytes ? pl_ok() : pl_fail(NO_SPACE, "find room in memory");
}

static int mem_fd(struct store *store)
{
    return of(store)->fd;
}

static struct pl_status mem_trim(struct store *store, uint64_t upto_batch)
{
    (void)store;
    (void)upto_batch;
    return pl_fail(UNIMPLEMENTED, "a log in memory keeps all of it");
}

static struct pl_status reader_read(struct store_reader *base, uint64_t from_seq, uint64_t to_seq,
                                    store_entry_fn fn, void *arg)
{
    const struct mem_store *mem = ((struct mem_reader *)base)->mem;
    uint64_t next = from_seq;
    for (size_t i = 0; i < mem->count && next <= to_seq; i++) {
        const struct store_batch *batch = &mem->batch[i];
        size_t cursor = 0;
        struct pl_slice entry;
        bool damaged = false;
        for (uint64_t seq = batch->first_seq;
             next <= to_seq && store_body_next(batch->body, &cursor, &entry, &damaged); seq++) {
            if (seq != next)
                continue;
            PL_TRY(fn(arg, seq, entry));
            next++;
        }
        if (damaged)
            return pl_fail(CORRUPT, "a batch body does not add up");
    }
    return next > to_seq ? pl_ok() : pl_fail(NOT_FOUND, "the log does not reach that far");
}

static void reader_close(struct store_reader *base)
{
    free(base);
}

static struct pl_status mem_reader_open(struct store *store, struct store_reader **ret)
{
    static const struct store_reader_driver driver = {.read = reader_read, .close = reader_close};
    struct mem_reader *reader = calloc(1, sizeof(*reader));
    PL_ASSERT(reader != NULL);
    reader->reader.driver = &driver;
    reader->mem = of(store);
    *ret = &reader->reader;
    return pl_ok();
}

static void mem_close(struct store *store)
{
    struct mem_store *mem = of(store);
    PL_ASSERT(mem->done == NULL);
    for (size_t i = 0; i < mem->count; i++)
        free((void *)(uintptr_t)mem->batch[i].body.data);
    free(mem->batch);
    (void)close(mem->fd);
    free(mem);
}

static const struct store_driver mem_driver = {
    .name = "mem",
    .append = mem_append,
    .read = mem_read,
    .head = mem_head,
    .has_room = mem_has_room,
    .fd = mem_fd,
    .dispatch = mem_dispatch,
    .trim = mem_trim,
    .reader_open = mem_reader_open,
    .close = mem_close,
};

struct pl_status mem_open(struct store **ret)
{
    struct mem_store *mem = calloc(1, sizeof(*mem));
    PL_ASSERT(mem != NULL);
    mem->store.driver = &mem_driver;
    mem->head.next_seq = mem->after.next_seq = 1;
    mem->room = SIZE_MAX / 2;
    mem->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    PL_ASSERT(mem->fd >= 0);
    *ret = &mem->store;
    return pl_ok();
}

void mem_set_room(struct store *store, size_t bytes)
{
    of(store)->room = bytes;
}

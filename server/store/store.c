/* SPDX-License-Identifier: Apache-2.0
 *
 * store: calls through the driver table, and what all drivers share: sealing a batch, walking a
 * body.
 */
#include "server/store/store.h"

#include "common/buf.h"
#include "common/check.h"
#include "common/hash.h"

/* All fixed-width fields of a batch in the order in which they are hashed: little-endian. */
static void hash_batch(const struct store_batch *batch, uint8_t out[STORE_HASH_BYTES])
{
    uint8_t fields[8 * 6 + 4];
    pl_put_le64(fields, batch->number);
    pl_put_le64(fields + 8, batch->first_seq);
    pl_put_le32(fields + 16, batch->count);
    pl_put_le64(fields + 20, batch->epoch);
    pl_put_le64(fields + 28, batch->acked);
    pl_put_le64(fields + 36, (uint64_t)batch->time_us);
    pl_put_le64(fields + 44, batch->body.len);
    const struct pl_slice parts[] = {
        pl_slice(fields, sizeof(fields)),
        pl_slice(batch->writer, STORE_WRITER_BYTES),
        pl_slice(batch->prev, STORE_HASH_BYTES),
        batch->body,
    };
    pl_sha256_parts(parts, PL_COUNT(parts), out);
}

void store_batch_seal(struct store_batch *batch)
{
    hash_batch(batch, batch->hash);
}

bool store_batch_verify(const struct store_batch *batch)
{
    uint8_t hash[STORE_HASH_BYTES];
    hash_batch(batch, hash);
    return memcmp(hash, batch->hash, sizeof(hash)) == 0;
}

bool store_body_next(struct pl_slice body, size_t *cursor, struct pl_slice *ret, bool *ret_damaged)
{
    *ret_damaged = false;
    if (*cursor == body.len)
        return false;
    *ret_damaged = true;
    if (body.len - *cursor < 4)
        return false;
    size_t len = pl_get_le32(body.data + *cursor);
    if (len > body.len - *cursor - 4)
        return false;
    *ret_damaged = false;
    *ret = pl_slice(body.data + *cursor + 4, len);
    *cursor += 4 + len;
    return true;
}

bool store_follows_head(const struct store_head *head, const struct store_batch *batch)
{
    return batch->number == head->batch + 1 && batch->first_seq == head->next_seq &&
           memcmp(batch->prev, head->hash, STORE_HASH_BYTES) == 0;
}

bool store_is_head(const struct store_head *head, const struct store_batch *batch)
{
    uint8_t hash[STORE_HASH_BYTES];
    if (batch->number != head->batch)
        return false; /* mostly */
    hash_batch(batch, hash);
    return memcmp(hash, head->hash, STORE_HASH_BYTES) == 0;
}

void store_head_advance(struct store_head *head, const struct store_batch *batch)
{
    head->batch = batch->number;
    head->next_seq = batch->first_seq + batch->count;
    head->epoch = batch->epoch;
    head->time_us = batch->time_us;
    memcpy(head->hash, batch->hash, STORE_HASH_BYTES);
}

void store_append(struct store *store, const struct store_batch *batch, bool idle,
                  store_append_fn done, void *arg)
{
    store->driver->append(store, batch, idle, done, arg);
}

struct pl_status store_read(struct store *store, uint64_t from_batch, store_batch_fn fn, void *arg)
{
    return store->driver->read(store, from_batch, fn, arg);
}

void store_head(struct store *store, struct store_head *ret)
{
    store->driver->head(store, ret);
}

struct pl_status store_has_room(struct store *store, size_t body_bytes)
{
    return store->driver->has_room(store, body_bytes);
}

bool store_is_there(struct store *store)
{
    return store->driver->is_there == NULL || store->driver->is_there(store);
}

int store_fd(struct store *store)
{
    return store->driver->fd(store);
}

void store_dispatch(struct store *store)
{
    store->driver->dispatch(store);
}

struct pl_status store_trim(struct store *store, uint64_t upto_batch)
{
    return store->driver->trim(store, upto_batch);
}

struct pl_status store_reader_open(struct store *store, struct store_reader **ret)
{
    return store->driver->reader_open(store, ret);
}

void store_close(struct store *store)
{
    if (store != NULL)
        store->driver->close(store);
}

struct pl_status store_reader_read(struct store_reader *reader, uint64_t from_seq, uint64_t to_seq,
                                   store_entry_fn fn, void *arg)
{
    return reader->driver->read(reader, from_seq, to_seq, fn, arg);
}

void store_reader_close(struct store_reader *reader)
{
    if (reader != NULL)
        reader->driver->close(reader);
}

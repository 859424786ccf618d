/* SPDX-License-Identifier: Apache-2.0
 *
 * store: durable compare-and-append of batches, behind one table of functions. Drivers: `file`
 * (embedded default), `mem` and `fault` (tests, simulator); a distributed engine later.
 *
 * The one rule: append(batch) succeeds iff its number is the next one and its `prev` is the hash of
 * the batch before it. Everything else (lease, watch) is a hint. A store sees batches only, never
 * their meaning.
 *
 * Threads. All functions but those of `store_reader` are called by one thread at a time, the one
 * that does the writer's turn. Every append yields exactly one completion, delivered inside
 * store_dispatch, never inside store_append. One append in flight at a time.
 * Readers may be opened and used on any thread, each by one thread, and never see more than the
 * caller asks for.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdint.h>

#include "common/slice.h"
#include "common/status.h"

#define STORE_HASH_BYTES   32
#define STORE_WRITER_BYTES 16
/* Most bytes of a batch body. The writer fills batches up to 1 MiB (a distributed engine's request
 * limit is 1.5 MiB); only the import of a large bank statement, which is one batch, takes more. */
#define STORE_BATCH_BYTES_MAX (8u << 20)
/* Readers of format 1 took no batch for whole that is larger. */
#define STORE_BATCH_BYTES_V1 (1u << 20)

/* What became durable together. `body` is `count` times (le32 length, entry bytes). Batch numbers
 * start at 1; batch 0 does not exist and its hash is 32 zero bytes. A batch may hold no
 * entries (a barrier: epoch + 1, written when a writer starts). */
struct store_batch {
    uint64_t number;
    uint64_t first_seq; /* of its first entry; with count 0: the next one to come */
    uint32_t count;
    uint64_t epoch; /* never decreases; one writer an epoch */
    uint64_t acked; /* highest batch whose completion the writer had seen */
    uint8_t writer[STORE_WRITER_BYTES];
    uint8_t prev[STORE_HASH_BYTES];
    uint8_t hash[STORE_HASH_BYTES]; /* SHA-256 over the encoded header fields and the body; of a
                                       batch that is read. Who appends one leaves it to the store */
    int64_t time_us;
    struct pl_slice body; /* borrowed until the completion */
    /* The oldest reader that understands its entries, as whoever appends it says; 0: any. Not in
     * the record, and 0 when read: the `file` driver has it in its segments' headers. */
    uint32_t min_reader;
};
/* Fills batch->hash from all other fields. */
void store_batch_seal(struct store_batch *batch);
/* True if the hash fits the contents. */
bool store_batch_verify(const struct store_batch *batch);
/* Entry after entry of a body. False at the end; PL_ASSERTs nothing: *ret_damaged tells a body that
 * does not add up. */
bool store_body_next(struct pl_slice body, size_t *cursor, struct pl_slice *ret, bool *ret_damaged);

enum store_outcome {
    STORE_DURABLE,
    STORE_CONFLICT,    /* another batch has this number */
    STORE_FENCED,      /* a newer epoch is in the log */
    STORE_UNKNOWN,     /* may or may not be durable, or is where no start would find it: resubmit
                          the same bytes until it resolves */
    STORE_UNAVAILABLE, /* definitely not appended; try again later, store_has_room says why */
    STORE_TOO_BIG,
    STORE_NO_SPACE, /* definitely not appended; heals when there is room */
    STORE_CORRUPT,
};

typedef void (*store_append_fn)(void *arg, enum store_outcome outcome);
/* Return other than OK to stop; that status is handed through. Batch borrowed for the call. */
typedef struct pl_status (*store_batch_fn)(void *arg, const struct store_batch *batch);
/* entry: exact bytes, borrowed for the call. */
typedef struct pl_status (*store_entry_fn)(void *arg, uint64_t seq, struct pl_slice entry);

struct store_head {
    uint64_t batch;    /* number of the last durable batch; 0: empty */
    uint64_t next_seq; /* seq of the next entry to come; 1 when empty */
    uint64_t epoch;
    uint8_t hash[STORE_HASH_BYTES];
    int64_t time_us;
};

/* The one rule, for drivers. `follows`: next number, next seq, chained; the epoch is asked apart.
 * `is_head`: the batch is the log's last one, byte for byte: a resubmission of what is durable
 * (which is hashed to find that out). `advance`: by a sealed batch. */
bool store_follows_head(const struct store_head *head, const struct store_batch *batch);
bool store_is_head(const struct store_head *head, const struct store_batch *batch);
void store_head_advance(struct store_head *head, const struct store_batch *batch);

struct store;
struct store_reader;

struct store_driver {
    const char *name;
    /* See the functions below. */
    void (*append)(struct store *store, const struct store_batch *batch, bool idle,
                   store_append_fn done, void *arg);
    struct pl_status (*read)(struct store *store, uint64_t from_batch, store_batch_fn fn,
                             void *arg);
    void (*head)(struct store *store, struct store_head *ret);
    struct pl_status (*has_room)(struct store *store, size_t body_bytes);
    bool (*is_there)(struct store *store); /* NULL: it cannot go away */
    int (*fd)(struct store *store);
    void (*dispatch)(struct store *store);
    struct pl_status (*trim)(struct store *store, uint64_t upto_batch);
    struct pl_status (*reader_open)(struct store *store, struct store_reader **ret);
    void (*close)(struct store *store);
};
struct store {
    const struct store_driver *driver; /* first member of every driver's struct */
};
struct store_reader_driver {
    struct pl_status (*read)(struct store_reader *reader, uint64_t from_seq, uint64_t to_seq,
                             store_entry_fn fn, void *arg);
    void (*close)(struct store_reader *reader);
};
struct store_reader {
    const struct store_reader_driver *driver; /* first member */
};

/* Appends one batch, and seals it on the way: once it is durable the head has its hash. The struct
 * is borrowed for the call, the body until the completion. `idle`: nobody else waits, so a driver
 * may sync on the calling thread instead of handing over to another; then the descriptor tells
 * nothing, so the caller dispatches once before it waits. A failed sync never completes: the
 * process ends (G1). The very batch that is the head already (resubmitted after UNKNOWN) is DURABLE
 * and changes nothing.
 */
void store_append(struct store *store, const struct store_batch *batch, bool idle,
                  store_append_fn done, void *arg);
/* Every durable batch from `from_batch` on, in order, each verified (checksums, hash chain). */
PL_MUST_CHECK struct pl_status store_read(struct store *store, uint64_t from_batch,
                                          store_batch_fn fn, void *arg);
void store_head(struct store *store, struct store_head *ret);
/* Whether a batch of this size would find its place now; asks (and so heals) again on each call.
 * NO_SPACE: the disk, or a quota, is full. Anything else: what the disk says instead. */
PL_MUST_CHECK struct pl_status store_has_room(struct store *store, size_t body_bytes);
/* False: what would be appended now would not be where the next start looks; asks again on each
 * call. Of an append in flight its completion tells: meanwhile it is there. */
bool store_is_there(struct store *store);
int store_fd(struct store *store); /* readable when store_dispatch has something to do */
void store_dispatch(struct store *store);
/* Forgets batches up to this one, at least one stays. UNIMPLEMENTED where the engine keeps all. */
PL_MUST_CHECK struct pl_status store_trim(struct store *store, uint64_t upto_batch);
PL_MUST_CHECK struct pl_status store_reader_open(struct store *store, struct store_reader **ret);
void store_close(struct store *store); /* no append in flight; NULL is fine */

/* Entries from_seq..to_seq (both included; the caller knows that they are durable), in order.
 * Verified against the checksums. NOT_FOUND if the log does not reach that far. */
PL_MUST_CHECK struct pl_status store_reader_read(struct store_reader *reader, uint64_t from_seq,
                                                 uint64_t to_seq, store_entry_fn fn, void *arg);
void store_reader_close(struct store_reader *reader); /* before the store; NULL is fine */

#endif

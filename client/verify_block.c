/* SPDX-License-Identifier: Apache-2.0
 *
 * verify_block: the work on one block, and the threads that do it. Blocks go to the threads in
 * turn, and each thread answers in the order in which it was asked, so the oldest block is always
 * the next answer of the thread whose turn it is.
 */
#include "client/verify_block.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "client/text.h"
#include "common/check.h"
#include "common/scan.h"
#include "server/ledger/ledger.h"

enum {
    BLOCKS_PER_THREAD = 6,
    THREADS_MAX = 64,
    REQUEST_ID_BYTES = 16,
    ELEMENTS_MAX = 65536,
};
#define BYTES_MAX ((size_t)VERIFY_TILE_HASHES * VERIFY_ENTRY_BYTES_MAX)
#define ARENA_MAX ((size_t)1 << 30)

#define NEWER                                                                                      \
    N_("a newer version wrote it: it has a field, or a number, that this version does not know")

/* --- one block --- */

struct pl_status verify_block_add(struct verify_block *block, struct pl_slice entry)
{
    if (entry.len == 0 || entry.len > VERIFY_ENTRY_BYTES_MAX || block->count == VERIFY_TILE_HASHES)
        return pl_fail(TOO_BIG, "an entry of a size that no entry has");
    struct verify_entry *made = &block->entry[block->count];
    *made = (struct verify_entry){.start = pl_buf_len(&block->bytes), .len = entry.len};
    PL_TRY(pl_buf_append(&block->bytes, entry.data, entry.len));
    block->count++;
    return pl_ok();
}

/* Well-formed, but of things to come. */
static bool is_newer(const struct pl_scan_error *error)
{
    return error->unknown_field || error->unknown_number;
}

/* Which rules were in force is known only when everything before it was applied. 0: none. */
static uint32_t newest_rules(const Pledged__V1__Command *command, struct pl_arena *arena)
{
    uint32_t rules = LEDGER_RULES;
    while (rules != 0 && ledger_validate_by(rules, command, arena) != NULL)
        rules--;
    return rules;
}

const char *verify_block_command(struct verify_entry *made, struct pl_slice bytes,
                                 struct pl_arena *arena)
{
    const Pledged__V1__Entry *entry = made->message;
    struct pl_scan_error error;
    ProtobufCMessage *message = NULL;
    uint8_t digest[PL_SHA256_BYTES];
    pl_sha256(bytes, digest);
    if (!pl_slice_eq(pl_slice(digest, sizeof(digest)),
                     pl_slice(entry->command_digest.data, entry->command_digest.len)))
        return N_("the command in it does not have the digest that it names");
    if (!pl_is_ok(pl_unpack(&pledged__v1__command__descriptor, bytes, ELEMENTS_MAX, arena, &message,
                            &error)))
        return is_newer(&error) ? NEWER : N_("the command in it cannot be read");
    const Pledged__V1__Command *command = (const void *)message;
    if (command->request_id.len != REQUEST_ID_BYTES ||
        !pl_slice_eq(pl_slice(command->request_id.data, command->request_id.len),
                     pl_slice(entry->request_id.data, entry->request_id.len)))
        return N_("its request id is not the one of its command");
    made->rules = newest_rules(command, arena);
    if (made->rules == 0)
        return VERIFY_NOT_ACCEPTED;
    made->command = command;
    return NULL;
}

/* The number of an entry is its first field: a byte 0x08, then seven bits a byte from the lowest
 * on, the last byte below 0x80. Enough to know the place of what is not parsed. */
static uint64_t peek_seq(struct pl_slice bytes)
{
    uint64_t seq = 0;
    if (bytes.len == 0 || bytes.data[0] != 0x08)
        return 0;
    for (size_t i = 1; i < bytes.len && i < 10; i++) {
        seq |= (uint64_t)(bytes.data[i] & 0x7F) << (7 * (i - 1));
        if (bytes.data[i] < 0x80)
            return seq;
    }
    return 0;
}

static void read_entry(struct verify_block *block, size_t at)
{
    struct pl_scan_error error;
    ProtobufCMessage *message = NULL;
    struct verify_entry *entry = &block->entry[at];
    if (!pl_is_ok(pl_unpack(&pledged__v1__entry__descriptor, verify_block_bytes(block, at),
                            ELEMENTS_MAX, &block->arena, &message, &error))) {
        entry->wrong = is_newer(&error) ? NEWER : N_("its bytes are no entry");
        if (is_newer(&error)) /* an entry in its place, for all that is known */
            entry->seq = peek_seq(verify_block_bytes(block, at));
        return;
    }
    entry->message = (const void *)message;
    entry->seq = entry->message->seq;
    if (entry->message->command.len > 0 && entry->message->command_bytes == 0)
        entry->wrong = verify_block_command(
            entry, pl_slice(entry->message->command.data, entry->message->command.len),
            &block->arena);
}

void verify_block_work(struct verify_block *block)
{
    for (size_t i = 0; i < block->count; i++)
        verify_tree_leaf(verify_block_bytes(block, i), block->leaf[i]);
    if (block->count == VERIFY_TILE_HASHES)
        verify_tree_tile_root(block->leaf, block->tile_root);
    for (size_t i = 0; i < block->count; i++) {
        if (block->parse)
            read_entry(block, i);
        else
            block->entry[i].seq = peek_seq(verify_block_bytes(block, i));
    }
}

static void block_clear(struct verify_block *block)
{
    block->first_seq = 0;
    block->count = block->listed = 0;
    block->parse = false;
    pl_buf_clear(&block->bytes);
    pl_arena_reset(&block->arena);
}

/* --- the pool --- */

struct worker {
    pthread_t thread;
    struct pl_mailbox *in, *out;
    struct verify_block *done; /* taken out of `out`, oldest first */
};

struct verify_pool {
    size_t threads, started;
    struct worker worker[THREADS_MAX];
    struct verify_block *block; /* owns all */
    size_t blocks;
    struct verify_block *empty;
    size_t given, taken; /* blocks so far; their difference is under way */
};

static void wait_for(struct pl_mailbox *box)
{
    struct pollfd ready = {.fd = pl_mailbox_fd(box), .events = POLLIN};
    while (poll(&ready, 1, -1) < 0 && errno == EINTR)
        continue;
}

static void *worker_main(void *arg)
{
    struct worker *worker = arg;
    for (;;) {
        wait_for(worker->in);
        struct pl_mail *next = NULL;
        for (struct pl_mail *mail = pl_mailbox_take(worker->in); mail != NULL; mail = next) {
            next = mail->next;
            struct verify_block *block = (struct verify_block *)mail;
            bool last = block->count == 0; /* an empty block ends the thread */
            if (!last)
                verify_block_work(block);
            bool posted = pl_mailbox_post(worker->out, &block->mail);
            PL_ASSERT(posted); /* no limit, never closed */
            if (last)
                return NULL;
        }
    }
}

static size_t processors(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        return 1;
    int count = CPU_COUNT(&set);
    return count < 1 ? 1 : (size_t)count;
}

static struct pl_status start_worker(struct verify_pool *pool)
{
    struct worker *worker = &pool->worker[pool->started];
    PL_TRY(pl_mailbox_new(0, &worker->in));
    PL_TRY(pl_mailbox_new(0, &worker->out));
    int failed = pthread_create(&worker->thread, NULL, worker_main, worker);
    if (failed != 0) {
        errno = failed;
        return pl_fail_errno(IO, "start a thread");
    }
    pool->started++;
    return pl_ok();
}

struct pl_status verify_pool_new(size_t threads, struct verify_pool **ret)
{
    struct verify_pool *pool = calloc(1, sizeof(*pool));
    PL_ASSERT(pool != NULL);
    pool->threads = threads == 0 ? processors() : threads;
    if (pool->threads > THREADS_MAX)
        pool->threads = THREADS_MAX;
    pool->blocks = pool->threads * BLOCKS_PER_THREAD;
    pool->block = calloc(pool->blocks, sizeof(*pool->block));
    PL_ASSERT(pool->block != NULL);
    for (size_t i = 0; i < pool->blocks; i++) {
        pl_buf_init(&pool->block[i].bytes, BYTES_MAX);
        pl_arena_init(&pool->block[i].arena, ARENA_MAX);
        verify_pool_done(pool, &pool->block[i]);
    }
    while (pool->started < pool->threads) {
        struct pl_status status = start_worker(pool);
        if (pl_is_ok(status))
            continue;
        if (pool->started > 0) { /* fewer threads do as well */
            pool->threads = pool->started;
            break;
        }
        verify_pool_free(pool);
        return status;
    }
    *ret = pool;
    return pl_ok();
}

void verify_pool_free(struct verify_pool *pool)
{
    if (pool == NULL)
        return;
    for (struct verify_block *block; (block = verify_pool_wait(pool)) != NULL;)
        verify_pool_done(pool, block);
    for (size_t i = 0; i < pool->started; i++) {
        struct verify_block *end = verify_pool_empty(pool);
        PL_ASSERT(end != NULL); /* nothing is under way, and there are more blocks than threads */
        bool posted = pl_mailbox_post(pool->worker[i].in, &end->mail);
        PL_ASSERT(posted);
        int failed = pthread_join(pool->worker[i].thread, NULL);
        PL_ASSERT(failed == 0);
        (void)pl_mailbox_take(pool->worker[i].out);
    }
    for (size_t i = 0; i < THREADS_MAX; i++) {
        pl_mailbox_free(pool->worker[i].in);
        pl_mailbox_free(pool->worker[i].out);
    }
    for (size_t i = 0; i < pool->blocks; i++) {
        pl_buf_fini(&pool->block[i].bytes);
        pl_arena_fini(&pool->block[i].arena);
    }
    free(pool->block);
    free(pool);
}

struct verify_block *verify_pool_empty(struct verify_pool *pool)
{
    struct verify_block *block = pool->empty;
    if (block != NULL) {
        pool->empty = block->next;
        block_clear(block);
    }
    return block;
}

void verify_pool_give(struct verify_pool *pool, struct verify_block *block)
{
    PL_ASSERT(block->count > 0);
    bool posted = pl_mailbox_post(pool->worker[pool->given++ % pool->threads].in, &block->mail);
    PL_ASSERT(posted);
}

struct verify_block *verify_pool_wait(struct verify_pool *pool)
{
    if (pool->taken == pool->given)
        return NULL;
    struct worker *worker = &pool->worker[pool->taken++ % pool->threads];
    while (worker->done == NULL) {
        worker->done = (struct verify_block *)pl_mailbox_take(worker->out);
        if (worker->done == NULL)
            wait_for(worker->out);
    }
    struct verify_block *block = worker->done;
    worker->done = (struct verify_block *)block->mail.next;
    return block;
}

void verify_pool_done(struct verify_pool *pool, struct verify_block *block)
{
    block->next = pool->empty;
    pool->empty = block;
}

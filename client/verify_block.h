/* SPDX-License-Identifier: Apache-2.0
 *
 * verify_block: up to 256 entries with everything about them that can be worked out without the
 * rest of the ledger: hash of each entry, root of a whole tile, what the bytes mean, and whether a
 * command is the one that its entry says (digest, request id) and well-formed. The work is done by
 * a pool of threads; blocks come back in the order in which they were given.
 *
 * Bounded: a pool has a fixed number of blocks, and giving waits for one to be free. Whoever holds
 * a block owns it alone. Bytes are from outside: whatever they hold becomes a mark in the block.
 */
#ifndef CLIENT_VERIFY_BLOCK_H
#define CLIENT_VERIFY_BLOCK_H

#include "client/verify_tree.h"
#include "common/arena.h"
#include "common/buf.h"
#include "common/mailbox.h"
#include "pledged/v1/command.pb-c.h"
#include "pledged/v1/entry.pb-c.h"

enum { VERIFY_ENTRY_BYTES_MAX = 65535 };
#define VERIFY_NOT_ACCEPTED N_("the command in it should not have been accepted as it is written")

struct verify_entry {
    size_t start, len;                   /* in block->bytes */
    uint64_t seq;                        /* what it says of itself; 0: nothing that can be read */
    const Pledged__V1__Entry *message;   /* NULL: not asked for, or it does not parse */
    const Pledged__V1__Command *command; /* NULL: there is none, or it does not parse */
    uint32_t rules;                      /* the newest version that lets the command through */
    const char *wrong;                   /* literal: what is wrong with it in itself; NULL */
};

struct verify_block {
    struct pl_mail mail; /* first member */
    uint64_t first_seq;  /* of entry[0], by place; what an entry says of itself is not this */
    size_t count;
    struct pl_buf bytes;
    struct verify_entry entry[VERIFY_TILE_HASHES];
    /* hashes that came with the entries, by the same place; they are claims like the entries */
    size_t listed;
    uint8_t list[VERIFY_TILE_HASHES][PL_SHA256_BYTES];
    bool parse; /* wanted: what the bytes mean */
    /* worked out */
    uint8_t leaf[VERIFY_TILE_HASHES][PL_SHA256_BYTES];
    uint8_t tile_root[PL_SHA256_BYTES]; /* if count is 256 */
    struct pl_arena arena;              /* holds the messages */
    struct verify_block *next;          /* of the pool's free ones */
};

static inline struct pl_slice verify_block_bytes(const struct verify_block *block, size_t at)
{
    return pl_slice(block->bytes.data + block->bytes.start + block->entry[at].start,
                    block->entry[at].len);
}
/* Appends an entry. TOO_BIG if it is no entry any more (empty, or longer than one may be), or if
 * the block is full. */
PL_MUST_CHECK struct pl_status verify_block_add(struct verify_block *block, struct pl_slice entry);
/* What the pool does with a block. Any thread. */
void verify_block_work(struct verify_block *block);

/* Reads the command of an entry, whose bytes may go on behind it, into its command and rules. NULL:
 * it is the one; else what is wrong, a literal. */
const char *verify_block_command(struct verify_entry *entry, struct pl_slice bytes,
                                 struct pl_arena *arena);

struct verify_pool;
/* threads 0: as many as there are processors to use. */
PL_MUST_CHECK struct pl_status verify_pool_new(size_t threads, struct verify_pool **ret);
/* Waits for what is under way. NULL is fine. */
void verify_pool_free(struct verify_pool *pool);
/* An empty block, or NULL if all are out: take one back with verify_pool_wait first. */
struct verify_block *verify_pool_empty(struct verify_pool *pool);
void verify_pool_give(struct verify_pool *pool, struct verify_block *block);
/* The oldest block that was given, worked out; NULL if none is under way. */
struct verify_block *verify_pool_wait(struct verify_pool *pool);
void verify_pool_done(struct verify_pool *pool, struct verify_block *block);

#endif

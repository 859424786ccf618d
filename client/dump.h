/* SPDX-License-Identifier: Apache-2.0
 *
 * dump: the ledger as a stream of entries, in six forms, to a file or to stdout. Every form names
 * the signed checkpoint that it belongs to, but csv, which has no place for it.
 *
 * bin, for machines that check: the exact bytes of every entry, nothing re-encoded.
 *
 *   offset 0   8 bytes "PLDUMP1\n"
 *   then frames:
 *     1 byte   type: 'E' an entry, 'L' a list, 'T' the trailer (last frame, exactly one)
 *     4 bytes  length, little-endian
 *     length   bytes: of 'E' a packed pledged.v1.Entry; of 'L' the RFC 6962 leaf hashes, 32 bytes
 *              each, of the entries since the list before; of 'T' a packed pledged.v1.DumpTrailer
 *
 * Entries ascend by seq without gaps from the trailer's from_seq to its to_seq. A list follows each
 * entry whose seq is a multiple of 256, and the last entry: with it a damaged entry can be told
 * from its neighbours. The trailer has the signed checkpoint that vouches for all of it. Without
 * its trailer a dump is incomplete, whatever it holds.
 *
 * jsonl: one object a line: {"seq", "time" (RFC 3339), "time_us", "person", "request_id" (UUID or
 * null), "entry" (ProtoJSON of the Entry), "command" (ProtoJSON of the Command in it, or null)};
 * the last line is {"trailer": ProtoJSON of the DumpTrailer}. csv: RFC 4180, the columns of `pledge
 * history`. hledger, beancount, iati: see client/export.h.
 */
#ifndef CLIENT_DUMP_H
#define CLIENT_DUMP_H

#include <stdint.h>

#include "client/export.h"
#include "client/verify_tree.h"
#include "common/arena.h"
#include "common/buf.h"
#include "common/slice.h"
#include "common/status.h"
#include "common/tlog.h"
#include "pledged/v1/service.pb-c.h"

#define DUMP_MAGIC "PLDUMP1\n"

enum dump_form {
    DUMP_BIN,
    DUMP_JSONL,
    DUMP_CSV,
    DUMP_HLEDGER,
    DUMP_BEANCOUNT,
    DUMP_IATI,
};

struct dump_options {
    enum dump_form form;
    int fd;            /* where complete pieces go */
    uint64_t from_seq; /* first entry of interest; 0: the first of all */
    uint64_t to_seq;   /* last entry that was asked for; 0: up to the end */
    uint64_t pledge;   /* not in bin: only entries about this one; 0: all */
    bool safe;         /* csv: for spreadsheets */
    const char *kept;  /* an earlier checkpoint, which what comes must continue; NULL: none */
    void (*on_progress)(void *arg, uint64_t seq); /* NULL: nobody looks */
    void *arg;
};

struct dump {
    struct dump_options options;
    struct pl_buf out;                                 /* what has not gone yet */
    struct pl_arena arena;                             /* of one message of the stream */
    uint64_t next_seq;                                 /* entry expected next */
    uint8_t list[VERIFY_TILE_HASHES][PL_SHA256_BYTES]; /* hashes that are not in the tree yet */
    size_t list_count;
    struct verify_tree *tree;  /* owns; NULL: what comes does not begin with the first entry */
    struct export export;      /* the book forms */
    struct pl_checkpoint kept; /* size 0: none */
    bool rewritten;            /* the first entries are not those of `kept` */
    char *checkpoint;          /* owns; from the trailer; NULL: it did not come, or has none */
    bool begun;
    bool complete; /* the trailer came and fits what came before it */
};

/* Books need the ledger from its first entry on, whatever the range: ask the daemon for that. */
static inline bool dump_needs_all(enum dump_form form)
{
    return form >= DUMP_HLEDGER;
}

void dump_init(struct dump *dump, const struct dump_options *options);
void dump_fini(struct dump *dump);
/* One DumpResponse as the stream brings it (pl_h2client_message_fn). CORRUPT if entries are
 * missing, were not asked for or do not parse, or if the checkpoint that came is not theirs (its
 * signature is for `pledge verify` to judge, who has the key); IO with errno if they cannot be
 * written. */
PL_MUST_CHECK struct pl_status dump_take(void *dump, struct pl_slice message);
/* Writes the rest. UNAVAILABLE if the trailer never came. */
PL_MUST_CHECK struct pl_status dump_finish(struct dump *dump);

#endif

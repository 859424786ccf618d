/* SPDX-License-Identifier: Apache-2.0
 *
 * dump: the ledger as a stream of entries, in three forms, to a file or to stdout.
 *
 * bin, for machines that check: the exact bytes of every entry, nothing re-encoded.
 *
 *   offset 0   8 bytes "PLDUMP1\n"
 *   then frames:  1 byte   type: 'E' an entry, 'T' the trailer (last frame, exactly one)
 *                 4 bytes  little-endian length
 *                 length   bytes: a packed pledged.v1.Entry, or a packed pledged.v1.DumpTrailer
 *
 * Entries ascend by seq without gaps from the trailer's from_seq to its to_seq. Without its trailer
 * a dump is incomplete, whatever it holds.
 *
 * jsonl: one object a line: {"seq", "time" (RFC 3339), "time_us", "person", "request_id" (UUID or
 * null), "entry" (ProtoJSON of the Entry), "command" (ProtoJSON of the Command in it, or null)}.
 * csv: RFC 4180, the columns of `pledge history`.
 */
#ifndef CLIENT_DUMP_H
#define CLIENT_DUMP_H

#include <stdint.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/slice.h"
#include "common/status.h"
#include "pledged/v1/service.pb-c.h"

#define DUMP_MAGIC "PLDUMP1\n"

enum dump_form { DUMP_BIN, DUMP_JSONL, DUMP_CSV };

struct dump {
    enum dump_form form;
    int fd;                /* where complete pieces go */
    struct pl_buf out;     /* what has not gone yet */
    struct pl_arena arena; /* of one message of the stream */
    uint64_t next_seq;     /* entry expected next; 0: any (the first message says) */
    uint64_t first_seq;    /* of the first entry; 0: none came */
    bool begun;
    bool complete; /* the trailer came and fits what came before it */
};

void dump_init(struct dump *dump, enum dump_form form, int fd, uint64_t from_seq);
void dump_fini(struct dump *dump);
/* One DumpResponse as the stream brings it (pl_h2client_message_fn). CORRUPT if entries are missing
 * or do not parse, IO with errno if they cannot be written. */
PL_MUST_CHECK struct pl_status dump_take(void *dump, struct pl_slice message);
/* Writes the rest. UNAVAILABLE if the trailer never came. */
PL_MUST_CHECK struct pl_status dump_finish(struct dump *dump);

#endif

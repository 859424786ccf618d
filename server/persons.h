/* SPDX-License-Identifier: Apache-2.0
 *
 * persons: DATA/persons.db, records that the ledger commits to and that can be erased: a row is
 * {commitment, salt, record}, commitment = HMAC-SHA-256(salt, record). The ledger alone says which
 * rows are meant to be there; this file holds nothing that it does not name, but for rows whose
 * command is under way (pending).
 *
 * Erased bytes are gone: SQLite overwrites what it deletes (secure_delete), but not the copies that
 * its pages keep of rows that moved, so each erasure writes the whole file anew (VACUUM, in memory:
 * 0.4 s and 33 MB for 100,000 records), and empties the write-ahead log behind it. Files of
 * versions that did not (format 1) are swept when a daemon first starts on them. Readable for the
 * owner alone.
 *
 * Thread: one connection a thread; another process may read beside it (backup, fsck).
 * Failure: CORRUPT for a file that is no database of this form or a record that does not fit its
 * commitment; NO_SPACE, IO as the disk says. Nothing of a record is ever logged.
 */
#ifndef SERVER_PERSONS_H
#define SERVER_PERSONS_H

#include "common/arena.h"
#include "common/slice.h"
#include "common/status.h"
#include "server/ledger/ledger.h"

#define PERSONS_FILE "persons.db"
enum { PERSONS_SALT_BYTES = 32, PERSONS_RECORD_BYTES_MAX = 4096 };

struct persons_row {
    uint8_t commitment[LEDGER_COMMITMENT_BYTES];
    uint8_t salt[PERSONS_SALT_BYTES];
    struct pl_slice record; /* borrowed */
    bool is_new;            /* set by persons_put: it was not there before; the registrar's alone */
    bool named;             /* set by the writer: an entry of the command commits to it */
};
/* The commitment that a salt and a record make. */
void persons_commit(const uint8_t salt[PERSONS_SALT_BYTES], struct pl_slice record,
                    uint8_t ret[LEDGER_COMMITMENT_BYTES]);

struct persons;
enum persons_mode { PERSONS_READ, PERSONS_WRITE /* makes the file if need be */ };
/* NO_INPUT if there is no file and it may not be made. */
PL_MUST_CHECK struct pl_status persons_open(const char *path, enum persons_mode mode,
                                            struct persons **ret);
void persons_close(struct persons *persons); /* NULL is fine */

/* Pending rows, on the disk when it returns; those that are there already stay as they are. */
PL_MUST_CHECK struct pl_status persons_put(struct persons *persons, struct persons_row *row,
                                           size_t count);
/* Their entries are durable: the rows are to stay; one that is gone is put back. */
PL_MUST_CHECK struct pl_status persons_settle(struct persons *persons,
                                              const struct persons_row *row, size_t count);
/* Takes rows and their bytes away, for good when it returns. Those that are not there are fine. */
PL_MUST_CHECK struct pl_status persons_erase(struct persons *persons,
                                             const struct pl_slice *commitment, size_t count);
/* NOT_FOUND; CORRUPT if the record is not the one that was committed to. */
PL_MUST_CHECK struct pl_status persons_get(struct persons *persons, struct pl_slice commitment,
                                           struct pl_arena *arena, struct pl_slice *ret_record);

struct persons_report {
    size_t kept;      /* rows that the ledger names */
    size_t erased;    /* rows that the ledger says are erased, and that were still there */
    size_t withdrawn; /* pending rows whose command was never recorded */
    size_t unknown;   /* other rows that the ledger does not name */
    size_t missing;   /* records that the ledger names and that are not there */
    size_t damaged;   /* rows that do not fit their commitment; persons_check only */
};
/* What becomes of rows that the ledger does not name: the ledger may have been longer, so all of
 * them stay; it goes on from here, so pending ones go; the file was copied after the log, so all of
 * them go. */
enum persons_unnamed { PERSONS_UNNAMED_STAY, PERSONS_PENDING_GO, PERSONS_UNNAMED_GO };
/* What a crash, or a file from a backup, left different from what the ledger says is put right:
 * erased rows go, rows whose command was recorded stay. */
PL_MUST_CHECK struct pl_status persons_reconcile(struct persons *persons,
                                                 const struct ledger *ledger,
                                                 enum persons_unnamed unnamed,
                                                 struct persons_report *ret);
/* Looks at every row and changes nothing. */
PL_MUST_CHECK struct pl_status persons_check(struct persons *persons, const struct ledger *ledger,
                                             struct persons_report *ret);
/* Any thread or process: a whole copy of the file at `from` as a new file, on the disk, readable
 * for the owner alone. NO_INPUT if there is no such file. */
PL_MUST_CHECK struct pl_status persons_copy(const char *from, const char *to);

#endif

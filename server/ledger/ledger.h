/* SPDX-License-Identifier: Apache-2.0
 *
 * ledger: the rules of the fund, pure. Decide, then apply.
 *
 * `ledger_decide` looks at the state and one command and says which entries it makes, or why it is
 * refused; it changes nothing. `ledger_apply` is the only mutator and cannot fail. Live traffic and
 * replay use the same apply. No clock, random, locale, float, pointer order or I/O in this box:
 * time arrives inside the request (G6). One thread owns a ledger; nothing here is shared but
 * `struct catalogue`, which is immutable and counted.
 *
 * Previous hop: server/writer. Next hop: server/store (the writer packs the entries it got here).
 */
#ifndef LEDGER_LEDGER_H
#define LEDGER_LEDGER_H

#include "common/arena.h"
#include "common/slice.h"
#include "common/status.h"
#include "pledged/v1/command.pb-c.h"
#include "pledged/v1/entry.pb-c.h"
#include "pledged/v1/service.pb-c.h"
#include "pledged/v1/types.pb-c.h"

/* Marks a sentence for people where it is not the argument of wrong, say, maker_say or NEED, and
 * in server/: the client has French words for all of them (client/po/check.sh collects them). */
#define WORDS(text_) text_

#define LEDGER_REQUEST_ID_BYTES 16
#define LEDGER_COMMITMENT_BYTES 32
#define LEDGER_ENTRY_BYTES_MAX  65535
/* Of a command; a bank statement makes up to two for each of its movements. */
#define LEDGER_ENTRIES_PER_COMMAND_MAX 8
/* How far behind the ledger a checkpoint may be that an entry names (the closing of a period). */
#define LEDGER_HEAD_BEHIND_MAX (1 << 20)
/* Version of the rules that decide: what was decided under another one is not decided again. The
 * first one is that of logs whose policy does not say. */
#define LEDGER_RULES       16u
#define LEDGER_RULES_FIRST 1u
/* Proposals that wait at one time, and what their commands may take together. */
#define LEDGER_PROPOSALS_OPEN_MAX       10000u
#define LEDGER_PROPOSALS_OPEN_BYTES_MAX (64u << 20)
/* Of a file of the bank, which is one command. */
#define LEDGER_MOVEMENTS_MAX    10000
#define LEDGER_IMPORT_BYTES_MAX (1u << 20)
/* So much of a command stands in one entry beside what became of its statements; the rest of an
 * import is in entries behind its first one. */
#define LEDGER_COMMAND_PART_BYTES (46u << 10)

struct ledger;

struct ledger *ledger_new(void);
void ledger_free(struct ledger *ledger);

/* Who acts; strings borrowed for the duration of the call. */
struct ledger_actor {
    const char *person;
    Pledged__V1__Role role;
    const char *identity;
    const char *issuer;
};

struct ledger_request {
    const Pledged__V1__Command *command; /* passed ledger_validate */
    struct pl_slice bytes;               /* the exact bytes it was unpacked from */
    uint8_t digest[32];                  /* SHA-256 of `bytes` */
    struct ledger_actor actor;
    int64_t now_us; /* wall clock of the batch */
};

enum ledger_answer {
    LEDGER_ACCEPTED, /* entries hold the facts */
    LEDGER_REFUSED,  /* entries hold one CommandRefused; `refusal` is what the caller is told */
    LEDGER_INVALID,  /* no entry; `refusal` is what the caller is told */
    LEDGER_NOTHING,  /* ledger_decide_due and _start: nothing to record */
};

/* What decide found. Everything it points to lives in the arena that was passed in, or is borrowed
 * from the request. Entries are complete but not packed: seq, time, actor, prev_seq, outcome set.
 */
struct ledger_decision {
    enum ledger_answer answer;
    Pledged__V1__Entry **entry;
    size_t entry_count, entry_cap;
    enum pl_code code;             /* class of the refusal: INVALID, NOT_FOUND, REFUSED, ... */
    Pledged__V1__Refusal *refusal; /* NULL when accepted */
};

/* Judges what can be judged without state: sizes, formats, required fields, currencies, dates, the
 * catalogue's inner consistency. NULL: fine. Any thread. The refusal lives in the arena, or is
 * ledger_too_large. */
Pledged__V1__Refusal *ledger_validate(const Pledged__V1__Command *command, struct pl_arena *arena);
/* The same by rules of another version: what older ones let through is in a log for ever. */
Pledged__V1__Refusal *ledger_validate_by(uint32_t rules, const Pledged__V1__Command *command,
                                         struct pl_arena *arena);

/* What is refused when the arena has no room for a refusal: one for all commands and threads, in
 * which nothing may be written. */
extern const Pledged__V1__Refusal ledger_too_large;

/* PL_E_OK for accepted, else the code class that a reason belongs to (exit code, gRPC status). */
enum pl_code ledger_reason_code(Pledged__V1__Reason reason);

/* Seq of the first entry with this request id, or 0. The writer answers repeats from that entry. */
uint64_t ledger_find_request(const struct ledger *ledger, const uint8_t request_id[16]);
/* This one will be asked for, or recorded, in a moment: what knows it is brought near. */
void ledger_expect_request(const struct ledger *ledger, const uint8_t request_id[16]);

/* Never called with a request id that ledger_find_request knows. The arena must have room: what
 * validation lets through needs less than LIMIT_DECIDE_ARENA_BYTES; running out is a bug. */
void ledger_decide(const struct ledger *ledger, const struct ledger_request *request,
                   struct pl_arena *arena, struct ledger_decision *ret);

/* The earliest hold or proposal that is due at now_us: its HoldExpired, and the promotion it
 * causes, or its ProposalExpired. NOTHING when none is due. The caller applies and asks again until
 * NOTHING, before any later command. */
void ledger_decide_due(const struct ledger *ledger, int64_t now_us, struct pl_arena *arena,
                       struct ledger_decision *ret);
int64_t ledger_next_due_us(const struct ledger *ledger); /* INT64_MAX: nothing runs */

/* Start-up and reload facts that differ from the state: LedgerCreated (only for an empty ledger),
 * RosterAdopted, PolicyAdopted. NOTHING when the ledger knows all of it already. */
struct ledger_start {
    const char *origin;
    const uint8_t *ledger_id; /* 16 bytes */
    const Pledged__V1__RosterAdopted *roster;
    const Pledged__V1__PolicyAdopted *policy;
};
void ledger_decide_start(const struct ledger *ledger, const struct ledger_start *start,
                         int64_t now_us, struct pl_arena *arena, struct ledger_decision *ret);

/* CORRUPT with what is wrong if this entry cannot follow the state: wrong seq or time, unknown
 * thing, stage that does not allow it, a slot beyond capacity. UNIMPLEMENTED: its fact is of a kind
 * that only a newer version knows. Replay asks before it applies. */
PL_MUST_CHECK struct pl_status ledger_check(const struct ledger *ledger,
                                            const Pledged__V1__Entry *entry);
void ledger_apply(struct ledger *ledger, const Pledged__V1__Entry *entry);
/* False: the last entry is one of a command that goes on (CommandContinued), and more of it is to
 * come. A batch never ends there, and such a state is never saved. */
bool ledger_is_whole(const struct ledger *ledger);

/* The oldest version of the log's format whose readers understand this entry; 1: all do. */
uint32_t ledger_min_reader(const Pledged__V1__Entry *entry);

/* The receipt of the command whose first entry this is (kind NEW or REPLAY as given), or its
 * refusal. Exactly one of the two is set. Both live in the arena. */
void ledger_receipt(const Pledged__V1__Entry *entry, bool replay, struct pl_arena *arena,
                    Pledged__V1__Receipt **ret_receipt, Pledged__V1__Refusal **ret_refusal);

uint64_t ledger_size(const struct ledger *ledger);        /* seq of the last entry */
int64_t ledger_last_time_us(const struct ledger *ledger); /* 0 when empty */
/* NULL while empty; else the ledger's own text, borrowed until the ledger is freed. */
const char *ledger_origin(const struct ledger *ledger);

/* Records kept beside the ledger that can be erased: does an entry name this commitment, and is the
 * record meant to be there? Every commitment ever named by index, ascending; NULL past the end. */
enum ledger_erasable { LEDGER_ERASABLE_UNKNOWN, LEDGER_ERASABLE_LIVE, LEDGER_ERASABLE_ERASED };
enum ledger_erasable ledger_erasable(const struct ledger *ledger,
                                     const uint8_t commitment[LEDGER_COMMITMENT_BYTES]);
const uint8_t *ledger_erasable_at(const struct ledger *ledger, size_t index);
/* The commitment that an entry names for the first time; len 0: none. */
ProtobufCBinaryData ledger_commits_to(const Pledged__V1__Entry *entry);

/* May this role give this command? Clerks record, approvers sign, admins adopt catalogues. `rules`:
 * the version in force (LEDGER_RULES now): what older ones let somebody do is done. A number that
 * is no role, or no command, may nothing. */
bool ledger_role_may(Pledged__V1__Role role, Pledged__V1__Command__CommandCase command,
                     uint32_t rules);

/* The state as bytes, equal on every machine for equal histories, handed to `write` in pieces. */
typedef struct pl_status (*ledger_write_fn)(void *arg, struct pl_slice piece);
PL_MUST_CHECK struct pl_status ledger_save(const struct ledger *ledger, ledger_write_fn write,
                                           void *arg);
/* `read` fills exactly `len` bytes or fails. CORRUPT on anything that does not add up. */
typedef struct pl_status (*ledger_read_fn)(void *arg, uint8_t *into, size_t len);
PL_MUST_CHECK struct pl_status ledger_load(ledger_read_fn read, void *arg, struct ledger **ret);
/* The same for a large state, with help. */
struct ledger_help {
    /* Is told of memory that is filled next, from its begin on, so that somebody else may have its
     * pages made meanwhile. Soon it may be elsewhere, or not there. */
    void (*expect)(void *arg, void *memory, size_t len);
    /* Begins work beside the caller; one at a time. */
    void (*begin)(void *arg, void (*work)(void *of), void *of);
    void (*end)(void *arg); /* returns when it is done */
};
PL_MUST_CHECK struct pl_status ledger_load_helped(ledger_read_fn read,
                                                  const struct ledger_help *help, void *arg,
                                                  struct ledger **ret);
/* SHA-256 of what ledger_save writes. */
void ledger_digest(const struct ledger *ledger, uint8_t out[32]);

#endif

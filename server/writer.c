/* SPDX-License-Identifier: Apache-2.0
 *
 * writer: see writer.h for the happy path, invariants and failure modes.
 *
 * Two batches take turns: one fills while the other is in flight. Commands wait in the list of the
 * batch that holds the last entry they depend on.
 */
#include "server/writer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/hash.h"
#include "common/log.h"
#include "common/pack.h"
#include "common/scan.h"
#include "server/batch.h"
#include "server/ledger/encode.h"
#include "server/limits.h"
#include "server/persons.h"

enum {
    EXPECT_AHEAD = 4,
    FETCH_AHEAD = 8,
    FETCH_BYTES = 512,   /* of a command as a message: what it says lies behind it */
    QUEUE_AHEAD = 4,     /* commands */
    QUEUED_BYTES = 128,  /* of one, that a decision looks at */
    RECEIPT_OUTCOME = 5, /* number of the field */
};
#define LOOK_NS   100000000LL   /* between two looks whether the log is where it was */
#define REMIND_NS 60000000000LL /* between two lines that say that it is not */

struct waiting { /* commands in order, linked by their mail */
    struct pl_mail *first, *last;
};

struct group { /* a batch, and who waits for it */
    struct batch batch;
    struct waiting waiting;
    struct view *view; /* owns; the state after this batch, made when it was closed */
};

struct writer {
    struct writer_options options;
    struct ledger *ledger;
    struct store_reader *reader; /* owns; for replays and history */
    struct group group[2];
    struct group *filling;
    struct group *in_flight; /* NULL: none */
    int64_t submitted_ns;    /* when that went to the store */
    struct waiting queue;    /* taken from the inbox, not yet decided */
    struct waiting bulk;     /* the same: long ones, which let the others pass */
    struct store_head head;  /* of the durable log */
    uint64_t epoch;
    struct pl_arena scratch;    /* of one decision */
    uint8_t *pack_room;         /* owns; its entries, of as many bytes as a batch has for them */
    struct pl_buf read_buf;     /* one entry read back */
    struct view *published;     /* owns a reference: parts are shared with the next one */
    enum store_outcome outcome; /* of the batch that just completed */
    bool completed;
    bool resubmit;
    int64_t resubmit_at_ns;
    struct pl_status room; /* not OK: nothing can be recorded */
    int64_t room_retry_at_ns;
    bool gone; /* the log is not where a start would look for it */
    int64_t look_at_ns, remind_at_ns;
    /* clock watch: wall and monotonic time agreed here */
    int64_t base_wall_us, base_mono_ns;
    bool expiry_stopped;
    struct command_admission admission; /* by the roster and certificates that count */
    bool rebuilt;       /* the state is a new one: its view shares nothing with the one before */
    bool dispatch_next; /* before anybody waits: the store may be done already */
    bool view_stale;    /* something but an entry changed what the view says */
    bool spoiled; /* half of a decision that the check refused is in the state: it starts over */
};

/* --- small things --- */

static void waiting_push(struct waiting *list, struct pl_mail *mail)
{
    mail->next = NULL;
    if (list->last != NULL)
        list->last->next = mail;
    else
        list->first = mail;
    list->last = mail;
}

static struct pl_mail *waiting_pop(struct waiting *list)
{
    struct pl_mail *mail = list->first;
    if (mail == NULL)
        return NULL;
    list->first = mail->next;
    if (list->first == NULL)
        list->last = NULL;
    return mail;
}

static struct command *command_of(struct pl_mail *mail)
{
    PL_ASSERT(mail != NULL);
    return (struct command *)mail; /* mail is the first member */
}

static void answer(struct command *command)
{
    PL_ASSERT(command->phase == COMMAND_DECIDED);
    command->phase = COMMAND_DONE;
    bool posted = command->at_home ? pl_mailbox_post_own(command->home, &command->mail)
                                   : pl_mailbox_post(command->home, &command->mail);
    PL_ASSERT(posted); /* the home box has no limit and outlives its commands */
}

static void answer_all(struct waiting *list)
{
    struct pl_mail *mail;
    while ((mail = waiting_pop(list)) != NULL)
        answer(command_of(mail));
}

static Pledged__V1__Refusal *refusal_new(struct pl_arena *arena, Pledged__V1__Reason reason,
                                         const char *message, bool retryable)
{
    Pledged__V1__Refusal *refusal = pl_arena_alloc(arena, sizeof(*refusal));
    if (refusal == NULL)
        return NULL; /* the code alone must do */
    pledged__v1__refusal__init(refusal);
    refusal->reason = reason;
    refusal->message = pl_arena_strdup(arena, message);
    refusal->retryable = retryable;
    if (refusal->message == NULL)
        refusal->message = (char *)(uintptr_t)protobuf_c_empty_string;
    return refusal;
}

static void refuse_whole(struct command *command, enum pl_code code, Pledged__V1__Reason reason,
                         const char *message)
{
    command->code = code;
    command->refusal = refusal_new(command->arena, reason, message, pl_code_retryable(code));
    command->response = NULL;
    command->phase = COMMAND_DECIDED;
}

/* --- a log that went away --- */

static const char gone_why[] = "the data directory was moved or removed";
static const char gone_words[] =
    "the server's data directory was moved or removed; nothing was recorded; repeat with the same "
    "request id when the operator has put it back";
static const char unsure_words[] =
    "the server's data directory was moved or removed meanwhile; whether this is recorded is known "
    "when the operator has put it back: repeat with the same request id";

/* --- a log that cannot grow --- */

/* In the words of a status, and of a refusal. */
struct hindrance {
    const char *why, *words;
};
#define HINDRANCE(why_)                                                                            \
    {                                                                                              \
        why_, "the log cannot grow: " why_ "; nothing was recorded; repeat with the same request " \
              "id when the operator has put it right"                                              \
    }

static const struct hindrance full_disk = {
    "the disk is full", "the server's disk is full; nothing was recorded; repeat with the same "
                        "request id when the operator has made room"};

static const struct hindrance *hindrance(struct pl_status room)
{
    static const struct hindrance fixed = HINDRANCE("the disk is read-only"),
                                  files = HINDRANCE("too many files are open"),
                                  denied = HINDRANCE("the server may not write to its directory"),
                                  broken = HINDRANCE("the disk does not work");
    if (room.code == PL_E_NO_SPACE)
        return &full_disk;
    switch (room.sys_errno) {
    case EROFS:
        return &fixed;
    case EMFILE:
    case ENFILE:
        return &files;
    case EACCES:
    case EPERM:
        return &denied;
    default:
        return &broken;
    }
}

static bool no_room(const struct writer *writer)
{
    return !pl_is_ok(writer->room);
}

static void group_begin(const struct writer *writer, struct group *group)
{
    PL_ASSERT(group->view == NULL);
    group->waiting = (struct waiting){NULL, NULL};
    batch_begin(&group->batch, ledger_size(writer->ledger) + 1);
}

static bool full(const struct writer *writer)
{
    return batch_full(&writer->filling->batch);
}

static bool nothing_fills(const struct writer *writer)
{
    return batch_empty(&writer->filling->batch);
}

/* The state says what is in no log that a start would find, and perhaps never will be: it is shown
 * to nobody, and nothing is decided on it. */
static bool held_back(const struct writer *writer)
{
    return writer->gone && (writer->in_flight != NULL || !nothing_fills(writer) || writer->spoiled);
}

/* No command can be decided now. Where nothing is recorded, none waits for a batch. */
static bool must_wait(const struct writer *writer)
{
    return !writer->gone && (full(writer) || writer->spoiled);
}

/* --- reading entries back --- */

static struct pl_status keep_entry(void *arg, uint64_t seq, struct pl_slice entry)
{
    (void)seq;
    struct pl_buf *into = arg;
    pl_buf_clear(into);
    return pl_buf_append(into, entry.data, entry.len);
}

/* Bytes of an entry the state includes; valid until the next read or the next entry made. */
static struct pl_status read_entry(void *arg, uint64_t seq, struct pl_slice *ret)
{
    struct writer *writer = arg;
    if (batch_find(&writer->filling->batch, seq, ret) ||
        (writer->in_flight != NULL && batch_find(&writer->in_flight->batch, seq, ret)))
        return pl_ok();
    PL_TRY(store_reader_read(writer->reader, seq, seq, keep_entry, &writer->read_buf));
    *ret = pl_buf_slice(&writer->read_buf);
    return pl_ok();
}

/* --- deciding --- */

/* The bytes of a decision's entries. */
struct packed {
    const struct pl_slice *entry; /* one each */
    struct pl_slice outcome;      /* of the first one; NULL data: it has none */
    size_t total;                 /* what they take of a body */
};

/* Into the room for it, until the next decision; false if one is too large to be an entry, or all
 * of them for a batch. */
static bool pack(struct writer *writer, const struct ledger_decision *decision, struct packed *ret)
{
    struct pl_slice *entry =
        pl_arena_take(&writer->scratch, decision->entry_count * sizeof(*entry));
    PL_ASSERT(entry != NULL); /* LIMIT_DECIDE_ARENA_BYTES counts them in */
    size_t most = writer->options.batch_bytes - LIMIT_BATCH_FILL_BYTES, left = most;
    *ret = (struct packed){.entry = entry};
    for (size_t i = 0; i < decision->entry_count; i++) {
        struct pl_slice outcome;
        entry[i] = encode_entry(decision->entry[i], writer->pack_room, left, &outcome);
        if (entry[i].data == NULL || entry[i].len > LEDGER_ENTRY_BYTES_MAX)
            return false;
        left -= entry[i].len;
        ret->total += entry[i].len + 4;
        if (i == 0)
            ret->outcome = outcome;
    }
    return ret->total <= most;
}

static bool fits(const struct writer *writer, size_t total)
{
    return batch_fits(&writer->filling->batch, total, writer->options.batch_bytes);
}

/* What no replay would take is told to operators: the rules have a mistake. */
static void tell_disagreement(const struct writer *writer, const Pledged__V1__Entry *entry,
                              struct pl_status why)
{
    const ProtobufCFieldDescriptor *fact = protobuf_c_message_descriptor_get_field(
        &pledged__v1__entry__descriptor, (unsigned)entry->fact_case);
    pl_log_error("writer", "a decision is not one that a replay would take; it was not recorded",
                 "seq=%" PRIu64 " fact=%s why=%s", entry->seq, fact != NULL ? fact->name : "none",
                 PL_QUOTED(why.what));
    if (writer->options.on_disagreement != NULL)
        writer->options.on_disagreement(writer->options.told_arg);
}

/* The check of replay and audit, before anything is for ever. An entry is judged on top of the ones
 * before it. False: none of them is in the batch; if some are in the state, it is spoiled. */
static bool record(struct writer *writer, const struct ledger_decision *decision,
                   const struct pl_slice *packed)
{
    for (size_t i = 0; i < decision->entry_count; i++) {
        struct pl_status status = ledger_check(writer->ledger, decision->entry[i]);
        if (!pl_is_ok(status)) {
            writer->spoiled = writer->spoiled || i > 0;
            tell_disagreement(writer, decision->entry[i], status);
            return false;
        }
        ledger_apply(writer->ledger, decision->entry[i]);
    }
    PL_ASSERT(ledger_is_whole(writer->ledger)); /* the decision is all of the command */
    for (size_t i = 0; i < decision->entry_count; i++)
        batch_add(&writer->filling->batch, packed[i], ledger_min_reader(decision->entry[i]));
    return true;
}

enum own { OWN_NOTHING, OWN_RECORDED, OWN_WRONG };

/* Facts the daemon makes by itself: expiries, promotions. */
static enum own record_own(struct writer *writer, const struct ledger_decision *decision)
{
    if (decision->answer == LEDGER_NOTHING)
        return OWN_NOTHING;
    PL_ASSERT(decision->answer == LEDGER_ACCEPTED);
    struct packed packed;
    bool fine = pack(writer, decision, &packed);
    PL_ASSERT(fine && fits(writer, packed.total));
    return record(writer, decision, packed.entry) ? OWN_RECORDED : OWN_WRONG;
}

/* Which of the records that came with a command its entries commit to: those of what is in the
 * ledger already are not kept. Both are in the order of the command. */
static void mark_rows(struct command *command, const struct ledger_decision *decision)
{
    size_t at = 0;
    for (size_t i = 0; i < decision->entry_count && at < command->row_count; i++) {
        ProtobufCBinaryData named = ledger_commits_to(decision->entry[i]);
        if (named.len != LEDGER_COMMITMENT_BYTES)
            continue;
        while (at < command->row_count &&
               memcmp(command->row[at].commitment, named.data, LEDGER_COMMITMENT_BYTES) != 0)
            at++;
        if (at < command->row_count)
            command->row[at++].named = true;
    }
}

/* --- verdicts where the command has no memory left --- */

#define VERDICT(reason_, words_)                                                                   \
    {                                                                                              \
        .base = PROTOBUF_C_MESSAGE_INIT(&pledged__v1__refusal__descriptor),                        \
        .reason = PLEDGED__V1__REASON__REASON_##reason_, .field = (char *)(uintptr_t) "",          \
        .message = (char *)(uintptr_t)(words_),                                                    \
    }
static const Pledged__V1__Refusal
    untold = VERDICT(TOO_BIG, "there is no memory for the answer to this; nothing was recorded; "
                              "repeat with the same request id in a smaller batch"),
    unshown = VERDICT(TOO_BIG, "this was decided before, and there is no memory for the answer; "
                               "repeat with the same request id in a smaller batch"),
    unclear = VERDICT(OUTCOME_UNKNOWN, unsure_words);

/* What is true of it all the same. `decided`: the ledger has its request id. */
static void item_say_something(struct command_item *item, bool decided)
{
    if (item->receipt != NULL || item->refusal != NULL)
        return;
    bool unknown = item->code == PL_E_UNKNOWN_OUTCOME;
    item->refusal = (Pledged__V1__Refusal *)(uintptr_t)(unknown   ? &unclear
                                                        : decided ? &unshown
                                                                  : &untold);
    item->code = unknown ? PL_E_UNKNOWN_OUTCOME : PL_E_TOO_BIG;
}

/* The entry that it is told of; 0: none. */
static uint64_t item_seq(const struct writer *writer, const struct command_item *item)
{
    if (item->refusal == &unshown)
        return ledger_find_request(writer->ledger, item->msg->request_id.data);
    return item->receipt != NULL   ? item->receipt->seq
           : item->refusal != NULL ? item->refusal->seq
                                   : 0;
}

static void item_refuse(struct command *command, struct command_item *item, enum pl_code code,
                        Pledged__V1__Reason reason, const char *field, const char *message)
{
    item->code = code;
    item->refusal = refusal_new(command->arena, reason, message, pl_code_retryable(code));
    if (item->refusal == NULL)
        return;
    item->refusal->field = (char *)(uintptr_t)field;
    item->refusal->request_id = item->msg->request_id;
}

/* The receipt of an entry, deep in the command's own arena (the scratch arena is reused). */
static void item_receipt(struct command *command, struct command_item *item,
                         const Pledged__V1__Entry *entry, bool replay)
{
    ledger_receipt(entry, replay, command->arena, &item->receipt, &item->refusal);
    if (item->refusal != NULL)
        item->code = ledger_reason_code(item->refusal->reason);
    else if (item->receipt == NULL)
        item->code = PL_E_TOO_BIG;
}

/* The receipt of an entry that has just been packed, for who packs it once more: what came of the
 * command is copied as it stands there, instead of as a dozen messages. */
static void item_receipt_packed(struct command *command, struct command_item *item,
                                const Pledged__V1__Entry *entry, struct pl_slice outcome)
{
    Pledged__V1__Receipt *receipt = pl_arena_take(command->arena, sizeof(*receipt));
    if (receipt == NULL)
        return; /* too big */
    pledged__v1__receipt__init(receipt);
    receipt->request_id = item->msg->request_id; /* the entry's, in the command's own arena */
    receipt->kind = PLEDGED__V1__RECEIPT_KIND__RECEIPT_KIND_NEW;
    receipt->seq = entry->seq;
    receipt->time_us = entry->time_us;
    if (outcome.data == NULL ||
        pl_pack_ready(&receipt->base, RECEIPT_OUTCOME, outcome, command->arena))
        item->receipt = receipt;
}

/* What a decision is answered with. */
static void item_tell(struct command *command, struct command_item *item,
                      const Pledged__V1__Entry *entry, struct pl_slice outcome)
{
    if (!command->only_packed || entry->fact_case == PLEDGED__V1__ENTRY__FACT_COMMAND_REFUSED) {
        item_receipt(command, item, entry, false);
        return;
    }
    item_receipt_packed(command, item, entry, outcome);
    if (item->receipt == NULL)
        item->code = PL_E_TOO_BIG;
}

/* A request id that the ledger knows: the original answer, or who may not have it (G3). */
static void item_replay(struct writer *writer, struct command *command, struct command_item *item,
                        uint64_t seq)
{
    struct pl_slice bytes;
    ProtobufCMessage *message = NULL;
    struct pl_status status = read_entry(writer, seq, &bytes);
    if (pl_is_ok(status))
        status =
            pl_unpack_trusted(&pledged__v1__entry__descriptor, bytes, command->arena, &message);
    if (status.code == PL_E_TOO_BIG)
        return; /* for the command's memory */
    if (!pl_is_ok(status)) {
        pl_log_status(PL_LOG_ERROR, "writer", "cannot read back an entry", status);
        item_refuse(command, item, PL_E_UNAVAILABLE, PLEDGED__V1__REASON__REASON_UNAVAILABLE, "",
                    "the original entry cannot be read now; repeat with the same request id");
        return;
    }
    const Pledged__V1__Entry *entry = (const Pledged__V1__Entry *)message;
    if (entry->actor == NULL || strcmp(entry->actor->person, command->actor.person) != 0)
        item_refuse(command, item, PL_E_STALE, PLEDGED__V1__REASON__REASON_REQUEST_ID_FOREIGN,
                    "request_id", "this request id was used by another person");
    else if (!pl_slice_eq(pl_slice(entry->command_digest.data, entry->command_digest.len),
                          pl_slice(item->digest, sizeof(item->digest))))
        item_refuse(command, item, PL_E_STALE, PLEDGED__V1__REASON__REASON_REQUEST_ID_REUSED,
                    "request_id", "this request id was used for another command");
    else
        item_receipt(command, item, entry, true);
    if (item->code == PL_E_STALE && item->refusal != NULL && !item->refusal->replay)
        item->refusal->deciding_seq = seq; /* who has the id; an original answer stays as it was */
}

static void copy_refusal(struct command *command, struct command_item *item,
                         const struct ledger_decision *decision)
{
    item->code = decision->code;
    item->refusal =
        (Pledged__V1__Refusal *)pl_message_copy(&decision->refusal->base, command->arena);
}

static void item_unsure(struct command *command, struct command_item *item)
{
    item->receipt = NULL;
    item_refuse(command, item, PL_E_UNKNOWN_OUTCOME, PLEDGED__V1__REASON__REASON_OUTCOME_UNKNOWN,
                "", unsure_words);
    item_say_something(item, false);
}

static const char disagreement[] =
    "the rules contradict themselves about this: a mistake in the program; nothing was recorded";

static void item_disagrees(struct command *command, struct command_item *item)
{
    item->receipt = NULL;
    item_refuse(command, item, PL_E_INTERNAL, PLEDGED__V1__REASON__REASON_INTERNAL, "",
                disagreement);
}

/* A rehearsal may have an id that was used, which a check takes for a second effect: of such a one
 * the check has nothing to say. */
static struct pl_status check_rehearsed(const struct writer *writer,
                                        const struct command_item *item,
                                        const Pledged__V1__Entry *entry)
{
    return ledger_find_request(writer->ledger, item->msg->request_id.data) != 0
               ? pl_ok()
               : ledger_check(writer->ledger, entry);
}

/* False: it waits for the next batch, nothing is done yet. */
static bool item_decide(struct writer *writer, struct command *command, struct command_item *item,
                        int64_t now_us)
{
    struct ledger_request request = {
        .command = item->msg, .bytes = item->bytes, .actor = command->actor, .now_us = now_us};
    memcpy(request.digest, item->digest, sizeof(request.digest));
    struct ledger_decision decision = {0};
    pl_arena_reset(&writer->scratch);
    ledger_decide(writer->ledger, &request, &writer->scratch, &decision);
    if (decision.answer == LEDGER_INVALID) {
        copy_refusal(command, item, &decision);
        return true;
    }
    PL_ASSERT(decision.answer != LEDGER_NOTHING && decision.entry_count > 0);
    struct packed packed;
    if (!pack(writer, &decision, &packed)) {
        item_refuse(command, item, PL_E_TOO_BIG, PLEDGED__V1__REASON__REASON_TOO_BIG, "",
                    "an entry of this command would be larger than 65,535 bytes, or all of them "
                    "larger than a batch");
        return true;
    }
    if (!item->msg->dry_run && !fits(writer, packed.total))
        return false;
    item_tell(command, item, decision.entry[0], packed.outcome);
    if (item->receipt == NULL && item->refusal == NULL) {
        item->code = PL_E_TOO_BIG; /* what cannot be told does not happen */
        return true;
    }
    if (item->msg->dry_run) { /* of a second entry nothing is known without the first */
        struct pl_status status = check_rehearsed(writer, item, decision.entry[0]);
        if (!pl_is_ok(status)) {
            tell_disagreement(writer, decision.entry[0], status);
            item_disagrees(command, item);
        } else if (item->receipt != NULL)
            item->receipt->kind = PLEDGED__V1__RECEIPT_KIND__RECEIPT_KIND_DRY_RUN;
        else if (item->refusal != NULL)
            item->refusal->seq = 0; /* nothing was recorded */
        return true;
    }
    if (record(writer, &decision, packed.entry))
        mark_rows(command, &decision);
    else
        item_disagrees(command, item);
    return true;
}

/* Nobody has had an answer to it: it is as wrong as any other. Nothing is recorded. */
static void item_object(struct command_item *item)
{
    item->refusal = item->objection;
    item->code = ledger_reason_code(item->objection->reason);
}

/* Asks for memory that will be looked at soon; any address will do. */
static void fetch(const void *from, size_t bytes)
{
    const size_t line = 64;
    for (size_t at = 0; at < bytes; at += line)
        __builtin_prefetch((const uint8_t *)from + at);
}

/* So that memory, and the worker's processor, answer while the commands before it are decided. */
static void expect(const struct writer *writer, const struct command *command, size_t item)
{
    size_t near = item + EXPECT_AHEAD, far = item + FETCH_AHEAD;
    if (far < command->item_count && command->item[far].msg != NULL)
        fetch(command->item[far].msg, FETCH_BYTES);
    if (near < command->item_count && command->item[near].msg != NULL)
        ledger_expect_request(writer->ledger, command->item[near].msg->request_id.data);
}

/* The same of commands that stand in the queue by themselves: each is fetched in four steps, as
 * what one step brought says where the next one looks. */
static void expect_queue(const struct writer *writer, const struct pl_mail *mail)
{
    for (int ahead = 1; mail != NULL && ahead <= QUEUE_AHEAD; ahead++, mail = mail->next) {
        const struct command *command = (const struct command *)(const void *)mail;
        if (ahead == QUEUE_AHEAD)
            fetch(&command->actor, QUEUED_BYTES);
        else if (command->kind != COMMAND_EXECUTE || command->item_count != 1)
            continue;
        else if (ahead == QUEUE_AHEAD - 1) {
            fetch(command->item, sizeof(*command->item));
            fetch(command->arena, sizeof(*command->arena));
        } else if (command->item->msg == NULL)
            continue;
        else if (ahead == QUEUE_AHEAD - 2)
            fetch(command->item->msg, FETCH_BYTES);
        else
            ledger_expect_request(writer->ledger, command->item->msg->request_id.data);
    }
}

static void item_no_room(const struct writer *writer, struct command *command,
                         struct command_item *item)
{
    bool full = writer->room.code == PL_E_NO_SPACE;
    item_refuse(command, item, full ? PL_E_NO_SPACE : PL_E_UNAVAILABLE,
                full ? PLEDGED__V1__REASON__REASON_NO_SPACE
                     : PLEDGED__V1__REASON__REASON_UNAVAILABLE,
                "", hindrance(writer->room)->words);
}

static bool decide_item(struct writer *writer, struct command *command, struct command_item *item,
                        int64_t now_us)
{
    if (item->msg == NULL)
        return true; /* the worker refused it */
    bool done = true;
    uint64_t seq =
        item->msg->dry_run ? 0 : ledger_find_request(writer->ledger, item->msg->request_id.data);
    if (seq >= writer->head.next_seq && writer->gone)
        item_unsure(command, item);
    else if (seq != 0)
        item_replay(writer, command, item, seq);
    else if (item->objection != NULL)
        item_object(item);
    else if (writer->gone && (!item->msg->dry_run || held_back(writer)))
        item_refuse(command, item, PL_E_UNAVAILABLE, PLEDGED__V1__REASON__REASON_DATA_GONE, "",
                    gone_words);
    else if (writer->options.read_only != NULL && !item->msg->dry_run)
        item_refuse(command, item, PL_E_UNAVAILABLE, PLEDGED__V1__REASON__REASON_UNAVAILABLE, "",
                    writer->options.read_only);
    else if (no_room(writer) && !item->msg->dry_run)
        item_no_room(writer, command, item);
    else
        done = item_decide(writer, command, item, now_us);
    if (done)
        item_say_something(item, seq != 0);
    return done;
}

/* Of a command that was decided in part before the log went away. */
static void withhold(const struct writer *writer, struct command *command)
{
    for (size_t i = 0; i < command->item_count; i++) {
        if (item_seq(writer, &command->item[i]) >= writer->head.next_seq)
            item_unsure(command, &command->item[i]);
    }
}

/* Replies that need no new entry wait for whatever the state they saw still has in flight (W1).
 * While that is held back they have seen nothing of it. */
static void park(struct writer *writer, struct command *command)
{
    if (held_back(writer)) {
        withhold(writer, command);
        answer(command);
    } else if (!nothing_fills(writer))
        waiting_push(&writer->filling->waiting, &command->mail);
    else if (writer->in_flight != NULL)
        waiting_push(&writer->in_flight->waiting, &command->mail);
    else
        answer(command);
}

static void run_query(struct writer *writer, struct command *command)
{
    struct query_log log = {.read = read_entry, .arg = writer};
    if (held_back(writer)) {
        refuse_whole(command, PL_E_UNAVAILABLE, PLEDGED__V1__REASON__REASON_DATA_GONE,
                     "the server's data directory was moved or removed while something was being "
                     "recorded; tiers, totals and dumps go on, this waits until it is back");
        answer(command);
        return;
    }
    command->phase = COMMAND_DECIDED;
    command->code = command->query(writer->ledger, &log, command->request, command->arena,
                                   &command->response, &command->refusal);
    park(writer, command);
}

/* --- who may do what, from here on --- */

static void exchange_start(struct writer *writer, struct command *command)
{
    struct ledger_start start = writer->options.start;
    struct command_admission admission = writer->admission;
    int64_t limit_us = writer->options.clock_jump_limit_us;
    writer->options.start = command->start;
    writer->admission = command->admission;
    writer->options.clock_jump_limit_us = command->clock_jump_limit_us;
    command->start = start;
    command->admission = admission;
    command->clock_jump_limit_us = limit_us;
}

/* A new roster or policy is a fact like any other: what comes later is decided under it. */
static void run_adopt(struct writer *writer, struct command *command, int64_t now_us)
{
    struct ledger_decision decision = {0};
    pl_arena_reset(&writer->scratch);
    ledger_decide_start(writer->ledger, &command->start, now_us, &writer->scratch, &decision);
    bool stuck = writer->options.read_only != NULL || no_room(writer) || writer->gone;
    if (decision.answer != LEDGER_NOTHING && stuck) {
        refuse_whole(command, PL_E_UNAVAILABLE, PLEDGED__V1__REASON__REASON_UNAVAILABLE,
                     "the ledger cannot record who may do what now");
        answer(command);
        return;
    }
    if (record_own(writer, &decision) == OWN_WRONG) {
        refuse_whole(command, PL_E_INTERNAL, PLEDGED__V1__REASON__REASON_INTERNAL, disagreement);
        answer(command);
        return;
    }
    exchange_start(writer, command);
    command->phase = COMMAND_DECIDED;
    park(writer, command);
}

/* Person, role and certificate, as they are now: a worker may hand over what it let in before. */
static bool may_still_act(const struct writer *writer, const struct command *command)
{
    const struct command_admission *now = &writer->admission;
    return command->admitted == now->number || now->may_act == NULL ||
           now->may_act(now->arg, command);
}

/* True when the command is done with; false when the batch is full and it has more items. */
static bool run_command(struct writer *writer, struct command *command, int64_t now_us)
{
    int64_t mono_ns = writer->options.clock->mono_ns(writer->options.clock);
    if (command->item_next == 0 && command->deadline_mono_ns != 0 &&
        command->deadline_mono_ns <= mono_ns) {
        refuse_whole(command, PL_E_TIMEOUT, PLEDGED__V1__REASON__REASON_DEADLINE,
                     "the deadline passed before the command was taken up; nothing happened");
        answer(command);
        return true;
    }
    if (command->kind == COMMAND_ADOPT) {
        run_adopt(writer, command, now_us);
        return true;
    }
    if (command->item_next == 0 && !may_still_act(writer, command)) {
        refuse_whole(command, PL_E_DENIED, PLEDGED__V1__REASON__REASON_PERMISSION_DENIED,
                     "what this person may do, or who this certificate is, has just changed; "
                     "nothing was recorded");
        answer(command);
        return true;
    }
    if (command->kind == COMMAND_QUERY) {
        run_query(writer, command);
        return true;
    }
    while (command->item_next < command->item_count) {
        if (must_wait(writer))
            return false;
        expect(writer, command, command->item_next);
        if (!decide_item(writer, command, &command->item[command->item_next], now_us))
            return false;
        command->item_next++;
    }
    command->phase = COMMAND_DECIDED;
    park(writer, command);
    return true;
}

/* --- time --- */

/* The time of this turn, and whether the wall clock can be believed. After a jump the ledger's
 * time goes on with the monotonic clock and holds do not expire until wall and monotonic time agree
 * again. */
static int64_t turn_time(struct writer *writer)
{
    int64_t wall_us = writer->options.clock->wall_us(writer->options.clock);
    int64_t mono_ns = writer->options.clock->mono_ns(writer->options.clock);
    int64_t expected_us = writer->base_wall_us + (mono_ns - writer->base_mono_ns) / 1000;
    int64_t drift_us = wall_us - expected_us;
    bool jumped = drift_us > writer->options.clock_jump_limit_us ||
                  drift_us < -writer->options.clock_jump_limit_us;
    if (jumped != writer->expiry_stopped) {
        writer->expiry_stopped = jumped;
        writer->view_stale = true;
        if (jumped)
            pl_log_error("writer", "clock jumped, holds do not expire until it is put right",
                         "drift_s=%" PRId64, drift_us / 1000000);
        else
            pl_log_warning("writer", "clock is right again, holds expire", "drift_s=%" PRId64,
                           drift_us / 1000000);
    }
    if (jumped)
        return expected_us;
    writer->base_wall_us = wall_us;
    writer->base_mono_ns = mono_ns;
    return wall_us;
}

static void clock_start(struct writer *writer)
{
    writer->base_wall_us = writer->options.clock->wall_us(writer->options.clock);
    writer->base_mono_ns = writer->options.clock->mono_ns(writer->options.clock);
    int64_t behind_us = ledger_last_time_us(writer->ledger) - writer->base_wall_us;
    if (behind_us <= writer->options.clock_jump_limit_us)
        return;
    /* the clock is far behind the log: go on from the log's time, let nothing expire */
    writer->base_wall_us = ledger_last_time_us(writer->ledger);
    (void)turn_time(writer);
}

/* --- completions --- */

/* Of the state after batch `number`. */
static struct view *make_view(struct writer *writer, uint64_t number)
{
    struct view_log log = {
        .size = ledger_size(writer->ledger), .batches = number, .epoch = writer->epoch};
    memcpy(log.last_batch_hash, writer->head.hash, STORE_HASH_BYTES); /* complete: of that one */
    const char *why = writer->gone                        ? gone_why
                      : writer->options.read_only != NULL ? writer->options.read_only
                      : no_room(writer)                   ? hindrance(writer->room)->why
                                                          : "";
    return view_new(writer->ledger, &log, why[0] == '\0', why, writer->expiry_stopped,
                    writer->rebuilt ? NULL : writer->published);
}

static void publish(struct writer *writer, struct view *view)
{
    for (size_t i = 0; i < writer->options.view_slot_count; i++)
        view_unref(pl_slot_put(&writer->options.view_slots[i], view_ref(view)));
    view_unref(writer->published);
    writer->published = view;
    writer->rebuilt = false;
}

/* Behind the replies: who follows the log can wait for a processor, who asked for an entry should
 * not wait for them. */
static void ring(struct writer *writer)
{
    for (size_t i = 0; writer->options.view_bells != NULL && i < writer->options.view_slot_count;
         i++) {
        if (writer->options.view_bells[i] != NULL)
            pl_bell_ring(writer->options.view_bells[i]);
    }
}

static void on_append(void *arg, enum store_outcome outcome)
{
    struct writer *writer = arg;
    writer->completed = true;
    writer->outcome = outcome;
}

static void submit_again(struct writer *writer, bool idle)
{
    writer->resubmit = false;
    store_append(writer->options.store, &writer->in_flight->batch.header, idle, on_append, writer);
}

/* What a definite failure is told as. */
struct failure {
    enum pl_code code;
    Pledged__V1__Reason reason;
    const char *message;
};

static bool item_durable(const struct writer *writer, const struct command_item *item)
{
    uint64_t seq = item_seq(writer, item);
    return seq != 0 && seq < writer->head.next_seq;
}

/* What it is told stays what it is told. */
static bool item_settled(const struct writer *writer, const struct command_item *item)
{
    return item->msg == NULL || item->code == PL_E_INTERNAL || item_durable(writer, item);
}

/* A command that spans batches may be recorded in part: what is durable is told as it is (G3), the
 * rest as not recorded. One of which nothing is recorded is refused as a whole. */
static void fail_command(struct writer *writer, struct command *command,
                         const struct failure *failure)
{
    bool partly = false;
    for (size_t i = 0; i < command->item_count; i++)
        partly =
            partly || (command->item[i].msg != NULL && item_settled(writer, &command->item[i]));
    if (command->kind == COMMAND_ADOPT)
        exchange_start(writer, command);
    if (!partly) {
        refuse_whole(command, failure->code, failure->reason, failure->message);
        answer(command);
        return;
    }
    for (size_t i = 0; i < command->item_count; i++) {
        struct command_item *item = &command->item[i];
        if (item_settled(writer, item))
            continue;
        item->receipt = NULL;
        item_refuse(command, item, failure->code, failure->reason, "", failure->message);
        item_say_something(item, false);
    }
    command->phase = COMMAND_DECIDED;
    answer(command);
}

/* Its first command is decided in part: the batch had no room for the rest. */
static bool in_part(const struct waiting *list)
{
    return list->first != NULL && command_of(list->first)->item_next > 0;
}

static void fail_commands(struct writer *writer, struct waiting *list,
                          const struct failure *failure)
{
    struct pl_mail *mail;
    while ((mail = waiting_pop(list)) != NULL)
        fail_command(writer, command_of(mail), failure);
}

/* What was decided and is not durable never happened. A command that was partly decided is answered
 * too: its later items were meant to follow its earlier ones. */
static struct pl_status start_over(struct writer *writer, const struct failure *failure)
{
    PL_ASSERT(writer->in_flight == NULL);
    fail_commands(writer, &writer->filling->waiting, failure);
    struct waiting *list = in_part(&writer->bulk) ? &writer->bulk : &writer->queue;
    if (in_part(list))
        fail_command(writer, command_of(waiting_pop(list)), failure);
    struct ledger *rebuilt = NULL;
    PL_TRY(writer->options.rebuild(writer->options.rebuild_arg, &rebuilt));
    ledger_free(writer->ledger);
    writer->ledger = rebuilt;
    writer->rebuilt = true;
    writer->spoiled = false;
    writer->view_stale = true;
    group_begin(writer, writer->filling);
    return pl_ok();
}

/* A definite failure of the store. */
static struct pl_status roll_back(struct writer *writer, enum store_outcome outcome)
{
    bool full = outcome == STORE_NO_SPACE;
    const struct failure failure = {
        .code = full ? PL_E_NO_SPACE : PL_E_UNAVAILABLE,
        .reason =
            full ? PLEDGED__V1__REASON__REASON_NO_SPACE : PLEDGED__V1__REASON__REASON_UNAVAILABLE,
        .message = full ? full_disk.words : "not recorded; repeat with the same request id later"};
    fail_commands(writer, &writer->in_flight->waiting, &failure);
    view_unref(writer->in_flight->view);
    writer->in_flight->view = NULL;
    writer->in_flight = NULL;
    return start_over(writer, &failure);
}

/* What is in flight was decided before the mistake, and is durable now. */
static struct pl_status mend(struct writer *writer)
{
    static const struct failure failure = {
        .code = PL_E_UNAVAILABLE,
        .reason = PLEDGED__V1__REASON__REASON_UNAVAILABLE,
        .message = "not recorded, because of a mistake with another command; repeat with the same "
                   "request id"};
    /* what is to be read again must be there */
    return writer->spoiled && writer->in_flight == NULL && !writer->gone
               ? start_over(writer, &failure)
               : pl_ok();
}

static void tell_durable(const struct writer *writer, const struct batch *batch)
{
    const struct writer_options *options = &writer->options;
    if (options->on_durable != NULL)
        options->on_durable(options->told_arg, batch->header.count,
                            options->clock->mono_ns(options->clock) - writer->submitted_ns);
}

static struct pl_status complete(struct writer *writer)
{
    if (!writer->completed)
        return pl_ok();
    writer->completed = false;
    struct group *group = writer->in_flight;
    PL_ASSERT(group != NULL);
    switch (writer->outcome) {
    case STORE_DURABLE:
        store_head(writer->options.store, &writer->head);
        PL_ASSERT(writer->head.batch == group->batch.header.number);
        tell_durable(writer, &group->batch);
        view_set_batch_hash(group->view, writer->head.hash);
        publish(writer, PL_TAKE(group->view)); /* W2: before the replies */
        writer->in_flight = NULL;
        answer_all(&group->waiting);
        ring(writer);
        return pl_ok();
    case STORE_UNKNOWN:
        writer->resubmit = true;
        writer->resubmit_at_ns =
            writer->options.clock->mono_ns(writer->options.clock) + LIMIT_RESUBMIT_MS * 1000000LL;
        writer->look_at_ns = 0; /* that may be why */
        return pl_ok();
    case STORE_NO_SPACE:
    case STORE_UNAVAILABLE:
        return roll_back(writer, writer->outcome);
    case STORE_CONFLICT:
        return pl_fail(CONFLICT, "append a batch: another writer took its place");
    case STORE_FENCED:
        return pl_fail(FENCED, "append a batch: a newer writer took over");
    case STORE_TOO_BIG:
    case STORE_CORRUPT:
        return pl_fail(CORRUPT, "append a batch");
    }
    PL_UNREACHABLE();
}

/* --- a turn --- */

/* Who decides needs to know no more than that it cannot be known. Who brought a new roster waits:
 * what counts must be what the log says. */
static void leave_unsure(struct writer *writer, struct waiting *list)
{
    static const struct failure unsure = {.code = PL_E_UNKNOWN_OUTCOME,
                                          .reason = PLEDGED__V1__REASON__REASON_OUTCOME_UNKNOWN,
                                          .message = unsure_words};
    static const struct failure unseen = {.code = PL_E_UNAVAILABLE,
                                          .reason = PLEDGED__V1__REASON__REASON_DATA_GONE,
                                          .message = gone_words};
    struct waiting all = *list;
    *list = (struct waiting){NULL, NULL};
    struct pl_mail *mail;
    while ((mail = waiting_pop(&all)) != NULL) {
        struct command *command = command_of(mail);
        if (command->kind == COMMAND_ADOPT)
            waiting_push(list, mail);
        else
            fail_command(writer, command, command->kind == COMMAND_QUERY ? &unseen : &unsure);
    }
}

static void tell_gone(struct writer *writer, int64_t now_ns)
{
    writer->remind_at_ns = now_ns + REMIND_NS;
    pl_log_error("writer",
                 "the data directory was moved or removed, nothing is recorded any more: put it "
                 "back, and do not stop the daemon; if it is gone, the runbook says what can still "
                 "be had (PledgedNotWritable)",
                 "batch=%" PRIu64 " held_back=%s", writer->head.batch,
                 held_back(writer) ? "yes" : "no");
}

/* Nothing is recorded into a file that no start would find. What was decided before that was seen
 * is held back: it stays as it is, and is told once it is where it belongs. */
static void close_down(struct writer *writer, int64_t now_ns)
{
    bool rebuilt = writer->rebuilt;
    if (writer->in_flight != NULL)
        leave_unsure(writer, &writer->in_flight->waiting);
    leave_unsure(writer, &writer->filling->waiting);
    publish(writer, view_closed(writer->published, gone_why));
    writer->rebuilt = rebuilt; /* that is still the view before it */
    ring(writer);
    tell_gone(writer, now_ns);
}

static void look_for_log(struct writer *writer)
{
    int64_t now_ns = writer->options.clock->mono_ns(writer->options.clock);
    if (now_ns < writer->look_at_ns)
        return;
    writer->look_at_ns = now_ns + LOOK_NS;
    bool gone = !store_is_there(writer->options.store);
    if (gone == writer->gone) {
        if (gone && now_ns >= writer->remind_at_ns)
            tell_gone(writer, now_ns);
        return;
    }
    writer->gone = gone;
    writer->view_stale = true;
    if (gone)
        close_down(writer, now_ns);
    else
        pl_log_warning("writer", "the data directory is back: writes go on", "batch=%" PRIu64,
                       writer->head.batch);
}

static void look_for_room(struct writer *writer)
{
    int64_t now_ns = writer->options.clock->mono_ns(writer->options.clock);
    if ((no_room(writer) && now_ns < writer->room_retry_at_ns) || writer->options.read_only != NULL)
        return;
    if (writer->gone)
        return; /* there may be room elsewhere, which is not ours */
    struct pl_status before = writer->room;
    writer->room = store_has_room(writer->options.store, LIMIT_BATCH_FILL_BYTES);
    writer->room_retry_at_ns = now_ns + 500000000LL;
    if (writer->room.code == before.code && writer->room.sys_errno == before.sys_errno)
        return;
    if (!no_room(writer))
        pl_log_warning("writer", "there is room again: writes go on", "batch=%" PRIu64,
                       writer->head.batch);
    else
        pl_log_status(PL_LOG_ERROR, "writer",
                      writer->room.code == PL_E_NO_SPACE
                          ? "no room on the disk: writes are refused"
                          : "the log cannot grow: writes are refused",
                      writer->room);
    writer->view_stale = true;
}

static void refresh_view(struct writer *writer)
{
    if (!writer->view_stale || writer->spoiled || writer->in_flight != NULL ||
        !nothing_fills(writer))
        return;
    writer->view_stale = false;
    publish(writer, make_view(writer, writer->head.batch));
    ring(writer);
}

static void expire(struct writer *writer, int64_t now_us)
{
    if (writer->expiry_stopped || no_room(writer) || writer->options.read_only != NULL ||
        writer->spoiled || writer->gone)
        return;
    struct ledger_decision decision;
    while (!full(writer)) {
        pl_arena_reset(&writer->scratch);
        memset(&decision, 0, sizeof(decision));
        ledger_decide_due(writer->ledger, now_us, &writer->scratch, &decision);
        enum own own = record_own(writer, &decision);
        if (own == OWN_WRONG) { /* nothing may be decided before what is due is */
            writer->options.read_only = "what is due cannot be recorded: the rules contradict "
                                        "themselves, a mistake in the program";
            writer->view_stale = true;
        }
        if (own != OWN_RECORDED)
            return;
    }
}

/* More mail is taken only when all short commands that were taken before are decided: the inbox's
 * limit is the bound. Long ones are few: workers see to that (LIMIT_LONG_ITEMS). */
static void collect(struct writer *writer)
{
    if (!writer_wants_mail(writer))
        return;
    struct pl_mail *mail = pl_mailbox_take(writer->options.inbox);
    while (mail != NULL) {
        struct pl_mail *next = mail->next;
        const struct command *command = command_of(mail);
        PL_ASSERT(command->phase == COMMAND_QUEUED);
        waiting_push(command_is_long(command) ? &writer->bulk : &writer->queue, mail);
        mail = next;
    }
}

/* False: nothing of this list can be decided now. */
static bool decide_first(struct writer *writer, struct waiting *list, int64_t now_us)
{
    if (list->first == NULL || must_wait(writer))
        return false;
    const struct waiting before = *list;
    struct pl_mail *rest = before.first->next; /* done, it may be somebody else's */
    if (!run_command(writer, command_of(before.first), now_us))
        return false;
    *list = (struct waiting){rest, rest != NULL ? before.last : NULL};
    return true;
}

static void decide_short(struct writer *writer, int64_t now_us)
{
    int queries = 0;
    while (writer->queue.first != NULL) {
        if (command_of(writer->queue.first)->kind == COMMAND_QUERY &&
            ++queries > LIMIT_QUERIES_A_TURN)
            return;
        expect_queue(writer, writer->queue.first->next);
        if (!decide_first(writer, &writer->queue, now_us))
            return;
    }
}

/* Nobody waits for somebody else's import: short commands go first, and do not fill a batch. But
 * what is decided in part goes on before anything else, so that nothing, a new roster least of all,
 * comes between its parts. */
static void decide_waiting(struct writer *writer, int64_t now_us)
{
    if (in_part(&writer->bulk) && !decide_first(writer, &writer->bulk, now_us))
        return;
    decide_short(writer, now_us);
    while (!in_part(&writer->queue) && decide_first(writer, &writer->bulk, now_us))
        continue;
}

static bool none_waits(const struct writer *writer)
{
    return writer->queue.first == NULL && writer->bulk.first == NULL;
}

/* What fills goes to the store, and the other one fills from now on. */
static void send_off(struct writer *writer, int64_t now_us, bool idle)
{
    struct group *group = writer->filling;
    batch_close(&group->batch, &writer->head, writer->epoch, writer->options.writer_id, now_us);
    group->view = make_view(writer, group->batch.header.number);
    writer->in_flight = group;
    writer->filling = group == &writer->group[0] ? &writer->group[1] : &writer->group[0];
    group_begin(writer, writer->filling);
    writer->submitted_ns = writer->options.clock->mono_ns(writer->options.clock);
    store_append(writer->options.store, &group->batch.header, idle, on_append, writer);
}

static void submit(struct writer *writer, int64_t now_us)
{
    if (writer->in_flight != NULL || nothing_fills(writer) || writer->spoiled || writer->gone)
        return;
    bool idle = none_waits(writer) && pl_mailbox_empty(writer->options.inbox);
    send_off(writer, now_us, idle);
    writer->dispatch_next = idle;
}

struct pl_status writer_turn(struct writer *writer, bool *ret_busy)
{
    writer->dispatch_next = false;
    store_dispatch(writer->options.store);
    PL_TRY(complete(writer));
    look_for_log(writer);
    if (writer->resubmit && !writer->gone &&
        writer->options.clock->mono_ns(writer->options.clock) >= writer->resubmit_at_ns)
        submit_again(writer, false);
    PL_TRY(mend(writer));
    int64_t now_us = turn_time(writer);
    look_for_room(writer);
    refresh_view(writer); /* who is refused for it finds it there */
    expire(writer, now_us);
    collect(writer);
    decide_waiting(writer, now_us);
    submit(writer, now_us);
    refresh_view(writer);
    /* asking for room may have brought a completion that no descriptor will announce again */
    *ret_busy = writer->dispatch_next || writer->completed ||
                (writer->spoiled && writer->in_flight == NULL && !writer->gone) ||
                (!none_waits(writer) && !must_wait(writer));
    return pl_ok();
}

int64_t writer_next_wake_ns(const struct writer *writer)
{
    int64_t wake_ns = INT64_MAX;
    if (writer->gone)
        return writer->look_at_ns;
    if (writer->resubmit)
        wake_ns = writer->resubmit_at_ns;
    if (no_room(writer) && writer->room_retry_at_ns < wake_ns)
        wake_ns = writer->room_retry_at_ns;
    int64_t due_us = ledger_next_due_us(writer->ledger);
    if (due_us == INT64_MAX || no_room(writer) || writer->options.read_only != NULL ||
        full(writer) || writer->spoiled)
        return wake_ns;
    int64_t now_ns = writer->options.clock->mono_ns(writer->options.clock);
    if (writer->expiry_stopped) { /* look again whether the clock was put right */
        int64_t look_ns = now_ns + 1000000000LL;
        return look_ns < wake_ns ? look_ns : wake_ns;
    }
    int64_t left_us = due_us - writer->options.clock->wall_us(writer->options.clock);
    /* at most an hour ahead: the wall clock may be set meanwhile */
    int64_t capped_us = left_us < 0 ? 0 : left_us > 3600000000LL ? 3600000000LL : left_us;
    int64_t due_ns = now_ns + capped_us * 1000;
    return due_ns < wake_ns ? due_ns : wake_ns;
}

bool writer_wants_mail(const struct writer *writer)
{
    return writer->queue.first == NULL;
}

bool writer_at_rest(const struct writer *writer)
{
    return writer->in_flight == NULL && nothing_fills(writer) && !writer->spoiled &&
           none_waits(writer) && pl_mailbox_empty(writer->options.inbox);
}

void writer_hand(struct writer *writer, struct command *command)
{
    PL_ASSERT(none_waits(writer) && command->phase == COMMAND_QUEUED);
    waiting_push(&writer->queue, &command->mail);
}

/* What is held back is waited for by nobody, and may stay so for ever. */
bool writer_idle(const struct writer *writer)
{
    return (writer_at_rest(writer) || (held_back(writer) && none_waits(writer))) &&
           pl_mailbox_count(writer->options.inbox) == 0;
}

const struct ledger *writer_ledger(const struct writer *writer)
{
    return writer->ledger;
}

/* --- start and end --- */

static struct pl_status barrier_wait(struct writer *writer)
{
    for (int tries = 0; tries < 100000; tries++) {
        store_dispatch(writer->options.store);
        if (writer->completed) {
            if (writer->outcome == STORE_NO_SPACE)
                return pl_fail(NO_SPACE, "write the first batch of this epoch");
            if (writer->outcome == STORE_UNAVAILABLE)
                break;
            PL_TRY(complete(writer));
            if (writer->in_flight == NULL)
                return pl_ok();
            submit_again(writer, true); /* UNKNOWN */
        }
        struct pl_clock *system = pl_clock_system();
        int64_t until_ns = system->mono_ns(system) + 100000;
        while (!writer->completed && system->mono_ns(system) < until_ns)
            store_dispatch(writer->options.store);
    }
    return pl_fail(UNAVAILABLE, "write the first batch of this epoch");
}

/* The first batch of an epoch carries the start-up facts; it may be empty. Whoever gets it into the
 * log is the writer. */
static struct pl_status barrier(struct writer *writer)
{
    PL_TRY(store_has_room(writer->options.store, LIMIT_BATCH_FILL_BYTES));
    int64_t now_us = turn_time(writer);
    struct ledger_decision decision = {0};
    pl_arena_reset(&writer->scratch);
    ledger_decide_start(writer->ledger, &writer->options.start, now_us, &writer->scratch,
                        &decision);
    if (record_own(writer, &decision) == OWN_WRONG)
        return pl_fail(INTERNAL, "decide what a start has to record");
    send_off(writer, now_us, true);
    return barrier_wait(writer);
}

static void free_writer(struct writer **writer)
{
    writer_free(*writer);
}

struct pl_status writer_new(const struct writer_options *options, struct writer **ret)
{
    struct writer *writer PL_CLEANUP(free_writer) = calloc(1, sizeof(*writer));
    PL_ASSERT(writer != NULL);
    writer->options = *options;
    if (writer->options.batch_bytes == 0 || writer->options.batch_bytes > LIMIT_BATCH_BODY_BYTES)
        writer->options.batch_bytes = LIMIT_BATCH_BODY_BYTES;
    PL_ASSERT(writer->options.batch_bytes > LIMIT_BATCH_FILL_BYTES);
    writer->ledger = options->ledger;
    pl_arena_init(&writer->scratch, LIMIT_DECIDE_ARENA_BYTES);
    if (!pl_arena_reserve(&writer->scratch)) /* a decision never runs out of memory half way */
        return pl_fail(TOO_BIG, "find memory for the writer");
    writer->pack_room = malloc(writer->options.batch_bytes - LIMIT_BATCH_FILL_BYTES);
    PL_ASSERT(writer->pack_room != NULL); /* address space, until somebody imports so much */
    pl_buf_init(&writer->read_buf, LEDGER_ENTRY_BYTES_MAX);
    for (size_t i = 0; i < PL_COUNT(writer->group); i++) {
        batch_init(&writer->group[i].batch);
        group_begin(writer, &writer->group[i]);
    }
    writer->filling = &writer->group[0];
    store_head(options->store, &writer->head);
    PL_ASSERT(writer->head.next_seq == ledger_size(writer->ledger) + 1);
    writer->epoch = writer->head.epoch + (options->read_only == NULL);
    PL_TRY(store_reader_open(options->store, &writer->reader));
    clock_start(writer);
    if (options->read_only == NULL)
        PL_TRY(barrier(writer));
    else
        publish(writer, make_view(writer, writer->head.batch));
    *ret = PL_TAKE(writer);
    return pl_ok();
}

void writer_free(struct writer *writer)
{
    if (writer == NULL)
        return;
    for (size_t i = 0; i < PL_COUNT(writer->group); i++) {
        batch_fini(&writer->group[i].batch);
        view_unref(writer->group[i].view);
    }
    store_reader_close(writer->reader);
    view_unref(writer->published);
    ledger_free(writer->ledger);
    pl_buf_fini(&writer->read_buf);
    pl_arena_fini(&writer->scratch);
    free(writer->pack_room);
    free(writer);
}

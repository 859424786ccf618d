/* SPDX-License-Identifier: Apache-2.0
 *
 * replay: see replay.h. Entries are unpacked into loads, a few of which go round: filled by the
 * caller, applied by the second thread (or right here), empty again.
 *
 * Happy path: replay_batch -> unpack -> load full -> apply_load -> replay_finish.
 * Failure: the first entry that is wrong ends it; loads after it are emptied unread.
 */
#include "server/replay.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/mailbox.h"
#include "common/scan.h"

enum {
    LOADS = 4,
    LOAD_ENTRIES = 1024,
    LOAD_FULL_BYTES = 512 << 10,
    ENTRY_ARENA_BYTES = 4 << 20, /* the most that one entry takes */
    EXPECT_AHEAD = 4,
};

struct load {
    struct pl_mail mail; /* first member */
    struct pl_arena arena;
    size_t count;
    bool last;               /* the thread ends after it */
    struct pl_status status; /* of the entry after the last one that is here */
    const Pledged__V1__Entry *entry[LOAD_ENTRIES];
    bool ends[LOAD_ENTRIES]; /* its batch */
};

struct replay {
    struct ledger *ledger;
    struct replay_options options;
    struct load load[LOADS];
    struct load *filling; /* NULL: none at hand */
    struct load *empty;   /* linked by mail.next */
    uint64_t entries, batches;
    bool vouched;           /* seen and equal */
    struct pl_status wrong; /* with the log as a whole */
    /* of who applies */
    uint64_t replayed;
    struct pl_status status;
    char message[400];
    /* the second thread */
    bool threaded;
    pthread_t thread;
    struct pl_mailbox *full, *emptied;
};

struct replay *replay_new(struct ledger *ledger, const struct replay_options *options)
{
    struct replay *replay = calloc(1, sizeof(*replay));
    PL_ASSERT(replay != NULL);
    replay->ledger = ledger;
    replay->options = *options;
    replay->status = replay->wrong = pl_ok();
    for (size_t i = 0; i < LOADS; i++) {
        struct load *load = &replay->load[i];
        pl_arena_init(&load->arena, LOAD_FULL_BYTES + ENTRY_ARENA_BYTES);
        load->mail.next = replay->empty != NULL ? &replay->empty->mail : NULL;
        replay->empty = load;
    }
    return replay;
}

/* --- applying --- */

static void tell_wrong(struct replay *replay, struct pl_status status)
{
    if (status.code == PL_E_UNIMPLEMENTED) {
        replay->status = status;
        (void)snprintf(replay->message, sizeof(replay->message),
                       "entry %" PRIu64 " was written by a newer version of this program (%s). "
                       "Install that version again; nothing was changed",
                       ledger_size(replay->ledger) + 1, status.what);
        return;
    }
    replay->status = pl_fail(CORRUPT, status.what);
    (void)snprintf(replay->message, sizeof(replay->message),
                   "entry %" PRIu64 " does not follow from the entries before it (%s). The log was "
                   "damaged or written by something else: restore a backup; nothing was changed",
                   ledger_size(replay->ledger) + 1, status.what);
}

/* What one command did is in one batch, all of it or nothing. */
static void tell_unfinished(struct replay *replay)
{
    replay->status = pl_fail(CORRUPT, "a batch ends inside of a command");
    (void)snprintf(replay->message, sizeof(replay->message),
                   "entry %" PRIu64 " is the last of its batch, and the rest of its command is not "
                   "there. The log was damaged or written by something else: restore a backup; "
                   "nothing was changed",
                   ledger_size(replay->ledger));
}

/* So that memory answers while the entries before it are applied. */
static void expect(const struct replay *replay, const struct load *load, size_t index)
{
    if (index < load->count && load->entry[index]->request_id.len == LEDGER_REQUEST_ID_BYTES)
        ledger_expect_request(replay->ledger, load->entry[index]->request_id.data);
}

static void apply_load(struct replay *replay, struct load *load)
{
    for (size_t i = 0; i < load->count && pl_is_ok(replay->status); i++) {
        expect(replay, load, i + EXPECT_AHEAD);
        struct pl_status status = ledger_check(replay->ledger, load->entry[i]);
        if (!pl_is_ok(status)) {
            tell_wrong(replay, status);
            return;
        }
        ledger_apply(replay->ledger, load->entry[i]);
        replay->replayed++;
        if (load->ends[i] && !ledger_is_whole(replay->ledger)) {
            tell_unfinished(replay);
            return;
        }
    }
    if (pl_is_ok(replay->status) && !pl_is_ok(load->status))
        tell_wrong(replay, load->status);
}

static void post(struct pl_mailbox *box, struct load *load)
{
    bool posted = pl_mailbox_post(box, &load->mail);
    PL_ASSERT(posted); /* no limit there */
}

static void *apply_main(void *arg)
{
    struct replay *replay = arg;
    for (;;) {
        struct pl_mail *mail = pl_mailbox_wait(replay->full);
        while (mail != NULL) {
            struct load *load = (struct load *)mail;
            mail = mail->next; /* the load is not ours once it is given back */
            bool last = load->last;
            apply_load(replay, load);
            post(replay->emptied, load);
            if (last)
                return NULL;
        }
    }
}

/* --- filling --- */

/* One thread serves where there is no second one to have. */
static void start_thread(struct replay *replay)
{
    struct pl_status status = pl_mailbox_new(0, &replay->full);
    if (pl_is_ok(status))
        status = pl_mailbox_new(0, &replay->emptied);
    replay->threaded =
        pl_is_ok(status) && pthread_create(&replay->thread, NULL, apply_main, replay) == 0;
    replay->options.alone = !replay->threaded;
}

static struct load *filling(struct replay *replay)
{
    if (replay->filling != NULL)
        return replay->filling;
    if (replay->empty == NULL)
        replay->empty = (struct load *)pl_mailbox_wait(replay->emptied);
    struct load *load = replay->empty;
    replay->empty = (struct load *)load->mail.next;
    load->count = 0;
    load->status = pl_ok();
    bool there = load->arena.chunks != NULL || pl_arena_reserve(&load->arena);
    PL_ASSERT(there); /* touched as far as it is used */
    pl_arena_reset(&load->arena);
    replay->filling = load;
    return load;
}

static void hand_over(struct replay *replay)
{
    struct load *load = replay->filling;
    replay->filling = NULL;
    if (replay->entries > REPLAY_ALONE_ENTRIES && !replay->threaded && !replay->options.alone)
        start_thread(replay);
    if (replay->threaded) {
        post(replay->full, load);
        return;
    }
    apply_load(replay, load);
    load->mail.next = replay->empty != NULL ? &replay->empty->mail : NULL;
    replay->empty = load;
}

/* `ends`: it is the last one of its batch. */
static void add_entry(struct replay *replay, struct pl_slice bytes, bool ends)
{
    struct load *load = filling(replay);
    ProtobufCMessage *message = NULL;
    replay->entries++;
    load->status = pl_unpack_known(&pledged__v1__entry__descriptor, bytes, &load->arena, &message);
    if (!pl_is_ok(load->status)) {
        replay->wrong = load->status;
        hand_over(replay);
        return;
    }
    load->ends[load->count] = ends;
    load->entry[load->count++] = (const Pledged__V1__Entry *)message;
    if (load->count == LOAD_ENTRIES || load->arena.used >= LOAD_FULL_BYTES)
        hand_over(replay);
}

/* True: the batch is one that the snapshot has in it. */
static bool is_vouched(struct replay *replay, const struct store_batch *batch)
{
    if (batch->number > replay->options.vouched_batch)
        return false;
    if (batch->number == replay->options.vouched_batch)
        replay->vouched = memcmp(batch->hash, replay->options.vouched_hash, STORE_HASH_BYTES) == 0;
    return true;
}

struct pl_status replay_batch(void *arg, const struct store_batch *batch)
{
    struct replay *replay = arg;
    if (!pl_is_ok(replay->wrong) || is_vouched(replay, batch))
        return pl_ok();
    if (replay->options.vouched_batch != 0 && !replay->vouched) {
        replay->wrong = pl_fail(STALE, "the snapshot does not belong to this log");
        return pl_ok();
    }
    replay->batches = batch->number;
    size_t cursor = 0;
    struct pl_slice entry;
    bool damaged = false;
    while (pl_is_ok(replay->wrong) && store_body_next(batch->body, &cursor, &entry, &damaged))
        add_entry(replay, entry, cursor == batch->body.len);
    if (damaged && pl_is_ok(replay->wrong))
        replay->wrong = pl_fail(CORRUPT, "a batch body does not add up");
    return pl_ok();
}

struct pl_status replay_finish(struct replay *replay, struct replay_report *ret)
{
    struct load *load = filling(replay);
    load->last = true;
    hand_over(replay);
    if (replay->threaded) {
        int failed = pthread_join(replay->thread, NULL);
        PL_ASSERT(failed == 0);
        while (pl_mailbox_take(replay->emptied) != NULL)
            ;
    }
    struct pl_status status = pl_is_ok(replay->status) ? replay->wrong : replay->status;
    if (pl_is_ok(status) && replay->options.vouched_batch != 0 && !replay->vouched)
        status = pl_fail(STALE, "the log is shorter than the snapshot, or another one");
    *ret = (struct replay_report){.replayed = replay->replayed, .batches = replay->batches};
    memcpy(ret->message, replay->message, sizeof(ret->message));
    for (size_t i = 0; i < LOADS; i++)
        pl_arena_fini(&replay->load[i].arena);
    pl_mailbox_free(replay->full);
    pl_mailbox_free(replay->emptied);
    free(replay);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * writer_fixture: a writer over a log in memory whose appends go wrong when told, a clock that
 * stands still, and one-line ways to hand it real commands and to see what came back.
 */
#ifndef TEST_SERVER_WRITER_FIXTURE_H
#define TEST_SERVER_WRITER_FIXTURE_H

// clang-format off
#include "../ledger/fixture.h"
// clang-format on

#include "server/limits.h"
#include "server/recover.h"
#include "server/store/fault.h"
#include "server/store/mem.h"
#include "server/writer.h"

enum { VIEW_SLOTS = 2 };
#define START_US   (1770000000LL * 1000000) /* February 2026 */
#define SECOND_US  1000000LL
#define HOUR_US    (3600 * SECOND_US)
#define JUMP_US    HOUR_US
#define KIND(name) PLEDGED__V1__RECEIPT_KIND__RECEIPT_KIND_##name
#define FACT_(x)   PLEDGED__V1__ENTRY__FACT_##x

struct sent {               /* a command and all that it points to */
    struct command command; /* first member */
    struct pl_arena arena;
    struct sent *next_made;
};

struct bench {
    struct store *mem, *store; /* the second wraps the first */
    struct pl_mailbox *inbox, *home;
    struct pl_slot slot[VIEW_SLOTS];
    struct pl_clock_fake clock;
    struct writer *writer;
    struct pl_arena arena; /* of messages */
    Pledged__V1__RosterAdopted roster;
    Pledged__V1__PolicyAdopted policy;
    struct ledger_start start;
    uint8_t id[16], sha256[32];
    struct pl_mail *came; /* answers taken from the home box, not yet looked at */
    struct sent *made;
    const char *read_only;
    unsigned rebuilds, disagreements;
    int64_t batch_takes_us; /* on its way to the disk, by `clock` */
};

/* --- the bench --- */

static inline struct ledger *bench_replay(struct bench *b)
{
    struct recover_report report = {0};
    struct ledger *ledger = ledger_new();
    struct pl_status status = recover_replay(b->store, 1, ledger, &report);
    if (!pl_is_ok(status))
        fail_msg("the log does not replay: %s", report.message);
    return ledger;
}

static inline struct pl_status bench_rebuild(void *arg, struct ledger **ret)
{
    struct bench *b = arg;
    b->rebuilds++;
    *ret = bench_replay(b);
    return pl_ok();
}

static inline void bench_disagrees(void *arg)
{
    struct bench *b = arg;
    b->disagreements++;
}

static inline void bench_durable(void *arg, size_t entries, int64_t took_ns)
{
    struct bench *b = arg;
    (void)entries;
    (void)took_ns;
    if (b->batch_takes_us != 0)
        pl_clock_fake_advance_us(&b->clock, b->batch_takes_us);
}

static inline struct pl_status bench_try_writer(struct bench *b, struct writer **ret)
{
    struct writer_options options = {.store = b->store,
                                     .ledger = bench_replay(b),
                                     .inbox = b->inbox,
                                     .view_slots = b->slot,
                                     .view_slot_count = VIEW_SLOTS,
                                     .clock = &b->clock.clock,
                                     .writer_id = "test writer id!",
                                     .start = b->start,
                                     .clock_jump_limit_us = JUMP_US,
                                     .read_only = b->read_only,
                                     .on_durable = bench_durable,
                                     .on_disagreement = bench_disagrees,
                                     .told_arg = b,
                                     .rebuild = bench_rebuild,
                                     .rebuild_arg = b};
    return writer_new(&options, ret);
}

static inline void drop_views(struct bench *b)
{
    for (int i = 0; i < VIEW_SLOTS; i++)
        view_unref(pl_slot_take(&b->slot[i]));
}

static inline void bench_init(struct bench *b)
{
    memset(b, 0, sizeof(*b));
    pl_arena_init(&b->arena, (size_t)1 << 28);
    assert_true(pl_is_ok(mem_open(&b->mem)));
    assert_true(pl_is_ok(fault_open(b->mem, &b->store)));
    assert_true(pl_is_ok(pl_mailbox_new(0, &b->inbox)));
    assert_true(pl_is_ok(pl_mailbox_new(0, &b->home)));
    pl_clock_fake_init(&b->clock, START_US);
    pledged__v1__roster_adopted__init(&b->roster);
    pledged__v1__policy_adopted__init(&b->policy);
    b->id[0] = 7;
    b->sha256[0] = 9;
    b->roster.sha256 = b->policy.sha256 = (ProtobufCBinaryData){32, b->sha256};
    b->start = (struct ledger_start){"example.org/test", b->id, &b->roster, &b->policy};
}

static inline void bench_fini(struct bench *b)
{
    writer_free(b->writer);
    drop_views(b);
    (void)pl_mailbox_take(b->inbox);
    (void)pl_mailbox_take(b->home);
    pl_mailbox_free(b->inbox);
    pl_mailbox_free(b->home);
    store_close(b->store);
    while (b->made != NULL) {
        struct sent *sent = b->made;
        b->made = sent->next_made;
        pl_arena_fini(&sent->arena);
        free(sent);
    }
    pl_arena_fini(&b->arena);
}

/* --- commands --- */

static inline struct command *make_for(struct bench *b, const char *person, size_t items)
{
    struct sent *sent = calloc(1, sizeof(*sent));
    struct command *command = &sent->command;
    pl_arena_init(&sent->arena, LIMIT_CALL_ARENA_BYTES);
    sent->next_made = b->made;
    b->made = sent;
    command->kind = COMMAND_EXECUTE;
    command->home = b->home;
    command->arena = &sent->arena;
    command->actor = (struct ledger_actor){person, PLEDGED__V1__ROLE__ROLE_CLERK, "uri:x", "CN=ca"};
    command->item = pl_arena_alloc(&sent->arena, (items + 1) * sizeof(*command->item));
    return command;
}

static inline void add_item(struct command *command, uint64_t request, Pledged__V1__Command *msg)
{
    uint8_t id[16] = {0};
    ProtobufCMessage *parsed = NULL;
    struct command_item *item = &command->item[command->item_count++];
    memcpy(id, &request, sizeof(request));
    msg->request_id = (ProtobufCBinaryData){16, id};
    item->bytes = pl_pack(&msg->base, command->arena);
    msg->request_id = (ProtobufCBinaryData){0, NULL};
    assert_true(pl_is_ok(pl_unpack_trusted(&pledged__v1__command__descriptor, item->bytes,
                                           command->arena, &parsed)));
    item->msg = (Pledged__V1__Command *)parsed;
    assert_null(ledger_validate(item->msg, command->arena));
    pl_sha256(item->bytes, item->digest);
}

static inline struct command *post(struct bench *b, struct command *command)
{
    command->phase = COMMAND_QUEUED;
    assert_true(pl_mailbox_post(b->inbox, &command->mail));
    return command;
}

/* One command by `anna`, on its way. */
static inline struct command *put(struct bench *b, uint64_t request, Pledged__V1__Command *msg)
{
    struct command *command = make_for(b, "anna", 1);
    add_item(command, request, msg);
    return post(b, command);
}

static inline struct command *ask(struct bench *b, query_fn query)
{
    struct command *command = make_for(b, "anna", 0);
    command->kind = COMMAND_QUERY;
    command->query = query;
    return post(b, command);
}

static inline Pledged__V1__Command *msg_new(struct bench *b)
{
    Pledged__V1__Command *msg = pl_arena_alloc(&b->arena, sizeof(*msg));
    pledged__v1__command__init(msg);
    msg->reason = (char *)"a reason";
    return msg;
}

static inline Pledged__V1__Command *msg_adopt(struct bench *b)
{
    Pledged__V1__Command *msg = msg_new(b);
    msg->command_case = COMMAND(ADOPT_CATALOGUE);
    msg->adopt_catalogue = pl_arena_alloc(&b->arena, sizeof(*msg->adopt_catalogue));
    pledged__v1__adopt_catalogue__init(msg->adopt_catalogue);
    msg->adopt_catalogue->catalogue = test_catalogue(&b->arena, 1, 2);
    return msg;
}

static inline Pledged__V1__Command *msg_contributor(struct bench *b, const char *name)
{
    Pledged__V1__Command *msg = msg_new(b);
    msg->command_case = COMMAND(ADD_CONTRIBUTOR);
    msg->add_contributor = pl_arena_alloc(&b->arena, sizeof(*msg->add_contributor));
    pledged__v1__add_contributor__init(msg->add_contributor);
    msg->add_contributor->name = pl_arena_strdup(&b->arena, name);
    msg->add_contributor->kind = PLEDGED__V1__CONTRIBUTOR_KIND__CONTRIBUTOR_KIND_GOVERNMENT;
    return msg;
}

static inline Pledged__V1__Command *msg_hold(struct bench *b, const char *tier,
                                             const char *contributor, int64_t for_s)
{
    Pledged__V1__Command *msg = msg_new(b);
    msg->command_case = COMMAND(HOLD);
    msg->hold = pl_arena_alloc(&b->arena, sizeof(*msg->hold));
    pledged__v1__hold__init(msg->hold);
    msg->hold->tier = (char *)(uintptr_t)tier;
    msg->hold->contributor = (char *)(uintptr_t)contributor;
    msg->hold->until_case = PLEDGED__V1__HOLD__UNTIL_FOR_S;
    msg->hold->for_s = for_s;
    return msg;
}

/* --- turns and answers --- */

static inline bool turn(struct bench *b)
{
    bool busy = false;
    struct pl_status status = writer_turn(b->writer, &busy);
    if (!pl_is_ok(status))
        fail_msg("turn: %s", status.what);
    return busy;
}

static inline void turns(struct bench *b, int count)
{
    for (int i = 0; i < count; i++)
        (void)turn(b);
}

static inline void settle(struct bench *b)
{
    for (int i = 0; i < 1000; i++) {
        (void)turn(b);
        if (writer_idle(b->writer))
            return;
    }
    fail_msg("the writer does not come to rest");
}

static inline struct command *answered(struct bench *b)
{
    if (b->came == NULL)
        b->came = pl_mailbox_take(b->home);
    struct pl_mail *mail = b->came;
    if (mail == NULL)
        return NULL;
    b->came = mail->next;
    struct command *command = (struct command *)mail;
    assert_int_equal(command->phase, COMMAND_DONE);
    return command;
}

#define assert_answered(b_, command_) assert_ptr_equal(answered(b_), command_)
#define assert_silence(b_)            assert_null(answered(b_))
#define assert_accepted_at(command_, item_, seq_, kind_)                                           \
    do {                                                                                           \
        const struct command_item *it_ = &(command_)->item[item_];                                 \
        assert_int_equal((command_)->code, PL_E_OK);                                               \
        assert_null(it_->refusal);                                                                 \
        assert_non_null(it_->receipt);                                                             \
        assert_int_equal(it_->receipt->seq, seq_);                                                 \
        assert_int_equal(it_->receipt->kind, KIND(kind_));                                         \
    } while (0)
#define assert_refused_item(command_, item_, code_, reason_)                                       \
    do {                                                                                           \
        const struct command_item *it_ = &(command_)->item[item_];                                 \
        assert_int_equal((command_)->code, PL_E_OK);                                               \
        assert_null(it_->receipt);                                                                 \
        assert_int_equal(it_->code, PL_E_##code_);                                                 \
        assert_non_null(it_->refusal);                                                             \
        assert_int_equal(it_->refusal->reason, REASON(reason_));                                   \
    } while (0)
#define assert_refused_whole(command_, code_, reason_)                                             \
    do {                                                                                           \
        assert_int_equal((command_)->code, PL_E_##code_);                                          \
        assert_non_null((command_)->refusal);                                                      \
        assert_int_equal((command_)->refusal->reason, REASON(reason_));                            \
        assert_true((command_)->refusal->retryable);                                               \
    } while (0)

/* --- the log and the views --- */

static inline uint64_t log_batches(struct bench *b)
{
    struct store_head head;
    store_head(b->store, &head);
    return head.batch;
}

static inline uint64_t log_entries(struct bench *b)
{
    struct store_head head;
    store_head(b->store, &head);
    return head.next_seq - 1;
}

struct find_batch {
    uint64_t number;
    uint32_t count;
    uint64_t epoch;
};

static inline struct pl_status see_one_batch(void *arg, const struct store_batch *batch)
{
    struct find_batch *find = arg;
    if (batch->number == find->number) {
        find->count = batch->count;
        find->epoch = batch->epoch;
    }
    return pl_ok();
}

static inline struct find_batch batch_at(struct bench *b, uint64_t number)
{
    struct find_batch find = {.number = number};
    assert_true(pl_is_ok(store_read(b->store, 1, see_one_batch, &find)));
    return find;
}

struct find_entry {
    struct pl_arena *arena;
    Pledged__V1__Entry *entry;
};

static inline struct pl_status see_one_entry(void *arg, uint64_t seq, struct pl_slice bytes)
{
    (void)seq;
    struct find_entry *find = arg;
    ProtobufCMessage *message = NULL;
    PL_TRY(pl_unpack_trusted(&pledged__v1__entry__descriptor, bytes, find->arena, &message));
    find->entry = (Pledged__V1__Entry *)message;
    return pl_ok();
}

static inline const Pledged__V1__Entry *entry_at(struct bench *b, uint64_t seq)
{
    struct find_entry find = {.arena = &b->arena};
    struct store_reader *reader = NULL;
    assert_true(pl_is_ok(store_reader_open(b->store, &reader)));
    assert_true(pl_is_ok(store_reader_read(reader, seq, seq, see_one_entry, &find)));
    store_reader_close(reader);
    return find.entry;
}

/* Entries of the whole log that were made for this request id's first fact. */
static inline unsigned count_fact(struct bench *b, int fact)
{
    unsigned count = 0;
    for (uint64_t seq = 1; seq <= log_entries(b); seq++)
        count += (int)entry_at(b, seq)->fact_case == fact;
    return count;
}

/* What the writer decides on is what a replay of the log gives. */
static inline void assert_state_is_the_log(struct bench *b)
{
    uint8_t live[32], replayed[32];
    struct ledger *ledger = bench_replay(b);
    ledger_digest(writer_ledger(b->writer), live);
    ledger_digest(ledger, replayed);
    ledger_free(ledger);
    assert_memory_equal(live, replayed, sizeof(live));
}

/* What the newest view of slot 0 says; false: nothing new came. */
static inline bool newest_status(struct bench *b, Pledged__V1__GetStatusResponse *ret)
{
    struct view *view = pl_slot_take(&b->slot[0]);
    if (view == NULL)
        return false;
    Pledged__V1__GetStatusResponse *status = NULL;
    assert_int_equal(view_get_status(view, &b->arena, &status), PL_E_OK);
    *ret = *status;
    ret->why_not_writable = pl_arena_strdup(&b->arena, status->why_not_writable);
    view_unref(view);
    return true;
}

/* A running writer: start-up facts (entries 1 to 3), catalogue (4), contributors C000001 (5) and
 * C000002 (6); nothing in flight, slots empty. */
enum { READY_ENTRIES = 6 };

static inline void bench_ready(struct bench *b)
{
    bench_init(b);
    assert_true(pl_is_ok(bench_try_writer(b, &b->writer)));
    put(b, 1001, msg_adopt(b));
    put(b, 1002, msg_contributor(b, "Ministry 1"));
    put(b, 1003, msg_contributor(b, "Ministry 2"));
    settle(b);
    for (int i = 0; i < 3; i++) {
        const struct command *command = answered(b);
        assert_non_null(command);
        assert_accepted_at(command, 0, 4 + i, NEW);
    }
    assert_silence(b);
    assert_int_equal(log_entries(b), READY_ENTRIES);
    drop_views(b);
}

#endif

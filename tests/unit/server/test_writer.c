/* SPDX-License-Identifier: Apache-2.0
 *
 * test_writer: the writer driven by hand, turn by turn: group commit, nothing told before it is
 * durable (W1), views before replies (W2), one effect a request id (W4), every outcome of a store,
 * a full disk, clocks that jump.
 */
// clang-format off
#include "common/check.h"
#include "writer_fixture.h"

#include <errno.h>
#include <pthread.h>
// clang-format on

static int setup(void **state)
{
    struct bench *b = malloc(sizeof(*b));
    bench_ready(b);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    bench_fini(*state);
    free(*state);
    return 0;
}

static void later(struct bench *b, unsigned delay)
{
    fault_plan(b->store, 0, (struct fault){.kind = FAULT_NONE, .delay = delay});
}

static void goes_wrong(struct bench *b, unsigned nth, enum store_outcome outcome)
{
    fault_plan(b->store, nth, (struct fault){.kind = FAULT_NOT_APPLIED, .outcome = outcome});
}

/* --- start --- */

static void test_a_start_writes_its_facts_once(void **state)
{
    struct bench *b = *state;
    assert_int_equal(batch_at(b, 1).count, 3);
    assert_int_equal(batch_at(b, 1).epoch, 1);
    assert_int_equal(entry_at(b, 1)->fact_case, FACT_(LEDGER_CREATED));
    writer_free(b->writer);
    b->writer = NULL;
    uint64_t batches = log_batches(b);
    assert_true(pl_is_ok(bench_try_writer(b, &b->writer)));
    assert_int_equal(log_batches(b), batches + 1);
    assert_int_equal(batch_at(b, batches + 1).count, 0); /* a barrier: nothing new to say */
    assert_int_equal(batch_at(b, batches + 1).epoch, 2);
    Pledged__V1__GetStatusResponse status;
    assert_true(newest_status(b, &status));
    assert_int_equal(status.size, READY_ENTRIES);
    assert_int_equal(status.epoch, 2);
    assert_true(status.writable);
    assert_state_is_the_log(b);
}

static void test_a_start_resolves_unknown_and_tells_failures(void **state)
{
    struct bench *b = *state;
    struct writer *none = NULL;
    writer_free(b->writer);
    b->writer = NULL;
    fault_set_room(b->store, pl_fail(NO_SPACE, "write"));
    assert_int_equal(bench_try_writer(b, &none).code, PL_E_NO_SPACE);
    fault_set_room(b->store, pl_ok());
    goes_wrong(b, 0, STORE_FENCED);
    assert_int_equal(bench_try_writer(b, &none).code, PL_E_FENCED);
    uint64_t batches = log_batches(b);
    goes_wrong(b, 0, STORE_NO_SPACE); /* there seemed to be room */
    assert_int_equal(bench_try_writer(b, &none).code, PL_E_NO_SPACE);
    goes_wrong(b, 0, STORE_UNAVAILABLE);
    assert_int_equal(bench_try_writer(b, &none).code, PL_E_UNAVAILABLE);
    assert_null(none);
    assert_int_equal(log_batches(b), batches);
    fault_plan(b->store, 0, (struct fault){.kind = FAULT_APPLIED_UNKNOWN});
    assert_true(pl_is_ok(bench_try_writer(b, &b->writer)));
    assert_int_equal(log_batches(b), batches + 1);
}

/* --- W1, W2, group commit --- */

static void test_nothing_is_told_before_it_is_durable(void **state)
{
    struct bench *b = *state;
    later(b, 3);
    struct command *command = put(b, 1, msg_hold(b, "top", "C000001", 86400));
    for (int i = 0; i < 4; i++) { /* submitted, then three looks too early */
        turn(b);
        assert_silence(b);
        assert_null(atomic_load(&b->slot[0].value));
        assert_null(atomic_load(&b->slot[1].value));
        assert_false(writer_idle(b->writer));
    }
    turn(b);
    assert_answered(b, command);
    assert_accepted_at(command, 0, 7, NEW);
    for (int i = 0; i < VIEW_SLOTS; i++) { /* every reader gets it */
        struct view *view = pl_slot_take(&b->slot[i]);
        assert_non_null(view);
        assert_int_equal(view_get_log(view)->size, 7);
        assert_int_equal(view_get_log(view)->batches, log_batches(b));
        view_unref(view);
    }
    assert_true(writer_idle(b->writer));
}

/* What the store does on this thread is over before anybody waits for its descriptor. */
static void test_who_hands_over_the_only_batch_looks_again_at_once(void **state)
{
    struct bench *b = *state;
    struct command *command = put(b, 1, msg_contributor(b, "alone"));
    assert_true(turn(b));
    assert_silence(b);
    assert_false(turn(b));
    assert_answered(b, command);
    later(b, 3);
    command = put(b, 2, msg_contributor(b, "slow"));
    assert_true(turn(b));
    for (int i = 0; i < 3; i++) { /* once is enough */
        assert_false(turn(b));
        assert_silence(b);
    }
    settle(b);
    assert_answered(b, command);
}

static void test_what_comes_during_a_sync_shares_the_next_batch(void **state)
{
    struct bench *b = *state;
    uint64_t batches = log_batches(b);
    unsigned appends = fault_appends(b->store);
    struct command *command[5];
    later(b, 6);
    command[0] = put(b, 1, msg_contributor(b, "first"));
    turn(b);
    for (uint64_t i = 1; i < 5; i++) {
        command[i] = put(b, 1 + i, msg_contributor(b, (const char[]){'A', (char)('a' + i), 0}));
        turn(b);
        assert_int_equal(fault_appends(b->store), appends + 1); /* one in flight (W3) */
    }
    settle(b);
    assert_int_equal(fault_appends(b->store), appends + 2);
    assert_int_equal(batch_at(b, batches + 1).count, 1);
    assert_int_equal(batch_at(b, batches + 2).count, 4);
    for (uint64_t i = 0; i < 5; i++) {
        assert_answered(b, command[i]); /* in the order they came */
        assert_accepted_at(command[i], 0, 7 + i, NEW);
    }
    assert_silence(b);
    assert_state_is_the_log(b);
}

/* --- queries --- */

static enum pl_code query_size(const struct ledger *ledger, const struct query_log *log,
                               const ProtobufCMessage *request, struct pl_arena *arena,
                               ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal)
{
    (void)log;
    (void)request;
    (void)ret_refusal;
    Pledged__V1__GetStatusResponse *response = pl_arena_alloc(arena, sizeof(*response));
    pledged__v1__get_status_response__init(response);
    response->size = ledger_size(ledger);
    *ret = &response->base;
    return PL_E_OK;
}

static uint64_t size_seen(const struct command *command)
{
    assert_int_equal(command->code, PL_E_OK);
    assert_non_null(command->response);
    return ((const Pledged__V1__GetStatusResponse *)command->response)->size;
}

static void test_a_query_waits_for_what_it_saw(void **state)
{
    struct bench *b = *state;
    later(b, 4);
    struct command *write1 = put(b, 1, msg_contributor(b, "first"));
    struct command *query1 = ask(b, query_size); /* sees the filling batch */
    turn(b);
    struct command *query2 = ask(b, query_size); /* sees what is in flight */
    turn(b);
    struct command *write2 = put(b, 2, msg_contributor(b, "second"));
    struct command *query3 = ask(b, query_size); /* sees the batch after it */
    turn(b);
    assert_silence(b);
    later(b, 4); /* the second batch takes time too */
    turns(b, 3);
    assert_answered(b, write1);
    assert_answered(b, query1);
    assert_answered(b, query2);
    assert_silence(b); /* query3 saw an entry that is not durable yet */
    settle(b);
    assert_answered(b, write2);
    assert_answered(b, query3);
    assert_int_equal(size_seen(query1), 7);
    assert_int_equal(size_seen(query2), 7);
    assert_int_equal(size_seen(query3), 8);
    struct command *query4 = ask(b, query_size);
    turn(b);
    assert_answered(b, query4); /* nothing in flight: at once */
}

static void test_queries_take_a_bounded_share_of_a_turn(void **state)
{
    struct bench *b = *state;
    for (int i = 0; i < 2 * LIMIT_QUERIES_A_TURN + 10; i++)
        ask(b, query_size);
    struct command *write = put(b, 1, msg_contributor(b, "after the queries"));
    int round[3] = {0}, seen = 0;
    for (int i = 0; i < 3; i++) {
        assert_true(turn(b)); /* busy: more to do at once; at last, what the store may have done */
        for (struct command *c; (c = answered(b)) != NULL; round[i]++)
            seen += c->kind == COMMAND_QUERY;
    }
    assert_int_equal(round[0], LIMIT_QUERIES_A_TURN);
    assert_int_equal(round[1], LIMIT_QUERIES_A_TURN);
    assert_int_equal(round[2], 10);
    assert_int_equal(seen, 2 * LIMIT_QUERIES_A_TURN + 10);
    settle(b);
    assert_answered(b, write);
}

static enum pl_code query_seven(const struct ledger *ledger, const struct query_log *log,
                                const ProtobufCMessage *request, struct pl_arena *arena,
                                ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal)
{
    (void)ledger;
    (void)request;
    (void)ret_refusal;
    for (uint64_t seq = 1; seq <= 8; seq++) { /* durable, in flight, filling */
        struct pl_slice bytes;
        ProtobufCMessage *message = NULL;
        if (!pl_is_ok(log->read(log->arg, seq, &bytes)) ||
            !pl_is_ok(pl_unpack_trusted(&pledged__v1__entry__descriptor, bytes, arena, &message)) ||
            ((Pledged__V1__Entry *)message)->seq != seq)
            return PL_E_INTERNAL;
    }
    struct pl_slice bytes;
    *ret = NULL;
    return log->read(log->arg, 9, &bytes).code;
}

static void test_a_query_reads_entries_wherever_they_are(void **state)
{
    struct bench *b = *state;
    later(b, 4);
    put(b, 1, msg_contributor(b, "in flight"));
    turn(b);
    put(b, 2, msg_contributor(b, "filling"));
    struct command *query = ask(b, query_seven);
    settle(b);
    (void)answered(b);
    (void)answered(b);
    assert_answered(b, query);
    assert_int_equal(query->code, PL_E_NOT_FOUND); /* of the ninth; the eight were right */
}

/* --- G3: one effect a request id --- */

static void test_a_repeat_gets_the_receipt_wherever_the_original_is(void **state)
{
    struct bench *b = *state;
    struct command *c[6];
    later(b, 4);
    c[0] = put(b, 1, msg_contributor(b, "one"));
    c[1] = put(b, 1, msg_contributor(b, "one")); /* the original is filling */
    turn(b);
    c[2] = put(b, 1, msg_contributor(b, "one")); /* in flight */
    turn(b);
    c[3] = put(b, 2, msg_contributor(b, "two"));
    c[4] = put(b, 2, msg_contributor(b, "two")); /* filling behind one in flight */
    turn(b);
    assert_silence(b); /* no repeat is told earlier than its original */
    settle(b);
    for (int i = 0; i < 5; i++)
        assert_answered(b, c[i]);
    unsigned appends = fault_appends(b->store);
    c[5] = put(b, 1, msg_contributor(b, "one")); /* durable */
    turn(b);
    assert_answered(b, c[5]);
    assert_accepted_at(c[0], 0, 7, NEW);
    assert_accepted_at(c[1], 0, 7, REPLAY);
    assert_accepted_at(c[2], 0, 7, REPLAY);
    assert_accepted_at(c[3], 0, 8, NEW);
    assert_accepted_at(c[4], 0, 8, REPLAY);
    assert_accepted_at(c[5], 0, 7, REPLAY);
    assert_int_equal(c[5]->item[0].receipt->time_us, c[0]->item[0].receipt->time_us);
    assert_int_equal(fault_appends(b->store), appends);
    assert_int_equal(log_entries(b), 8);
}

static void test_a_repeat_of_a_refusal_gets_that_refusal(void **state)
{
    struct bench *b = *state;
    put(b, 1, msg_hold(b, "top", "C000001", 86400));
    struct command *first = put(b, 2, msg_hold(b, "top", "C000002", 86400));
    struct command *again = put(b, 2, msg_hold(b, "top", "C000002", 86400));
    settle(b);
    (void)answered(b);
    assert_answered(b, first);
    assert_answered(b, again);
    assert_non_null(first->item[0].refusal);
    assert_non_null(again->item[0].refusal);
    assert_int_equal(first->item[0].refusal->seq, 8);
    assert_int_equal(again->item[0].refusal->seq, 8);
    assert_false(first->item[0].refusal->replay);
    assert_true(again->item[0].refusal->replay);
    assert_int_equal(again->item[0].refusal->reason, first->item[0].refusal->reason);
    assert_int_equal(again->item[0].code, first->item[0].code);
    assert_int_equal(log_entries(b), 8);
}

/* What the rules of today would not take is answered as before where an older version took it. */
static void test_what_older_rules_took_is_told_again(void **state)
{
    struct bench *b = *state;
    Pledged__V1__Refusal wrong = PLEDGED__V1__REFUSAL__INIT;
    wrong.reason = REASON(REASON_REQUIRED);
    struct command *first = put(b, 1, msg_hold(b, "top", "C000001", 86400));
    settle(b);
    assert_answered(b, first);
    struct command *again = make_for(b, "anna", 2);
    add_item(again, 1, msg_hold(b, "top", "C000001", 86400));
    add_item(again, 2, msg_hold(b, "top", "C000002", 86400));
    again->item[0].objection = again->item[1].objection = &wrong;
    post(b, again);
    settle(b);
    assert_answered(b, again);
    assert_accepted_at(again, 0, 7, REPLAY);
    assert_null(again->item[1].receipt);
    assert_ptr_equal(again->item[1].refusal, &wrong);
    assert_int_equal(again->item[1].code, PL_E_INVALID);
    assert_int_equal(log_entries(b), 7);
}

static void test_a_used_id_is_refused_to_others_and_for_others(void **state)
{
    struct bench *b = *state;
    struct command *original = put(b, 1, msg_contributor(b, "one"));
    settle(b);
    assert_answered(b, original);
    struct command *other = put(b, 1, msg_contributor(b, "not one"));
    struct command *foreign = make_for(b, "berta", 1);
    add_item(foreign, 1, msg_contributor(b, "one"));
    post(b, foreign);
    turn(b);
    assert_answered(b, other);
    assert_answered(b, foreign);
    assert_refused_item(other, 0, STALE, REQUEST_ID_REUSED);
    assert_int_equal(other->item[0].refusal->deciding_seq, 7);
    assert_refused_item(foreign, 0, STALE, REQUEST_ID_FOREIGN);
    assert_false(foreign->item[0].refusal->retryable);
    assert_int_equal(log_entries(b), 7);
}

static void test_a_dry_run_changes_nothing(void **state)
{
    struct bench *b = *state;
    uint8_t before[32], after[32];
    unsigned appends = fault_appends(b->store);
    ledger_digest(writer_ledger(b->writer), before);
    Pledged__V1__Command *good = msg_hold(b, "top", "C000001", 86400);
    Pledged__V1__Command *bad = msg_hold(b, "top", "C000009", 86400);
    good->dry_run = bad->dry_run = true;
    struct command *would = put(b, 1, good), *would_not = put(b, 2, bad);
    turn(b);
    assert_answered(b, would);
    assert_answered(b, would_not);
    assert_accepted_at(would, 0, 7, DRY_RUN);
    assert_null(would_not->item[0].receipt);
    assert_non_null(would_not->item[0].refusal);
    assert_int_equal(would_not->item[0].refusal->seq, 0);
    ledger_digest(writer_ledger(b->writer), after);
    assert_memory_equal(before, after, sizeof(before));
    assert_int_equal(fault_appends(b->store), appends);
    assert_true(writer_idle(b->writer));
    good->dry_run = false;
    struct command *real = put(b, 1, good); /* the id is still free */
    settle(b);
    assert_answered(b, real);
    assert_accepted_at(real, 0, 7, NEW);
}

/* --- outcomes --- */

static void check_unknown(struct bench *b, struct fault fault, unsigned times)
{
    uint64_t batches = log_batches(b);
    unsigned appends = fault_appends(b->store);
    for (unsigned i = 0; i < times; i++)
        fault_plan(b->store, i,
                   i == 0 ? fault
                          : (struct fault){.kind = FAULT_NOT_APPLIED, .outcome = STORE_UNKNOWN});
    struct command *command = put(b, 1, msg_contributor(b, "once"));
    struct command *repeat = NULL;
    turns(b, 3);
    for (unsigned i = 1; i <= times; i++) {
        assert_silence(b);
        assert_int_equal(fault_appends(b->store), appends + i);
        int64_t wake_ns = writer_next_wake_ns(b->writer);
        assert_true(wake_ns > b->clock.mono_ns_now);
        assert_true(wake_ns <= b->clock.mono_ns_now + LIMIT_RESUBMIT_MS * 1000000LL);
        if (i == 1)
            repeat = put(b, 1, msg_contributor(b, "once")); /* nobody knows, the client asks */
        turns(b, 3);
        assert_int_equal(fault_appends(b->store), appends + i); /* not before its time */
        pl_clock_fake_advance_us(&b->clock, LIMIT_RESUBMIT_MS * 1000);
        turns(b, 3);
    }
    settle(b);
    assert_answered(b, command);
    assert_answered(b, repeat);
    assert_accepted_at(command, 0, 7, NEW);
    assert_accepted_at(repeat, 0, 7, REPLAY);
    assert_int_equal(log_batches(b), batches + 1);
    assert_int_equal(log_entries(b), 7); /* exactly one effect */
    assert_int_equal(b->rebuilds, 0);
    assert_state_is_the_log(b);
}

static void test_unknown_but_applied_is_one_effect(void **state)
{
    check_unknown(*state, (struct fault){.kind = FAULT_APPLIED_UNKNOWN}, 1);
}

static void test_unknown_and_not_applied_is_one_effect(void **state)
{
    check_unknown(*state, (struct fault){.kind = FAULT_NOT_APPLIED, .outcome = STORE_UNKNOWN}, 1);
}

static void test_unknown_again_and_again_is_one_effect(void **state)
{
    check_unknown(*state, (struct fault){.kind = FAULT_APPLIED_UNKNOWN}, 5);
}

static void check_definite(struct bench *b, enum store_outcome outcome, enum pl_code code,
                           Pledged__V1__Reason reason)
{
    struct command *c[5];
    uint64_t batches = log_batches(b);
    fault_plan(b->store, 0,
               (struct fault){.kind = FAULT_NOT_APPLIED, .outcome = outcome, .delay = 3});
    c[0] = put(b, 1, msg_hold(b, "top", "C000001", 86400));
    c[1] = ask(b, query_size); /* saw what never happened */
    turn(b);
    c[2] = put(b, 2, msg_contributor(b, "on top of it"));
    c[3] = put(b, 1, msg_hold(b, "top", "C000001", 86400));
    turn(b);
    assert_silence(b);
    for (int i = 0; i < 20 && b->rebuilds == 0; i++)
        turn(b);
    assert_int_equal(b->rebuilds, 1);
    for (int i = 0; i < 4; i++) {
        assert_answered(b, c[i]);
        assert_int_equal(c[i]->code, code);
        assert_non_null(c[i]->refusal);
        assert_int_equal(c[i]->refusal->reason, reason);
        assert_true(c[i]->refusal->retryable);
        assert_null(c[i]->response);
    }
    assert_int_equal(log_entries(b), READY_ENTRIES);
    assert_int_equal(ledger_size(writer_ledger(b->writer)), READY_ENTRIES);
    assert_state_is_the_log(b);
    turn(b);
    Pledged__V1__GetStatusResponse status;
    assert_true(newest_status(b, &status));
    assert_int_equal(status.size, READY_ENTRIES);
    c[4] = put(b, 1, msg_hold(b, "top", "C000001", 86400)); /* later, the same id again */
    settle(b);
    assert_answered(b, c[4]);
    assert_accepted_at(c[4], 0, 7, NEW);
    assert_int_equal(log_batches(b), batches + 1);
    assert_state_is_the_log(b);
}

static void test_no_space_rolls_back(void **state)
{
    check_definite(*state, STORE_NO_SPACE, PL_E_NO_SPACE, REASON(NO_SPACE));
}

static void test_unavailable_rolls_back(void **state)
{
    check_definite(*state, STORE_UNAVAILABLE, PL_E_UNAVAILABLE, REASON(UNAVAILABLE));
}

static void test_a_lost_place_ends_the_writer(void **state)
{
    static const struct {
        enum store_outcome outcome;
        enum pl_code code;
    } row[] = {{STORE_CONFLICT, PL_E_CONFLICT},
               {STORE_FENCED, PL_E_FENCED},
               {STORE_CORRUPT, PL_E_CORRUPT},
               {STORE_TOO_BIG, PL_E_CORRUPT}};
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        struct bench *b = *state;
        bool busy = false;
        goes_wrong(b, 0, row[i].outcome);
        put(b, 1, msg_contributor(b, "never"));
        turn(b);
        assert_int_equal(writer_turn(b->writer, &busy).code, row[i].code);
        assert_silence(b); /* whoever asks again finds out */
        assert_null(atomic_load(&b->slot[0].value));
        assert_int_equal(log_entries(b), READY_ENTRIES);
        bench_fini(b);
        bench_ready(b);
    }
}

static void test_a_newer_writer_fences_the_old_one(void **state)
{
    struct bench *b = *state;
    struct writer *newer = NULL;
    bool busy = false;
    assert_true(pl_is_ok(bench_try_writer(b, &newer)));
    put(b, 1, msg_contributor(b, "by the old one"));
    turn(b);
    assert_int_equal(writer_turn(b->writer, &busy).code, PL_E_FENCED);
    assert_silence(b);
    assert_int_equal(log_entries(b), READY_ENTRIES);
    writer_free(b->writer);
    b->writer = newer;
    struct command *command = put(b, 1, msg_contributor(b, "by the new one"));
    settle(b);
    assert_answered(b, command);
    assert_accepted_at(command, 0, 7, NEW);
}

/* --- a full disk --- */

/* What is told is what the disk says, and what it says now. */
static void test_why_the_log_cannot_grow_is_told(void **state)
{
    static const struct {
        int number;
        const char *why;
    } cases[] = {{EROFS, "the disk is read-only"},
                 {EIO, "the disk does not work"},
                 {EMFILE, "too many files are open"},
                 {ENFILE, "too many files are open"},
                 {EACCES, "the server may not write to its directory"},
                 {EPERM, "the server may not write to its directory"},
                 {0, "the disk does not work"}};
    struct bench *b = *state;
    Pledged__V1__GetStatusResponse status;
    unsigned appends = fault_appends(b->store);
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct pl_status room = pl_fail(IO, "open a file");
        room.sys_errno = cases[i].number;
        fault_set_room(b->store, room);
        pl_clock_fake_advance_us(&b->clock, SECOND_US); /* it is not asked all the time */
        turn(b);
        if (newest_status(b, &status))
            assert_string_equal(status.why_not_writable, cases[i].why);
        struct command *write = put(b, 1, msg_contributor(b, "stuck"));
        turn(b);
        assert_answered(b, write);
        assert_refused_item(write, 0, UNAVAILABLE, UNAVAILABLE);
        assert_true(write->item[0].refusal->retryable);
        assert_non_null(strstr(write->item[0].refusal->message, cases[i].why));
        assert_non_null(strstr(write->item[0].refusal->message, "nothing was recorded"));
    }
    assert_int_equal(fault_appends(b->store), appends);
    fault_set_room(b->store, pl_ok());
    pl_clock_fake_advance_us(&b->clock, SECOND_US);
    struct command *write = put(b, 1, msg_contributor(b, "stuck"));
    settle(b);
    assert_answered(b, write);
    assert_accepted_at(write, 0, READY_ENTRIES + 1, NEW);
    writer_free(b->writer);
    b->writer = NULL;
    struct writer *none = NULL;
    struct pl_status room = pl_fail(IO, "open a file");
    room.sys_errno = EROFS;
    fault_set_room(b->store, room);
    room = bench_try_writer(b, &none);
    assert_int_equal(room.code, PL_E_IO);
    assert_int_equal(room.sys_errno, EROFS);
}

static void test_without_room_writes_are_refused_and_queries_go_on(void **state)
{
    struct bench *b = *state;
    Pledged__V1__GetStatusResponse status;
    unsigned appends = fault_appends(b->store);
    Pledged__V1__Command *trial = msg_contributor(b, "trial");
    trial->dry_run = true;
    fault_set_room(b->store, pl_fail(NO_SPACE, "write"));
    turn(b);
    assert_true(newest_status(b, &status));
    assert_false(status.writable);
    assert_string_not_equal(status.why_not_writable, "");
    struct command *write = put(b, 1, msg_contributor(b, "full"));
    struct command *query = ask(b, query_size);
    struct command *dry = put(b, 2, trial);
    struct command *repeat = put(b, 1002, msg_contributor(b, "Ministry 1"));
    turn(b);
    assert_answered(b, write);
    assert_answered(b, query);
    assert_answered(b, dry);
    assert_answered(b, repeat);
    assert_refused_item(write, 0, NO_SPACE, NO_SPACE);
    assert_true(write->item[0].refusal->retryable);
    assert_int_equal(size_seen(query), READY_ENTRIES);
    assert_accepted_at(dry, 0, 7, DRY_RUN);
    assert_accepted_at(repeat, 0, 5, REPLAY); /* the original answer needs no room */
    assert_int_equal(fault_appends(b->store), appends);
    fault_set_room(b->store, pl_ok());
    int64_t wake_ns = writer_next_wake_ns(b->writer);
    assert_true(wake_ns <= b->clock.mono_ns_now + 1000000000LL);
    pl_clock_fake_advance_us(&b->clock, (wake_ns - b->clock.mono_ns_now) / 1000 + 1);
    turn(b);
    assert_true(newest_status(b, &status));
    assert_true(status.writable);
    write = put(b, 1, msg_contributor(b, "full"));
    settle(b);
    assert_answered(b, write);
    assert_accepted_at(write, 0, 7, NEW);
    assert_state_is_the_log(b);
}

/* --- deadlines --- */

static void test_a_deadline_that_passed_means_nothing_happened(void **state)
{
    struct bench *b = *state;
    struct command *late = make_for(b, "anna", 1), *early = make_for(b, "anna", 1);
    add_item(late, 1, msg_contributor(b, "late"));
    add_item(early, 2, msg_contributor(b, "early"));
    late->deadline_mono_ns = b->clock.mono_ns_now + 1000000;
    early->deadline_mono_ns = b->clock.mono_ns_now + 3000000;
    post(b, late);
    post(b, early);
    pl_clock_fake_advance_us(&b->clock, 1000);
    settle(b);
    assert_answered(b, late);
    assert_answered(b, early);
    assert_refused_whole(late, TIMEOUT, DEADLINE);
    assert_accepted_at(early, 0, 7, NEW);
    assert_int_equal(log_entries(b), 7);
    assert_int_equal(
        ledger_find_request(writer_ledger(b->writer), late->item[0].msg->request_id.data), 0);
}

static void test_a_deadline_does_not_undo_what_is_decided(void **state)
{
    struct bench *b = *state;
    struct command *command = make_for(b, "anna", 1);
    add_item(command, 1, msg_contributor(b, "slow disk"));
    command->deadline_mono_ns = b->clock.mono_ns_now + 1000000;
    later(b, 3);
    post(b, command);
    turn(b);
    pl_clock_fake_advance_us(&b->clock, SECOND_US);
    settle(b);
    assert_answered(b, command);
    assert_accepted_at(command, 0, 7, NEW);
}

/* --- many items --- */

static struct command *put_numbered(struct bench *b, size_t first, size_t count)
{
    struct command *command = make_for(b, "anna", count);
    for (size_t i = first; i < first + count; i++) {
        char name[200];
        (void)snprintf(name, sizeof(name), "%0150zu", i);
        add_item(command, i, msg_contributor(b, name));
    }
    return post(b, command);
}

static struct command *put_many(struct bench *b, size_t count)
{
    return put_numbered(b, 5000, count);
}

enum { MANY = 6000 };

static void test_one_command_may_span_batches(void **state)
{
    struct bench *b = *state;
    uint64_t batches = log_batches(b);
    struct command *many = put_many(b, MANY);
    turn(b);
    struct command *small = put(b, 1, msg_contributor(b, "behind it"));
    for (int i = 0; i < 100 && log_entries(b) < READY_ENTRIES + MANY; i++) {
        assert_silence(b); /* not before the last of it is durable */
        turn(b);
    }
    settle(b);
    assert_true(log_batches(b) >= batches + 2);
    for (uint64_t i = batches + 1; i <= log_batches(b); i++)
        assert_true(batch_at(b, i).count > 1 || i == log_batches(b));
    assert_answered(b, many);
    assert_answered(b, small);
    for (size_t i = 0; i < MANY; i++)
        assert_accepted_at(many, i, READY_ENTRIES + 1 + i, NEW);
    assert_accepted_at(small, 0, READY_ENTRIES + 1 + MANY, NEW);
    assert_state_is_the_log(b);
}

/* Short commands go before long ones that have not begun, whoever came first. */
static void test_long_commands_let_others_pass(void **state)
{
    struct bench *b = *state;
    const size_t few = LIMIT_SHORT_ITEMS;
    struct command *many = put_many(b, few + 1);
    struct command *some = put_numbered(b, 90000, few);
    struct command *query = ask(b, query_size);
    settle(b);
    assert_answered(b, some);
    assert_answered(b, query);
    assert_answered(b, many);
    assert_accepted_at(some, 0, READY_ENTRIES + 1, NEW);
    assert_accepted_at(many, 0, READY_ENTRIES + 1 + few, NEW);
    assert_state_is_the_log(b);
}

/* What is decided in part is decided to its end first, and the next long one after what is short.
 */
static void test_nothing_comes_between_the_parts_of_a_command(void **state)
{
    struct bench *b = *state;
    later(b, 3);
    struct command *many = put_many(b, MANY);
    struct command *next = put_numbered(b, 80000, LIMIT_SHORT_ITEMS + 1);
    turns(b, 2); /* one batch is on its way, one is full, and there is more */
    assert_true(many->item_next > 0 && many->item_next < MANY);
    struct command *small = put(b, 1, msg_contributor(b, "behind it"));
    settle(b);
    assert_answered(b, many);
    assert_answered(b, small);
    assert_answered(b, next);
    assert_accepted_at(many, MANY - 1, READY_ENTRIES + MANY, NEW);
    assert_accepted_at(small, 0, READY_ENTRIES + MANY + 1, NEW);
    assert_accepted_at(next, 0, READY_ENTRIES + MANY + 2, NEW);
    assert_state_is_the_log(b);
}

/* More questions than a turn answers do not keep the long ones waiting for ever. */
static void test_long_commands_go_on_under_a_flood_of_questions(void **state)
{
    struct bench *b = *state;
    struct command *many = put_many(b, LIMIT_SHORT_ITEMS + 1);
    for (int i = 0; i <= LIMIT_QUERIES_A_TURN; i++)
        (void)ask(b, query_size);
    assert_true(turn(b));
    assert_int_equal(many->item_next, LIMIT_SHORT_ITEMS + 1);
    settle(b);
    struct command *came;
    bool is_there = false;
    while ((came = answered(b)) != NULL)
        is_there = is_there || came == many;
    assert_true(is_there);
}

static struct pl_slice receipt_bytes(struct bench *b, const struct command *command, size_t item)
{
    assert_non_null(command->item[item].receipt);
    return pl_pack(&command->item[item].receipt->base, &b->arena);
}

/* Who only packs receipts gets the same bytes, be what came of it a message or packed. */
static void test_receipts_for_who_only_packs_them(void **state)
{
    struct bench *b = *state;
    for (unsigned packed = 0; packed < 2; packed++) {
        struct command *command = make_for(b, "anna", 4);
        command->only_packed = packed != 0;
        const char name[] = {'N', (char)('0' + packed), '\0'};
        Pledged__V1__Command *dry = msg_contributor(b, name);
        dry->dry_run = true;
        add_item(command, 10 + packed, dry);
        add_item(command, 20 + packed, msg_contributor(b, name));
        add_item(command, 30 + packed, msg_hold(b, "many", "C000009", 86400)); /* nobody */
        add_item(command, 20 + packed, msg_contributor(b, name));              /* once more */
        uint64_t seq = log_entries(b) + 1;
        post(b, command);
        settle(b);
        assert_answered(b, command);
        assert_accepted_at(command, 0, seq, DRY_RUN);
        assert_accepted_at(command, 1, seq, NEW);
        assert_accepted_at(command, 3, seq, REPLAY);
        assert_null(command->item[2].receipt);
        assert_non_null(command->item[2].refusal);
        assert_int_equal(command->item[1].receipt->outcome == NULL, packed);
        struct command again = {.arena = &b->arena};
        struct command_item item = {.receipt = NULL};
        again.item = &item;
        ledger_receipt(entry_at(b, seq), false, &b->arena, &item.receipt, &item.refusal);
        assert_non_null(item.receipt->outcome);
        assert_true(pl_slice_eq(receipt_bytes(b, command, 1), receipt_bytes(b, &again, 0)));
        item.receipt->kind = KIND(DRY_RUN);
        item.receipt->request_id = command->item[0].msg->request_id;
        assert_true(pl_slice_eq(receipt_bytes(b, command, 0), receipt_bytes(b, &again, 0)));
    }
}

/* While it waits for the store its inbox is nothing to wake up for: it would be readable, and not
 * looked into, again and again. */
/* No more than so much for what it is answered with. */
static void leave_memory(struct command *command, size_t bytes)
{
    struct pl_arena *arena = command->arena;
    pl_arena_limit(arena, arena->used + bytes);
    size_t left = arena->budget - arena->used;
    arena->room = arena->room < left ? arena->room : left;
}

/* Told what is true of it: its entry, or that there is none, or that there was one before. False:
 * not its own verdict. */
static bool is_told(struct bench *b, const struct command *command, size_t item, bool before)
{
    const struct command_item *it = &command->item[item];
    uint64_t seq = ledger_find_request(writer_ledger(b->writer), it->msg->request_id.data);
    assert_int_equal(command->code, PL_E_OK);
    assert_true((it->receipt == NULL) != (it->refusal == NULL));
    if (it->receipt != NULL || it->refusal->reason != REASON(TOO_BIG)) {
        assert_int_equal(it->receipt != NULL ? it->receipt->seq : it->refusal->seq, seq);
        return true;
    }
    assert_int_equal(it->code, PL_E_TOO_BIG);
    assert_int_equal(strstr(it->refusal->message, "nothing was recorded") == NULL, before);
    assert_int_equal(strstr(it->refusal->message, "decided before") != NULL, before);
    assert_int_equal(seq != 0, before);
    return false;
}

static void test_without_memory_each_is_told_what_is_true(void **state)
{
    struct bench *b = *state;
    size_t untold = 0, unshown = 0, told = 0;
    for (unsigned n = 0, all = 0; all < 2; n++) { /* then nothing is left out any more */
        struct command *command = make_for(b, "anna", 3);
        char name[20];
        snprintf(name, sizeof(name), "Memory %u", n);
        add_item(command, 500000 + 10 * n, msg_contributor(b, name));
        add_item(command, 500001 + 10 * n, msg_hold(b, "many", "C999999", 86400)); /* nobody */
        add_item(command, 500000, msg_contributor(b, "Memory 0"));                 /* once more */
        leave_memory(command, n * 16);
        bool before = ledger_find_request(writer_ledger(b->writer),
                                          command->item[2].msg->request_id.data) != 0;
        post(b, command);
        settle(b);
        assert_answered(b, command);
        bool first = is_told(b, command, 0, false), second = is_told(b, command, 1, false);
        bool third = is_told(b, command, 2, before);
        untold += !first + !second;
        unshown += !third && before;
        told += first;
        if (n == 0) { /* now it has been recorded */
            struct command *again = put(b, 500000, msg_contributor(b, "Memory 0"));
            settle(b);
            assert_answered(b, again);
        }
        all = first && second && third ? all + 1 : 0;
        assert_true(n < 1000);
    }
    assert_true(untold > 5 && unshown > 5 && told > 1);
    assert_state_is_the_log(b);
}

/* The batch that it was decided before in fails, and so does what was said of it. */
static void test_without_memory_what_is_rolled_back_is_not_told(void **state)
{
    struct bench *b = *state;
    fault_plan(b->store, 0,
               (struct fault){.kind = FAULT_NOT_APPLIED, .outcome = STORE_NO_SPACE, .delay = 3});
    struct command *first = put(b, 2000, msg_contributor(b, "Rolled back"));
    (void)turn(b); /* on its way */
    struct command *again = make_for(b, "anna", 2);
    add_item(again, 2000, msg_contributor(b, "Rolled back"));
    add_item(again, 2001, msg_contributor(b, "Rolled back too"));
    leave_memory(again, 0);
    post(b, again);
    (void)turn(b);
    assert_non_null(strstr(again->item[0].refusal->message, "decided before"));
    settle(b);
    assert_answered(b, first);
    assert_answered(b, again);
    assert_int_equal(first->code, PL_E_NO_SPACE);
    assert_int_equal(again->code, PL_E_NO_SPACE);
    assert_state_is_the_log(b);
}

/* What is durable stays told as that, whatever becomes of what came with it. */
static void test_without_memory_what_is_durable_stays_told(void **state)
{
    struct bench *b = *state;
    unsigned met = 0, planned = (unsigned)-1;
    for (unsigned n = 0; n < 200; n++) {
        char name[20];
        snprintf(name, sizeof(name), "Stays %u", n);
        struct command *command = make_for(b, "anna", 2);
        command->only_packed = true;
        add_item(command, 1002, msg_contributor(b, "Ministry 1")); /* once more */
        add_item(command, 600000 + n, msg_contributor(b, name));
        leave_memory(command, n * 16);
        if (planned != fault_appends(b->store)) /* else the plan still stands */
            fault_plan(b->store, 0,
                       (struct fault){
                           .kind = FAULT_NOT_APPLIED, .outcome = STORE_UNAVAILABLE, .delay = 3});
        planned = fault_appends(b->store);
        post(b, command);
        (void)turn(b);
        bool meant = command->item[0].refusal != NULL && command->item[1].receipt != NULL;
        settle(b);
        assert_answered(b, command);
        if (!meant)
            continue;
        met++;
        assert_int_equal(command->code, PL_E_OK);
        assert_non_null(strstr(command->item[0].refusal->message, "decided before"));
        assert_null(command->item[1].receipt);
        assert_non_null(command->item[1].refusal);
    }
    assert_true(met != 0);
}

static void test_mail_is_not_wanted_while_a_full_batch_waits(void **state)
{
    struct bench *b = *state;
    assert_true(writer_wants_mail(b->writer));
    later(b, 20);
    struct command *many = put_many(b, MANY);
    for (int i = 0; i < 10; i++)
        (void)turn(b); /* one in flight, the next one full, the rest waits */
    assert_true(writer_wants_mail(b->writer)); /* somebody short may come */
    struct command *small = put(b, 1, msg_contributor(b, "behind it"));
    assert_false(turn(b));
    assert_false(writer_wants_mail(b->writer));
    struct command *smaller = put(b, 2, msg_contributor(b, "behind both"));
    assert_false(turn(b));
    assert_false(writer_wants_mail(b->writer));
    assert_int_equal(pl_mailbox_count(b->inbox), 1);
    for (int i = 0; i < 100 && !writer_wants_mail(b->writer); i++)
        (void)turn(b);
    settle(b);
    assert_true(writer_wants_mail(b->writer));
    assert_answered(b, many);
    assert_answered(b, small);
    assert_answered(b, smaller);
    assert_accepted_at(small, 0, READY_ENTRIES + 1 + MANY, NEW);
}

static void test_items_the_worker_refused_are_left_alone(void **state)
{
    struct bench *b = *state;
    struct command *command = make_for(b, "anna", 3);
    static Pledged__V1__Refusal refusal = PLEDGED__V1__REFUSAL__INIT;
    add_item(command, 1, msg_contributor(b, "one"));
    command->item[command->item_count++] =
        (struct command_item){.refusal = &refusal, .code = PL_E_DENIED};
    add_item(command, 2, msg_contributor(b, "two"));
    post(b, command);
    settle(b);
    assert_answered(b, command);
    assert_accepted_at(command, 0, 7, NEW);
    assert_ptr_equal(command->item[1].refusal, &refusal);
    assert_int_equal(command->item[1].code, PL_E_DENIED);
    assert_accepted_at(command, 2, 8, NEW);
}

/* The first batch of a command is durable, the second never happens: what is recorded is told as
 * recorded, what is not is refused, and the retry makes exactly the rest. */
static void test_a_command_that_failed_in_the_middle_tells_its_parts(void **state)
{
    struct bench *b = *state;
    goes_wrong(b, 1, STORE_UNAVAILABLE);
    struct command *many = put_many(b, MANY);
    for (int i = 0; i < 100 && b->rebuilds == 0; i++)
        turn(b);
    assert_int_equal(b->rebuilds, 1);
    assert_answered(b, many);
    size_t durable = (size_t)(log_entries(b) - READY_ENTRIES);
    assert_in_range(durable, 1, MANY - 1);
    for (size_t i = 0; i < MANY; i++) {
        if (i < durable) {
            assert_accepted_at(many, i, READY_ENTRIES + 1 + i, NEW);
        } else {
            assert_refused_item(many, i, UNAVAILABLE, UNAVAILABLE);
            assert_true(many->item[i].refusal->retryable);
        }
    }
    many = put_many(b, MANY);
    settle(b);
    assert_answered(b, many);
    for (size_t i = 0; i < MANY; i++) {
        const Pledged__V1__Receipt *receipt = many->item[i].receipt;
        assert_non_null(receipt);
        assert_int_equal(receipt->seq, READY_ENTRIES + 1 + i);
        assert_int_equal(receipt->kind, i < durable ? KIND(REPLAY) : KIND(NEW));
    }
    assert_int_equal(log_entries(b), READY_ENTRIES + MANY);
    assert_state_is_the_log(b);
}

static void test_a_command_whose_first_batch_failed_is_refused_whole(void **state)
{
    struct bench *b = *state;
    goes_wrong(b, 0, STORE_NO_SPACE);
    struct command *many = put_many(b, MANY);
    turn(b);
    struct command *small = put(b, 1, msg_contributor(b, "not begun yet"));
    for (int i = 0; i < 100 && b->rebuilds == 0; i++)
        turn(b);
    assert_answered(b, many);
    assert_refused_whole(many, NO_SPACE, NO_SPACE);
    settle(b);
    assert_answered(b, small); /* it was not decided on what never happened */
    assert_accepted_at(small, 0, 7, NEW);
    assert_state_is_the_log(b);
}

/* --- time --- */

static void test_expiry_is_written_before_a_later_command(void **state)
{
    struct bench *b = *state;
    struct command *held = put(b, 1, msg_hold(b, "top", "C000001", 3600));
    settle(b);
    assert_answered(b, held);
    struct command *refused = put(b, 2, msg_hold(b, "top", "C000002", 3600));
    settle(b);
    assert_answered(b, refused);
    assert_non_null(refused->item[0].refusal);
    int64_t due_us = ledger_next_due_us(writer_ledger(b->writer));
    pl_clock_fake_advance_us(&b->clock, due_us - b->clock.wall_us_now);
    struct command *next = put(b, 3, msg_hold(b, "top", "C000002", 3600));
    settle(b);
    assert_answered(b, next);
    assert_accepted_at(next, 0, 10, NEW);
    assert_int_equal(entry_at(b, 9)->fact_case, FACT_(HOLD_EXPIRED));
    assert_int_equal(entry_at(b, 10)->fact_case, FACT_(HOLD_PLACED));
    assert_state_is_the_log(b);
}

static void test_a_hold_expires_although_nobody_asks(void **state)
{
    struct bench *b = *state;
    assert_true(writer_next_wake_ns(b->writer) == INT64_MAX);
    put(b, 1, msg_hold(b, "top", "C000001", 1800));
    settle(b);
    (void)answered(b);
    int64_t wake_ns = writer_next_wake_ns(b->writer);
    int64_t due_us = ledger_next_due_us(writer_ledger(b->writer));
    assert_true(due_us > b->clock.wall_us_now);
    for (int i = 0; i < 1000 && b->clock.wall_us_now < due_us; i++) {
        settle(b);
        assert_int_equal(count_fact(b, FACT_(HOLD_EXPIRED)), 0);
        wake_ns = writer_next_wake_ns(b->writer);
        assert_true(wake_ns > b->clock.mono_ns_now && wake_ns != INT64_MAX);
        pl_clock_fake_advance_us(&b->clock, (wake_ns - b->clock.mono_ns_now) / 1000);
    }
    drop_views(b);
    settle(b);
    assert_int_equal(count_fact(b, FACT_(HOLD_EXPIRED)), 1);
    Pledged__V1__GetStatusResponse status;
    assert_true(newest_status(b, &status)); /* readers are told */
    assert_int_equal(status.size, log_entries(b));
    assert_true(writer_next_wake_ns(b->writer) == INT64_MAX);
}

static void check_jump(struct bench *b, int64_t jump_us)
{
    Pledged__V1__GetStatusResponse status;
    put(b, 1, msg_hold(b, "top", "C000001", 7200));
    settle(b);
    (void)answered(b);
    drop_views(b);
    pl_clock_fake_advance_us(&b->clock, SECOND_US);
    b->clock.wall_us_now += jump_us;
    settle(b);
    assert_true(newest_status(b, &status));
    assert_true(status.expiry_stopped);
    pl_clock_fake_advance_us(&b->clock, SECOND_US);
    struct command *command = put(b, 2, msg_contributor(b, "meanwhile"));
    settle(b);
    assert_answered(b, command);
    assert_accepted_at(command, 0, 8, NEW);                           /* no expiry in between */
    assert_true(entry_at(b, 8)->time_us == START_US + 2 * SECOND_US); /* as if nothing had jumped */
    assert_int_equal(count_fact(b, FACT_(HOLD_EXPIRED)), 0);
    assert_true(writer_next_wake_ns(b->writer) <= b->clock.mono_ns_now + 1000000000LL);
    /* due by any clock now, and still nothing is given away */
    pl_clock_fake_advance_us(&b->clock, 4 * HOUR_US);
    settle(b);
    assert_int_equal(count_fact(b, FACT_(HOLD_EXPIRED)), 0);
    drop_views(b);
    b->clock.wall_us_now -= jump_us; /* put right */
    settle(b);
    assert_int_equal(count_fact(b, FACT_(HOLD_EXPIRED)), 1);
    assert_true(newest_status(b, &status));
    assert_false(status.expiry_stopped);
    assert_state_is_the_log(b);
}

static void test_a_jump_ahead_stops_expiry_until_it_is_put_right(void **state)
{
    check_jump(*state, 400 * DAY_US);
}

static void test_a_jump_back_stops_expiry_until_it_is_put_right(void **state)
{
    check_jump(*state, -400 * DAY_US);
}

static void test_a_small_correction_is_believed(void **state)
{
    struct bench *b = *state;
    put(b, 1, msg_hold(b, "top", "C000001", 1800));
    settle(b);
    (void)answered(b);
    b->clock.wall_us_now -= JUMP_US; /* exactly the limit */
    struct command *back = put(b, 2, msg_contributor(b, "earlier"));
    settle(b);
    assert_answered(b, back);
    assert_true(entry_at(b, 8)->time_us > entry_at(b, 7)->time_us); /* the log's time only grows */
    b->clock.wall_us_now += JUMP_US;
    turn(b);
    b->clock.wall_us_now += JUMP_US; /* now it is due, by a clock that is believed */
    settle(b);
    assert_int_equal(count_fact(b, FACT_(HOLD_EXPIRED)), 1);
    drop_views(b);
}

static void test_a_start_far_behind_the_log_lets_nothing_expire(void **state)
{
    struct bench *b = *state;
    Pledged__V1__GetStatusResponse status;
    put(b, 1, msg_hold(b, "top", "C000001", 3600));
    settle(b);
    (void)answered(b);
    writer_free(b->writer);
    b->writer = NULL;
    drop_views(b);
    b->clock.wall_us_now -= 30 * DAY_US;
    assert_true(pl_is_ok(bench_try_writer(b, &b->writer)));
    settle(b);
    assert_true(newest_status(b, &status));
    assert_true(status.expiry_stopped);
    struct command *command = put(b, 2, msg_contributor(b, "after"));
    settle(b);
    assert_answered(b, command);
    assert_accepted_at(command, 0, 8, NEW);
    assert_true(entry_at(b, 8)->time_us > entry_at(b, 7)->time_us);
    b->clock.wall_us_now += 30 * DAY_US;
    pl_clock_fake_advance_us(&b->clock, 2 * HOUR_US);
    settle(b);
    assert_int_equal(count_fact(b, FACT_(HOLD_EXPIRED)), 1);
}

/* --- threads: a client that got a receipt sees its effect in its next read (W2) --- */

enum { THREAD_COMMANDS = 400 };

struct client {
    struct bench *bench;
    struct pl_mailbox *home;
    struct command *command[THREAD_COMMANDS];
    int slot;
    bool stale; /* a receipt came whose effect no view showed */
    atomic_bool *failed;
};

static void *client_run(void *arg)
{
    struct client *client = arg;
    struct pl_slot *slot = &client->bench->slot[client->slot];
    struct view *view = NULL;
    for (int i = 0; i < THREAD_COMMANDS; i++) {
        (void)post(client->bench, client->command[i]);
        struct pl_mail *mail = NULL;
        while ((mail = pl_mailbox_take(client->home)) == NULL) {
            if (atomic_load(client->failed))
                return NULL;
        }
        struct view *newer = pl_slot_take(slot);
        if (newer != NULL) {
            view_unref(view);
            view = newer;
        }
        const struct command *command = (const struct command *)mail;
        const Pledged__V1__Receipt *receipt = command->item[0].receipt;
        if (view == NULL || receipt == NULL || view_get_log(view)->size < receipt->seq)
            client->stale = true;
    }
    view_unref(view);
    return NULL;
}

static void test_a_receipt_is_never_ahead_of_the_view(void **state)
{
    struct bench *b = *state;
    struct client client[VIEW_SLOTS];
    pthread_t thread[VIEW_SLOTS];
    atomic_bool failed = false;
    for (int i = 0; i < VIEW_SLOTS; i++) {
        client[i] = (struct client){.bench = b, .slot = i, .failed = &failed};
        assert_true(pl_is_ok(pl_mailbox_new(0, &client[i].home)));
        for (uint64_t k = 0; k < THREAD_COMMANDS; k++) {
            struct command *command = make_for(b, "anna", 1);
            char name[32];
            (void)snprintf(name, sizeof(name), "thread %d, %d", i, (int)k);
            command->home = client[i].home;
            add_item(command, 10000 * (uint64_t)(i + 1) + k, msg_contributor(b, name));
            client[i].command[k] = command;
        }
    }
    for (int i = 0; i < VIEW_SLOTS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, client_run, &client[i]), 0);
    uint64_t wanted = READY_ENTRIES + VIEW_SLOTS * THREAD_COMMANDS;
    for (long i = 0; i < 50000000 && !(log_entries(b) == wanted && writer_idle(b->writer)); i++) {
        bool busy = false;
        if (!pl_is_ok(writer_turn(b->writer, &busy)))
            break;
    }
    bool all = log_entries(b) == wanted && writer_idle(b->writer);
    atomic_store(&failed, !all);
    for (int i = 0; i < VIEW_SLOTS; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
        pl_mailbox_free(client[i].home);
        assert_false(client[i].stale);
    }
    assert_true(all);
}

/* --- read only --- */

static void test_read_only_nothing_is_written_and_all_is_told(void **state)
{
    struct bench *b = *state;
    Pledged__V1__GetStatusResponse status;
    writer_free(b->writer);
    b->writer = NULL;
    b->read_only = "restored, not confirmed";
    b->sha256[0] = 10; /* facts that a start would write */
    uint64_t batches = log_batches(b);
    assert_true(pl_is_ok(bench_try_writer(b, &b->writer)));
    assert_int_equal(log_batches(b), batches);
    assert_true(newest_status(b, &status));
    assert_false(status.writable);
    assert_string_equal(status.why_not_writable, b->read_only);
    assert_int_equal(status.size, READY_ENTRIES);
    assert_int_equal(status.epoch, 1);
    struct command *command = put(b, 1, msg_hold(b, "top", "C000001", 1));
    struct command *query = ask(b, query_size);
    settle(b);
    assert_answered(b, command);
    assert_refused_item(command, 0, UNAVAILABLE, UNAVAILABLE);
    assert_string_equal(command->item[0].refusal->message, b->read_only);
    assert_answered(b, query);
    assert_int_equal(query->code, PL_E_OK);
    pl_clock_fake_advance_us(&b->clock, 30 * 86400 * SECOND_US);
    settle(b);
    assert_int_equal(log_batches(b), batches);
    assert_int_equal(writer_next_wake_ns(b->writer), INT64_MAX);
}

/* --- reload --- */

struct new_roster {
    Pledged__V1__RosterAdopted roster;
    Pledged__V1__RosterPerson person, *persons[1];
    uint8_t sha256[32];
    unsigned asked;
};

/* As server/reload has it, where a certificate is all that a person has. */
static bool is_person_of(void *arg, const struct command *command)
{
    struct new_roster *now = arg;
    now->asked++;
    return strcmp(now->person.person, command->actor.person) == 0;
}

static uint64_t reloads;

static struct command *put_roster(struct bench *b, struct new_roster *new, const char *person)
{
    memset(new, 0, sizeof(*new));
    pledged__v1__roster_adopted__init(&new->roster);
    pledged__v1__roster_person__init(&new->person);
    new->person.person = (char *)(uintptr_t)person;
    new->person.role = PLEDGED__V1__ROLE__ROLE_CLERK;
    new->persons[0] = &new->person;
    new->roster.person = new->persons;
    new->roster.n_person = 1;
    new->sha256[0] = 77;
    new->roster.sha256 = (ProtobufCBinaryData){32, new->sha256};
    struct command *command = make_for(b, "", 0);
    command->kind = COMMAND_ADOPT;
    command->start = b->start;
    command->start.roster = &new->roster;
    command->admission =
        (struct command_admission){.number = ++reloads, .may_act = is_person_of, .arg = new};
    command->clock_jump_limit_us = JUMP_US;
    return post(b, command);
}

static void test_a_new_roster_is_a_fact_before_any_later_command(void **state)
{
    struct bench *b = *state;
    struct new_roster new;
    uint64_t entries = log_entries(b);
    struct command *before = put(b, 1, msg_contributor(b, "Before"));
    struct command *adopt = put_roster(b, &new, "berta");
    struct command *late = put(b, 2, msg_contributor(b, "Late")); /* by anna, who is gone */
    struct command *after = make_for(b, "berta", 1);
    add_item(after, 3, msg_contributor(b, "After"));
    post(b, after);
    settle(b);
    assert_answered(b, late); /* shows nothing: need not wait */
    assert_int_equal(late->code, PL_E_DENIED);
    assert_int_equal(late->refusal->reason, REASON(PERMISSION_DENIED));
    assert_answered(b, before);
    assert_accepted_at(before, 0, entries + 1, NEW);
    assert_answered(b, adopt);
    assert_int_equal(adopt->code, PL_E_OK);
    assert_int_equal(entry_at(b, entries + 2)->fact_case, FACT_(ROSTER_ADOPTED));
    assert_answered(b, after);
    assert_accepted_at(after, 0, entries + 3, NEW);
    assert_ptr_equal(adopt->start.roster, &b->roster); /* the writer has done with it */
    assert_state_is_the_log(b);
}

/* What was let in before is looked at once more when it is taken up, reads too; what was let in by
 * this very reload is not. */
static void test_a_certificate_that_was_just_taken_off_does_nothing(void **state)
{
    struct bench *b = *state;
    struct new_roster new;
    (void)put_roster(b, &new, "berta");
    settle(b);
    (void)answered(b);
    uint64_t entries = log_entries(b);
    struct command *late = make_for(b, "anna", 2);
    add_item(late, 1, msg_contributor(b, "One"));
    add_item(late, 2, msg_contributor(b, "Two"));
    post(b, late);
    struct command *query = ask(b, query_size);
    struct command *good = make_for(b, "berta", 1);
    add_item(good, 3, msg_contributor(b, "Good"));
    post(b, good);
    struct command *again = make_for(b, "anna", 1); /* the same id, by who may not ask any more */
    add_item(again, 3, msg_contributor(b, "Good"));
    post(b, again);
    unsigned asked = new.asked;
    struct command *known = make_for(b, "anna", 1);
    known->admitted = reloads; /* by this reload, whoever they are to it */
    add_item(known, 4, msg_contributor(b, "Known"));
    post(b, known);
    settle(b);
    struct command *const refused[] = {late, query, again};
    for (size_t i = 0; i < PL_COUNT(refused); i++) {
        assert_answered(b, refused[i]);
        assert_int_equal(refused[i]->code, PL_E_DENIED);
        assert_int_equal(refused[i]->refusal->reason, REASON(PERMISSION_DENIED));
        assert_null(refused[i]->response);
    }
    assert_answered(b, good);
    assert_accepted_at(good, 0, entries + 1, NEW);
    assert_answered(b, known);
    assert_accepted_at(known, 0, entries + 2, NEW);
    assert_int_equal(new.asked, asked + 4);
    assert_int_equal(log_entries(b), entries + 2);
    assert_state_is_the_log(b);
}

static void test_the_same_roster_again_is_no_fact(void **state)
{
    struct bench *b = *state;
    struct new_roster new;
    (void)put_roster(b, &new, "anna");
    settle(b);
    uint64_t entries = log_entries(b);
    struct command *again = put_roster(b, &new, "anna");
    settle(b);
    (void)answered(b);
    assert_answered(b, again);
    assert_int_equal(again->code, PL_E_OK);
    assert_int_equal(log_entries(b), entries);
}

static void test_a_roster_that_cannot_be_written_is_not_adopted(void **state)
{
    struct bench *b = *state;
    struct new_roster new;
    uint64_t entries = log_entries(b);
    goes_wrong(b, 0, STORE_NO_SPACE);
    struct command *adopt = put_roster(b, &new, "berta");
    settle(b);
    assert_answered(b, adopt);
    assert_int_equal(adopt->code, PL_E_NO_SPACE);
    assert_ptr_equal(adopt->start.roster, &new.roster);
    b->roster.n_person = 1;
    b->roster.person = new.persons;
    new.person.person = (char *)"anna";
    struct command *command = put(b, 1, msg_contributor(b, "Goes on"));
    settle(b);
    assert_answered(b, command);
    assert_accepted_at(command, 0, entries + 1, NEW);
    fault_set_room(b->store, pl_fail(NO_SPACE, "write"));
    adopt = put_roster(b, &new, "berta");
    settle(b);
    assert_answered(b, adopt);
    assert_int_equal(adopt->code, PL_E_UNAVAILABLE);
    assert_int_equal(log_entries(b), entries + 1);
}

/* --- a data directory that goes away --- */

static void goes_away(struct bench *b, bool there)
{
    fault_set_there(b->store, there);
    pl_clock_fake_advance_us(&b->clock, SECOND_US / 5); /* it is not looked at all the time */
}

static void assert_says_gone(struct bench *b, bool gone, uint64_t size)
{
    Pledged__V1__GetStatusResponse status = PLEDGED__V1__GET_STATUS_RESPONSE__INIT;
    assert_true(newest_status(b, &status));
    assert_int_equal(status.writable, !gone);
    assert_int_equal(status.size, size);
    assert_int_equal(strstr(status.why_not_writable, "data directory") != NULL, gone);
}

/* Nothing was under way: all that the state says is in the log. */
static void test_without_its_directory_nothing_is_recorded_and_queries_go_on(void **state)
{
    struct bench *b = *state;
    struct new_roster new;
    unsigned appends = fault_appends(b->store);
    Pledged__V1__Command *trial = msg_contributor(b, "trial");
    trial->dry_run = true;
    struct command *hold = put(b, 9, msg_hold(b, "top", "C000001", 3600));
    settle(b);
    assert_answered(b, hold);
    drop_views(b);
    goes_away(b, false);
    struct command *write = put(b, 1, msg_contributor(b, "lost"));
    turn(b);
    assert_answered(b, write); /* the first one already */
    assert_refused_item(write, 0, UNAVAILABLE, DATA_GONE);
    assert_true(write->item[0].refusal->retryable);
    assert_says_gone(b, true, READY_ENTRIES + 1);
    struct command *query = ask(b, query_size);
    struct command *dry = put(b, 2, trial);
    struct command *repeat = put(b, 1002, msg_contributor(b, "Ministry 1"));
    struct command *adopt = put_roster(b, &new, "berta");
    turn(b);
    assert_answered(b, query);
    assert_answered(b, dry);
    assert_answered(b, repeat);
    assert_answered(b, adopt);
    assert_int_equal(size_seen(query), READY_ENTRIES + 1);
    assert_accepted_at(dry, 0, READY_ENTRIES + 2, DRY_RUN);
    assert_accepted_at(repeat, 0, 5, REPLAY);
    assert_int_equal(adopt->code, PL_E_UNAVAILABLE);
    pl_clock_fake_advance_us(&b->clock, 7200 * SECOND_US); /* what is due waits too */
    turns(b, 3);
    assert_true(writer_idle(b->writer));
    assert_int_equal(fault_appends(b->store), appends + 1);
    int64_t wake_ns = writer_next_wake_ns(b->writer);
    assert_true(wake_ns > b->clock.mono_ns_now);
    assert_true(wake_ns <= b->clock.mono_ns_now + 1000000000LL);
    goes_away(b, true);
    settle(b);
    assert_says_gone(b, false, READY_ENTRIES + 2); /* the hold is over */
    write = put(b, 1, msg_contributor(b, "lost"));
    settle(b);
    assert_answered(b, write);
    assert_accepted_at(write, 0, READY_ENTRIES + 3, NEW);
    assert_int_equal(b->rebuilds, 0);
    assert_state_is_the_log(b);
}

/* What was under way is told to nobody, by no way, until it is where it belongs. */
static void check_under_way(struct bench *b, bool applied)
{
    struct new_roster new;
    fault_plan(
        b->store, 0,
        applied ? (struct fault){.kind = FAULT_APPLIED_UNKNOWN, .delay = 3}
                : (struct fault){.kind = FAULT_NOT_APPLIED, .outcome = STORE_UNKNOWN, .delay = 3});
    unsigned appends = fault_appends(b->store);
    struct command *sent = put(b, 1, msg_contributor(b, "sent"));
    struct command *saw = ask(b, query_size);
    turn(b);
    struct command *next = put(b, 2, msg_contributor(b, "next"));
    struct command *adopt = put_roster(b, &new, "anna");
    turn(b);
    assert_silence(b);
    fault_set_there(b->store, false);
    turns(b, 5);
    assert_answered(b, sent);
    assert_answered(b, saw);
    assert_answered(b, next);
    assert_silence(b); /* a roster counts when it is in the log */
    assert_refused_whole(sent, UNKNOWN_OUTCOME, OUTCOME_UNKNOWN);
    assert_refused_whole(saw, UNAVAILABLE, DATA_GONE);
    assert_null(saw->response);
    assert_refused_whole(next, UNKNOWN_OUTCOME, OUTCOME_UNKNOWN);
    assert_says_gone(b, true, READY_ENTRIES);
    struct command *again = put(b, 1, msg_contributor(b, "sent"));
    struct command *other = put(b, 3, msg_contributor(b, "other"));
    struct command *query = ask(b, query_size);
    struct command *repeat = put(b, 1002, msg_contributor(b, "Ministry 1"));
    Pledged__V1__Command *trial = msg_contributor(b, "trial");
    trial->dry_run = true;
    struct command *dry = put(b, 4, trial);
    turn(b);
    assert_answered(b, again);
    assert_answered(b, other);
    assert_answered(b, query);
    assert_answered(b, repeat);
    assert_answered(b, dry);
    assert_refused_item(again, 0, UNKNOWN_OUTCOME, OUTCOME_UNKNOWN);
    assert_refused_item(other, 0, UNAVAILABLE, DATA_GONE);
    assert_refused_whole(query, UNAVAILABLE, DATA_GONE);
    assert_null(query->response);
    assert_accepted_at(repeat, 0, 5, REPLAY);
    assert_refused_item(dry, 0, UNAVAILABLE, DATA_GONE);
    pl_clock_fake_advance_us(&b->clock, 10 * SECOND_US);
    turns(b, 5);
    assert_true(writer_idle(b->writer)); /* an end does not wait for it */
    assert_int_equal(fault_appends(b->store), appends + 1);
    assert_int_equal(b->rebuilds, 0); /* from where? */
    goes_away(b, true);
    settle(b);
    assert_answered(b, adopt);
    assert_int_equal(adopt->code, PL_E_OK);
    assert_says_gone(b, false, READY_ENTRIES + 3);
    again = put(b, 1, msg_contributor(b, "sent"));
    next = put(b, 2, msg_contributor(b, "next"));
    settle(b);
    assert_answered(b, again);
    assert_answered(b, next);
    assert_accepted_at(again, 0, READY_ENTRIES + 1, REPLAY);
    assert_accepted_at(next, 0, READY_ENTRIES + 2, REPLAY);
    assert_state_is_the_log(b);
}

static void test_what_was_under_way_is_held_back(void **state)
{
    check_under_way(*state, true);
}

static void test_what_was_on_its_way_to_a_lost_file_is_held_back(void **state)
{
    check_under_way(*state, false);
}

/* Some of it is durable, some on its way, some decided, some not. */
static void test_a_long_command_is_told_what_is_durable(void **state)
{
    struct bench *b = *state;
    fault_plan(b->store, 1, (struct fault){.kind = FAULT_APPLIED_UNKNOWN});
    struct command *many = put_many(b, MANY);
    for (int i = 0; i < 100 && fault_appends(b->store) < 3; i++)
        turn(b);
    fault_set_there(b->store, false);
    settle(b);
    assert_answered(b, many);
    assert_int_equal(many->code, PL_E_OK);
    size_t durable = (size_t)(batch_at(b, 3).count), told = 0, unsure = 0, refused = 0;
    for (size_t i = 0; i < MANY; i++) {
        const struct command_item *item = &many->item[i];
        told += item->receipt != NULL;
        unsure += item->receipt == NULL && item->code == PL_E_UNKNOWN_OUTCOME;
        refused += item->receipt == NULL && item->code == PL_E_UNAVAILABLE;
    }
    assert_int_equal(told, durable);
    assert_in_range(unsure, 1, MANY);
    assert_int_equal(told + unsure + refused, MANY);
    struct command *foreign = make_for(b, "berta", 1); /* whose the id is, is no fact either */
    add_item(foreign, 5000 + durable, msg_contributor(b, "by somebody else"));
    post(b, foreign);
    turn(b);
    assert_answered(b, foreign);
    assert_refused_item(foreign, 0, UNKNOWN_OUTCOME, OUTCOME_UNKNOWN);
    goes_away(b, true);
    settle(b);
    many = put_many(b, MANY);
    settle(b);
    assert_answered(b, many);
    for (size_t i = 0; i < MANY; i++) {
        assert_non_null(many->item[i].receipt);
        assert_int_equal(many->item[i].receipt->seq, READY_ENTRIES + 1 + i);
    }
    assert_state_is_the_log(b);
}

#define CASE(name_) cmocka_unit_test_setup_teardown(test_##name_, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_start_writes_its_facts_once),
        CASE(a_start_resolves_unknown_and_tells_failures),
        CASE(nothing_is_told_before_it_is_durable),
        CASE(who_hands_over_the_only_batch_looks_again_at_once),
        CASE(what_comes_during_a_sync_shares_the_next_batch),
        CASE(a_query_waits_for_what_it_saw),
        CASE(queries_take_a_bounded_share_of_a_turn),
        CASE(a_query_reads_entries_wherever_they_are),
        CASE(a_repeat_gets_the_receipt_wherever_the_original_is),
        CASE(a_repeat_of_a_refusal_gets_that_refusal),
        CASE(what_older_rules_took_is_told_again),
        CASE(a_used_id_is_refused_to_others_and_for_others),
        CASE(a_dry_run_changes_nothing),
        CASE(unknown_but_applied_is_one_effect),
        CASE(unknown_and_not_applied_is_one_effect),
        CASE(unknown_again_and_again_is_one_effect),
        CASE(no_space_rolls_back),
        CASE(unavailable_rolls_back),
        CASE(a_lost_place_ends_the_writer),
        CASE(a_newer_writer_fences_the_old_one),
        CASE(why_the_log_cannot_grow_is_told),
        CASE(without_room_writes_are_refused_and_queries_go_on),
        CASE(a_deadline_that_passed_means_nothing_happened),
        CASE(a_deadline_does_not_undo_what_is_decided),
        CASE(one_command_may_span_batches),
        CASE(long_commands_let_others_pass),
        CASE(nothing_comes_between_the_parts_of_a_command),
        CASE(long_commands_go_on_under_a_flood_of_questions),
        CASE(receipts_for_who_only_packs_them),
        CASE(without_memory_each_is_told_what_is_true),
        CASE(without_memory_what_is_rolled_back_is_not_told),
        CASE(without_memory_what_is_durable_stays_told),
        CASE(mail_is_not_wanted_while_a_full_batch_waits),
        CASE(items_the_worker_refused_are_left_alone),
        CASE(a_command_that_failed_in_the_middle_tells_its_parts),
        CASE(a_command_whose_first_batch_failed_is_refused_whole),
        CASE(expiry_is_written_before_a_later_command),
        CASE(a_hold_expires_although_nobody_asks),
        CASE(a_jump_ahead_stops_expiry_until_it_is_put_right),
        CASE(a_jump_back_stops_expiry_until_it_is_put_right),
        CASE(a_small_correction_is_believed),
        CASE(a_start_far_behind_the_log_lets_nothing_expire),
        CASE(a_receipt_is_never_ahead_of_the_view),
        CASE(read_only_nothing_is_written_and_all_is_told),
        CASE(a_new_roster_is_a_fact_before_any_later_command),
        CASE(a_certificate_that_was_just_taken_off_does_nothing),
        CASE(the_same_roster_again_is_no_fact),
        CASE(a_roster_that_cannot_be_written_is_not_adopted),
        CASE(without_its_directory_nothing_is_recorded_and_queries_go_on),
        CASE(what_was_under_way_is_held_back),
        CASE(what_was_on_its_way_to_a_lost_file_is_held_back),
        CASE(a_long_command_is_told_what_is_durable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

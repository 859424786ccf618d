/* SPDX-License-Identifier: Apache-2.0
 *
 * test_disagreement: rules that decide wrongly (made so here, behind the linker's back) do not get
 * their entries into the ledger: nothing of such a command is recorded, it is told INTERNAL, others
 * go on (W5).
 */
// clang-format off
#include "writer_fixture.h"
// clang-format on

/* --- wrong on purpose --- */

/* Which entry of the next decision that has one is made wrong, and how. */
static size_t wrong_entry;
static void (*make_wrong)(Pledged__V1__Entry *entry); /* NULL: decide as the rules do */

static void spoil(struct ledger_decision *decision)
{
    if (make_wrong == NULL || decision->answer != LEDGER_ACCEPTED ||
        decision->entry_count <= wrong_entry)
        return;
    make_wrong(decision->entry[wrong_entry]);
    make_wrong = NULL;
}

void __real_ledger_decide(const struct ledger *ledger, const struct ledger_request *request,
                          struct pl_arena *arena, struct ledger_decision *ret);
void __wrap_ledger_decide(const struct ledger *ledger, const struct ledger_request *request,
                          struct pl_arena *arena, struct ledger_decision *ret)
{
    __real_ledger_decide(ledger, request, arena, ret);
    spoil(ret);
}

void __real_ledger_decide_due(const struct ledger *ledger, int64_t now_us, struct pl_arena *arena,
                              struct ledger_decision *ret);
void __wrap_ledger_decide_due(const struct ledger *ledger, int64_t now_us, struct pl_arena *arena,
                              struct ledger_decision *ret)
{
    __real_ledger_decide_due(ledger, now_us, arena, ret);
    spoil(ret);
}

void __real_ledger_decide_start(const struct ledger *ledger, const struct ledger_start *start,
                                int64_t now_us, struct pl_arena *arena,
                                struct ledger_decision *ret);
void __wrap_ledger_decide_start(const struct ledger *ledger, const struct ledger_start *start,
                                int64_t now_us, struct pl_arena *arena, struct ledger_decision *ret)
{
    __real_ledger_decide_start(ledger, start, now_us, arena, ret);
    spoil(ret);
}

static void of_the_past(Pledged__V1__Entry *entry)
{
    entry->time_us = 1;
}

/* Applied without a look, this would end the process. */
static void of_nobody(Pledged__V1__Entry *entry)
{
    assert_int_equal(entry->fact_case, FACT_(WITHDRAWN));
    entry->withdrawn->pledge = (char *)(uintptr_t) "P000777";
}

/* Applied without a look, this would oversell. */
static void of_the_full_tier(Pledged__V1__Entry *entry)
{
    assert_int_equal(entry->fact_case, FACT_(HOLD_PLACED));
    entry->hold_placed->tier = (char *)(uintptr_t) "top";
}

static void plan(size_t entry, void (*wrong)(Pledged__V1__Entry *entry))
{
    wrong_entry = entry;
    make_wrong = wrong;
}

/* --- commands --- */

static Pledged__V1__Command *msg_wait(struct bench *b, const char *tier, const char *contributor)
{
    Pledged__V1__Command *msg = msg_new(b);
    msg->command_case = COMMAND(WAIT);
    msg->wait = pl_arena_alloc(&b->arena, sizeof(*msg->wait));
    pledged__v1__wait__init(msg->wait);
    msg->wait->tier = (char *)(uintptr_t)tier;
    msg->wait->contributor = (char *)(uintptr_t)contributor;
    return msg;
}

static Pledged__V1__Command *msg_withdraw(struct bench *b, const char *pledge)
{
    Pledged__V1__Command *msg = msg_new(b);
    msg->command_case = COMMAND(WITHDRAW);
    msg->withdraw = pl_arena_alloc(&b->arena, sizeof(*msg->withdraw));
    pledged__v1__withdraw__init(msg->withdraw);
    msg->withdraw->pledge = (char *)(uintptr_t)pledge;
    return msg;
}

static int setup(void **state)
{
    struct bench *b = malloc(sizeof(*b));
    make_wrong = NULL;
    bench_ready(b);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    bench_fini(b);
    free(b);
    return 0;
}

/* P000001 holds the only place of `top` and P000002 waits for it: when the one goes, the other is
 * promoted, in entries of the same command. */
static void queue_for_top(struct bench *b)
{
    struct command *hold = put(b, 11, msg_hold(b, "top", "C000001", 3600));
    struct command *wait = put(b, 12, msg_wait(b, "top", "C000002"));
    settle(b);
    assert_answered(b, hold);
    assert_answered(b, wait);
    assert_accepted_at(hold, 0, 7, NEW);
    assert_accepted_at(wait, 0, 8, NEW);
    drop_views(b);
}

static void assert_goes_on(struct bench *b, uint64_t request)
{
    uint64_t entries = log_entries(b);
    struct command *command = put(b, request, msg_contributor(b, "Goes on"));
    settle(b);
    assert_answered(b, command);
    assert_accepted_at(command, 0, entries + 1, NEW);
    assert_state_is_the_log(b);
}

/* --- commands that are decided wrongly --- */

static void test_a_wrong_entry_is_not_recorded(void **state)
{
    struct bench *b = *state;
    plan(0, of_the_past);
    struct command *before = put(b, 1, msg_contributor(b, "Before"));
    settle(b);
    assert_answered(b, before);
    assert_refused_item(before, 0, INTERNAL, INTERNAL);
    assert_false(before->item[0].refusal->retryable);
    assert_int_equal(before->item[0].refusal->seq, 0);
    assert_int_equal(log_entries(b), READY_ENTRIES);
    assert_int_equal(b->disagreements, 1);
    assert_int_equal(b->rebuilds, 0);                                /* the state was not touched */
    struct command *again = put(b, 1, msg_contributor(b, "Before")); /* its id is not used up */
    settle(b);
    assert_answered(b, again);
    assert_accepted_at(again, 0, 7, NEW);
    assert_goes_on(b, 2);
}

static void test_what_would_end_the_process_does_not(void **state)
{
    struct bench *b = *state;
    queue_for_top(b);
    plan(0, of_nobody);
    struct command *command = put(b, 1, msg_withdraw(b, "P000001"));
    settle(b);
    assert_answered(b, command);
    assert_refused_item(command, 0, INTERNAL, INTERNAL);
    assert_goes_on(b, 2);
}

static void test_what_would_oversell_does_not(void **state)
{
    struct bench *b = *state;
    queue_for_top(b);
    plan(0, of_the_full_tier);
    struct command *command = put(b, 1, msg_hold(b, "many", "C000002", 3600));
    settle(b);
    assert_answered(b, command);
    assert_refused_item(command, 0, INTERNAL, INTERNAL);
    assert_int_equal(b->disagreements, 1);
    assert_goes_on(b, 2);
}

/* The first entry is in the state when the second one is refused. */
static void test_half_a_decision_is_undone(void **state)
{
    struct bench *b = *state;
    queue_for_top(b);
    fault_plan(b->store, 0, (struct fault){.kind = FAULT_NONE, .delay = 4});
    struct command *flying = put(b, 1, msg_contributor(b, "In flight"));
    (void)turn(b);
    struct command *innocent = put(b, 2, msg_contributor(b, "Innocent"));
    (void)turn(b);
    plan(1, of_the_past);
    struct command *guilty = put(b, 3, msg_withdraw(b, "P000001"));
    struct command *later = put(b, 4, msg_contributor(b, "Later"));
    settle(b);
    assert_answered(b, flying);
    assert_accepted_at(flying, 0, 9, NEW);
    assert_answered(b, innocent);
    assert_refused_whole(innocent, UNAVAILABLE, UNAVAILABLE);
    assert_answered(b, guilty);
    assert_refused_item(guilty, 0, INTERNAL, INTERNAL);
    assert_answered(b, later); /* not decided before the state was right again */
    assert_accepted_at(later, 0, 10, NEW);
    assert_int_equal(b->rebuilds, 1);
    assert_int_equal(b->disagreements, 1);
    assert_state_is_the_log(b);
    guilty = put(b, 3, msg_withdraw(b, "P000001"));
    settle(b);
    assert_answered(b, guilty);
    assert_accepted_at(guilty, 0, 11, NEW);
    assert_goes_on(b, 2);
}

/* No view shows what was never recorded. */
static void test_half_a_decision_is_not_shown(void **state)
{
    struct bench *b = *state;
    Pledged__V1__GetStatusResponse status = {0};
    queue_for_top(b);
    plan(2, of_the_past);
    struct command *guilty = put(b, 3, msg_withdraw(b, "P000001"));
    for (int i = 0; i < 10; i++) {
        (void)turn(b);
        if (newest_status(b, &status))
            assert_int_equal(status.size, 8);
    }
    assert_answered(b, guilty);
    assert_refused_item(guilty, 0, INTERNAL, INTERNAL);
    assert_true(writer_idle(b->writer));
    assert_state_is_the_log(b);
}

static void test_the_parts_of_a_command_are_told_apart(void **state)
{
    struct bench *b = *state;
    queue_for_top(b);
    struct command *command = make_for(b, "anna", 3);
    add_item(command, 1, msg_contributor(b, "First"));
    add_item(command, 2, msg_withdraw(b, "P000001"));
    add_item(command, 3, msg_contributor(b, "Third"));
    plan(1, of_the_past);
    post(b, command);
    settle(b);
    assert_answered(b, command);
    assert_refused_item(command, 0, UNAVAILABLE, UNAVAILABLE);
    assert_true(command->item[0].refusal->retryable);
    assert_refused_item(command, 1, INTERNAL, INTERNAL);
    assert_refused_item(command, 2, UNAVAILABLE, UNAVAILABLE);
    assert_int_equal(log_entries(b), 8);
    assert_goes_on(b, 4);
}

static void test_the_other_parts_go_on_where_nothing_is_spoiled(void **state)
{
    struct bench *b = *state;
    struct command *command = make_for(b, "anna", 3);
    add_item(command, 1, msg_contributor(b, "First"));
    add_item(command, 2, msg_contributor(b, "Second"));
    add_item(command, 3, msg_contributor(b, "Third"));
    plan(0, of_the_past);
    post(b, command);
    settle(b);
    assert_answered(b, command);
    assert_refused_item(command, 0, INTERNAL, INTERNAL);
    assert_accepted_at(command, 1, 7, NEW);
    assert_accepted_at(command, 2, 8, NEW);
    assert_state_is_the_log(b);
}

static void test_a_rehearsal_is_checked_too(void **state)
{
    struct bench *b = *state;
    Pledged__V1__Command *trial = msg_contributor(b, "Trial");
    trial->dry_run = true;
    plan(0, of_the_past);
    struct command *command = put(b, 1, trial);
    settle(b);
    assert_answered(b, command);
    assert_refused_item(command, 0, INTERNAL, INTERNAL);
    assert_int_equal(log_entries(b), READY_ENTRIES);
}

/* It has no effect, so that it is no second one. */
static void test_a_rehearsal_may_have_an_id_that_was_used(void **state)
{
    struct bench *b = *state;
    struct command *first = put(b, 1, msg_contributor(b, "First"));
    settle(b);
    assert_answered(b, first);
    assert_accepted_at(first, 0, 7, NEW);
    Pledged__V1__Command *trial = msg_contributor(b, "Trial");
    trial->dry_run = true;
    struct command *command = put(b, 1, trial);
    settle(b);
    assert_answered(b, command);
    assert_accepted_at(command, 0, 8, DRY_RUN);
    assert_int_equal(b->disagreements, 0);
    assert_int_equal(log_entries(b), 7);
}

/* --- what the daemon decides by itself --- */

static void due_goes_wrong(struct bench *b, size_t entry)
{
    Pledged__V1__GetStatusResponse status = {0};
    queue_for_top(b);
    plan(entry, of_the_past);
    pl_clock_fake_advance_us(&b->clock, 3601 * SECOND_US);
    struct command *command = put(b, 1, msg_contributor(b, "Behind what is due"));
    settle(b);
    assert_answered(b, command);
    assert_refused_item(command, 0, UNAVAILABLE, UNAVAILABLE);
    turns(b, 3);
    assert_true(newest_status(b, &status));
    assert_false(status.writable);
    assert_non_null(strstr(status.why_not_writable, "mistake"));
    assert_int_equal(status.size, 8);
    assert_int_equal(log_entries(b), 8);
    assert_int_equal(b->disagreements, 1);
    assert_state_is_the_log(b);
    assert_true(writer_next_wake_ns(b->writer) == INT64_MAX); /* nothing is tried again and again */
}

/* What is due waits until the state is right again, and is decided from that one. */
static void test_nothing_is_due_in_a_spoiled_state(void **state)
{
    struct bench *b = *state;
    queue_for_top(b);
    struct command *third = put(b, 13, msg_contributor(b, "Third"));
    struct command *hold = put(b, 14, msg_hold(b, "many", "C000003", 60));
    settle(b);
    assert_answered(b, third);
    assert_answered(b, hold);
    assert_accepted_at(hold, 0, 10, NEW);
    fault_plan(b->store, 0, (struct fault){.kind = FAULT_NONE, .delay = 8});
    struct command *flying = put(b, 1, msg_contributor(b, "In flight"));
    (void)turn(b);
    plan(1, of_the_past);
    struct command *guilty = put(b, 3, msg_withdraw(b, "P000001"));
    (void)turn(b);
    plan(0, of_the_past); /* the next decision would be wrong too, and not spoil anything */
    pl_clock_fake_advance_us(&b->clock, 61 * SECOND_US);
    (void)turn(b);
    assert_non_null(make_wrong); /* nothing was decided */
    make_wrong = NULL;
    settle(b);
    assert_answered(b, flying);
    assert_answered(b, guilty);
    assert_refused_item(guilty, 0, INTERNAL, INTERNAL);
    assert_int_equal(b->disagreements, 1);
    assert_int_equal(b->rebuilds, 1);
    assert_goes_on(b, 2);
}

static void test_what_is_due_and_wrong_stops_writing(void **state)
{
    due_goes_wrong(*state, 0);
}

static void test_half_of_what_is_due_is_undone(void **state)
{
    struct bench *b = *state;
    due_goes_wrong(b, 1);
    assert_int_equal(b->rebuilds, 1);
}

static void test_a_start_that_decides_wrongly_fails(void **state)
{
    struct bench *b = *state;
    struct writer *none = NULL;
    writer_free(b->writer);
    b->writer = NULL;
    b->sha256[0]++; /* another roster and policy */
    plan(0, of_the_past);
    assert_int_equal(bench_try_writer(b, &none).code, PL_E_INTERNAL);
    assert_null(none);
    assert_int_equal(log_entries(b), READY_ENTRIES);
    assert_true(pl_is_ok(bench_try_writer(b, &b->writer)));
    assert_goes_on(b, 1);
}

static void test_a_reload_that_decides_wrongly_changes_nothing(void **state)
{
    struct bench *b = *state;
    uint8_t sha256[32] = {77};
    Pledged__V1__RosterAdopted roster = b->roster;
    roster.sha256 = (ProtobufCBinaryData){32, sha256};
    struct command *adopt = make_for(b, "", 0);
    adopt->kind = COMMAND_ADOPT;
    adopt->start = b->start;
    adopt->start.roster = &roster;
    adopt->clock_jump_limit_us = JUMP_US;
    plan(0, of_the_past);
    post(b, adopt);
    settle(b);
    assert_answered(b, adopt);
    assert_int_equal(adopt->code, PL_E_INTERNAL);
    assert_ptr_equal(adopt->start.roster, &roster); /* the writer kept its own */
    assert_int_equal(log_entries(b), READY_ENTRIES);
    assert_goes_on(b, 1);
}

#define CASE(name_) cmocka_unit_test_setup_teardown(test_##name_, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_wrong_entry_is_not_recorded),
        CASE(what_would_end_the_process_does_not),
        CASE(what_would_oversell_does_not),
        CASE(half_a_decision_is_undone),
        CASE(half_a_decision_is_not_shown),
        CASE(the_parts_of_a_command_are_told_apart),
        CASE(the_other_parts_go_on_where_nothing_is_spoiled),
        CASE(a_rehearsal_is_checked_too),
        CASE(a_rehearsal_may_have_an_id_that_was_used),
        CASE(nothing_is_due_in_a_spoiled_state),
        CASE(what_is_due_and_wrong_stops_writing),
        CASE(half_of_what_is_due_is_undone),
        CASE(a_start_that_decides_wrongly_fails),
        CASE(a_reload_that_decides_wrongly_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

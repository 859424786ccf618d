/* SPDX-License-Identifier: Apache-2.0
 *
 * test_helm: the writer's turns on any thread, one at a time: a command that is alone is seen to
 * where it came from, whatever is in the way leaves it to the writer's thread, nothing is told
 * before it is durable, and nothing that a worker leaves behind is forgotten. Meant to be run under
 * the thread sanitizer too.
 */
// clang-format off
#include "writer_fixture.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include "common/check.h"
#include "server/helm.h"
// clang-format on

struct deck {
    struct bench b; /* first member */
    struct helm *helm;
};

static int setup(void **state)
{
    struct deck *deck = calloc(1, sizeof(*deck));
    assert_non_null(deck);
    bench_ready(&deck->b);
    const struct helm_options options = {.writer = deck->b.writer,
                                         .store = deck->b.store,
                                         .inbox = deck->b.inbox,
                                         .clock = &deck->b.clock.clock};
    assert_true(pl_is_ok(helm_new(&options, &deck->helm)));
    *state = deck;
    return 0;
}

static int teardown(void **state)
{
    struct deck *deck = *state;
    helm_free(deck->helm);
    bench_fini(&deck->b);
    free(deck);
    return 0;
}

/* A command of its own, not posted. */
static struct command *made(struct bench *b, uint64_t request)
{
    struct command *command = make_for(b, "anna", 1);
    char name[32];
    (void)snprintf(name, sizeof(name), "Council %u", (unsigned)request);
    add_item(command, 10000 + request, msg_contributor(b, name));
    command->phase = COMMAND_QUEUED;
    return command;
}

/* The next answer, whenever the writer's thread has it. */
static struct command *waited_for(struct bench *b)
{
    struct command *command = answered(b);
    while (command == NULL) {
        struct pollfd fd = {.fd = pl_mailbox_fd(b->home), .events = POLLIN};
        assert_int_equal(poll(&fd, 1, 60000), 1);
        command = answered(b);
    }
    return command;
}

static bool rung(const struct bench *b)
{
    struct pollfd fd = {.fd = pl_mailbox_fd(b->home), .events = POLLIN};
    return poll(&fd, 1, 0) == 1;
}

/* --- without the thread --- */

static void test_a_command_is_seen_to_at_once(void **state)
{
    struct deck *deck = *state;
    struct bench *b = &deck->b;
    for (unsigned i = 1; i <= 3; i++) {
        struct command *command = made(b, i);
        assert_true(helm_try(deck->helm, command));
        assert_false(rung(b));                               /* who is told is who told */
        assert_int_equal(log_entries(b), READY_ENTRIES + i); /* durable, then told */
        assert_answered(b, command);
        assert_accepted_at(command, 0, READY_ENTRIES + i, NEW);
    }
    assert_silence(b);
    assert_state_is_the_log(b);
}

static void test_other_work_is_in_the_way(void **state)
{
    struct deck *deck = *state;
    struct bench *b = &deck->b;
    struct command *first = put(b, 1, msg_contributor(b, "Ministry 3"));
    struct command *second = made(b, 2);
    assert_false(helm_try(deck->helm, second)); /* somebody came before */
    assert_silence(b);
    assert_int_equal(log_entries(b), READY_ENTRIES);
    settle(b);
    assert_answered(b, first);
    assert_true(helm_try(deck->helm, second));
    assert_answered(b, second);
}

static void test_what_takes_time_is_not_told_before(void **state)
{
    struct deck *deck = *state;
    struct bench *b = &deck->b;
    struct command *first = made(b, 1), *second = made(b, 2);
    fault_plan(b->store, 0, (struct fault){.kind = FAULT_NONE, .delay = FAULT_UNTIL_TOLD});
    assert_true(helm_try(deck->helm, first));
    assert_silence(b);
    assert_false(helm_try(deck->helm, second)); /* a batch is on its way */
    assert_true(fault_release(b->store));
    settle(b);
    assert_true(rung(b)); /* somebody else's turn told it */
    assert_answered(b, first);
    assert_true(helm_try(deck->helm, second));
    assert_answered(b, second);
    assert_accepted_at(second, 0, READY_ENTRIES + 2, NEW);
}

/* How many were tried at once until one was not. */
static unsigned tries_until_none(struct deck *deck, unsigned first)
{
    unsigned tried = first;
    while (tried < first + 10 && helm_try(deck->helm, made(&deck->b, tried)))
        tried++;
    return tried - first;
}

static void test_a_slow_disk_is_not_waited_for(void **state)
{
    struct deck *deck = *state;
    struct bench *b = &deck->b;
    const int64_t slow_us = 20LL * LIMIT_TURN_ELSEWHERE_US;
    b->batch_takes_us = slow_us;
    assert_in_range(tries_until_none(deck, 1), 2, 8); /* one makes no slow disk */
    for (unsigned i = 0; i < 3; i++) { /* perhaps it has changed? Asked now and then */
        pl_clock_fake_advance_us(&b->clock, slow_us * LIMIT_SLOW_DISK_TIMES / 2);
        assert_false(helm_try(deck->helm, made(b, 20 + i)));
        pl_clock_fake_advance_us(&b->clock, slow_us * LIMIT_SLOW_DISK_TIMES / 2);
        assert_int_equal(tries_until_none(deck, 30 + i), 1);
    }
    pl_clock_fake_advance_us(&b->clock, slow_us * LIMIT_SLOW_DISK_TIMES);
    b->batch_takes_us = LIMIT_TURN_ELSEWHERE_US / 4;
    for (unsigned i = 50; i < 70; i++) /* it has */
        assert_true(helm_try(deck->helm, made(b, i)));
}

static void test_after_a_little_it_is_tried_again_soon(void **state)
{
    struct deck *deck = *state;
    struct bench *b = &deck->b;
    b->batch_takes_us = 2LL * LIMIT_TURN_ELSEWHERE_US;
    for (unsigned i = 1; i < 40 && helm_try(deck->helm, made(b, i)); i++) {
    }
    assert_false(helm_try(deck->helm, made(b, 50)));
    pl_clock_fake_advance_us(&b->clock, LIMIT_SLOW_DISK_MS * 1000LL);
    assert_true(helm_try(deck->helm, made(b, 51)));
}

/* --- with it --- */

static void test_the_thread_ends_with_all_done(void **state)
{
    struct deck *deck = *state;
    struct bench *b = &deck->b;
    assert_true(pl_is_ok(helm_start(deck->helm)));
    fault_plan(b->store, 0, (struct fault){.kind = FAULT_NONE, .delay = 5});
    struct command *command = put(b, 1, msg_contributor(b, "Ministry 3"));
    helm_free(deck->helm);
    deck->helm = NULL;
    assert_answered(b, command);
    assert_accepted_at(command, 0, READY_ENTRIES + 1, NEW);
}

static _Atomic int64_t moved_ns;

/* Moves on by a millisecond whenever somebody looks at it. */
static int64_t moving_ns(struct pl_clock *clock)
{
    (void)clock;
    return atomic_fetch_add(&moved_ns, 1000000);
}

/* What a worker's turn leaves: a batch on its way, announced by the store; one that has to be
 * handed over again after a time. Who of the two takes the helm is up to the machine. */
static void test_the_thread_goes_on_where_a_worker_stopped(void **state)
{
    struct deck *deck = *state;
    struct bench *b = &deck->b;
    b->clock.clock.mono_ns = moving_ns;
    assert_true(pl_is_ok(helm_start(deck->helm)));
    for (unsigned i = 1; i <= 60; i++) {
        struct command *command = made(b, i);
        fault_plan(b->store, 0,
                   (struct fault){.kind = i % 3 == 0 ? FAULT_APPLIED_UNKNOWN : FAULT_NONE,
                                  .delay = i % 2 == 0 ? 3 : 0});
        if (!helm_try(deck->helm, command))
            assert_true(pl_mailbox_post(b->inbox, &command->mail));
        assert_ptr_equal(waited_for(b), command);
        assert_accepted_at(command, 0, READY_ENTRIES + i, NEW);
    }
}

enum { SAILORS = 3, COMMANDS = 400 };

struct sailor {
    struct deck *deck;
    struct pl_mailbox *home;
    struct command *command[COMMANDS];
    unsigned at_once, answered;
    uint64_t seq[COMMANDS];
};

static void note_answers(struct sailor *sailor, const struct pl_mail *mail)
{
    for (; mail != NULL; mail = mail->next) {
        const struct command *command = (const struct command *)(const void *)mail;
        PL_ASSERT(command->phase == COMMAND_DONE && command->item[0].receipt != NULL);
        PL_ASSERT(sailor->answered < COMMANDS);
        sailor->seq[sailor->answered++] = command->item[0].receipt->seq;
    }
}

/* Who looks at its home when it did the turn itself, and waits for a ring when it did not. */
static void *sail(void *arg)
{
    struct sailor *sailor = arg;
    for (int i = 0; i < COMMANDS; i++) {
        if (i % 4 != 3 && helm_try(sailor->deck->helm, sailor->command[i]))
            sailor->at_once++;
        else
            PL_ASSERT(pl_mailbox_post(sailor->deck->b.inbox, &sailor->command[i]->mail));
        if (i % 2 == 0)
            note_answers(sailor, pl_mailbox_take(sailor->home));
    }
    while (sailor->answered < COMMANDS)
        note_answers(sailor, pl_mailbox_wait(sailor->home));
    return NULL;
}

static void prepare_sailor(struct sailor *sailor, struct deck *deck, unsigned number)
{
    *sailor = (struct sailor){.deck = deck};
    assert_true(pl_is_ok(pl_mailbox_new(0, &sailor->home)));
    for (unsigned k = 0; k < COMMANDS; k++) {
        sailor->command[k] = made(&deck->b, 1 + number * COMMANDS + k);
        sailor->command[k]->home = sailor->home;
    }
}

static void test_three_workers_and_the_thread(void **state)
{
    struct deck *deck = *state;
    static struct sailor sailor[SAILORS];
    pthread_t thread[SAILORS];
    static bool seen[READY_ENTRIES + SAILORS * COMMANDS + 1];
    memset(seen, 0, sizeof(seen));
    for (unsigned i = 0; i < SAILORS; i++)
        prepare_sailor(&sailor[i], deck, i);
    assert_true(pl_is_ok(helm_start(deck->helm)));
    for (unsigned i = 0; i < SAILORS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, sail, &sailor[i]), 0);
    for (unsigned i = 0; i < SAILORS; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
        print_message("%u of %d at once\n", sailor[i].at_once, COMMANDS);
        for (unsigned k = 0; k < COMMANDS; k++) { /* each once, each its own entry */
            assert_in_range(sailor[i].seq[k], READY_ENTRIES + 1,
                            READY_ENTRIES + SAILORS * COMMANDS);
            assert_false(seen[sailor[i].seq[k]]);
            seen[sailor[i].seq[k]] = true;
        }
    }
    helm_free(deck->helm);
    deck->helm = NULL;
    for (unsigned i = 0; i < SAILORS; i++) {
        assert_null(pl_mailbox_take(sailor[i].home)); /* no answer came twice */
        pl_mailbox_free(sailor[i].home);
    }
    assert_state_is_the_log(&deck->b);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_command_is_seen_to_at_once),
        TEST(test_other_work_is_in_the_way),
        TEST(test_what_takes_time_is_not_told_before),
        TEST(test_a_slow_disk_is_not_waited_for),
        TEST(test_after_a_little_it_is_tried_again_soon),
        TEST(test_the_thread_ends_with_all_done),
        TEST(test_the_thread_goes_on_where_a_worker_stopped),
        TEST(test_three_workers_and_the_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

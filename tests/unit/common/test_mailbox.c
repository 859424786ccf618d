/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: nothing posted is lost, doubled or reordered for one sender, and the eventfd never stays
 * silent while mail waits. Meant to be run under the thread sanitizer too.
 */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/check.h"
#include "common/mailbox.h"

/* cmocka.h needs the four headers before it */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

struct letter {
    struct pl_mail mail; /* first member */
    int sender, number;
};

static struct pl_mailbox *new_box(size_t limit)
{
    struct pl_mailbox *box = NULL;
    struct pl_status status = pl_mailbox_new(limit, &box);
    assert_int_equal(status.code, PL_E_OK);
    return box;
}

static bool readable(const struct pl_mailbox *box, int timeout_ms)
{
    struct pollfd poll_fd = {.fd = pl_mailbox_fd(box), .events = POLLIN};
    return poll(&poll_fd, 1, timeout_ms) == 1;
}

static void test_order_and_wakeup(void **state)
{
    (void)state;
    struct pl_mailbox *box = new_box(0);
    struct letter letters[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
    assert_false(readable(box, 0));
    assert_null(pl_mailbox_take(box));
    for (int i = 0; i < 3; i++)
        assert_true(pl_mailbox_post(box, &letters[i].mail));
    assert_int_equal(pl_mailbox_count(box), 3);
    assert_true(readable(box, 0));
    struct pl_mail *mail = pl_mailbox_take(box);
    for (int i = 0; i < 3; i++, mail = mail->next)
        assert_ptr_equal(mail, &letters[i].mail);
    assert_null(mail);
    assert_false(readable(box, 0));
    assert_int_equal(pl_mailbox_count(box), 0);
    pl_mailbox_free(box);
}

static void test_eventfd_is_written_once_a_fill(void **state)
{
    (void)state;
    struct pl_mailbox *box = new_box(0);
    struct letter letters[5] = {0};
    for (int i = 0; i < 5; i++)
        assert_true(pl_mailbox_post(box, &letters[i].mail));
    uint64_t written = 0;
    assert_int_equal(read(pl_mailbox_fd(box), &written, sizeof(written)), sizeof(written));
    assert_int_equal(written, 1);
    assert_int_equal(write(pl_mailbox_fd(box), &written, sizeof(written)), sizeof(written));
    assert_non_null(pl_mailbox_take(box));
    assert_true(pl_mailbox_post(box, &letters[0].mail));
    assert_true(readable(box, 0));
    assert_non_null(pl_mailbox_take(box));
    assert_false(readable(box, 0));
    pl_mailbox_free(box);
    pl_mailbox_free(NULL);
}

/* Who posts puts the mail into the box, then rings; whoever takes it in between is rung for once,
 * and is not woken again and again. Here the ring is held back by hand. */
static void test_a_ring_behind_its_mail(void **state)
{
    (void)state;
    struct pl_mailbox *box = new_box(0);
    struct letter letter = {0};
    uint64_t ring = 0;
    assert_true(pl_mailbox_post(box, &letter.mail));
    assert_int_equal(read(pl_mailbox_fd(box), &ring, sizeof(ring)), sizeof(ring));
    assert_ptr_equal(pl_mailbox_take(box), &letter.mail);
    assert_int_equal(write(pl_mailbox_fd(box), &ring, sizeof(ring)), sizeof(ring));
    assert_true(readable(box, 0));
    assert_null(pl_mailbox_take(box));
    assert_false(readable(box, 0));
    pl_mailbox_free(box);
}

/* A mail that travels again still points to its old neighbour. */
static void test_a_used_mail_can_be_posted_again(void **state)
{
    (void)state;
    struct pl_mailbox *box = new_box(0);
    struct letter letters[2] = {0};
    for (int round = 0; round < 3; round++) {
        letters[0].mail.next = &letters[1].mail;
        letters[1].mail.next = &letters[0].mail;
        assert_true(pl_mailbox_post(box, &letters[round % 2].mail));
        struct pl_mail *mail = pl_mailbox_take(box);
        assert_ptr_equal(mail, &letters[round % 2].mail);
        assert_null(mail->next);
    }
    pl_mailbox_free(box);
}

/* From the owner's own thread, alone, before and behind what others post. */
static void test_what_is_ones_own_rings_nobody(void **state)
{
    (void)state;
    struct pl_mailbox *box = new_box(0);
    struct letter own = {.number = 1}, other = {.number = 2}, third = {.number = 3};
    for (int round = 0; round < 3; round++) {
        assert_true(pl_mailbox_post_own(box, &own.mail));
        assert_false(readable(box, 0));
        assert_false(pl_mailbox_empty(box));
        assert_ptr_equal(pl_mailbox_take(box), &own.mail);
        assert_null(own.mail.next);
        assert_true(pl_mailbox_post_own(box, &own.mail));
        assert_true(pl_mailbox_post(box, &other.mail)); /* comes with it */
        assert_ptr_equal(pl_mailbox_take(box), &own.mail);
        assert_ptr_equal(own.mail.next, &other.mail);
        assert_true(pl_mailbox_post(box, &other.mail));
        assert_true(readable(box, 0));
        assert_true(pl_mailbox_post_own(box, &own.mail)); /* behind a ring */
        assert_ptr_equal(pl_mailbox_take(box), &other.mail);
        assert_ptr_equal(other.mail.next, &own.mail);
        assert_false(readable(box, 0));
        assert_true(pl_mailbox_post(box, &third.mail)); /* rings as ever */
        assert_true(readable(box, 0));
        assert_ptr_equal(pl_mailbox_take(box), &third.mail);
        assert_false(readable(box, 0));
        assert_int_equal(pl_mailbox_count(box), 0);
    }
    pl_mailbox_free(box);
    box = new_box(1);
    assert_true(pl_mailbox_post_own(box, &own.mail));
    assert_false(pl_mailbox_post_own(box, &other.mail)); /* full */
    assert_ptr_equal(pl_mailbox_take(box), &own.mail);
    pl_mailbox_free(box);
}

/* A ring that comes behind its mail is not taken for one of the owner's own. */
static void test_a_late_ring_before_ones_own(void **state)
{
    (void)state;
    const uint64_t one = 1;
    uint64_t rings = 0;
    struct pl_mailbox *box = new_box(0);
    struct letter own = {.number = 1}, other = {.number = 2};
    assert_true(pl_mailbox_post(box, &other.mail));
    assert_int_equal(read(pl_mailbox_fd(box), &rings, sizeof(rings)), sizeof(rings));
    assert_ptr_equal(pl_mailbox_take(box), &other.mail); /* before its ring */
    assert_true(pl_mailbox_post_own(box, &own.mail));
    assert_int_equal(write(pl_mailbox_fd(box), &one, sizeof(one)), sizeof(one));
    assert_ptr_equal(pl_mailbox_take(box), &own.mail);
    assert_false(readable(box, 0));
    assert_null(pl_mailbox_take(box));
    pl_mailbox_free(box);
}

static void test_full_box_refuses(void **state)
{
    (void)state;
    struct pl_mailbox *box = new_box(2);
    struct letter letters[3] = {0};
    assert_true(pl_mailbox_post(box, &letters[0].mail));
    assert_true(pl_mailbox_post(box, &letters[1].mail));
    assert_true(pl_mailbox_full(box));
    assert_false(pl_mailbox_post(box, &letters[2].mail));
    struct pl_mail *mail = pl_mailbox_take(box);
    assert_false(pl_mailbox_full(box));
    assert_ptr_equal(mail->next, &letters[1].mail);
    assert_null(mail->next->next);
    assert_true(pl_mailbox_post(box, &letters[2].mail));
    assert_non_null(pl_mailbox_take(box));
    pl_mailbox_free(box);
}

static void test_a_parcel_goes_as_one(void **state)
{
    (void)state;
    struct pl_mailbox *box = new_box(4);
    struct pl_parcel parcel = {NULL, NULL, 0};
    struct letter letters[5] = {0};
    pl_parcel_post(&parcel, box); /* nothing in it: nobody is woken */
    assert_false(readable(box, 0));
    for (int i = 0; i < 3; i++)
        assert_true(pl_parcel_add(&parcel, box, &letters[i].mail));
    assert_int_equal(parcel.count, 3);
    assert_true(pl_mailbox_empty(box));
    assert_null(pl_mailbox_take(box));
    assert_false(readable(box, 0));
    assert_true(pl_mailbox_post(box, &letters[3].mail)); /* somebody else's comes first */
    assert_false(pl_parcel_add(&parcel, box, &letters[4].mail));
    assert_false(pl_mailbox_post(box, &letters[4].mail)); /* its places are taken */
    pl_parcel_post(&parcel, box);
    assert_int_equal(parcel.count, 0);
    assert_false(pl_mailbox_empty(box));
    struct pl_mail *mail = pl_mailbox_take(box);
    assert_ptr_equal(mail, &letters[3].mail);
    for (int i = 0; i < 3; i++) {
        mail = mail->next;
        assert_ptr_equal(mail, &letters[i].mail);
    }
    assert_null(mail->next);
    assert_int_equal(pl_mailbox_count(box), 0);
    pl_parcel_post(&parcel, box); /* what went does not go again */
    assert_true(pl_mailbox_empty(box) && !readable(box, 0));
    pl_mailbox_free(box);
}

enum { ROUNDS = 20000 };

struct calls { /* one letter a round */
    struct pl_mailbox *box;
    struct letter letter;
    _Atomic int round, posted;
};

static void *send_one_a_round(void *argument)
{
    struct calls *calls = argument;
    for (int i = 1; i <= ROUNDS; i++) {
        while (calls->round < i)
            (void)sched_yield();
        PL_ASSERT(pl_mailbox_post(calls->box, &calls->letter.mail));
        calls->posted = i;
    }
    return NULL;
}

/* A ring may come behind its mail, once: whoever waits for the descriptor would turn round and
 * round otherwise, until more mail comes. */
static void test_an_empty_box_is_announced_once_at_most(void **state)
{
    (void)state;
    struct calls calls = {.box = new_box(0)};
    pthread_t thread;
    int late = 0;
    assert_int_equal(pthread_create(&thread, NULL, send_one_a_round, &calls), 0);
    for (int i = 1; i <= ROUNDS; i++) {
        calls.round = i;
        while (pl_mailbox_take(calls.box) == NULL) /* looks while the letter is being posted */
            (void)sched_yield();
        while (calls.posted < i)
            (void)sched_yield();
        late += readable(calls.box, 0);
        assert_null(pl_mailbox_take(calls.box));
        assert_false(readable(calls.box, 0));
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    print_message("%d rings of %d came behind their mail\n", late, ROUNDS);
    pl_mailbox_free(calls.box);
}

enum { SENDERS = 4, LETTERS = 20000, LIMIT = 64, PARCEL = 5 };

struct sender {
    struct pl_mailbox *box;
    int id;
};

static void *send_all(void *argument)
{
    struct sender *sender = argument;
    for (int i = 0; i < LETTERS; i++) {
        struct letter *letter = malloc(sizeof(*letter));
        PL_ASSERT(letter != NULL);
        *letter = (struct letter){.sender = sender->id, .number = i};
        while (!pl_mailbox_post(sender->box, &letter->mail))
            (void)sched_yield(); /* full: the letter is still ours */
    }
    return NULL;
}

static void *send_parcels(void *argument)
{
    struct sender *sender = argument;
    struct pl_parcel parcel = {NULL, NULL, 0};
    for (int i = 0; i < LETTERS; i++) {
        struct letter *letter = malloc(sizeof(*letter));
        PL_ASSERT(letter != NULL);
        *letter = (struct letter){.sender = sender->id, .number = i};
        while (!pl_parcel_add(&parcel, sender->box, &letter->mail)) {
            pl_parcel_post(&parcel, sender->box); /* or nobody would make room */
            (void)sched_yield();
        }
        if (parcel.count == PARCEL)
            pl_parcel_post(&parcel, sender->box);
    }
    pl_parcel_post(&parcel, sender->box);
    return NULL;
}

static int open_all(struct pl_mail *mail, int *next)
{
    int count = 0;
    while (mail != NULL) {
        struct letter *letter = (struct letter *)mail;
        mail = mail->next;
        assert_int_equal(letter->number, next[letter->sender]++);
        free(letter);
        count++;
    }
    assert_true(count <= LIMIT);
    return count;
}

static void test_four_senders(void **state)
{
    (void)state;
    struct pl_mailbox *box = new_box(LIMIT);
    pthread_t threads[SENDERS];
    struct sender senders[SENDERS];
    int next[SENDERS] = {0}, received = 0;
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){box, i};
        assert_int_equal(
            pthread_create(&threads[i], NULL, i % 2 == 0 ? send_all : send_parcels, &senders[i]),
            0);
    }
    while (received < SENDERS * LETTERS) {
        assert_true(readable(box, 30000)); /* a lost wake-up would end here */
        received += open_all(pl_mailbox_take(box), next);
    }
    for (int i = 0; i < SENDERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(next[i], LETTERS);
    }
    assert_null(pl_mailbox_take(box));
    pl_mailbox_free(box);
}

static void test_who_waits_gets_it_all(void **state)
{
    (void)state;
    struct pl_mailbox *box = new_box(LIMIT);
    pthread_t thread;
    struct sender sender = {box, 0};
    int next[SENDERS] = {0}, received = 0;
    assert_int_equal(pthread_create(&thread, NULL, send_all, &sender), 0);
    while (received < LETTERS) {
        struct pl_mail *mail = pl_mailbox_wait(box);
        assert_non_null(mail);
        received += open_all(mail, next);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_null(pl_mailbox_take(box));
    pl_mailbox_free(box);
}

static void *reply_once(void *argument)
{
    struct sender *sender = argument;
    struct letter *letter = malloc(sizeof(*letter));
    PL_ASSERT(letter != NULL);
    *letter = (struct letter){.number = 0};
    PL_ASSERT(pl_mailbox_post(sender->box, &letter->mail));
    return NULL;
}

/* The owner may free the box as soon as it has the last mail, while the sender is still leaving. */
static void test_the_last_mail_frees_the_box(void **state)
{
    (void)state;
    for (int round = 0; round < 200; round++) {
        pthread_t thread;
        struct sender sender = {new_box(0), 0};
        assert_int_equal(pthread_create(&thread, NULL, reply_once, &sender), 0);
        struct pl_mail *mail = NULL;
        while ((mail = pl_mailbox_take(sender.box)) == NULL)
            assert_true(readable(sender.box, 30000));
        free(mail);
        pl_mailbox_free(sender.box);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
}

struct view {
    int number;
};

static void *publish(void *argument)
{
    struct pl_slot *slot = argument;
    for (int i = 1; i <= LETTERS; i++) {
        struct view *view = malloc(sizeof(*view));
        PL_ASSERT(view != NULL);
        view->number = i;
        free(pl_slot_put(slot, view));
    }
    return NULL;
}

static void test_slot_gives_the_newest(void **state)
{
    (void)state;
    struct pl_slot slot = {NULL};
    pthread_t thread;
    assert_null(pl_slot_take(&slot));
    assert_int_equal(pthread_create(&thread, NULL, publish, &slot), 0);
    int newest = 0;
    while (newest < LETTERS) {
        struct view *view = pl_slot_take(&slot);
        if (view == NULL) {
            (void)sched_yield();
            continue;
        }
        assert_true(view->number > newest);
        newest = view->number;
        free(view);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_null(pl_slot_take(&slot));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_wakeup),
        cmocka_unit_test(test_eventfd_is_written_once_a_fill),
        cmocka_unit_test(test_a_ring_behind_its_mail),
        cmocka_unit_test(test_a_used_mail_can_be_posted_again),
        cmocka_unit_test(test_what_is_ones_own_rings_nobody),
        cmocka_unit_test(test_a_late_ring_before_ones_own),
        cmocka_unit_test(test_full_box_refuses),
        cmocka_unit_test(test_a_parcel_goes_as_one),
        cmocka_unit_test(test_an_empty_box_is_announced_once_at_most),
        cmocka_unit_test(test_four_senders),
        cmocka_unit_test(test_who_waits_gets_it_all),
        cmocka_unit_test(test_the_last_mail_frees_the_box),
        cmocka_unit_test(test_slot_gives_the_newest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

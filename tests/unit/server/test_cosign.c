/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: what witnesses are asked, when, and what becomes of each answer they can give: nothing
 * unverified is published, nothing is published before it is on the disk, a witness that is down
 * holds up nobody, one that knows more than was signed raises the alarm.
 */
#include <cmocka.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/check.h"
#include "common/log.h"
#include "server/cosign.h"

#define ORIGIN "example.org/fund"

enum { WITNESSES = 3 };

static char dir[64], log_vkey[PL_NOTE_KEY_MAX];
static struct pl_note_key log_key;
static struct pl_note_signer *log_signer, *signer[WITNESSES];
static char vkey[WITNESSES][PL_NOTE_KEY_MAX];
static struct pl_clock_fake fake;
static struct cosign_policy *policy;
static struct cosign *cosign;

/* --- the log: leaf i is its number, in another history more --- */

static uint8_t other_history;
static uint64_t durable = 255;

static struct pl_status read_hashes(void *arg, unsigned level, uint64_t first, size_t count,
                                    struct pl_merkle_hash *ret)
{
    (void)arg;
    assert_int_equal(level, 0); /* logs here have less than 256 entries */
    for (size_t i = 0; i < count; i++) {
        uint8_t entry = (uint8_t)(first + i + other_history);
        pl_merkle_leaf(pl_slice(&entry, 1), &ret[i]);
    }
    return pl_ok();
}

static struct signed_tree *sign(uint64_t size)
{
    struct pl_merkle_frontier frontier;
    struct pl_buf note, text;
    struct pl_checkpoint checkpoint = {.size = size};
    (void)snprintf(checkpoint.origin, sizeof(checkpoint.origin), ORIGIN);
    assert_true(pl_is_ok(pl_merkle_frontier_at(read_hashes, NULL, size, &frontier)));
    pl_merkle_root(&frontier, &checkpoint.root);
    pl_buf_init(&note, 8192);
    pl_buf_init(&text, 8192);
    assert_true(pl_is_ok(pl_checkpoint_print(&checkpoint, &text)));
    assert_true(pl_is_ok(pl_buf_append(&note, pl_buf_slice(&text).data, pl_buf_len(&text))));
    assert_true(pl_is_ok(pl_buf_append_str(&note, "\n")));
    assert_true(pl_is_ok(pl_note_sign(log_signer, pl_buf_slice(&text), &note)));
    struct signed_tree *tree = signed_tree_new(&checkpoint, pl_buf_slice(&note), 0);
    pl_buf_fini(&note);
    pl_buf_fini(&text);
    return tree;
}

/* --- asking and answering --- */

/* The old size that witness `index` is asked from, its checkpoint's in *ret_size; -1: others or
 * nobody. */
static int64_t asked(size_t index, uint64_t *ret_size)
{
    struct cosign_ask ask;
    struct pl_add_checkpoint request;
    struct pl_checkpoint checkpoint;
    if (!cosign_next(cosign, &ask))
        return -1;
    assert_int_equal(ask.witness, index);
    assert_true(pl_is_ok(pl_add_checkpoint_parse(pl_buf_slice(&ask.body), &request)));
    assert_true(pl_is_ok(pl_checkpoint_open(request.checkpoint, &log_key, 1, &checkpoint, NULL)));
    /* the proof is one */
    if (request.old_size > 0) {
        struct pl_merkle_frontier frontier;
        struct pl_merkle_hash root;
        assert_true(
            pl_is_ok(pl_merkle_frontier_at(read_hashes, NULL, request.old_size, &frontier)));
        pl_merkle_root(&frontier, &root);
        assert_true(pl_is_ok(pl_merkle_check_consistency(request.old_size, checkpoint.size, &root,
                                                         &checkpoint.root, &request.proof)));
    }
    *ret_size = checkpoint.size;
    pl_buf_fini(&ask.body);
    return (int64_t)request.old_size;
}

static void nobody_is_asked(void)
{
    struct cosign_ask ask;
    assert_false(cosign_next(cosign, &ask));
}

/* Before the next pause of the first witness is over. */
static void nobody_but_the_others_is_asked(void)
{
    struct cosign_ask ask;
    while (cosign_next(cosign, &ask)) {
        assert_int_not_equal(ask.witness, 0);
        pl_buf_fini(&ask.body);
    }
}

static void answer(size_t index, long status, const char *body, bool is_size)
{
    const struct cosign_answer told = {
        .status = status, .is_size = is_size, .body = pl_slice_str(body)};
    cosign_answer(cosign, index, &told);
}

/* 200 with a cosignature by `by` of the checkpoint of this size. */
static void answer_cosigned(size_t index, size_t by, uint64_t size)
{
    struct pl_buf line;
    struct signed_tree *tree = sign(size);
    const char *end = strstr(tree->note, "\n\n");
    pl_buf_init(&line, 4096);
    assert_true(
        pl_is_ok(pl_note_cosign(signer[by], 1700000000 + size,
                                pl_slice(tree->note, (size_t)(end - tree->note) + 1), &line)));
    const struct cosign_answer told = {.status = 200, .body = pl_buf_slice(&line)};
    cosign_answer(cosign, index, &told);
    pl_buf_fini(&line);
    signed_tree_unref(tree);
}

static void cosigns(size_t index, int64_t old, uint64_t size)
{
    uint64_t got = 0;
    assert_int_equal(asked(index, &got), old);
    assert_int_equal(got, size);
    answer_cosigned(index, index, size);
}

/* The size that is served now; it is on the disk, and the policy is content with it. */
static uint64_t served(const char *trouble)
{
    static uint64_t size;
    struct cosign_report *report = cosign_news(cosign);
    if (report == NULL)
        return size;
    size = 0;
    if (report->tree != NULL) {
        char path[128], text[8192];
        struct pl_checkpoint checkpoint;
        struct pl_note note;
        struct pl_note_seen seen[PL_POLICY_WITNESSES_MAX] = {{.verified = false}};
        (void)snprintf(path, sizeof(path), "%s/checkpoint.cosigned", dir);
        FILE *file = fopen(path, "r");
        assert_non_null(file);
        size_t len = fread(text, 1, sizeof(text), file);
        (void)fclose(file);
        assert_int_equal(len, report->tree->len);
        assert_memory_equal(text, report->tree->note, len);
        assert_true(
            pl_is_ok(pl_checkpoint_open(pl_slice(text, len), &log_key, 1, &checkpoint, &note)));
        enum pl_code code =
            pl_note_verify(&note, policy->policy.witness, policy->policy.witness_count, seen).code;
        assert_true(code == PL_E_OK || code == PL_E_NOT_FOUND);
        assert_true(pl_policy_quorum(&policy->policy, seen));
        size = checkpoint.size;
        assert_int_equal(size, report->tree->checkpoint.size);
    }
    if (trouble != NULL)
        assert_string_equal(report->witness[0].trouble, trouble);
    cosign_report_unref(report);
    return size;
}

static void load(const char *rest)
{
    char path[128], message[400] = "";
    (void)snprintf(path, sizeof(path), "%s/policy", dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < WITNESSES; i++)
        (void)fprintf(file, "witness W%d %s https://w%d.example/x/\n", i, vkey[i], i);
    (void)fprintf(file, "%s\n", rest);
    (void)fclose(file);
    cosign_policy_free(policy);
    policy = NULL;
    if (!pl_is_ok(cosign_policy_load(path, log_vkey, message, &policy)))
        fail_msg("%s", message);
}

static struct pl_status try_to_start(void)
{
    const struct cosign_options options = {.policy = &policy->policy,
                                           .io = io_system(),
                                           .clock = &fake.clock,
                                           .data = dir,
                                           .vkey = log_vkey,
                                           .size = durable,
                                           .read = read_hashes};
    cosign_free(cosign);
    cosign = NULL;
    return cosign_new(&options, &cosign);
}

static void start(void)
{
    assert_true(pl_is_ok(try_to_start()));
}

/* Two of three. */
static void start_two_of_three(void)
{
    load("group g 2 W0 W1 W2\nquorum g");
    start();
    assert_int_equal(served(""), 0);
}

/* --- cases --- */

static void a_quorum_is_published(void **state)
{
    (void)state;
    start_two_of_three();
    nobody_is_asked(); /* nothing was signed yet */
    assert_int_equal(cosign_due_ns(cosign), INT64_MAX);
    cosign_take(cosign, sign(5));
    cosigns(0, 0, 5);
    assert_int_equal(served(""), 0); /* one is not enough */
    cosigns(1, 0, 5);
    assert_int_equal(served(""), 5);
    cosigns(2, 0, 5); /* more is better: it is published anew */
    struct cosign_report *report = cosign_news(cosign);
    assert_non_null(report);
    assert_int_equal(report->count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(report->witness[i].size, 5);
        assert_int_equal(report->witness[i].time_s, 1700000005);
        assert_string_equal(report->witness[i].vkey, vkey[i]);
        char name[40];
        (void)snprintf(name, sizeof(name), "\xE2\x80\x94 w%zu.example ", i);
        assert_non_null(strstr(report->tree->note, name));
    }
    cosign_report_unref(report);
    nobody_is_asked();
    assert_int_equal(cosign_due_ns(cosign), INT64_MAX);
    /* what grew is proven from what each of them has */
    cosign_take(cosign, sign(9));
    cosigns(0, 5, 9);
    cosigns(1, 5, 9);
    assert_int_equal(served(""), 9);
}

static void one_is_down_and_nobody_waits_for_it(void **state)
{
    (void)state;
    const struct cosign_answer down = {.failed = "Connection refused"};
    uint64_t size = 0;
    start_two_of_three();
    cosign_take(cosign, sign(5));
    assert_int_equal(asked(0, &size), 0);
    cosign_answer(cosign, 0, &down);
    cosigns(1, 0, 5);
    cosigns(2, 0, 5);
    assert_int_equal(served("Connection refused"), 5);
    /* it is asked again after 1 s, 2 s, 4 s, ... 60 s */
    int64_t wait_ms = 1000;
    for (int i = 0; i < 10; i++) {
        nobody_is_asked();
        assert_int_equal(cosign_due_ns(cosign),
                         fake.clock.mono_ns(&fake.clock) + wait_ms * 1000000);
        pl_clock_fake_advance_us(&fake, wait_ms * 1000 - 1);
        nobody_is_asked();
        pl_clock_fake_advance_us(&fake, 1);
        assert_int_equal(asked(0, &size), 0);
        cosign_answer(cosign, 0, &down);
        wait_ms = wait_ms * 2 > 60000 ? 60000 : wait_ms * 2;
    }
    cosign_take(cosign, sign(6));
    cosigns(1, 5, 6);
    cosigns(2, 5, 6);
    assert_int_equal(served("Connection refused"), 6);
    /* back again */
    pl_clock_fake_advance_us(&fake, 60000000);
    cosigns(0, 0, 6);
    assert_int_equal(served(""), 6);
}

static void slow_ones_do_not_hold_up_a_quorum(void **state)
{
    (void)state;
    uint64_t size = 0;
    start_two_of_three();
    cosign_take(cosign, sign(5));
    assert_int_equal(asked(0, &size), 0); /* it takes its time */
    cosigns(1, 0, 5);
    cosign_take(cosign,
                sign(6)); /* without quorum the target stays as long as somebody may answer */
    assert_int_equal(asked(2, &size), 0);
    assert_int_equal(size, 5);
    answer_cosigned(2, 2, 5);
    assert_int_equal(served(""), 5);
    cosigns(1, 5, 6);
    cosigns(2, 5, 6);
    assert_int_equal(served(""), 6);
    nobody_is_asked();
    answer_cosigned(0, 0, 5); /* of the old target: known, but no part of the new one */
    assert_int_equal(served(""), 6);
    cosigns(0, 5, 6);
    assert_int_equal(served(""), 6);
}

static void without_quorum_nothing_is_published_and_the_next_is_tried(void **state)
{
    (void)state;
    uint64_t size = 0;
    const struct cosign_answer down = {.failed = "down"};
    start_two_of_three();
    cosign_take(cosign, sign(5));
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(asked(i, &size), 0);
        cosign_answer(cosign, i, &down);
    }
    cosigns(2, 0, 5);
    assert_int_equal(served("down"), 0);
    cosign_take(cosign, sign(8)); /* nobody is left for 5 */
    cosigns(2, 5, 8);
    assert_int_equal(served("down"), 0);
    pl_clock_fake_advance_us(&fake, 1000000);
    cosigns(0, 0, 8);
    assert_int_equal(served(""), 8);
}

static void told_sizes_are_used(void **state)
{
    (void)state;
    start_two_of_three();
    uint64_t size = 0;
    cosign_take(cosign, sign(9));
    assert_int_equal(asked(0, &size), 0);
    answer(0, 409, "5\n", true);
    cosigns(0, 5, 9); /* at once */
    cosigns(1, 0, 9);
    assert_int_equal(served(""), 9);
    /* it knows what was signed after the target: an answer of it was lost */
    assert_int_equal(asked(2, &size), 0);
    cosign_take(cosign, sign(12));
    assert_int_equal(asked(0, &size), 9);
    assert_int_equal(asked(1, &size), 9);
    answer(2, 409, "12\n", true);
    cosigns(2, 12, 12);
    /* two different sizes in a row: not without a pause */
    answer(0, 409, "3\n", true);
    assert_int_equal(asked(0, &size), 3);
    answer(0, 409, "4\n", true);
    nobody_is_asked();
    pl_clock_fake_advance_us(&fake, 1000000);
    cosigns(0, 4, 12);
    assert_int_equal(served(""), 12);
    assert_false(cosign_rolled_back(cosign));
}

static void who_is_ahead_of_the_target_holds_up_nobody(void **state)
{
    (void)state;
    uint64_t size = 0;
    start_two_of_three();
    cosign_take(cosign, sign(5));
    assert_int_equal(asked(0, &size), 0);
    assert_int_equal(asked(1, &size), 0);
    cosign_take(cosign, sign(9));
    answer(0, 409, "9\n", true); /* an answer of it was lost; it cannot cosign 5 any more */
    assert_int_equal(asked(2, &size), 0);
    assert_int_equal(size, 5);
    answer(2, 500, "", false);
    nobody_is_asked();
    answer(1, 500, "", false); /* nobody is left for 5 */
    cosigns(0, 9, 9);
    nobody_is_asked();
}

static void who_knows_more_than_was_signed_raises_the_alarm(void **state)
{
    (void)state;
    uint64_t size = 0;
    start_two_of_three();
    cosign_take(cosign, sign(9));
    assert_int_equal(asked(0, &size), 0);
    answer(0, 409, "9\n", true);
    assert_int_equal(asked(0, &size), 9);
    assert_false(cosign_rolled_back(cosign));
    answer(0, 409, "10\n", true);
    assert_true(cosign_rolled_back(cosign));
    (void)served("it cosigned more than what was signed here");
    /* it stands by it: the alarm stays, however often it is asked */
    for (int64_t wait_us = 1000000; wait_us < 100000000; wait_us *= 2) {
        nobody_but_the_others_is_asked();
        pl_clock_fake_advance_us(&fake, wait_us > 60000000 ? 60000000 : wait_us);
        assert_int_equal(asked(0, &size), 0);
        answer(0, 409, "10\n", true);
        assert_true(cosign_rolled_back(cosign));
    }
}

/* A size is nobody's signature. Whoever writes one on the way stops nothing for longer than they
 * go on with it: the witness's own word, which is signed, ends it. */
static void a_forged_size_heals(void **state)
{
    (void)state;
    const struct cosign_answer down = {.failed = "Connection refused"};
    uint64_t size = 0;
    load("quorum W0");
    start();
    cosign_take(cosign, sign(9));
    cosigns(0, 0, 9);
    assert_int_equal(served(""), 9);
    cosign_take(cosign, sign(12));
    assert_int_equal(asked(0, &size), 9);
    answer(0, 409, "11\n", true); /* forged as well: a size that it does not have */
    assert_int_equal(asked(0, &size), 11);
    answer(0, 409, "1000000\n", true);
    assert_true(cosign_rolled_back(cosign));
    assert_int_equal(served("it cosigned more than what was signed here"), 9);
    nobody_but_the_others_is_asked();
    pl_clock_fake_advance_us(&fake, 1000000);
    /* from what its cosignatures prove; no proof from a size that was told leaves */
    assert_int_equal(asked(0, &size), 9);
    assert_int_equal(size, 12);
    cosign_answer(cosign, 0, &down);
    assert_true(cosign_rolled_back(cosign)); /* nothing was heard of it */
    pl_clock_fake_advance_us(&fake, 2000000);
    assert_int_equal(asked(0, &size), 9);
    answer_cosigned(0, 1, 12); /* by another one: not its word */
    assert_true(cosign_rolled_back(cosign));
    pl_clock_fake_advance_us(&fake, 4000000);
    cosigns(0, 9, 12);
    assert_false(cosign_rolled_back(cosign));
    assert_int_equal(served(""), 12);
}

static void bad_answers_are_told_and_not_used(void **state)
{
    (void)state;
    static const struct {
        long status;
        const char *body;
        bool is_size;
        const char *trouble;
    } rows[] = {
        {200, "", false, "it answered without a cosignature that is right"},
        {200, "nonsense\n", false, "it answered without a cosignature that is right"},
        {409, "5\n", false, "it refused (409) without telling its size"},
        {409, "05\n", true, "it refused (409) without telling its size"},
        {409, "5", true, "it refused (409) without telling its size"},
        {409, "", true, "it refused (409) without telling its size"},
        {409, "99999999999999999999\n", true, "it refused (409) without telling its size"},
        {409, "0\n", true, "it told a size (409) and did not stand by it"},
        {403, "", false, "it does not know the key of this ledger (403)"},
        {404, "", false, "it does not follow this ledger, or its address is wrong (404)"},
        {422, "", false, "what it cosigned is no part of this ledger (422)"},
        {302, "", false, "it answered with HTTP status 302"},
        {500, "", false, "it answered with HTTP status 500"},
    };
    load("quorum W0");
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        uint64_t size = 0;
        start();
        cosign_take(cosign, sign(9));
        assert_int_equal(asked(0, &size), 0);
        answer(0, rows[i].status, rows[i].body, rows[i].is_size);
        assert_int_equal(served(rows[i].trouble), 0);
        assert_true(cosign_due_ns(cosign) <= fake.clock.mono_ns(&fake.clock) + 1000000000);
        assert_false(cosign_rolled_back(cosign));
    }
    /* cosignatures of another witness, and of another size */
    for (int other = 0; other < 2; other++) {
        uint64_t size = 0;
        start();
        cosign_take(cosign, sign(9));
        assert_int_equal(asked(0, &size), 0);
        answer_cosigned(0, other == 0 ? 1 : 0, other == 0 ? 9 : 8);
        assert_int_equal(served("it answered without a cosignature that is right"), 0);
    }
    /* the same size, another root */
    uint64_t size = 0;
    start();
    cosign_take(cosign, sign(9));
    assert_int_equal(asked(0, &size), 0);
    answer(0, 409, "9\n", true);
    assert_int_equal(asked(0, &size), 9);
    answer(0, 409, "9\n", true);
    assert_int_equal(served("it cosigned another root of the same size"), 0);
}

/* As a person may do it who knows that nothing larger was shown. */
static void bring_back(void)
{
    char path[128], old[128];
    (void)snprintf(path, sizeof(path), "%s/checkpoint.cosigned", dir);
    (void)snprintf(old, sizeof(old), "%s/checkpoint.cosigned.old", dir);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(rename(old, path), 0);
}

static void what_was_cosigned_is_known_after_a_restart(void **state)
{
    (void)state;
    start_two_of_three();
    cosign_take(cosign, sign(5));
    cosigns(0, 0, 5);
    cosigns(1, 0, 5);
    assert_int_equal(served(""), 5);
    start();
    assert_int_equal(served(""), 5);
    cosign_take(cosign, sign(7));
    cosigns(0, 5, 7);
    uint64_t size = 0;
    assert_int_equal(asked(1, &size), 5);
    assert_int_equal(asked(2, &size), 0);
    /* a policy that wants more does not take it */
    load("group g all W0 W1 W2\nquorum g");
    start();
    assert_int_equal(served(""), 0);
    /* not even later, when larger ones were shown that nobody cosigned */
    load("group g 2 W0 W1 W2\nquorum g");
    start();
    assert_int_equal(served(""), 0);
    /* nor is that of another history: this log has other entries now */
    bring_back();
    other_history = 1;
    start();
    assert_int_equal(served(""), 0);
    other_history = 0;
    bring_back();
    durable = 4; /* nor one that is longer than the log */
    start();
    assert_int_equal(served(""), 0);
    durable = 255;
    start();
    assert_int_equal(served(""), 0);
    /* nor a damaged one */
    bring_back();
    start();
    assert_int_equal(served(""), 5);
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/checkpoint.cosigned", dir);
    assert_int_equal(truncate(path, 100), 0);
    start();
    assert_int_equal(served(""), 0);
}

static void what_cannot_be_kept_is_not_published(void **state)
{
    (void)state;
    char path[128];
    load("quorum W0");
    start();
    (void)served(NULL);
    (void)snprintf(path, sizeof(path), "%s/checkpoint.cosigned", dir);
    assert_int_equal(mkdir(path, 0700), 0); /* nothing can be renamed to it */
    cosign_take(cosign, sign(5));
    cosigns(0, 0, 5);
    assert_int_equal(served(""), 0);
    assert_int_equal(rmdir(path), 0);
    cosigns(1, 0, 5); /* the next answer tries again */
    assert_int_equal(served(""), 5);
    /* nobody is left to answer: it is tried by itself */
    (void)snprintf(path, sizeof(path), "%s/checkpoint.cosigned.new", dir);
    assert_int_equal(mkdir(path, 0700), 0); /* nothing can be written there */
    cosigns(2, 0, 5);
    cosign_take(cosign, sign(7));
    cosigns(0, 5, 7);
    cosigns(1, 5, 7);
    cosigns(2, 5, 7);
    assert_int_equal(served(""), 5);
    assert_int_equal(cosign_due_ns(cosign), fake.clock.mono_ns(&fake.clock) + 1000000000);
    assert_int_equal(rmdir(path), 0);
    nobody_is_asked();
    assert_int_equal(served(""), 5);
    pl_clock_fake_advance_us(&fake, 1000000);
    nobody_is_asked();
    assert_int_equal(served(""), 7);
    assert_int_equal(cosign_due_ns(cosign), INT64_MAX);
}

/* The size that is shown to who asks for a checkpoint. */
static uint64_t shown(void)
{
    static uint64_t size;
    struct cosign_report *report = cosign_news(cosign);
    if (report == NULL)
        return size;
    const struct signed_tree *tree = report->tree != NULL ? report->tree : report->meanwhile;
    size = tree == NULL ? 0 : tree->checkpoint.size;
    cosign_report_unref(report);
    return size;
}

/* Without a policy, what nobody cosigned is shown, larger and larger. */
static void what_was_cosigned_under_a_policy_is_put_aside_without_one(void **state)
{
    (void)state;
    char path[128];
    load("quorum W0");
    start();
    assert_true(pl_is_ok(cosign_put_aside(io_system(), dir))); /* there is none yet */
    cosign_take(cosign, sign(5));
    cosigns(0, 0, 5);
    assert_int_equal(served(""), 5);
    assert_true(pl_is_ok(cosign_put_aside(io_system(), dir)));
    start(); /* the policy is back */
    assert_int_equal(served(""), 0);
    cosign_take(cosign, sign(12));
    assert_int_equal(shown(), 12);
    bring_back();
    start();
    assert_int_equal(served(""), 5);
    /* it would come back: then there is no start */
    (void)snprintf(path, sizeof(path), "%s/checkpoint.cosigned.old", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(cosign_put_aside(io_system(), dir).code, PL_E_IO);
    load("group g all W0 W1 W2\nquorum g");
    assert_int_equal(try_to_start().code, PL_E_IO);
    assert_int_equal(rmdir(path), 0);
}

/* Who is stopped between the file and its directory's sync leaves it in memory alone: the next
 * start reads it, and shows it once it is on the disk. */
static void what_is_recalled_is_kept_again(void **state)
{
    (void)state;
    char path[128];
    load("quorum W0");
    start();
    cosign_take(cosign, sign(5));
    cosigns(0, 0, 5);
    assert_int_equal(served(""), 5);
    (void)snprintf(path, sizeof(path), "%s/checkpoint.cosigned.new", dir);
    assert_int_equal(mkdir(path, 0700), 0); /* nothing can be written there */
    /* larger ones must not be shown meanwhile: it would be a step back */
    assert_int_equal(try_to_start().code, PL_E_IO);
    assert_int_equal(rmdir(path), 0);
    start();
    assert_int_equal(served(""), 5);
    /* the witness is still known to have cosigned it */
    cosign_take(cosign, sign(7));
    cosigns(0, 5, 7);
}

/* From the first checkpoint on, whoever agrees when: neither a newer one that is not cosigned nor
 * one that cannot be kept makes a step back. */
static void what_is_shown_never_gets_smaller(void **state)
{
    (void)state;
    const struct cosign_answer down = {.failed = "Connection refused"};
    char path[128];
    uint64_t size = 0;
    start_two_of_three();
    assert_int_equal(shown(), 0);
    cosign_take(cosign, sign(5));
    assert_int_equal(shown(), 5); /* without a witness's word */
    assert_int_equal(asked(0, &size), 0);
    cosign_take(cosign, sign(9));
    assert_int_equal(shown(), 5); /* it may be the first that is cosigned */
    cosign_answer(cosign, 0, &down);
    for (size_t i = 1; i < WITNESSES; i++) {
        assert_int_equal(asked(i, &size), 0);
        cosign_answer(cosign, i, &down);
    }
    assert_int_equal(shown(), 9); /* nobody will cosign the other one */
    (void)snprintf(path, sizeof(path), "%s/checkpoint.cosigned.new", dir);
    assert_int_equal(mkdir(path, 0700), 0); /* nothing can be written there */
    pl_clock_fake_advance_us(&fake, 1000000);
    cosigns(0, 0, 9);
    cosign_take(cosign, sign(12));
    cosigns(1, 0, 9);
    assert_int_equal(shown(), 9);
    cosign_take(cosign, sign(15));
    assert_int_equal(shown(), 9); /* that one is cosigned, and comes to the disk */
    assert_int_equal(rmdir(path), 0);
    pl_clock_fake_advance_us(&fake, 1000000);
    assert_int_equal(asked(0, &size), 9); /* about the newest; what waits is kept on the way */
    assert_int_equal(size, 12);
    assert_int_equal(served(NULL), 9);
}

static void a_policy_that_wants_none(void **state)
{
    (void)state;
    load("quorum none");
    start();
    (void)served(NULL);
    cosign_take(cosign, sign(5));
    assert_int_equal(served(""), 5);
    cosigns(0, 0, 5);
    assert_int_equal(served(""), 5);
}

static void wrong_policies_are_told_with_their_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *told;
    } rows[] = {
        {"quorum none\n", "no witness"},
        {"quorum none\nnonsense\n", "2"},
        {"log sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8\nquorum none\n",
         "witness"},
        {"", "quorum"},
    };
    char path[128], message[400];
    struct cosign_policy *wrong = NULL;
    (void)snprintf(path, sizeof(path), "%s/policy", dir);
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        (void)fputs(rows[i].text, file);
        (void)fclose(file);
        message[0] = '\0';
        assert_int_equal(cosign_policy_load(path, log_vkey, message, &wrong).code, PL_E_CONFIG);
        assert_non_null(strstr(message, path));
        if (strstr(message, rows[i].told) == NULL)
            fail_msg("%s", message);
    }
    /* logs, and ours is not among them */
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fprintf(file,
                  "log sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8\n"
                  "witness w %s\nquorum w\n",
                  vkey[0]);
    (void)fclose(file);
    assert_int_equal(cosign_policy_load(path, log_vkey, message, &wrong).code, PL_E_CONFIG);
    assert_non_null(strstr(message, log_vkey));
    assert_int_equal(cosign_policy_load("/nowhere/policy", log_vkey, message, &wrong).code,
                     PL_E_CONFIG);
}

/* --- around each case --- */

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof(dir), "/tmp/cosign-XXXXXX");
    pl_clock_fake_init(&fake, 1700000000LL * 1000000);
    return mkdtemp(dir) == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    char path[128];
    cosign_free(cosign);
    cosign = NULL;
    cosign_policy_free(policy);
    policy = NULL;
    (void)snprintf(path, sizeof(path), "%s/checkpoint.cosigned", dir);
    (void)unlink(path);
    (void)snprintf(path, sizeof(path), "%s/checkpoint.cosigned.old", dir);
    (void)unlink(path);
    (void)snprintf(path, sizeof(path), "%s/policy", dir);
    (void)unlink(path);
    return rmdir(dir);
}

static int make_keys(void **state)
{
    (void)state;
    char secret[PL_NOTE_KEY_MAX], name[32];
    assert_true(pl_is_ok(pl_note_keygen(ORIGIN, secret, log_vkey)));
    assert_true(pl_is_ok(pl_note_key_parse(pl_slice_str(log_vkey), &log_key)));
    assert_true(pl_is_ok(pl_note_signer_new(secret, &log_signer)));
    for (int i = 0; i < WITNESSES; i++) {
        (void)snprintf(name, sizeof(name), "w%d.example", i);
        assert_true(pl_is_ok(pl_note_keygen_kind(PL_NOTE_COSIGNATURE, name, secret, vkey[i])));
        assert_true(pl_is_ok(pl_note_signer_new(secret, &signer[i])));
    }
    return 0;
}

static int drop_keys(void **state)
{
    (void)state;
    pl_note_signer_free(log_signer);
    for (int i = 0; i < WITNESSES; i++)
        pl_note_signer_free(signer[i]);
    return 0;
}

#define CASE(name_) cmocka_unit_test_setup_teardown(name_, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_quorum_is_published),
        CASE(one_is_down_and_nobody_waits_for_it),
        CASE(slow_ones_do_not_hold_up_a_quorum),
        CASE(without_quorum_nothing_is_published_and_the_next_is_tried),
        CASE(told_sizes_are_used),
        CASE(who_is_ahead_of_the_target_holds_up_nobody),
        CASE(who_knows_more_than_was_signed_raises_the_alarm),
        CASE(a_forged_size_heals),
        CASE(bad_answers_are_told_and_not_used),
        CASE(what_is_shown_never_gets_smaller),
        CASE(what_was_cosigned_is_known_after_a_restart),
        CASE(what_cannot_be_kept_is_not_published),
        CASE(what_is_recalled_is_kept_again),
        CASE(what_was_cosigned_under_a_policy_is_put_aside_without_one),
        CASE(a_policy_that_wants_none),
        CASE(wrong_policies_are_told_with_their_line),
    };
    return cmocka_run_group_tests(tests, make_keys, drop_keys);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: whole runs of the program against a server that loses replies: the request id is on disk
 * before it is sent and stays until the answer is known; stdout is the answer or empty.
 */
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "client/write.h"
#include "common/rng.h"
#include "common/scan.h"
#include "fake_server.h"

static struct fake_pki pki;
static char state_dir[128], out_path[128], err_path[128];

struct play {
    unsigned lose; /* replies lost before one arrives */
    int grpc;
    const char *zone; /* that its status tells; NULL: none, as an older daemon */
    bool status_lost;
    unsigned asked; /* for its status */
    unsigned kept;  /* files in the state directory when the first request came */
    uint8_t id[16];
    struct pl_arena arena;
    const Pledged__V1__Command *command; /* as it came last */
};

static unsigned kept_files(void)
{
    char path[200];
    (void)snprintf(path, sizeof(path), "%s/pledge/requests", state_dir);
    unsigned count = 0;
    DIR *list = opendir(path);
    for (const struct dirent *e = list == NULL ? NULL : readdir(list); e != NULL; e = readdir(list))
        count += e->d_name[0] != '.';
    if (list != NULL)
        (void)closedir(list);
    return count;
}

static void forget_kept(void)
{
    char path[200], file[500];
    (void)snprintf(path, sizeof(path), "%s/pledge/requests", state_dir);
    DIR *list = opendir(path);
    for (const struct dirent *e = list == NULL ? NULL : readdir(list); e != NULL;
         e = readdir(list)) {
        (void)snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
        if (e->d_name[0] != '.')
            assert_int_equal(unlink(file), 0);
    }
    if (list != NULL)
        (void)closedir(list);
}

static void act(void *arg, unsigned n, const char *path, struct pl_slice request,
                struct fake_reply *reply)
{
    struct play *play = arg;
    ProtobufCMessage *message = NULL;
    if (strcmp(path, "/pledged.v1.LedgerService/GetStatus") == 0) {
        Pledged__V1__GetStatusResponse status = PLEDGED__V1__GET_STATUS_RESPONSE__INIT;
        uint8_t packed[64];
        status.zone_case = play->zone == NULL ? PLEDGED__V1__GET_STATUS_RESPONSE__ZONE__NOT_SET
                                              : PLEDGED__V1__GET_STATUS_RESPONSE__ZONE_TIME_ZONE;
        status.time_zone = (char *)(uintptr_t)play->zone;
        reply->way = play->status_lost ? FAKE_DROP : FAKE_ANSWER;
        fake_add_message(reply, packed, protobuf_c_message_pack(&status.base, packed));
        play->asked++;
        return;
    }
    PL_ASSERT(strcmp(path, "/pledged.v1.LedgerService/Execute") == 0);
    n -= play->asked;
    PL_ASSERT(pl_is_ok(
        pl_unpack_trusted(&pledged__v1__command__descriptor, request, &play->arena, &message)));
    play->command = (const void *)message;
    if (n == 0) {
        play->kept = kept_files();
        memcpy(play->id, play->command->request_id.data, 16);
    }
    PL_ASSERT(memcmp(play->id, play->command->request_id.data, 16) == 0);
    reply->way = n < play->lose ? FAKE_DROP : FAKE_ANSWER;
    reply->grpc_status = play->grpc;
    if (play->grpc != 0)
        return;
    Pledged__V1__Receipt receipt = PLEDGED__V1__RECEIPT__INIT;
    Pledged__V1__Outcome outcome = PLEDGED__V1__OUTCOME__INIT;
    Pledged__V1__Money balance = PLEDGED__V1__MONEY__INIT;
    Pledged__V1__Count left = PLEDGED__V1__COUNT__INIT;
    Pledged__V1__Warning warning = PLEDGED__V1__WARNING__INIT, *warnings[] = {&warning};
    balance.minor = 9999900;
    balance.currency = (char *)(uintptr_t) "CHF";
    left.value_case = PLEDGED__V1__COUNT__VALUE_COUNT;
    outcome.pledge = (char *)(uintptr_t) "P000001";
    outcome.bank_entry = (char *)(uintptr_t) "B000007";
    outcome.tier = (char *)(uintptr_t) "platine";
    outcome.remaining = &left;
    outcome.balance = &balance;
    warning.kind = PLEDGED__V1__WARNING_KIND__WARNING_KIND_PAYMENT_SURPLUS;
    outcome.warning = warnings;
    outcome.n_warning = 1;
    outcome.expires_us = 1783720800000000; /* 2026-07-10T22:00:00Z */
    receipt.seq = 42;
    receipt.kind = n == 0 ? PLEDGED__V1__RECEIPT_KIND__RECEIPT_KIND_NEW
                          : PLEDGED__V1__RECEIPT_KIND__RECEIPT_KIND_REPLAY;
    receipt.outcome = &outcome;
    uint8_t bytes[512];
    fake_add_message(reply, bytes, protobuf_c_message_pack(&receipt.base, bytes));
}

static char out_text[8192], err_text[8192];

static void read_back(const char *path, char *text)
{
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    size_t len = fread(text, 1, 8191, file);
    text[len] = '\0';
    (void)fclose(file);
}

static int redirect(int fd, const char *path)
{
    int kept = dup(fd), file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    PL_ASSERT(kept >= 0 && file >= 0 && dup2(file, fd) == fd);
    (void)close(file);
    return kept;
}

static void restore(int fd, int kept)
{
    PL_ASSERT(dup2(kept, fd) == fd);
    (void)close(kept);
}

/* Runs `pledge <line>` against a server that plays. People wait ten seconds: too short on a machine
 * that has much else to do. */
static int run(struct play *play, const char *line)
{
    struct fake_server server = {.pki = &pki, .handler = act, .arg = play};
    char words[512], port[32], *argv[48];
    int argc = 0;
    pl_arena_init(&play->arena, 1 << 20);
    fake_start(&server);
    (void)snprintf(port, sizeof(port), "localhost:%u", server.port);
    (void)snprintf(words, sizeof(words), "%s", line);
    const char *first[] = {"pledge", "--server",      port,    "--ca",         pki.ca,
                           "--cert", pki.client_cert, "--key", pki.client_key, "--timeout",
                           "120s"};
    for (size_t i = 0; i < PL_COUNT(first) - (strstr(line, "--timeout") == NULL ? 0 : 2); i++)
        argv[argc++] = (char *)(uintptr_t)first[i];
    char *rest = NULL;
    for (char *word = strtok_r(words, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest))
        argv[argc++] = word;
    (void)fflush(stdout);
    int out = redirect(STDOUT_FILENO, out_path), err = redirect(STDERR_FILENO, err_path);
    int code = cli_main(argc, argv);
    (void)fflush(stderr);
    restore(STDOUT_FILENO, out);
    restore(STDERR_FILENO, err);
    fake_stop(&server);
    read_back(out_path, out_text);
    read_back(err_path, err_text);
    return code;
}

static void end_play(struct play *play)
{
    pl_arena_fini(&play->arena);
}

static void test_the_id_is_kept_before_it_is_sent_and_forgotten_after(void **state)
{
    (void)state;
    struct play play = {0};
    assert_int_equal(run(&play, "pay p1 1 CHF --lang en"), 0);
    assert_int_equal(play.kept, 1);
    assert_int_equal(kept_files(), 0);
    assert_string_equal(out_text, "B000007\t42\tNEW\t99999.00\t0\t99999.00\tCHF\n");
    assert_non_null(strstr(err_text, "more than was promised"));
    assert_int_equal(play.command->command_case, PLEDGED__V1__COMMAND__COMMAND_PAY);
    assert_string_equal(play.command->pay->pledge, "P000001");
    assert_int_equal(play.command->pay->amount->minor, 100);
    end_play(&play);
}

static void test_a_lost_reply_becomes_a_replay(void **state)
{
    (void)state;
    struct play play = {.lose = 1};
    assert_int_equal(run(&play, "hold platine --contributor c1 --for 14d --quiet"), 0);
    assert_string_equal(out_text, "P000001\t42\tREPLAY\t0\t0\t99999.00\tCHF\n");
    assert_string_equal(err_text, "");
    assert_int_equal(play.command->hold->for_s, 14 * 86400);
    assert_int_equal(kept_files(), 0);
    end_play(&play);
}

/* Every reply to it is lost. A second is enough to send something in, unless the machine has so
 * much else to do that the server sees nothing of it: then it takes longer. */
static int lose_all(struct play *play)
{
    char line[100];
    int code = -1;
    for (int seconds = 1; seconds <= 64; seconds *= 2) {
        *play = (struct play){.lose = 1000};
        (void)snprintf(line, sizeof(line), "withdraw p1 --reason x --timeout %d --lang en",
                       seconds);
        code = run(play, line);
        if (play->command != NULL)
            return code;
        end_play(play);
        forget_kept();
    }
    fail_msg("a server saw nothing of a command in 64 seconds: %d: %s", code, err_text);
    return code;
}

static void test_an_unknown_outcome_keeps_the_id_and_prints_it(void **state)
{
    (void)state;
    struct play play;
    assert_int_equal(lose_all(&play), 75);
    assert_string_equal(out_text, "");
    char id[37];
    assert_non_null(strstr(err_text, pl_uuid_format(play.id, id)));
    assert_int_equal(kept_files(), 1);
    char path[300], line[200];
    (void)snprintf(path, sizeof(path), "%s/pledge/requests/%s.command", state_dir, id);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    end_play(&play);
    /* repeated by hand: the same id, and the file goes away with the answer */
    struct play again = {0};
    (void)snprintf(line, sizeof(line), "withdraw p1 --reason x --request-id %s", id);
    assert_int_equal(run(&again, line), 0);
    assert_memory_equal(again.id, play.id, 16);
    assert_int_equal(kept_files(), 0);
    end_play(&again);
}

static void test_a_refusal_settles_the_id(void **state)
{
    (void)state;
    struct play play = {.grpc = 9};
    assert_int_equal(run(&play, "commit p1 --format json"), 10);
    assert_string_equal(out_text, "");
    assert_int_equal(err_text[0], '{');
    assert_int_equal(kept_files(), 0);
    end_play(&play);
}

static void test_a_rehearsal_keeps_nothing(void **state)
{
    (void)state;
    struct play play = {0};
    assert_int_equal(run(&play, "wait or --contributor c1 --dry-run"), 0);
    assert_true(play.command->dry_run);
    assert_int_equal(play.kept, 0);
    end_play(&play);
}

/* One zone a process: what tells one comes last. */
static void test_a_day_ends_where_the_daemon_says(void **state)
{
    (void)state;
    struct play play = {0};
    static const char line[] = "hold or --contributor c1 --until 2026-07-10 --lang en";
    assert_int_equal(run(&play, line), 78);
    assert_string_equal(out_text, "");
    assert_non_null(strstr(err_text, "--until 2026-07-10: this daemon is of an older version"));
    assert_null(play.command);
    assert_int_equal(kept_files(), 0);
    end_play(&play);
    struct play moment = {0}; /* needs no zone; its times are read in UTC */
    assert_int_equal(run(&moment, "hold or --contributor c1 --until 2026-07-10T22:00:00Z "
                                  "--lang en --format table"),
                     0);
    assert_non_null(strstr(out_text, "2026-07-10 22:00:00 UTC"));
    assert_int_equal(moment.asked, 1);
    end_play(&moment);
    struct play lost = {.zone = "JST-9",
                        .status_lost = true}; /* the receipt is told all the same */
    assert_int_equal(run(&lost, "hold or --contributor c1 --lang en --format table"), 0);
    assert_non_null(strstr(out_text, "2026-07-10 22:00:00 UTC"));
    assert_int_equal(lost.asked, 1);
    end_play(&lost);
    struct play newer = {.zone = "CET-1CEST,J60,J300"}; /* a rule that this program cannot read */
    assert_int_equal(run(&newer, line), 78);
    end_play(&newer);
    struct play geneva = {.zone = "CET-1CEST,M3.5.0,M10.5.0/3"};
    assert_int_equal(run(&geneva, "hold or --contributor c1 --until 2026-07-10 --format table "
                                  "--lang en"),
                     0);
    assert_int_equal(geneva.command->hold->until_us, 1783720800000000);
    assert_non_null(strstr(out_text, "2026-07-10 24:00:00 CEST"));
    assert_int_equal(geneva.asked, 1);
    end_play(&geneva);
}

static void test_common_options_reach_the_command(void **state)
{
    (void)state;
    struct play play = {0};
    char line[400];
    (void)snprintf(line, sizeof(line),
                   "submit --contributor c1 --tier or --effective-date 2026-01-15 --evidence %s "
                   "--filed-as X/1 --ref sap:1 --publish after --in-kind --format json",
                   pki.ca);
    assert_int_equal(run(&play, line), 0);
    const Pledged__V1__Command *command = play.command;
    assert_string_equal(command->effective_date, "2026-01-15");
    assert_int_equal(command->n_evidence, 1);
    assert_string_equal(command->evidence[0]->kind, "letter");
    assert_string_equal(command->evidence[0]->filed_as, "X/1");
    assert_string_equal(command->submit->external_ref[0]->system, "sap");
    assert_int_equal(command->submit->publish, PLEDGED__V1__PUBLISH__PUBLISH_AFTER);
    assert_int_equal(command->submit->kind, PLEDGED__V1__PLEDGE_KIND__PLEDGE_KIND_IN_KIND);
    assert_int_equal(command->request_id.data[6] >> 4, 7); /* UUID version */
    assert_non_null(strstr(out_text, "\"kind\": \"NEW\""));
    assert_non_null(strstr(out_text, "PAYMENT_SURPLUS"));
    assert_string_equal(err_text, "");
    end_play(&play);
}

static void test_mistakes_are_found_before_anything_is_sent(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        int code;
    } cases[] = {
        {"", 64},
        {"hodl or", 64},
        {"hold or", 64},
        {"submit --contributor c1", 64},
        {"submit --contributor c1 --tier or --free", 64},
        {"extend p1 --reason x", 64},
        {"pay p1 1", 64},
        {"pay p1 1.005 CHF", 65},
        {"pay p1 1 CHX", 65},
        {"reverse zero", 64},
        {"cancel p1 --money-plan burn", 64},
        {"commit p1 --evidence /nonexistent", 66},
        {"catalogue adopt /nonexistent", 66},
        {"commit p1 --request-id 7", 64},
        {"hold or --contributor c1 --config /nonexistent", 78},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct play play = {0};
        int code = run(&play, cases[i].line);
        if (code != cases[i].code || out_text[0] != '\0' || err_text[0] == '\0' ||
            play.command != NULL)
            fail_msg("%s: %d: %s", cases[i].line, code, err_text);
        end_play(&play);
    }
    assert_int_equal(kept_files(), 0);
}

static int begin(void **state)
{
    (void)state;
    fake_pki_init(&pki);
    (void)snprintf(state_dir, sizeof(state_dir), "%s/state", pki.dir);
    (void)snprintf(out_path, sizeof(out_path), "%s/out", pki.dir);
    (void)snprintf(err_path, sizeof(err_path), "%s/err", pki.dir);
    (void)unsetenv("PLEDGE_CONFIG");
    (void)unsetenv("PLEDGE_PROFILE");
    return setenv("XDG_STATE_HOME", state_dir, 1) + setenv("XDG_CONFIG_HOME", pki.dir, 1) +
           setenv("LC_ALL", "C.UTF-8", 1);
}

static int end(void **state)
{
    (void)state;
    static const char *const dirs[] = {"pledge/requests", "pledge", ""};
    for (size_t i = 0; i < PL_COUNT(dirs); i++) {
        char path[200];
        (void)snprintf(path, sizeof(path), "%s/%s", state_dir, dirs[i]);
        (void)rmdir(path);
    }
    (void)unlink(out_path);
    (void)unlink(err_path);
    fake_pki_fini(&pki);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_id_is_kept_before_it_is_sent_and_forgotten_after),
        cmocka_unit_test(test_a_lost_reply_becomes_a_replay),
        cmocka_unit_test(test_an_unknown_outcome_keeps_the_id_and_prints_it),
        cmocka_unit_test(test_a_refusal_settles_the_id),
        cmocka_unit_test(test_a_rehearsal_keeps_nothing),
        cmocka_unit_test(test_common_options_reach_the_command),
        cmocka_unit_test(test_mistakes_are_found_before_anything_is_sent),
        cmocka_unit_test(test_a_day_ends_where_the_daemon_says),
    };
    return cmocka_run_group_tests(tests, begin, end);
}

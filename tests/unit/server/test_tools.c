/* SPDX-License-Identifier: Apache-2.0
 *
 * test_tools: the other commands of the daemon's program on a directory of their own: what they
 * change, what they print, and with which code they end.
 */
// clang-format off
#include "../ledger/fixture.h"

#include "../net/pki.h"
#include "dir_fixture.h"
#include "log_fixture.h"
// clang-format on

#include <dirent.h>

#include "server/identity.h"
#include "server/recover.h"
#include "server/store/io.h"
#include "server/store/snapshot.h"
#include "server/tools.h"

struct place {
    struct world world;
    char *root;
    char data[300], message[400];
    struct config *config;
    char out[4096]; /* what the last command printed, both streams */
};

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof(*p));
    char text[1000];
    p->root = temp_new();
    world_ready(&p->world, 2);
    (void)snprintf(p->data, sizeof(p->data), "%s/data", p->root);
    (void)snprintf(text, sizeof(text),
                   "[daemon]\ndata = %s\n[tls]\ncert = %s/c\nkey = %s/k\nca = %s/a\n"
                   "[ledger]\norigin = example.org/test\n[store]\nsegment_bytes = 2097152\n"
                   "[person anna]\nrole = clerk\nidentity = uri:a\n",
                   p->data, p->root, p->root, p->root);
    write_text(in_dir(p->root, "conf"), text);
    struct pl_status status =
        config_load(in_dir(p->root, "conf"), p->message, sizeof(p->message), &p->config);
    if (!pl_is_ok(status))
        fail_msg("%s", p->message);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    config_free(p->config);
    world_fini(&p->world);
    temp_remove(p->root);
    free(p);
    return 0;
}

/* Runs one command with its output caught. */
static int run(struct place *p, int (*tool)(const struct config *))
{
    const char *path = in_dir(p->root, "out");
    (void)fflush(stdout);
    (void)fflush(stderr);
    int old_out = dup(STDOUT_FILENO), old_err = dup(STDERR_FILENO);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0 && old_out >= 0 && old_err >= 0);
    assert_true(dup2(fd, STDOUT_FILENO) >= 0 && dup2(fd, STDERR_FILENO) >= 0);
    int code = tool(p->config);
    (void)fflush(stdout);
    (void)fflush(stderr);
    assert_true(dup2(old_out, STDOUT_FILENO) >= 0 && dup2(old_err, STDERR_FILENO) >= 0);
    (void)close(old_out);
    (void)close(old_err);
    (void)close(fd);
    (void)snprintf(p->out, sizeof(p->out), "%.4000s", read_text(path));
    return code;
}

static void expect(struct place *p, int (*tool)(const struct config *), int code, const char *words)
{
    int got = run(p, tool);
    if (got != code || strstr(p->out, words) == NULL)
        fail_msg("wanted %d and '%s', got %d and '%s'", code, words, got, p->out);
}

/* The world's entries from `from` on become one batch of the log. */
static void append_entries(struct place *p, size_t from)
{
    struct identity identity;
    struct recover_report report = {0};
    struct store *store = NULL;
    struct ledger *ledger = NULL;
    assert_true(pl_is_ok(identity_load(p->data, "example.org/test", p->message, &identity)));
    struct recover_options options = {.data = p->data, .segment_bytes = 2 << 20};
    memcpy(options.ledger_id, identity.ledger_id, 16);
    assert_true(pl_is_ok(recover_open(&options, &report, &store, &ledger)));
    log_append(store, p->world.entry + from, p->world.entry_count - from);
    ledger_free(ledger);
    store_close(store);
}

static int snapshots(const struct place *p)
{
    int count = 0;
    DIR *dir = opendir(in_dir(p->data, "snapshot"));
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL)
        count += strstr(entry->d_name, ".snap") != NULL;
    (void)closedir(dir);
    return count;
}

static void test_init_twice(void **state)
{
    struct place *p = *state;
    char vkey[600];
    expect(p, tools_init, 0, "made ");
    const char *second_line = strchr(p->out, '\n');
    assert_non_null(second_line);
    (void)snprintf(vkey, sizeof(vkey), "%.500s", second_line + 1);
    assert_int_equal(strncmp(vkey, "example.org/test+", 17), 0);
    expect(p, tools_init, 0, "already there");
    assert_non_null(strstr(p->out, vkey)); /* the same key */
}

static void test_init_under_another_name_is_refused(void **state)
{
    struct place *p = *state;
    expect(p, tools_init, 0, "made ");
    p->config->origin = "example.org/other";
    expect(p, tools_init, 78, "a ledger never changes its name");
    expect(p, tools_fsck, 78, "a ledger never changes its name");
}

static void test_nothing_there_yet(void **state)
{
    struct place *p = *state;
    expect(p, tools_fsck, 78, "run: pledged init");
    expect(p, tools_snapshot, 78, "run: pledged init");
    p->config->data = "/nonexistent/dir";
    expect(p, tools_init, 74, "/nonexistent/dir");
}

static void test_fsck_says_what_it_read(void **state)
{
    struct place *p = *state;
    char words[200], hex[65];
    uint8_t digest[32];
    expect(p, tools_init, 0, "made ");
    expect(p, tools_fsck, 0, "fine, 0 entries in 0 batches");
    append_entries(p, 0);
    ledger_digest(p->world.ledger, digest);
    pl_hex(pl_slice(digest, 32), hex);
    (void)snprintf(words, sizeof(words), "fine, %zu entries in 1 batches, state %s",
                   p->world.entry_count, hex);
    expect(p, tools_fsck, 0, words);
}

static void test_fsck_finds_damage_and_changes_nothing(void **state)
{
    struct place *p = *state;
    expect(p, tools_init, 0, "made ");
    append_entries(p, 0);
    expect(p, tools_snapshot, 0, "snapshot of");
    damage(in_dir(p->data, "log/0000000000000001.seg"), 4096 + 200);
    expect(p, tools_fsck, 14, "0000000000000001.seg");
    expect(p, tools_fsck, 14, "0000000000000001.seg"); /* not healed by looking */
    damage(in_dir(p->data, "log/0000000000000001.seg"), 4096 + 200);
    expect(p, tools_fsck, 0, "fine, ");
}

static void test_fsck_finds_a_broken_rule(void **state)
{
    struct place *p = *state;
    expect(p, tools_init, 0, "made ");
    append_entries(p, 0);
    append_entries(p, p->world.entry_count - 1); /* the last one once more */
    expect(p, tools_fsck, 14, "entry 7 does not follow");
    expect(p, tools_snapshot, 14, "entry 7 does not follow");
    assert_int_equal(snapshots(p), 0);
}

/* fsck believes the log alone: a wrong snapshot neither hides damage nor makes any. */
static void test_fsck_does_not_look_at_snapshots(void **state)
{
    struct place *p = *state;
    expect(p, tools_init, 0, "made ");
    append_entries(p, 0);
    expect(p, tools_snapshot, 0, "snapshot of 6 entries, batch 1");
    damage(in_dir(p->data, "snapshot/0000000000000001.snap"), 170);
    expect(p, tools_fsck, 0, "fine, 6 entries");
}

static void test_a_snapshot_is_one_that_recovery_uses(void **state)
{
    struct place *p = *state;
    struct identity identity;
    struct recover_report report = {0};
    struct store *store = NULL;
    struct ledger *ledger = NULL;
    expect(p, tools_init, 0, "made ");
    expect(p, tools_snapshot, 11, "nothing to save");
    assert_int_equal(snapshots(p), 0);
    append_entries(p, 0);
    expect(p, tools_snapshot, 0, "snapshot of 6 entries, batch 1");
    expect(p, tools_snapshot, 0, "snapshot of 6 entries, batch 1"); /* again: the same file */
    assert_int_equal(snapshots(p), 1);
    assert_true(pl_is_ok(identity_load(p->data, "example.org/test", p->message, &identity)));
    struct recover_options options = {.data = p->data, .segment_bytes = 2 << 20, .read_only = true};
    memcpy(options.ledger_id, identity.ledger_id, 16);
    assert_true(pl_is_ok(recover_open(&options, &report, &store, &ledger)));
    assert_int_equal(report.snapshot_seq, 6);
    assert_int_equal(report.replayed, 0);
    ledger_free(ledger);
    store_close(store);
}

static void test_two_snapshots_are_kept(void **state)
{
    struct place *p = *state;
    expect(p, tools_init, 0, "made ");
    append_entries(p, 0);
    for (int i = 1; i <= 4; i++) {
        char name[32], words[64];
        (void)snprintf(words, sizeof(words), "snapshot of %zu entries, batch %d",
                       p->world.entry_count, i);
        expect(p, tools_snapshot, 0, words);
        assert_int_equal(snapshots(p), i < 2 ? i : 2);
        size_t from = p->world.entry_count;
        (void)snprintf(name, sizeof(name), "Another ministry %d", i);
        add_contributor(&p->world, name);
        assert_accepted(&p->world);
        append_entries(p, from);
    }
    expect(p, tools_fsck, 0, "fine, 10 entries in 5 batches");
}

static void test_a_snapshot_that_cannot_be_written_is_told(void **state)
{
    struct place *p = *state;
    expect(p, tools_init, 0, "made ");
    append_entries(p, 0);
    assert_int_equal(rmdir(in_dir(p->data, "snapshot")), 0);
    int code = run(p, tools_snapshot);
    assert_int_not_equal(code, 0);
    assert_string_not_equal(p->out, "");
    expect(p, tools_init, 0, "already there"); /* makes the directory again */
    expect(p, tools_snapshot, 0, "snapshot of 6 entries");
}

static void test_check_config_names_the_file_that_fails(void **state)
{
    struct place *p = *state;
    expect(p, tools_check_config, 78, p->config->tls.cert);
}

static void test_check_config_looks_at_certificates_and_persons(void **state)
{
    struct place *p = *state;
    struct pki pki;
    const struct pki_wish wish = {.name = "server", .san = "DNS:localhost"};
    pki_init(&pki);
    EVP_PKEY *key = pki_key();
    X509 *certificate = pki_sign(pki.ca, pki.ca_key, key, &wish);
    p->config->tls = (struct tls_files){.cert = pki_write_certificate(&pki, "crt", certificate),
                                        .key = pki_write_key(&pki, "key", key),
                                        .ca = pki_write_certificate(&pki, "ca", pki.ca)};
    expect(p, tools_check_config, 0, "fine, 1 persons");
    p->config->roster->person[0]->identity[0]->identity = (char *)"spki:00";
    int code = run(p, tools_check_config);
    assert_int_not_equal(code, 0);
    assert_non_null(strstr(p->out, "an identity is malformed"));
    assert_int_not_equal(access(p->data, F_OK), 0); /* it only looked */
    X509_free(certificate);
    EVP_PKEY_free(key);
    pki_fini(&pki);
}

#define CASE(name_) cmocka_unit_test_setup_teardown(test_##name_, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(init_twice),
        CASE(init_under_another_name_is_refused),
        CASE(nothing_there_yet),
        CASE(fsck_says_what_it_read),
        CASE(fsck_finds_damage_and_changes_nothing),
        CASE(fsck_finds_a_broken_rule),
        CASE(fsck_does_not_look_at_snapshots),
        CASE(a_snapshot_is_one_that_recovery_uses),
        CASE(two_snapshots_are_kept),
        CASE(a_snapshot_that_cannot_be_written_is_told),
        CASE(check_config_names_the_file_that_fails),
        CASE(check_config_looks_at_certificates_and_persons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

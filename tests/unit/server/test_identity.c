/* SPDX-License-Identifier: Apache-2.0
 *
 * test_identity: a ledger's identity is made once, completed after a crash in the middle, and
 * never changed, replaced or guessed.
 */
// clang-format off
#include "server/identity.h"

#include "dir_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka needs the C headers before it */
#include <cmocka.h>
// clang-format on

#define ORIGIN "example.org/fund"

struct world {
    char *root;
    char data[300];
    char message[400];
    bool made;
    struct identity identity;
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    w->root = temp_new();
    (void)snprintf(w->data, sizeof(w->data), "%s/data", w->root);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    temp_remove(w->root);
    free(w);
    return 0;
}

static enum pl_code init(struct world *w)
{
    w->message[0] = '\0';
    return identity_init(w->data, ORIGIN, w->message, &w->made).code;
}

static enum pl_code load(struct world *w)
{
    w->message[0] = '\0';
    memset(&w->identity, 0, sizeof(w->identity));
    return identity_load(w->data, ORIGIN, w->message, &w->identity).code;
}

static mode_t mode_of(const struct world *w, const char *name)
{
    struct stat stat_of;
    assert_int_equal(stat(in_dir(w->data, name), &stat_of), 0);
    return stat_of.st_mode & 0777;
}

static void test_made_once(void **state)
{
    struct world *w = *state;
    assert_int_equal(init(w), PL_E_OK);
    assert_true(w->made);
    assert_int_equal(load(w), PL_E_OK);
    struct identity first = w->identity;
    assert_string_equal(first.origin, ORIGIN);
    static const uint8_t zero[16] = {0};
    assert_memory_not_equal(first.ledger_id, zero, 16);
    assert_int_equal(strncmp(first.vkey, ORIGIN "+", strlen(ORIGIN "+")), 0);
    assert_null(strchr(first.vkey, '\n'));
    assert_int_equal(mode_of(w, "ledger.key"), 0600);
    assert_int_equal(mode_of(w, "."), 0700);
    assert_int_equal(mode_of(w, "log"), 0700);
    assert_int_equal(mode_of(w, "snapshot"), 0700);
    assert_int_equal(init(w), PL_E_OK);
    assert_false(w->made);
    assert_int_equal(load(w), PL_E_OK);
    assert_memory_equal(first.ledger_id, w->identity.ledger_id, 16);
    assert_string_equal(first.vkey, w->identity.vkey);
}

static void test_the_public_key_belongs_to_the_secret_one(void **state)
{
    struct world *w = *state;
    char secret[PL_NOTE_KEY_MAX], vkey[PL_NOTE_KEY_MAX];
    assert_int_equal(init(w), PL_E_OK);
    assert_int_equal(load(w), PL_E_OK);
    (void)snprintf(secret, sizeof(secret), "%.500s", read_text(in_dir(w->data, "ledger.key")));
    secret[strcspn(secret, "\n")] = '\0';
    assert_true(pl_is_ok(pl_note_vkey(secret, vkey)));
    assert_string_equal(vkey, w->identity.vkey);
}

static void test_two_ledgers_differ(void **state)
{
    struct world *w = *state;
    assert_int_equal(init(w), PL_E_OK);
    assert_int_equal(load(w), PL_E_OK);
    struct identity first = w->identity;
    (void)snprintf(w->data, sizeof(w->data), "%s/other", w->root);
    assert_int_equal(init(w), PL_E_OK);
    assert_int_equal(load(w), PL_E_OK);
    assert_memory_not_equal(first.ledger_id, w->identity.ledger_id, 16);
    assert_string_not_equal(first.vkey, w->identity.vkey);
}

/* Every place where a crash may leave init: the next one goes on, with the key that is there. */
static void test_init_goes_on_after_a_crash(void **state)
{
    struct world *w = *state;
    char secret[PL_NOTE_KEY_MAX];
    assert_int_equal(init(w), PL_E_OK);
    (void)snprintf(secret, sizeof(secret), "%.500s", read_text(in_dir(w->data, "ledger.key")));
    assert_int_equal(unlink(in_dir(w->data, "ledger.id")), 0); /* keys made, id not */
    assert_int_equal(load(w), PL_E_CONFIG);
    assert_int_equal(init(w), PL_E_OK);
    assert_true(w->made);
    assert_int_equal(load(w), PL_E_OK);
    assert_string_equal(read_text(in_dir(w->data, "ledger.key")), secret);
    char vkey[PL_NOTE_KEY_MAX];
    (void)snprintf(vkey, sizeof(vkey), "%s", w->identity.vkey);
    assert_int_equal(unlink(in_dir(w->data, "ledger.id")), 0);
    assert_int_equal(unlink(in_dir(w->data, "ledger.vkey")), 0); /* only the secret key made */
    assert_int_equal(init(w), PL_E_OK);
    assert_int_equal(load(w), PL_E_OK);
    assert_string_equal(w->identity.vkey, vkey);
    assert_string_equal(read_text(in_dir(w->data, "ledger.key")), secret);
    assert_int_equal(rmdir(in_dir(w->data, "snapshot")), 0); /* a directory went: made again */
    assert_int_equal(init(w), PL_E_OK);
    assert_int_equal(mode_of(w, "snapshot"), 0700);
}

static void test_a_secret_key_that_is_none_is_told(void **state)
{
    struct world *w = *state;
    assert_int_equal(mkdir(w->data, 0700), 0);
    write_text(in_dir(w->data, "ledger.key"), "nonsense\n");
    assert_int_equal(init(w), PL_E_CORRUPT);
    assert_non_null(strstr(w->message, "ledger.key"));
    assert_string_equal(read_text(in_dir(w->data, "ledger.key")), "nonsense\n"); /* kept */
    assert_int_not_equal(access(in_dir(w->data, "ledger.id"), F_OK), 0);
}

static void test_no_ledger_says_what_to_do(void **state)
{
    struct world *w = *state;
    assert_int_equal(load(w), PL_E_CONFIG);
    assert_non_null(strstr(w->message, "run: pledged init"));
    char seen[600], *here = getcwd(NULL, 0);
    struct identity identity;
    assert_non_null(here); /* a relative path says from where it was looked at */
    (void)snprintf(seen, sizeof(seen), "nowhere (in %.100s) holds no ledger yet", here);
    assert_int_equal(identity_load("nowhere", "example.org/f", w->message, &identity).code,
                     PL_E_CONFIG);
    assert_non_null(strstr(w->message, seen));
    free(here);
}

static void test_another_origin_is_refused(void **state)
{
    struct world *w = *state;
    assert_int_equal(init(w), PL_E_OK);
    assert_int_equal(identity_load(w->data, "example.org/other", w->message, &w->identity).code,
                     PL_E_CONFIG);
    assert_non_null(strstr(w->message, ORIGIN));
    assert_non_null(strstr(w->message, "example.org/other"));
}

static void test_a_damaged_identity_is_corrupt(void **state)
{
    struct world *w = *state;
    static const char *const texts[] = {
        "",
        "\n",
        ORIGIN,
        ORIGIN "\n",
        ORIGIN "\n0123456789abcdef0123456789abcde\n",
        ORIGIN "\n0123456789abcdef0123456789abcdeg\n",
        "a-name-that-is-much-longer-than-any-origin-may-be-0123456789012345678901234567890123456789"
        "012345678901234567890123456789012345678901234567890\n0123456789abcdef0123456789abcdef\n",
    };
    assert_int_equal(init(w), PL_E_OK);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        write_text(in_dir(w->data, "ledger.id"), texts[i]);
        assert_int_equal(load(w), PL_E_CORRUPT);
        assert_non_null(strstr(w->message, "ledger.id is damaged"));
    }
}

static void test_a_place_that_cannot_be_made_is_told(void **state)
{
    struct world *w = *state;
    (void)snprintf(w->data, sizeof(w->data), "%s/no/such/parent", w->root);
    assert_int_equal(init(w), PL_E_IO);
    assert_non_null(strstr(w->message, "/no/such/parent"));
    assert_non_null(strstr(w->message, "No such file"));
    assert_false(w->made);
}

static void test_a_missing_public_key_is_told(void **state)
{
    struct world *w = *state;
    assert_int_equal(init(w), PL_E_OK);
    assert_int_equal(unlink(in_dir(w->data, "ledger.vkey")), 0);
    assert_int_equal(load(w), PL_E_CONFIG);
    assert_non_null(strstr(w->message, "ledger.vkey is not there; pledged init makes it again"));
    assert_int_equal(init(w), PL_E_OK); /* and can be had again: it follows from the secret key */
    assert_false(w->made);
    assert_int_equal(load(w), PL_E_OK);
}

#define CASE(name_) cmocka_unit_test_setup_teardown(test_##name_, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(made_once),
        CASE(the_public_key_belongs_to_the_secret_one),
        CASE(two_ledgers_differ),
        CASE(init_goes_on_after_a_crash),
        CASE(a_secret_key_that_is_none_is_told),
        CASE(no_ledger_says_what_to_do),
        CASE(another_origin_is_refused),
        CASE(a_damaged_identity_is_corrupt),
        CASE(a_place_that_cannot_be_made_is_told),
        CASE(a_missing_public_key_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

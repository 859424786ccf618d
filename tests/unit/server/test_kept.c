/* SPDX-License-Identifier: Apache-2.0
 *
 * kept: a log fits the checkpoints beside it or does not, whichever of them it is; one that is
 * none, or another ledger's, is told from one that is not there.
 */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka needs the C headers before it */
#include <cmocka.h>

#include "dir_fixture.h"
// clang-format on

#include "common/buf.h"
#include "common/check.h"
#include "common/note.h"
#include "server/kept.h"
#include "server/store/mem.h"

#define ORIGIN "example.org/test"
enum { ENTRIES = 5 };

struct place {
    char *data;
    struct store *store;
    struct pl_merkle_hash leaf[ENTRIES];
    struct pl_note_signer *signer;
    struct kept kept;
    const char *name;
};

static void on_append(void *arg, enum store_outcome outcome)
{
    *(enum store_outcome *)arg = outcome;
}

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof(*p));
    char secret[PL_NOTE_KEY_MAX], vkey[PL_NOTE_KEY_MAX];
    uint8_t body[ENTRIES * 5];
    p->data = temp_new();
    assert_true(pl_is_ok(pl_note_keygen(ORIGIN, secret, vkey)));
    assert_true(pl_is_ok(pl_note_signer_new(secret, &p->signer)));
    assert_true(pl_is_ok(mem_open(&p->store)));
    for (uint8_t i = 0; i < ENTRIES; i++) {
        const uint8_t bytes[] = {1, 0, 0, 0, i}; /* an entry of one byte, behind its length */
        memcpy(body + i * sizeof(bytes), bytes, sizeof(bytes));
        pl_merkle_leaf(pl_slice(&i, 1), &p->leaf[i]);
    }
    struct store_batch batch = {.number = 1,
                                .first_seq = 1,
                                .count = ENTRIES,
                                .epoch = 1,
                                .time_us = 1,
                                .body = pl_slice(body, sizeof(body))};
    enum store_outcome outcome = STORE_CORRUPT;
    store_append(p->store, &batch, true, on_append, &outcome);
    store_dispatch(p->store);
    assert_int_equal(outcome, STORE_DURABLE);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    store_close(p->store);
    pl_note_signer_free(p->signer);
    temp_remove(p->data);
    free(p);
    return 0;
}

/* A checkpoint over so many of the log's entries; `other`: with another root. */
static void keep(struct place *p, const char *name, const char *origin, size_t size, bool other)
{
    struct pl_checkpoint checkpoint = {.size = size};
    struct pl_buf text PL_CLEANUP(pl_buf_fini);
    struct pl_buf note PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&text, 4096);
    pl_buf_init(&note, 4096);
    (void)snprintf(checkpoint.origin, sizeof(checkpoint.origin), "%s", origin);
    pl_merkle_root_of(p->leaf, size < ENTRIES ? size : ENTRIES, &checkpoint.root);
    checkpoint.root.bytes[7] ^= other;
    assert_true(pl_is_ok(pl_checkpoint_print(&checkpoint, &text)));
    struct pl_slice body = pl_buf_slice(&text);
    assert_true(pl_is_ok(pl_buf_append(&note, body.data, body.len)));
    assert_true(pl_is_ok(pl_buf_append_str(&note, "\n")));
    assert_true(pl_is_ok(pl_note_sign(p->signer, body, &note)));
    assert_true(pl_is_ok(pl_buf_append(&note, "", 1)));
    write_text(in_dir(p->data, name), (const char *)pl_buf_slice(&note).data);
}

static void assert_read(struct place *p, unsigned count)
{
    assert_int_equal(kept_read(p->data, ORIGIN, &p->kept, &p->name).code, PL_E_OK);
    assert_int_equal(p->kept.count, count);
}

static void assert_differs(struct place *p, const char *name, const char *words)
{
    unsigned which = 99;
    struct pl_status status = kept_check(&p->kept, p->store, ENTRIES, &which);
    assert_int_equal(status.code, PL_E_CORRUPT);
    assert_string_equal(p->kept.name[which], name);
    assert_non_null(strstr(status.what, words));
}

static void test_a_log_that_fits(void **state)
{
    struct place *p = *state;
    unsigned which;
    assert_read(p, 0);
    assert_int_equal(kept_check(&p->kept, p->store, ENTRIES, &which).code, PL_E_OK);
    for (size_t size = 0; size <= ENTRIES; size++) {
        keep(p, "checkpoint", ORIGIN, size, false);
        keep(p, "ledger.key.signed", ORIGIN, ENTRIES, false);
        assert_read(p, 2);
        assert_int_equal(kept_check(&p->kept, p->store, ENTRIES, &which).code, PL_E_OK);
    }
}

static void test_another_log(void **state)
{
    struct place *p = *state;
    for (size_t size = 0; size <= ENTRIES; size++) {
        keep(p, "checkpoint", ORIGIN, ENTRIES, false);
        keep(p, "ledger.key.signed", ORIGIN, size, true);
        assert_read(p, 2);
        assert_differs(p, "ledger.key.signed", "not the one that was signed");
        keep(p, "checkpoint", ORIGIN, size, true);
        keep(p, "ledger.key.signed", ORIGIN, ENTRIES, false);
        assert_read(p, 2);
        assert_differs(p, "checkpoint", "not the one that was signed");
    }
}

static void test_a_log_that_was_longer(void **state)
{
    struct place *p = *state;
    keep(p, "ledger.key.signed", ORIGIN, ENTRIES + 1, false);
    assert_read(p, 1);
    assert_differs(p, "ledger.key.signed", "older than what was signed");
}

static void test_what_is_no_checkpoint_is_named(void **state)
{
    struct place *p = *state;
    keep(p, "checkpoint", ORIGIN, ENTRIES, false);
    keep(p, "ledger.key.signed", "example.org/other", ENTRIES, false);
    assert_int_equal(kept_read(p->data, ORIGIN, &p->kept, &p->name).code, PL_E_CORRUPT);
    assert_string_equal(p->name, "ledger.key.signed");
    keep(p, "ledger.key.signed", ORIGIN, ENTRIES, false);
    write_text(in_dir(p->data, "checkpoint"), "nothing\n");
    assert_int_equal(kept_read(p->data, ORIGIN, &p->kept, &p->name).code, PL_E_CORRUPT);
    assert_string_equal(p->name, "checkpoint");
    assert_int_equal(remove(in_dir(p->data, "checkpoint")), 0);
    assert_int_equal(mkdir(in_dir(p->data, "checkpoint"), 0700), 0);
    assert_int_equal(kept_read(p->data, ORIGIN, &p->kept, &p->name).code, PL_E_UNAVAILABLE);
    assert_int_equal(remove(in_dir(p->data, "checkpoint")), 0);
    assert_int_equal(symlink("checkpoint", in_dir(p->data, "checkpoint")), 0); /* leads to itself */
    assert_int_equal(kept_read(p->data, ORIGIN, &p->kept, &p->name).code, PL_E_UNAVAILABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_log_that_fits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_another_log, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_log_that_was_longer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_no_checkpoint_is_named, setup, teardown),
    };
    return cmocka_run_group_tests_name("kept", tests, NULL, NULL);
}

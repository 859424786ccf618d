/* SPDX-License-Identifier: Apache-2.0
 *
 * test_manifest: what is written comes back; whatever else stands in a MANIFEST is damage; files
 * are hashed, copied and filled up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "common/check.h"
#include "common/hash.h"
#include "dir_fixture.h"
#include "server/manifest.h"

struct place {
    char *dir;
    struct manifest made;
    char message[400];
};

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof(*p));
    p->dir = temp_new();
    (void)snprintf(p->made.origin, sizeof(p->made.origin), "example.org/test");
    memset(p->made.ledger_id, 0xAB, sizeof(p->made.ledger_id));
    memset(p->made.head, 0x01, sizeof(p->made.head));
    memset(p->made.state, 0x02, sizeof(p->made.state));
    p->made.made_us = 1770000000123456;
    p->made.entries = 12345678901;
    p->made.batches = 77;
    struct manifest_file *file = manifest_add(&p->made, "log/0000000000000001.seg");
    assert_non_null(file);
    file->bytes = 5000;
    file->whole_bytes = 2097152;
    memset(file->sha256, 0x03, sizeof(file->sha256));
    file = manifest_add(&p->made, "ledger.id");
    assert_non_null(file);
    file->bytes = file->whole_bytes = 50;
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    manifest_fini(&p->made);
    temp_remove(p->dir);
    free(p);
    return 0;
}

static void test_what_is_saved_comes_back(void **state)
{
    struct place *p = *state;
    struct manifest found;
    assert_true(pl_is_ok(manifest_save(&p->made, p->dir)));
    assert_true(pl_is_ok(manifest_load(p->dir, p->message, &found)));
    assert_string_equal(found.origin, p->made.origin);
    assert_memory_equal(found.ledger_id, p->made.ledger_id, 16);
    assert_memory_equal(found.head, p->made.head, 32);
    assert_memory_equal(found.state, p->made.state, 32);
    assert_int_equal(found.made_us, p->made.made_us);
    assert_int_equal(found.entries, p->made.entries);
    assert_int_equal(found.batches, p->made.batches);
    assert_int_equal(found.count, 2);
    const struct manifest_file *file = manifest_find(&found, "log/0000000000000001.seg");
    assert_non_null(file);
    assert_int_equal(file->bytes, 5000);
    assert_int_equal(file->whole_bytes, 2097152);
    assert_memory_equal(file->sha256, p->made.file[0].sha256, 32);
    assert_null(manifest_find(&found, "log/0000000000000002.seg"));
    manifest_fini(&found);
}

static void test_many_files(void **state)
{
    struct place *p = *state;
    struct manifest found;
    char name[64];
    for (int i = 0; i < 300; i++) {
        (void)snprintf(name, sizeof(name), "log/%016x.seg", 0x100 + i);
        assert_non_null(manifest_add(&p->made, name));
    }
    assert_true(pl_is_ok(manifest_save(&p->made, p->dir)));
    assert_true(pl_is_ok(manifest_load(p->dir, p->message, &found)));
    assert_int_equal(found.count, 302);
    assert_non_null(manifest_find(&found, name));
    manifest_fini(&found);
}

static void test_only_names_of_a_backup(void **state)
{
    struct place *p = *state;
    static const char *const wrong[] = {
        "",
        "MANIFEST",
        "lock",
        "../ledger.id",
        "/etc/passwd",
        "log/../../ledger.id",
        "log/0000000000000001.SEG",
        "log/000000000000001.seg",
        "log/00000000000000001.seg",
        "log/000000000000000G.seg",
        "log/0000000000000001.seg/x",
        "snapshot/0000000000000001.seg",
        "snapshot/0000000000000001.snap.tmp",
        "ledger.id.new",
    };
    for (size_t i = 0; i < PL_COUNT(wrong); i++)
        assert_null(manifest_add(&p->made, wrong[i]));
    assert_non_null(manifest_add(&p->made, "snapshot/00000000000000ff.snap"));
    assert_non_null(manifest_add(&p->made, "ledger.vkey"));
    assert_non_null(manifest_add(&p->made, "ledger.key"));
}

/* Writes it with a last line that fits, as somebody who means harm would. */
static void forge(struct place *p, const char *text)
{
    uint8_t sha256[PL_SHA256_BYTES];
    char hex[2 * PL_SHA256_BYTES + 1], whole[4096];
    pl_sha256(pl_slice_str(text), sha256);
    pl_hex(pl_slice(sha256, sizeof(sha256)), hex);
    (void)snprintf(whole, sizeof(whole), "%send %s\n", text, hex);
    write_text(in_dir(p->dir, "MANIFEST"), whole);
}

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"
#define HEAD                                                                                       \
    "pledged-backup 1\norigin a\nledger 00000000000000000000000000000000\n"                        \
    "made 2026-01-01T00:00:00Z\nentries 1\nbatches 1\nhead " ZEROS "\nstate " ZEROS "\n"

static void test_what_does_not_fit_is_damage_even_with_the_right_sum(void **state)
{
    struct place *p = *state;
    struct manifest found;
    static const char *const wrong[] = {
        "",
        "pledged-backup 2\n",
        HEAD "file " ZEROS " 1 1 ../x\n",
        HEAD "file " ZEROS " 1 1 ledger.id\nfile " ZEROS " 1 1 ledger.id\n",
        HEAD "file " ZEROS " 2 1 ledger.id\n",
        HEAD "file " ZEROS " 1 1099511627777 ledger.id\n",
        HEAD "file " ZEROS " 1 18446744073709551617 ledger.id\n",
        HEAD "file " ZEROS " -1 1 ledger.id\n",
        HEAD "file " ZEROS " 1 ledger.id\n",
        HEAD "file " ZEROS "00 1 1 ledger.id\n",
        HEAD "file " ZEROS " 1 1 ledger.id x\n",
        HEAD "file " ZEROS "  1 1 ledger.id\n",
        HEAD "more\n",
        HEAD HEAD,
    };
    forge(p, HEAD "file " ZEROS " 1 1 ledger.id\n");
    assert_true(pl_is_ok(manifest_load(p->dir, p->message, &found)));
    manifest_fini(&found);
    for (size_t i = 0; i < PL_COUNT(wrong); i++) {
        forge(p, wrong[i]);
        if (manifest_load(p->dir, p->message, &found).code != PL_E_CORRUPT)
            fail_msg("taken: %s", wrong[i]);
        assert_non_null(strstr(p->message, "MANIFEST"));
        assert_null(found.file);
    }
}

static void test_every_byte_counts(void **state)
{
    struct place *p = *state;
    struct manifest found;
    assert_true(pl_is_ok(manifest_save(&p->made, p->dir)));
    char text[8192];
    (void)snprintf(text, sizeof(text), "%.8191s", read_text(in_dir(p->dir, "MANIFEST")));
    for (size_t i = 0; i < strlen(text); i++) {
        damage(in_dir(p->dir, "MANIFEST"), (off_t)i);
        assert_int_equal(manifest_load(p->dir, p->message, &found).code, PL_E_CORRUPT);
        write_text(in_dir(p->dir, "MANIFEST"), text);
    }
    for (size_t i = strlen(text); i-- > 0;) {
        text[i] = '\0';
        write_text(in_dir(p->dir, "MANIFEST"), text);
        assert_int_equal(manifest_load(p->dir, p->message, &found).code, PL_E_CORRUPT);
    }
    assert_int_equal(unlink(in_dir(p->dir, "MANIFEST")), 0);
    assert_int_equal(manifest_load(p->dir, p->message, &found).code, PL_E_NO_INPUT);
}

static void test_files_are_hashed_copied_and_filled_up(void **state)
{
    struct place *p = *state;
    const char *from = in_dir(p->dir, "from"), *to = in_dir(p->dir, "to");
    uint8_t found[32], wanted[32];
    struct stat about;
    write_text(from, "0123456789");
    pl_sha256(pl_slice_str("0123456"), wanted);
    assert_true(pl_is_ok(manifest_copy(from, NULL, 7, 7, found)));
    assert_memory_equal(found, wanted, 32);
    memset(found, 0, sizeof(found));
    assert_true(pl_is_ok(manifest_copy(from, to, 7, 5000, found)));
    assert_memory_equal(found, wanted, 32);
    assert_int_equal(stat(to, &about), 0);
    assert_int_equal(about.st_size, 5000);
    assert_int_equal(about.st_mode & 0777, 0600);
    assert_string_equal(read_text(to), "0123456");
    assert_int_equal(manifest_copy(from, NULL, 11, 11, found).code, PL_E_CORRUPT);
    assert_int_equal(manifest_copy(in_dir(p->dir, "none"), NULL, 1, 1, found).code, PL_E_NOT_FOUND);
    assert_false(pl_is_ok(manifest_copy(from, to, 7, 7, found))); /* never over another file */
}

#define CASE(name_) cmocka_unit_test_setup_teardown(test_##name_, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_is_saved_comes_back), CASE(many_files),
        CASE(only_names_of_a_backup),   CASE(what_does_not_fit_is_damage_even_with_the_right_sum),
        CASE(every_byte_counts),        CASE(files_are_hashed_copied_and_filled_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

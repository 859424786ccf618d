/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: a mirror is complete under the checkpoint that it shows, after every step of its growth,
 * after interruptions and after damage; nothing unverified gets a place in it; whole tiles stay.
 */
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/mirror.h"
#include "client/text.h"
#include "client/verify.h"
#include "common/check.h"
#include "common/tlog.h"

static char dir[64], secret[PL_NOTE_KEY_MAX], vkey[PL_NOTE_KEY_MAX];
static struct pl_note_signer *signer;

static struct pl_slice entry_of(uint64_t seq)
{
    static uint8_t bytes[16];
    Pledged__V1__Entry entry = PLEDGED__V1__ENTRY__INIT;
    entry.seq = seq;
    return pl_slice(bytes, protobuf_c_message_pack(&entry.base, bytes));
}

/* A signed checkpoint of the first `size` entries; `twist` changes the root. */
static struct pl_slice sign(uint64_t size, bool twist, struct pl_buf *out)
{
    static struct verify_tree tree;
    struct pl_checkpoint checkpoint = {.size = size};
    verify_tree_init(&tree, NULL, NULL);
    for (uint64_t seq = 1; seq <= size; seq++) {
        uint8_t leaf[1][32];
        verify_tree_leaf(entry_of(seq), leaf[0]);
        assert_true(pl_is_ok(verify_tree_add(&tree, leaf, 1, NULL)));
    }
    verify_tree_root(&tree, checkpoint.root.bytes);
    checkpoint.root.bytes[0] ^= twist;
    (void)snprintf(checkpoint.origin, sizeof(checkpoint.origin), "example.org/fund");
    pl_buf_init(out, 1 << 16);
    assert_true(pl_is_ok(pl_checkpoint_print(&checkpoint, out)));
    size_t body = pl_buf_len(out);
    assert_true(pl_is_ok(pl_buf_append_str(out, "\n")));
    assert_true(pl_is_ok(pl_note_sign(signer, pl_slice(pl_buf_slice(out).data, body), out)));
    return pl_buf_slice(out);
}

static struct mirror *open_mirror(void)
{
    struct mirror *mirror = NULL;
    struct pl_status status = mirror_open(dir, vkey, &mirror);
    if (!pl_is_ok(status))
        fail_msg("%s", status.what);
    return mirror;
}

static struct pl_status finish(struct mirror *mirror, uint64_t size, bool twist)
{
    struct pl_buf text;
    struct verify_checkpoint checkpoint;
    struct pl_slice note = sign(size, twist, &text);
    assert_null(verify_checkpoint_open(note, vkey, &checkpoint));
    struct pl_status status = mirror_finish(mirror, note, &checkpoint);
    pl_buf_fini(&text);
    return status;
}

static void take_to(struct mirror *mirror, uint64_t last)
{
    for (uint64_t seq = mirror_next_seq(mirror); seq <= last; seq++)
        assert_true(pl_is_ok(mirror_take(mirror, entry_of(seq))));
}

static void grow(uint64_t size)
{
    struct mirror *mirror = open_mirror();
    take_to(mirror, size);
    struct pl_status status = finish(mirror, size, false);
    if (!pl_is_ok(status))
        fail_msg("%s", status.what);
    assert_int_equal(mirror_size(mirror), size);
    mirror_close(mirror);
}

/* What the auditor's tool says. */
static int verdict(void)
{
    struct verify_options options = {.path = dir, .keys = vkey, .quick = true, .threads = 1};
    struct verify_report report;
    assert_true(pl_is_ok(verify_run(&options, &report)));
    return verify_exit(&report);
}

static unsigned partial_files, whole_files, other_files;

static int count_file(const char *path, const struct stat *about, int kind, struct FTW *where)
{
    (void)about;
    (void)where;
    if (kind != FTW_F)
        return 0;
    if (strstr(path, ".p/") != NULL)
        partial_files++;
    else if (strstr(path, "/tile/") != NULL)
        whole_files++;
    else
        other_files++;
    return 0;
}

static void count_files(void)
{
    partial_files = whole_files = other_files = 0;
    assert_int_equal(nftw(dir, count_file, 16, FTW_PHYS), 0);
}

static void test_growing(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {1, 2, 255, 256, 257, 300, 512, 513, 1000, 1024, 3000, 3000};
    for (size_t i = 0; i < PL_COUNT(sizes); i++) {
        grow(sizes[i]);
        assert_int_equal(verdict(), 0);
        count_files();
        assert_int_equal(other_files, 3); /* checkpoint, keys, lock */
        assert_int_equal(whole_files, sizes[i] / 256 * 2);
        assert_int_equal(partial_files,
                         (sizes[i] % 256 != 0 ? 2 : 0) + (sizes[i] / 256 % 256 != 0 ? 1 : 0));
    }
}

static void test_three_levels(void **state)
{
    (void)state;
    grow(65000);
    grow(66000);
    assert_int_equal(verdict(), 0);
    count_files();
    assert_int_equal(whole_files, 66000 / 256 * 2 + 1);
    assert_int_equal(partial_files, 4);
    grow(66048);
    assert_int_equal(verdict(), 0);
}

static void test_interrupted(void **state)
{
    (void)state;
    grow(300);
    for (uint64_t stop = 310; stop < 2000; stop += 170) {
        struct mirror *mirror = open_mirror();
        assert_true(mirror_next_seq(mirror) > 300);
        take_to(mirror, stop);
        mirror_close(mirror);
        assert_int_equal(verdict(), 0); /* still that of 300 */
    }
    struct mirror *mirror = open_mirror();
    assert_int_equal(mirror_size(mirror), 300);
    assert_int_equal(mirror_next_seq(mirror), 1793); /* seven whole bundles came */
    mirror_close(mirror);
    grow(2001);
    assert_int_equal(verdict(), 0);
    count_files();
    assert_int_equal(other_files, 3);
}

static void test_whole_tiles_stay(void **state)
{
    (void)state;
    char path[128];
    struct stat before, after;
    grow(600);
    (void)snprintf(path, sizeof(path), "%s/tile/entries/001", dir);
    assert_int_equal(stat(path, &before), 0);
    grow(5000);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
}

static void test_what_is_not_signed_gets_no_place(void **state)
{
    (void)state;
    grow(300);
    struct mirror *mirror = open_mirror();
    take_to(mirror, 700);
    assert_int_equal(finish(mirror, 700, true).code, PL_E_CORRUPT);
    mirror_close(mirror);
    assert_int_equal(verdict(), 0);
    mirror = open_mirror();
    assert_int_equal(mirror_next_seq(mirror), 301);
    assert_true(pl_is_ok(mirror_take(mirror, entry_of(77)))); /* not entry 301 */
    take_to(mirror, 301);
    assert_int_equal(finish(mirror, 301, false).code, PL_E_CORRUPT);
    mirror_close(mirror);
    assert_int_equal(verdict(), 0);
    mirror = open_mirror();
    take_to(mirror, 400);
    assert_int_equal(finish(mirror, 399, false).code, PL_E_CORRUPT);
    mirror_close(mirror);
    grow(400);
    assert_int_equal(verdict(), 0);
}

static void flip(const char *name, long at)
{
    char path[160];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    int byte = fgetc(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    assert_int_not_equal(fputc(byte ^ 1, file), EOF);
    assert_int_equal(fclose(file), 0);
}

static void test_a_damaged_mirror_does_not_grow(void **state)
{
    (void)state;
    static const char *const names[] = {"checkpoint", "tile/0/001.p/44", "tile/1/000.p/1",
                                        "tile/entries/001.p/44"};
    grow(300);
    for (size_t i = 0; i < PL_COUNT(names); i++) {
        struct mirror *mirror = NULL;
        flip(names[i], 20);
        assert_int_equal(mirror_open(dir, vkey, &mirror).code, PL_E_CORRUPT);
        assert_null(mirror);
        flip(names[i], 20);
    }
    grow(301);
}

/* As whoever has only the entries computes it. */
static void root_of(uint64_t size, uint8_t out[PL_SHA256_BYTES])
{
    struct pl_buf text;
    struct verify_checkpoint checkpoint;
    assert_null(verify_checkpoint_open(sign(size, false, &text), vkey, &checkpoint));
    memcpy(out, checkpoint.root, PL_SHA256_BYTES);
    pl_buf_fini(&text);
}

static void test_it_knows_its_earlier_roots(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {0, 1, 2, 3, 255, 256, 257, 511, 512, 600, 699, 700};
    uint8_t root[PL_SHA256_BYTES], want[PL_SHA256_BYTES];
    char path[128];
    grow(300);
    grow(700);
    struct mirror *mirror = open_mirror();
    for (size_t i = 0; i < PL_COUNT(sizes); i++) {
        assert_true(pl_is_ok(mirror_root_at(mirror, sizes[i], root)));
        root_of(sizes[i], want);
        assert_memory_equal(root, want, sizeof(root));
    }
    take_to(mirror, 900); /* what is on its way changes nothing */
    assert_true(pl_is_ok(mirror_root_at(mirror, 600, root)));
    root_of(600, want);
    assert_memory_equal(root, want, sizeof(root));
    assert_true(pl_is_ok(finish(mirror, 900, false)));
    assert_true(pl_is_ok(mirror_root_at(mirror, 899, root)));
    root_of(899, want);
    assert_memory_equal(root, want, sizeof(root));
    /* damage is no other history */
    (void)snprintf(path, sizeof(path), "%s/tile/0/001", dir);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "x", 1, 40), 1);
    (void)close(fd);
    assert_int_equal(mirror_root_at(mirror, 400, root).code, PL_E_CORRUPT);
    assert_int_equal(truncate(path, 100), 0);
    assert_int_equal(mirror_root_at(mirror, 400, root).code, PL_E_CORRUPT);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mirror_root_at(mirror, 400, root).code, PL_E_CORRUPT);
    mirror_close(mirror);
}

static void test_one_at_a_time(void **state)
{
    (void)state;
    struct mirror *mirror = open_mirror(), *other = NULL;
    assert_int_equal(mirror_open(dir, vkey, &other).code, PL_E_BUSY);
    mirror_close(mirror);
    assert_int_equal(mirror_open("/nonexistent/mirror", vkey, &other).code, PL_E_IO);
}

static int remove_file(const char *path, const struct stat *about, int kind, struct FTW *where)
{
    (void)about;
    (void)kind;
    (void)where;
    return remove(path);
}

static int begin(void **state)
{
    (void)state;
    text_use(TEXT_ENGLISH);
    (void)snprintf(dir, sizeof(dir), "/tmp/pledge-mirror-XXXXXX");
    return mkdtemp(dir) == NULL;
}

static int end(void **state)
{
    (void)state;
    return nftw(dir, remove_file, 16, FTW_DEPTH | FTW_PHYS);
}

static int set_up(void **state)
{
    (void)state;
    return !(pl_is_ok(pl_note_keygen("example.org/fund", secret, vkey)) &&
             pl_is_ok(pl_note_signer_new(secret, &signer)));
}

static int tear_down(void **state)
{
    (void)state;
    pl_note_signer_free(signer);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_growing, begin, end),
        cmocka_unit_test_setup_teardown(test_three_levels, begin, end),
        cmocka_unit_test_setup_teardown(test_interrupted, begin, end),
        cmocka_unit_test_setup_teardown(test_whole_tiles_stay, begin, end),
        cmocka_unit_test_setup_teardown(test_what_is_not_signed_gets_no_place, begin, end),
        cmocka_unit_test_setup_teardown(test_a_damaged_mirror_does_not_grow, begin, end),
        cmocka_unit_test_setup_teardown(test_it_knows_its_earlier_roots, begin, end),
        cmocka_unit_test_setup_teardown(test_one_at_a_time, begin, end),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * test_tree: the stored hashes are tiles of the tree that the leaves make, whatever the pieces in
 * which they come; a write that fails changes nothing; what was not synced is not believed.
 */
#include <cmocka.h>

#include "common/check.h"
#include "dir_fixture.h"
#include "server/tree.h"

enum { LEAVES = 70000 };

struct disk {
    struct io io;      /* first member: the system's, but for what is told here */
    bool fails, loses; /* writes, and syncs */
};

struct place {
    char *data;
    struct disk disk;
    struct tree *tree;
    struct pl_merkle_hash *leaf;
};

static struct pl_status pwrite_or_not(struct io *io, int fd, const void *data, size_t len,
                                      uint64_t offset)
{
    struct disk *disk = (struct disk *)io;
    if (disk->fails)
        return pl_fail(NO_SPACE, "write");
    return io_system()->pwrite(io_system(), fd, data, len, offset);
}

static struct pl_status datasync_or_not(struct io *io, int fd)
{
    struct disk *disk = (struct disk *)io;
    return disk->loses ? pl_fail(IO, "sync") : io_system()->datasync(io_system(), fd);
}

static struct tree *open_tree(struct place *p)
{
    struct tree *tree = NULL;
    struct pl_status status = tree_open(&p->disk.io, p->data, &tree);
    if (!pl_is_ok(status))
        fail_msg("open: %s", status.what);
    return tree;
}

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof(*p));
    p->data = temp_new();
    p->disk.io = *io_system();
    p->disk.io.pwrite = pwrite_or_not;
    p->disk.io.datasync = datasync_or_not;
    p->leaf = calloc(LEAVES, sizeof(*p->leaf));
    for (uint32_t i = 0; i < LEAVES; i++)
        pl_merkle_leaf(pl_slice(&i, sizeof(i)), &p->leaf[i]);
    p->tree = open_tree(p);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    tree_close(p->tree);
    temp_remove(p->data);
    free(p->leaf);
    free(p);
    return 0;
}

static void reopen(struct place *p)
{
    tree_close(p->tree);
    p->tree = open_tree(p);
}

static void append(struct place *p, size_t count)
{
    struct pl_status status = tree_append(p->tree, p->leaf + tree_size(p->tree), count);
    if (!pl_is_ok(status))
        fail_msg("append: %s", status.what);
}

static void append_to(struct place *p, size_t size, size_t step)
{
    while (tree_size(p->tree) < size) {
        size_t left = size - tree_size(p->tree);
        append(p, left < step ? left : step);
    }
}

static void assert_root(struct place *p)
{
    struct pl_merkle_hash want, root;
    pl_merkle_root_of(p->leaf, tree_size(p->tree), &want);
    tree_root(p->tree, &root);
    assert_true(pl_merkle_eq(&root, &want));
    assert_true(pl_is_ok(tree_root_at(p->tree, tree_size(p->tree), &root)));
    assert_true(pl_merkle_eq(&root, &want));
}

static void assert_tiles(struct place *p)
{
    size_t count = tree_size(p->tree);
    struct pl_merkle_hash *want = calloc(count + 1, sizeof(*want)), got;
    memcpy(want, p->leaf, count * sizeof(*want));
    for (unsigned level = 0; count != 0; level++) {
        for (size_t i = 0; i < count; i++) {
            assert_true(pl_is_ok(tree_read(p->tree, level, i, 1, &got)));
            assert_true(pl_merkle_eq(&got, &want[i]));
        }
        count /= 256;
        for (size_t i = 0; i < count; i++)
            pl_merkle_root_of(want + 256 * i, 256, &want[i]);
    }
    free(want);
}

static void test_any_pieces_make_the_same(void **state)
{
    static const size_t steps[] = {1, 7, 255, 256, 257, 1000, TREE_APPEND_MAX};
    struct place *p = *state;
    assert_int_equal(tree_size(p->tree), 0);
    assert_root(p);
    for (size_t i = 0; i < PL_COUNT(steps); i++) {
        assert_true(pl_is_ok(tree_clear(p->tree)));
        append_to(p, 3000, steps[i]);
        assert_int_equal(tree_size(p->tree), 3000);
        assert_root(p);
        assert_tiles(p);
    }
}

static void test_three_levels(void **state)
{
    struct place *p = *state;
    append_to(p, 65535, TREE_APPEND_MAX);
    assert_root(p);
    append(p, 1);
    assert_root(p);
    append_to(p, LEAVES, 999);
    assert_root(p);
    assert_tiles(p);
    struct pl_merkle_hash old, want;
    for (size_t size = 1; size < LEAVES; size = size * 3 + 1) {
        assert_true(pl_is_ok(tree_root_at(p->tree, size, &old)));
        pl_merkle_root_of(p->leaf, size, &want);
        assert_true(pl_merkle_eq(&old, &want));
    }
    assert_int_equal(tree_root_at(p->tree, LEAVES + 1, &old).code, PL_E_NOT_FOUND);
}

static void test_what_was_synced_is_there_again(void **state)
{
    static const size_t sizes[] = {1, 255, 256, 300, 1000, 65536, 65537};
    struct place *p = *state;
    for (size_t i = 0; i < PL_COUNT(sizes); i++) {
        append_to(p, sizes[i], TREE_APPEND_MAX);
        assert_true(pl_is_ok(tree_sync(p->tree)));
        append_to(p, sizes[i] + 20, 20); /* not synced */
        reopen(p);
        assert_int_equal(tree_size(p->tree), sizes[i]);
        assert_root(p);
    }
    append_to(p, LEAVES, TREE_APPEND_MAX);
    assert_root(p);
    assert_tiles(p);
}

static void test_marks_that_are_none(void **state)
{
    static const char *const marks[] = {
        "", "x\n", "300", "300 \n", "-300\n", "0x3\n", "9999\n", "\n300", "99999999999999999999\n"};
    struct place *p = *state;
    append_to(p, 300, 300);
    assert_true(pl_is_ok(tree_sync(p->tree)));
    assert_string_equal(read_text(in_dir(p->data, "tiles/synced")), "300\n");
    for (size_t i = 0; i < PL_COUNT(marks); i++) {
        write_text(in_dir(p->data, "tiles/synced"), marks[i]);
        reopen(p);
        assert_int_equal(tree_size(p->tree), 0);
    }
    write_text(in_dir(p->data, "tiles/synced"), "299\n"); /* less is fine */
    reopen(p);
    assert_int_equal(tree_size(p->tree), 299);
    assert_root(p);
}

static void test_a_file_that_is_short(void **state)
{
    struct place *p = *state;
    append_to(p, 600, 600);
    assert_true(pl_is_ok(tree_sync(p->tree)));
    assert_int_equal(truncate(in_dir(p->data, "tiles/1"), 32), 0);
    reopen(p);
    assert_int_equal(tree_size(p->tree), 0);
    append_to(p, 512, 512); /* whole tiles: none of their hashes is read at the start */
    assert_true(pl_is_ok(tree_sync(p->tree)));
    assert_int_equal(truncate(in_dir(p->data, "tiles/0"), 8192), 0);
    reopen(p);
    assert_int_equal(tree_size(p->tree), 0);
}

static void test_a_failed_write_changes_nothing(void **state)
{
    struct place *p = *state;
    append_to(p, 500, 500);
    p->disk.fails = true;
    assert_int_equal(tree_append(p->tree, p->leaf + 500, 300).code, PL_E_NO_SPACE);
    assert_int_equal(tree_size(p->tree), 500);
    p->disk.fails = false;
    assert_root(p);
    append_to(p, 1000, 300);
    assert_root(p);
    assert_tiles(p);
}

/* A second sync would be content, whatever the first one lost: everything is written again. */
static void test_a_failed_sync_is_not_tried_again(void **state)
{
    struct place *p = *state;
    append_to(p, 500, 500);
    assert_true(pl_is_ok(tree_sync(p->tree)));
    append_to(p, 1000, 500);
    p->disk.loses = true;
    assert_int_equal(tree_sync(p->tree).code, PL_E_IO);
    assert_int_equal(tree_size(p->tree), 0);
    p->disk.loses = false;
    append_to(p, 1000, 400);
    assert_root(p);
    assert_tiles(p);
    tree_close(p->tree);
    p->tree = open_tree(p);
    assert_int_equal(tree_size(p->tree), 500); /* the mark stayed where it was true */
    assert_root(p);
}

static void test_reading_what_is_not_there(void **state)
{
    struct place *p = *state;
    struct pl_merkle_hash hash;
    append_to(p, 10, 10);
    assert_int_equal(tree_read(p->tree, 0, 10, 1, &hash).code, PL_E_CORRUPT);
    assert_int_equal(tree_read(p->tree, TREE_LEVELS, 0, 1, &hash).code, PL_E_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_any_pieces_make_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(test_three_levels, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_was_synced_is_there_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_marks_that_are_none, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_file_that_is_short, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_failed_write_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_failed_sync_is_not_tried_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reading_what_is_not_there, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * test_notary: when it signs and when it does not; that what is signed is on the disk first, in
 * both places, and extends what was signed before, whatever fails. A real writer over a log in
 * memory; the notary's turns are taken by hand, its thread runs in one test.
 */
// clang-format off
#include "writer_fixture.h"

#include "dir_fixture.h"
// clang-format on

#include <poll.h>
#include <sys/stat.h>

#include "common/check.h"
#include "server/notary.h"
#include "server/store/lock.h"

#define ORIGIN "example.org/test"
enum { READERS = 2, INTERVAL_MS = 1000 };

struct disk {
    struct io io;           /* first member */
    const char *unreadable; /* opening a path that has this in it fails; NULL: none */
    unsigned fail_read;     /* in so many reads one fails, once; 0: none does */
    const char *broken;     /* renames to a path that has this in it fail; NULL: none */
    bool full;              /* writes at offsets fail */
    bool loses;             /* so do syncs of what they wrote */
    unsigned renamed;
};

struct office {
    struct bench bench;
    struct disk disk;
    char *data, *keys;
    char key_file[600], old_key_file[600], memory_file[600];
    char vkey[PL_NOTE_KEY_MAX], old_vkey[PL_NOTE_KEY_MAX];
    bool rotates, other_memory;
    struct lock *lock; /* owns; of `data`. NULL: none */
    struct pl_bell *bell;
    struct notary *notary;
    struct store *log; /* other than the bench's; NULL: that one */
    char message[400];
    uint64_t requests;
};

static struct pl_status open_or_not(struct io *io, const char *path, bool create, bool write,
                                    mode_t mode, int *ret_fd)
{
    struct disk *disk = (struct disk *)io;
    if (disk->unreadable != NULL && strstr(path, disk->unreadable) != NULL)
        return pl_fail(IO, "open");
    return io_system()->open(io_system(), path, create, write, mode, ret_fd);
}

static struct pl_status pread_or_not(struct io *io, int fd, void *into, size_t len, uint64_t offset)
{
    struct disk *disk = (struct disk *)io;
    if (disk->fail_read != 0 && --disk->fail_read == 0)
        return pl_fail(IO, "read");
    return io_system()->pread(io_system(), fd, into, len, offset);
}

static struct pl_status rename_or_not(struct io *io, const char *from, const char *to)
{
    struct disk *disk = (struct disk *)io;
    if (disk->broken != NULL && strstr(to, disk->broken) != NULL)
        return pl_fail(IO, "rename");
    disk->renamed++;
    return io_system()->rename(io_system(), from, to);
}

static struct pl_status pwrite_or_not(struct io *io, int fd, const void *data, size_t len,
                                      uint64_t offset)
{
    struct disk *disk = (struct disk *)io;
    if (disk->full)
        return pl_fail(NO_SPACE, "write");
    return io_system()->pwrite(io_system(), fd, data, len, offset);
}

static struct pl_status datasync_or_not(struct io *io, int fd)
{
    struct disk *disk = (struct disk *)io;
    return disk->loses ? pl_fail(IO, "sync") : io_system()->datasync(io_system(), fd);
}

static void make_key(const char *path, char vkey[PL_NOTE_KEY_MAX])
{
    char secret[PL_NOTE_KEY_MAX];
    assert_true(pl_is_ok(pl_note_keygen(ORIGIN, secret, vkey)));
    write_text(path, secret);
}

static int setup(void **state)
{
    struct office *o = calloc(1, sizeof(*o));
    bench_init(&o->bench);
    o->data = temp_new();
    o->keys = temp_new();
    o->disk.io = *io_system();
    o->disk.io.open = open_or_not;
    o->disk.io.pread = pread_or_not;
    o->disk.io.rename = rename_or_not;
    o->disk.io.pwrite = pwrite_or_not;
    o->disk.io.datasync = datasync_or_not;
    (void)snprintf(o->key_file, sizeof(o->key_file), "%s/key", o->keys);
    (void)snprintf(o->old_key_file, sizeof(o->old_key_file), "%s/old", o->keys);
    (void)snprintf(o->memory_file, sizeof(o->memory_file), "%s/memory", o->keys);
    make_key(o->key_file, o->vkey);
    make_key(o->old_key_file, o->old_vkey);
    assert_true(pl_is_ok(pl_bell_new(&o->bell)));
    assert_true(pl_is_ok(bench_try_writer(&o->bench, &o->bench.writer)));
    *state = o;
    return 0;
}

static int teardown(void **state)
{
    struct office *o = *state;
    notary_stop(o->notary);
    notary_free(o->notary);
    lock_release(o->lock);
    bench_fini(&o->bench);
    pl_bell_free(o->bell);
    temp_remove(o->data);
    temp_remove(o->keys);
    free(o);
    return 0;
}

static enum pl_code try_open(struct office *o)
{
    const struct notary_options options = {
        .io = &o->disk.io,
        .clock = &o->bench.clock.clock,
        .data = o->data,
        .origin = ORIGIN,
        .vkey = o->vkey,
        .key_file = o->key_file,
        .old_key_file = o->rotates ? o->old_key_file : NULL,
        .memory_file = o->other_memory ? o->memory_file : NULL,
        .store = o->log != NULL ? o->log : o->bench.store,
        .size = log_entries(&o->bench),
        .views = &o->bench.slot[1],
        .bell = o->bell,
        .lock = o->lock,
        .interval_ms = INTERVAL_MS,
        .readers = READERS,
    };
    notary_free(o->notary);
    o->notary = NULL;
    return notary_new(&options, o->message, &o->notary).code;
}

static void open_notary(struct office *o)
{
    if (try_open(o) != PL_E_OK)
        fail_msg("%s", o->message);
}

/* Entries in the log, and views of them in the slots. */
static void grow(struct office *o, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "Contributor %llu", (unsigned long long)++o->requests);
        struct command *sent = put(&o->bench, 1000 + o->requests, msg_contributor(&o->bench, name));
        settle(&o->bench);
        assert_answered(&o->bench, sent);
    }
}

static enum pl_code turn_of(struct office *o)
{
    return notary_turn(o->notary).code;
}

static struct pl_note_key key_of(const char *vkey)
{
    struct pl_note_key key;
    assert_true(pl_is_ok(pl_note_key_parse(pl_slice_str(vkey), &key)));
    return key;
}

/* The size of what a reader finds new; 0: nothing. It is signed, and its root is the log's. */
static uint64_t told(struct office *o, size_t reader)
{
    struct signed_tree *tree = pl_slot_take(notary_slot(o->notary, reader));
    if (tree == NULL)
        return 0;
    struct pl_note_key key = key_of(o->vkey);
    struct pl_checkpoint checkpoint;
    struct pl_merkle_hash root;
    assert_true(
        pl_is_ok(pl_checkpoint_open(pl_slice(tree->note, tree->len), &key, 1, &checkpoint, NULL)));
    assert_int_equal(strlen(tree->note), tree->len);
    assert_string_equal(checkpoint.origin, ORIGIN);
    assert_true(pl_is_ok(tree_root_at(notary_tree(o->notary), checkpoint.size, &root)));
    assert_true(pl_merkle_eq(&root, &checkpoint.root));
    uint64_t size = checkpoint.size;
    assert_int_equal(size, tree->checkpoint.size);
    signed_tree_unref(tree);
    return size;
}

static struct pl_status hash_entry(void *arg, uint64_t seq, struct pl_slice entry)
{
    (void)seq;
    struct pl_merkle_hash leaf;
    pl_merkle_leaf(entry, &leaf);
    pl_merkle_append(arg, &leaf);
    return pl_ok();
}

static void assert_tree_is_the_log(struct office *o)
{
    struct pl_merkle_frontier frontier = {0};
    struct pl_merkle_hash want, root;
    struct store_reader *reader = NULL;
    assert_true(pl_is_ok(store_reader_open(o->bench.store, &reader)));
    assert_true(pl_is_ok(
        store_reader_read(reader, 1, tree_size(notary_tree(o->notary)), hash_entry, &frontier)));
    store_reader_close(reader);
    pl_merkle_root(&frontier, &want);
    tree_root(notary_tree(o->notary), &root);
    assert_true(pl_merkle_eq(&root, &want));
}

static const char *memory_text(struct office *o)
{
    return read_text(in_dir(o->keys, "key.signed"));
}

static void pass_interval(struct office *o)
{
    pl_clock_fake_advance_us(&o->bench.clock, INTERVAL_MS * 1000);
}

static void test_signs_when_the_log_grew(void **state)
{
    struct office *o = *state;
    grow(o, 3);
    open_notary(o);
    assert_null(notary_why_read_only(o->notary));
    assert_int_equal(turn_of(o), PL_E_OK);
    uint64_t size = log_entries(&o->bench);
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(told(o, i), size);
    assert_tree_is_the_log(o);
    /* nothing new, nothing signed, however long it waits */
    for (int i = 0; i < 3; i++) {
        pass_interval(o);
        notary_want(o->notary);
        assert_int_equal(turn_of(o), PL_E_OK);
        assert_int_equal(told(o, 0), 0);
    }
    grow(o, 1);
    assert_int_equal(turn_of(o), PL_E_OK);
    assert_int_equal(told(o, 0), size + 1);
    assert_tree_is_the_log(o);
}

static void test_not_more_often_than_the_interval_unless_wanted(void **state)
{
    struct office *o = *state;
    grow(o, 1);
    open_notary(o);
    assert_int_equal(turn_of(o), PL_E_OK);
    assert_int_not_equal(told(o, 0), 0);
    grow(o, 1);
    assert_int_equal(turn_of(o), PL_E_OK);
    assert_int_equal(told(o, 0), 0);
    pl_clock_fake_advance_us(&o->bench.clock, INTERVAL_MS * 1000 - 1000);
    assert_int_equal(turn_of(o), PL_E_OK);
    assert_int_equal(told(o, 0), 0);
    pl_clock_fake_advance_us(&o->bench.clock, 1000);
    assert_int_equal(turn_of(o), PL_E_OK);
    assert_int_equal(told(o, 0), log_entries(&o->bench));
    grow(o, 2);
    notary_want(o->notary);
    assert_int_equal(turn_of(o), PL_E_OK);
    assert_int_equal(told(o, 0), log_entries(&o->bench));
}

static void test_it_is_on_both_disks_before_it_is_told(void **state)
{
    static const char *const places[] = {"key.signed", "/checkpoint"};
    struct office *o = *state;
    grow(o, 1);
    open_notary(o);
    for (size_t i = 0; i < PL_COUNT(places); i++) {
        grow(o, 1);
        o->disk.broken = places[i];
        for (int tries = 0; tries < 3; tries++) {
            pass_interval(o);
            assert_int_equal(turn_of(o), PL_E_IO);
            assert_false(notary_signs(o->notary));
            assert_int_equal(told(o, 0), 0);
        }
        o->disk.broken = NULL;
        pass_interval(o);
        assert_int_equal(turn_of(o), PL_E_OK);
        assert_true(notary_signs(o->notary));
        assert_int_equal(told(o, 0), log_entries(&o->bench));
        assert_string_equal(read_text(in_dir(o->data, "checkpoint")), memory_text(o));
    }
}

/* It ended between the two places: the next life tells what one of them has only when both do. */
static void test_what_a_start_tells_is_on_both_disks(void **state)
{
    struct office *o = *state;
    grow(o, 2);
    open_notary(o);
    assert_int_equal(turn_of(o), PL_E_OK);
    grow(o, 1);
    o->disk.broken = "/checkpoint";
    pass_interval(o);
    assert_int_equal(turn_of(o), PL_E_IO);
    uint64_t size = log_entries(&o->bench);
    open_notary(o);
    assert_int_equal(told(o, 0), 0);
    assert_null(notary_why_read_only(o->notary));
    o->disk.broken = NULL;
    open_notary(o);
    assert_int_equal(told(o, 0), size);
    assert_string_equal(read_text(in_dir(o->data, "checkpoint")), memory_text(o));
}

/* Nobody has to wait for the next entry to learn what was signed before a start that had trouble.
 */
static void test_what_a_start_could_not_tell_is_told_later(void **state)
{
    struct office *o = *state;
    grow(o, 2);
    open_notary(o);
    assert_int_equal(turn_of(o), PL_E_OK);
    o->disk.broken = "/checkpoint";
    open_notary(o);
    pass_interval(o);
    assert_int_equal(turn_of(o), PL_E_IO); /* it goes on trying */
    assert_int_equal(told(o, 0), 0);
    o->disk.broken = NULL;
    pass_interval(o);
    assert_int_equal(turn_of(o), PL_E_OK);
    assert_int_equal(told(o, 0), log_entries(&o->bench));
    unsigned renamed = o->disk.renamed;
    pass_interval(o);
    assert_int_equal(turn_of(o), PL_E_OK); /* once is enough */
    assert_int_equal(told(o, 0), 0);
    assert_int_equal(o->disk.renamed, renamed);
}

/* Not damaged: nobody knows. The start fails, and the next one may read it. */
static void test_a_memory_that_cannot_be_read_now(void **state)
{
    static const char *const places[] = {"key.signed", "/checkpoint"};
    struct office *o = *state;
    grow(o, 2);
    open_notary(o);
    assert_int_equal(turn_of(o), PL_E_OK);
    for (size_t i = 0; i < PL_COUNT(places); i++) {
        o->disk.unreadable = places[i];
        assert_int_equal(try_open(o), PL_E_IO);
        o->disk.unreadable = NULL;
        open_notary(o);
        assert_null(notary_why_read_only(o->notary));
        assert_int_equal(told(o, 0), log_entries(&o->bench));
    }
}

/* Whichever read fails: the start fails, or goes well; the log is no other one for it. */
static void test_a_read_that_fails_at_the_start(void **state)
{
    struct office *o = *state;
    bool failed = true;
    unsigned starts = 0;
    grow(o, 300);
    open_notary(o);
    assert_int_equal(turn_of(o), PL_E_OK);
    for (unsigned nth = 1; failed && nth < 100; nth++) {
        notary_stop(o->notary);
        o->disk.fail_read = nth;
        enum pl_code code = try_open(o);
        failed = o->disk.fail_read == 0;
        o->disk.fail_read = 0;
        starts += code == PL_E_OK;
        assert_true(code == PL_E_OK || code == PL_E_IO);
        if (code == PL_E_OK)
            assert_null(notary_why_read_only(o->notary));
    }
    assert_false(failed);
    assert_true(starts > 1);
}

static void test_a_tree_that_cannot_be_written(void **state)
{
    struct office *o = *state;
    grow(o, 2);
    open_notary(o);
    assert_int_equal(turn_of(o), PL_E_OK);
    (void)told(o, 0);
    o->disk.full = true;
    grow(o, 5);
    notary_want(o->notary);
    assert_int_equal(turn_of(o), PL_E_NO_SPACE);
    assert_int_equal(told(o, 0), 0);
    o->disk.full = false;
    pass_interval(o);
    assert_int_equal(turn_of(o), PL_E_OK);
    assert_int_equal(told(o, 0), log_entries(&o->bench));
    assert_tree_is_the_log(o);
}

/* A log whose readers fail after some entries. */
struct bad_log {
    struct store store; /* first member */
    struct store *inner;
    struct store_driver driver;
    unsigned good; /* entries that are read before it fails; only while `fails` */
    bool fails;
};
struct bad_reader {
    struct store_reader reader; /* first member */
    struct store_reader *inner;
    struct bad_log *log;
    store_entry_fn fn;
    void *arg;
    unsigned seen;
};

static struct pl_status bad_entry(void *arg, uint64_t seq, struct pl_slice entry)
{
    struct bad_reader *bad = arg;
    if (bad->log->fails && bad->seen++ == bad->log->good)
        return pl_fail(IO, "read an entry");
    return bad->fn(bad->arg, seq, entry);
}

static struct pl_status bad_read(struct store_reader *reader, uint64_t from, uint64_t to,
                                 store_entry_fn fn, void *arg)
{
    struct bad_reader *bad = (struct bad_reader *)reader;
    bad->fn = fn;
    bad->arg = arg;
    bad->seen = 0;
    return store_reader_read(bad->inner, from, to, bad_entry, bad);
}

static void bad_close(struct store_reader *reader)
{
    struct bad_reader *bad = (struct bad_reader *)reader;
    store_reader_close(bad->inner);
    free(bad);
}

static const struct store_reader_driver bad_driver = {.read = bad_read, .close = bad_close};

static struct pl_status bad_open(struct store *store, struct store_reader **ret)
{
    struct bad_log *log = (struct bad_log *)store;
    struct bad_reader *bad = calloc(1, sizeof(*bad));
    *bad = (struct bad_reader){.reader = {&bad_driver}, .log = log};
    *ret = &bad->reader;
    return store_reader_open(log->inner, &bad->inner);
}

static void test_a_log_that_cannot_be_read_for_a_while(void **state)
{
    struct office *o = *state;
    struct bad_log log = {.inner = o->bench.store, .driver = {.reader_open = bad_open}};
    log.store.driver = &log.driver;
    o->log = &log.store;
    grow(o, 2);
    open_notary(o);
    assert_int_equal(turn_of(o), PL_E_OK);
    (void)told(o, 0);
    grow(o, 20);
    log.fails = true;
    log.good = 7;
    notary_want(o->notary);
    assert_int_equal(turn_of(o), PL_E_IO);
    assert_int_equal(told(o, 0), 0);
    log.fails = false;
    pass_interval(o);
    assert_int_equal(turn_of(o), PL_E_OK);
    assert_int_equal(told(o, 0), log_entries(&o->bench));
    o->log = NULL;
    assert_tree_is_the_log(o);
    notary_free(o->notary);
    o->notary = NULL;
}

static void test_a_start_knows_what_was_signed(void **state)
{
    struct office *o = *state;
    grow(o, 4);
    open_notary(o);
    assert_int_equal(turn_of(o), PL_E_OK);
    uint64_t size = log_entries(&o->bench);
    open_notary(o);
    assert_int_equal(told(o, 0), size); /* before any turn */
    grow(o, 300);
    open_notary(o); /* without a mark of the tree: from the log */
    assert_int_equal(told(o, 1), size);
    assert_int_equal(turn_of(o), PL_E_OK);
    assert_int_equal(told(o, 1), size + 300);
    assert_tree_is_the_log(o);
}

/* The log of another ledger of the same name: other entries, `count` contributors. */
static void exchange_log(struct office *o, size_t count, uint64_t first)
{
    notary_free(o->notary);
    o->notary = NULL;
    bench_fini(&o->bench);
    bench_init(&o->bench);
    assert_true(pl_is_ok(bench_try_writer(&o->bench, &o->bench.writer)));
    o->requests = first;
    grow(o, count);
}

static void assert_silent(struct office *o, const char *words)
{
    char before[8200], data_before[8200];
    (void)snprintf(before, sizeof(before), "%s", memory_text(o));
    (void)snprintf(data_before, sizeof(data_before), "%s",
                   read_text(in_dir(o->data, "checkpoint")));
    open_notary(o);
    assert_non_null(notary_why_read_only(o->notary));
    if (strstr(notary_why_read_only(o->notary), words) == NULL)
        fail_msg("%s", notary_why_read_only(o->notary));
    for (int i = 0; i < 3; i++) {
        grow(o, 1);
        pass_interval(o);
        notary_want(o->notary);
        assert_int_equal(turn_of(o), PL_E_OK);
        for (size_t r = 0; r < READERS; r++)
            assert_int_equal(told(o, r), 0);
    }
    assert_false(notary_signs(o->notary));
    assert_string_equal(memory_text(o), before);
    assert_string_equal(read_text(in_dir(o->data, "checkpoint")), data_before);
}

static void test_a_shorter_log_is_not_signed(void **state)
{
    struct office *o = *state;
    grow(o, 10);
    open_notary(o);
    assert_int_equal(turn_of(o), PL_E_OK);
    exchange_log(o, 5, 0); /* the same entries, fewer of them */
    assert_silent(o, "older than what was signed: it has");
}

static void test_another_log_is_not_signed(void **state)
{
    struct office *o = *state;
    grow(o, 10);
    open_notary(o);
    assert_int_equal(turn_of(o), PL_E_OK);
    exchange_log(o, 20, 500);
    assert_silent(o, "not the one that was signed");
}

static void test_each_memory_alone_is_enough(void **state)
{
    struct office *o = *state;
    grow(o, 10);
    open_notary(o);
    assert_int_equal(turn_of(o), PL_E_OK);
    exchange_log(o, 20, 500);
    assert_int_equal(unlink(in_dir(o->data, "checkpoint")), 0);
    assert_silent(o, "not the one that was signed");
    assert_int_equal(rename(in_dir(o->keys, "key.signed"), in_dir(o->data, "checkpoint")), 0);
    assert_silent(o, "not the one that was signed");
}

static void test_a_damaged_memory_is_not_overlooked(void **state)
{
    struct office *o = *state;
    grow(o, 3);
    open_notary(o);
    assert_int_equal(turn_of(o), PL_E_OK);
    char whole[8200];
    (void)snprintf(whole, sizeof(whole), "%s", memory_text(o));
    static const char *const places[] = {"key.signed", "checkpoint"};
    for (size_t i = 0; i < 2; i++) {
        const char *path = in_dir(i == 0 ? o->keys : o->data, places[i]);
        write_text(path, "");
        assert_silent(o, "is damaged");
        whole[5] ^= 1;
        write_text(in_dir(i == 0 ? o->keys : o->data, places[i]), whole);
        whole[5] ^= 1;
        assert_silent(o, "is damaged");
        write_text(in_dir(i == 0 ? o->keys : o->data, places[i]), whole);
    }
    open_notary(o);
    assert_null(notary_why_read_only(o->notary));
}

static void test_a_tree_under_an_exchanged_log_is_made_again(void **state)
{
    struct office *o = *state;
    grow(o, 30);
    open_notary(o);
    assert_int_equal(turn_of(o), PL_E_OK);
    assert_true(pl_is_ok(tree_sync(notary_tree(o->notary))));
    exchange_log(o, 50, 500);
    assert_int_equal(unlink(in_dir(o->data, "checkpoint")), 0);
    assert_int_equal(unlink(in_dir(o->keys, "key.signed")), 0);
    open_notary(o); /* nothing was ever signed, so this is the log */
    assert_null(notary_why_read_only(o->notary));
    assert_int_equal(turn_of(o), PL_E_OK);
    assert_int_equal(told(o, 0), log_entries(&o->bench));
    assert_tree_is_the_log(o);
}

static void test_a_damaged_tree_is_made_again(void **state)
{
    struct office *o = *state;
    grow(o, 600);
    open_notary(o);
    assert_int_equal(turn_of(o), PL_E_OK);
    assert_true(pl_is_ok(tree_sync(notary_tree(o->notary))));
    int fd = open(in_dir(o->data, "tiles/1"), O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "damage", 6, 0), 6);
    assert_int_equal(close(fd), 0);
    open_notary(o);
    assert_null(notary_why_read_only(o->notary));
    assert_tree_is_the_log(o);
}

/* While it runs, too, nothing is signed that does not extend what was. */
static void test_a_tree_that_changes_under_way_is_not_signed(void **state)
{
    struct office *o = *state;
    while (log_entries(&o->bench) % 8 != 6) /* the next proof goes through the first leaf */
        grow(o, 1);
    open_notary(o);
    assert_int_equal(turn_of(o), PL_E_OK);
    (void)told(o, 0);
    int fd = open(in_dir(o->data, "tiles/0"), O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "damage", 6, 0), 6);
    assert_int_equal(close(fd), 0);
    grow(o, 1);
    notary_want(o->notary);
    assert_int_equal(turn_of(o), PL_E_CORRUPT);
    assert_int_equal(told(o, 0), 0);
}

static void test_two_keys(void **state)
{
    struct office *o = *state;
    o->rotates = true;
    grow(o, 2);
    open_notary(o);
    assert_int_equal(turn_of(o), PL_E_OK);
    assert_string_equal(notary_vkey(o->notary), o->vkey);
    struct signed_tree *tree = pl_slot_take(notary_slot(o->notary, 0));
    struct pl_note_key keys[] = {key_of(o->vkey), key_of(o->old_vkey)};
    struct pl_note *note = calloc(1, sizeof(*note));
    struct pl_note_seen seen[2];
    assert_true(pl_is_ok(pl_note_parse(pl_slice(tree->note, tree->len), note)));
    assert_int_equal(note->count, 2);
    assert_true(pl_is_ok(pl_note_verify(note, keys, 2, seen)));
    assert_true(seen[0].verified && seen[1].verified);
    free(note);
    signed_tree_unref(tree);
}

static void test_the_old_keys_memory_counts(void **state)
{
    struct office *o = *state;
    grow(o, 10);
    open_notary(o);
    assert_int_equal(turn_of(o), PL_E_OK);
    exchange_log(o, 5, 0);
    assert_int_equal(unlink(in_dir(o->data, "checkpoint")), 0);
    /* the key that was takes the old one's place */
    assert_int_equal(rename(in_dir(o->keys, "key"), o->old_key_file), 0);
    assert_int_equal(rename(in_dir(o->keys, "key.signed"), in_dir(o->keys, "old.signed")), 0);
    make_key(o->key_file, o->vkey);
    o->rotates = true;
    open_notary(o);
    assert_non_null(notary_why_read_only(o->notary));
}

static void test_memory_elsewhere(void **state)
{
    struct office *o = *state;
    o->other_memory = true;
    grow(o, 2);
    open_notary(o);
    assert_int_equal(turn_of(o), PL_E_OK);
    assert_string_equal(read_text(o->memory_file), read_text(in_dir(o->data, "checkpoint")));
    assert_int_equal(access(in_dir(o->keys, "key.signed"), F_OK), -1);
}

static void test_no_key_no_checkpoints(void **state)
{
    struct office *o = *state;
    grow(o, 2);
    assert_int_equal(unlink(o->key_file), 0);
    open_notary(o);
    assert_null(notary_why_read_only(o->notary));
    pass_interval(o);
    notary_want(o->notary);
    assert_int_equal(turn_of(o), PL_E_OK);
    assert_false(notary_signs(o->notary));
    assert_int_equal(told(o, 0), 0);
    assert_tree_is_the_log(o);
}

static void test_keys_that_are_none(void **state)
{
    struct office *o = *state;
    char secret[PL_NOTE_KEY_MAX], vkey[PL_NOTE_KEY_MAX];
    write_text(o->key_file, "no key\n");
    assert_int_equal(try_open(o), PL_E_INVALID);
    assert_non_null(strstr(o->message, "/key"));
    assert_true(pl_is_ok(pl_note_keygen("example.org/another", secret, vkey)));
    write_text(o->key_file, secret);
    assert_int_equal(try_open(o), PL_E_CONFIG);
    assert_non_null(strstr(o->message, "not one of the log"));
    assert_null(strstr(o->message, secret));
}

static void wait_for(struct office *o, uint64_t size)
{
    struct pollfd fd = {.fd = pl_bell_fd(notary_bell(o->notary, 0)), .events = POLLIN};
    for (int i = 0; i < 3000; i++) {
        pl_bell_arm(notary_bell(o->notary, 0));
        if (told(o, 0) == size)
            return;
        (void)poll(&fd, 1, 10);
    }
    fail_msg("no checkpoint came");
}

/* The fixture's log belongs to one thread: all entries are there before the thread begins. */
static void test_the_thread_rings(void **state)
{
    struct office *o = *state;
    grow(o, 300);
    open_notary(o);
    assert_true(pl_is_ok(notary_start(o->notary, false)));
    notary_want(o->notary);
    wait_for(o, log_entries(&o->bench));
    notary_stop(o->notary);
    assert_tree_is_the_log(o);
    char mark[32];
    (void)snprintf(mark, sizeof(mark), "%llu\n", (unsigned long long)log_entries(&o->bench));
    assert_string_equal(read_text(in_dir(o->data, "tiles/synced")), mark);
}

static void test_a_silent_one_only_hashes(void **state)
{
    struct office *o = *state;
    grow(o, 3);
    open_notary(o);
    assert_true(pl_is_ok(notary_start(o->notary, true)));
    assert_false(notary_signs(o->notary));
    notary_want(o->notary);
    notary_stop(o->notary);
    assert_int_equal(told(o, 0), 0);
    assert_int_equal(access(in_dir(o->data, "checkpoint"), F_OK), -1);
}

/* Nothing is written by name into a directory that took the place of ours, at the end neither. */
static void test_another_directory_of_that_name_is_left_alone(void **state)
{
    struct office *o = *state;
    char away[700], other[700];
    (void)snprintf(away, sizeof(away), "%s.away", o->data);
    (void)snprintf(other, sizeof(other), "%s.other", o->data);
    assert_true(pl_is_ok(lock_take(o->data, o->message, &o->lock)));
    open_notary(o);
    grow(o, 1);
    uint64_t size = log_entries(&o->bench);
    assert_int_equal(rename(o->data, away), 0);
    assert_int_equal(mkdir(o->data, 0700), 0);
    assert_int_equal(turn_of(o), PL_E_UNAVAILABLE);
    assert_false(notary_signs(o->notary));
    assert_int_equal(told(o, 0), 0);
    assert_int_equal(rename(o->data, other), 0);
    assert_int_equal(rename(away, o->data), 0);
    assert_int_equal(turn_of(o), PL_E_OK);
    assert_int_equal(told(o, 0), size);
    notary_stop(o->notary);
    assert_int_equal(rmdir(other), 0); /* nothing is in it */
}

/* What a sync lost is hashed again, and signed. */
static void test_a_tree_that_was_not_synced_is_made_again(void **state)
{
    struct office *o = *state;
    open_notary(o);
    grow(o, 3);
    assert_int_equal(turn_of(o), PL_E_OK);
    uint64_t size = told(o, 0);
    assert_int_equal(size, log_entries(&o->bench));
    o->disk.loses = true;
    assert_int_equal(tree_sync(notary_tree(o->notary)).code, PL_E_IO);
    o->disk.loses = false;
    grow(o, 1);
    pl_clock_fake_advance_us(&o->bench.clock, INTERVAL_MS * 1000LL);
    assert_int_equal(turn_of(o), PL_E_OK);
    assert_int_equal(told(o, 0), size + 1);
    assert_tree_is_the_log(o);
}

#define CASE(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_signs_when_the_log_grew),
        CASE(test_not_more_often_than_the_interval_unless_wanted),
        CASE(test_it_is_on_both_disks_before_it_is_told),
        CASE(test_what_a_start_tells_is_on_both_disks),
        CASE(test_what_a_start_could_not_tell_is_told_later),
        CASE(test_a_memory_that_cannot_be_read_now),
        CASE(test_a_read_that_fails_at_the_start),
        CASE(test_a_tree_that_cannot_be_written),
        CASE(test_a_log_that_cannot_be_read_for_a_while),
        CASE(test_a_start_knows_what_was_signed),
        CASE(test_a_shorter_log_is_not_signed),
        CASE(test_another_log_is_not_signed),
        CASE(test_each_memory_alone_is_enough),
        CASE(test_a_damaged_memory_is_not_overlooked),
        CASE(test_a_tree_under_an_exchanged_log_is_made_again),
        CASE(test_a_damaged_tree_is_made_again),
        CASE(test_a_tree_that_changes_under_way_is_not_signed),
        CASE(test_two_keys),
        CASE(test_the_old_keys_memory_counts),
        CASE(test_memory_elsewhere),
        CASE(test_no_key_no_checkpoints),
        CASE(test_keys_that_are_none),
        CASE(test_the_thread_rings),
        CASE(test_another_directory_of_that_name_is_left_alone),
        CASE(test_a_tree_that_was_not_synced_is_made_again),
        CASE(test_a_silent_one_only_hashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * notary: see notary.h. A turn: newest view -> entries since the last turn into the tree -> a
 * checkpoint if it is time -> to the readers.
 */
#include "server/notary.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/check.h"
#include "common/log.h"
#include "server/store/lock.h"
#include "server/view.h"

enum {
    PATH_BYTES = 4096,
    WHY_BYTES = 320,
    NOTE_BYTES = 16384,
    CHECKED_AT_START = 256,
    REST_MS = 5,       /* between two looks at the log while nobody waits */
    TROUBLE_MS = 1000, /* between two tries */
};
/* Leaves between two syncs of the tree: what a crash makes us hash again. */
#define SYNC_EVERY (256ul << 10)

/* Where what was signed is remembered. The last one is only read: of the key before this one. */
enum memory { BESIDE_KEY, IN_DATA, BESIDE_OLD_KEY, MEMORY_COUNT };

struct reader {
    struct pl_slot slot;
    struct pl_bell *bell; /* owns */
};

struct notary {
    struct notary_options options;
    struct pl_note_signer *signer[2]; /* owns; the key and the old one, NULL: none */
    struct pl_note_key key[2];        /* whose signatures we take for our own */
    size_t key_count;
    char vkey[PL_NOTE_KEY_MAX];
    char why_read_only[WHY_BYTES];
    bool silent;
    struct tree *tree;           /* owns */
    struct store_reader *log;    /* owns; NULL: to be opened */
    uint64_t synced;             /* leaves under the tree's mark */
    struct signed_tree *current; /* owns a reference: the newest one that was signed */
    int64_t signed_at_ns;
    int64_t retry_at_ns; /* after trouble; 0: none */
    bool in_trouble;
    bool untold; /* `current`: not on both disks again since the start */
    /* leaves read but not yet appended */
    struct pl_merkle_hash *leaf; /* owns; TREE_APPEND_MAX */
    size_t leaf_count;
    /* inputs */
    struct pl_bell *want_bell; /* owns */
    atomic_bool wanted;
    atomic_bool signs;
    atomic_bool silenced; /* by somebody outside */
    /* outputs */
    struct reader *reader; /* owns */
    pthread_t thread;
    bool running;
    int stop_fd;
};

/* --- published checkpoints --- */

struct signed_tree *signed_tree_new(const struct pl_checkpoint *checkpoint, struct pl_slice note,
                                    int64_t time_us)
{
    struct signed_tree *tree = calloc(1, sizeof(*tree) + note.len + 1);
    PL_ASSERT(tree != NULL);
    atomic_init(&tree->refs, 1);
    tree->checkpoint = *checkpoint;
    tree->time_us = time_us;
    tree->len = note.len;
    memcpy(tree->note, note.data, note.len);
    return tree;
}

struct signed_tree *signed_tree_ref(struct signed_tree *tree)
{
    (void)atomic_fetch_add_explicit(&tree->refs, 1, memory_order_relaxed);
    return tree;
}

void signed_tree_unref(struct signed_tree *tree)
{
    if (tree != NULL && atomic_fetch_sub_explicit(&tree->refs, 1, memory_order_acq_rel) == 1)
        free(tree);
}

/* The last reader has it first: the one who asks witnesses, and must know of whatever anybody else
 * can bring to them. */
static void publish(struct notary *notary)
{
    for (size_t i = notary->options.readers; i > 0; i--) {
        struct signed_tree *mine = signed_tree_ref(notary->current);
        signed_tree_unref(pl_slot_put(&notary->reader[i - 1].slot, mine));
    }
    for (size_t i = 0; i < notary->options.readers; i++)
        pl_bell_ring(notary->reader[i].bell);
}

/* --- following the log --- */

/* What is written by name must not get into a directory that took the place of ours, whose own
 * daemon may be another one. */
static struct pl_status look_for_data(const struct notary *notary)
{
    return lock_is_at(notary->options.lock, notary->options.data)
               ? pl_ok()
               : pl_fail(UNAVAILABLE, "find the data directory: it was moved or removed");
}

static struct pl_status sync_tree(struct notary *notary)
{
    PL_TRY(look_for_data(notary));
    return tree_sync(notary->tree);
}

static struct pl_status flush_leaves(struct notary *notary)
{
    struct pl_status status = tree_append(notary->tree, notary->leaf, notary->leaf_count);
    notary->leaf_count = 0;
    return status;
}

static struct pl_status take_entry(void *arg, uint64_t seq, struct pl_slice entry)
{
    struct notary *notary = arg;
    PL_ASSERT(seq == tree_size(notary->tree) + notary->leaf_count + 1);
    pl_merkle_leaf(entry, &notary->leaf[notary->leaf_count++]);
    return notary->leaf_count == TREE_APPEND_MAX ? flush_leaves(notary) : pl_ok();
}

static struct pl_status open_log(struct notary *notary)
{
    return notary->log != NULL ? pl_ok() : store_reader_open(notary->options.store, &notary->log);
}

static struct pl_status follow(struct notary *notary, uint64_t size)
{
    uint64_t have = tree_size(notary->tree);
    notary->leaf_count = 0; /* what an earlier failure left */
    if (have >= size)
        return pl_ok();
    PL_TRY(open_log(notary));
    PL_TRY(store_reader_read(notary->log, have + 1, size, take_entry, notary));
    PL_TRY(flush_leaves(notary));
    PL_ASSERT(tree_size(notary->tree) == size);
    if (size - notary->synced < SYNC_EVERY)
        return pl_ok();
    struct pl_status status = sync_tree(notary);
    notary->synced = pl_is_ok(status) ? size : tree_size(notary->tree);
    return status;
}

/* --- signing --- */

/* False: there is no such place. */
static bool memory_path(const struct notary *notary, enum memory memory, char ret[PATH_BYTES])
{
    const struct notary_options *options = &notary->options;
    const bool apart = memory == BESIDE_KEY && options->memory_file != NULL;
    const char *base = memory == IN_DATA      ? options->data
                       : apart                ? options->memory_file
                       : memory == BESIDE_KEY ? options->key_file
                                              : options->old_key_file;
    const char *name = memory == IN_DATA ? "/checkpoint" : apart ? "" : ".signed";
    if (base == NULL)
        return false;
    int len = snprintf(ret, PATH_BYTES, "%s%s", base, name);
    return len > 0 && len < PATH_BYTES;
}

static struct pl_status make_note(struct notary *notary, const struct pl_checkpoint *checkpoint,
                                  struct pl_buf *out)
{
    struct pl_buf body PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&body, NOTE_BYTES);
    PL_TRY(pl_checkpoint_print(checkpoint, &body));
    struct pl_slice text = pl_buf_slice(&body);
    PL_TRY(pl_buf_append(out, text.data, text.len));
    PL_TRY(pl_buf_append_str(out, "\n"));
    for (size_t i = 0; i < PL_COUNT(notary->signer); i++) {
        if (notary->signer[i] != NULL)
            PL_TRY(pl_note_sign(notary->signer[i], text, out));
    }
    return pl_ok();
}

/* In both places before it leaves. The one beside the key comes first: it is the one that a
 * restored data directory cannot undo. */
static struct pl_status remember(struct notary *notary, struct pl_slice note)
{
    static const enum memory places[] = {BESIDE_KEY, IN_DATA};
    for (size_t i = 0; i < PL_COUNT(places); i++) {
        char path[PATH_BYTES];
        if (!memory_path(notary, places[i], path))
            return pl_fail(INVALID, "a path is too long");
        PL_TRY(look_for_data(notary));
        PL_TRY(io_write_file(notary->options.io, path, note, 0600));
    }
    return pl_ok();
}

/* Whatever went wrong before this line, in memory or on the disk: what was signed is still a part
 * of what is going to be. */
static struct pl_status check_growth(struct notary *notary, const struct pl_checkpoint *next)
{
    if (notary->current == NULL)
        return pl_ok();
    const struct pl_checkpoint *last = &notary->current->checkpoint;
    if (next->size < last->size)
        return pl_fail(CORRUPT, "sign a checkpoint: the log is shorter than what was signed");
    struct pl_merkle_proof proof;
    PL_TRY(pl_merkle_prove_consistency(tree_read, notary->tree, last->size, next->size, &proof));
    if (!pl_is_ok(
            pl_merkle_check_consistency(last->size, next->size, &last->root, &next->root, &proof)))
        return pl_fail(CORRUPT, "sign a checkpoint: the tree does not extend what was signed");
    return pl_ok();
}

/* Who was stopped on the way left one place behind, or both in memory only, where this start read
 * them: nobody is told before both are on the disk. */
static struct pl_status tell_what_was_signed(struct notary *notary)
{
    const struct signed_tree *last = notary->current;
    if (last == NULL)
        return pl_ok();
    notary->untold = true;
    PL_TRY(remember(notary, pl_slice(last->note, last->len)));
    notary->untold = false;
    publish(notary);
    return pl_ok();
}

static struct pl_status sign(struct notary *notary)
{
    struct pl_clock *clock = notary->options.clock;
    struct pl_checkpoint next = {.size = tree_size(notary->tree)};
    (void)snprintf(next.origin, sizeof(next.origin), "%s", notary->options.origin);
    tree_root(notary->tree, &next.root);
    PL_TRY(check_growth(notary, &next));
    struct pl_buf note PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&note, NOTE_BYTES);
    PL_TRY(make_note(notary, &next, &note));
    PL_TRY(remember(notary, pl_buf_slice(&note)));
    signed_tree_unref(notary->current);
    notary->current = signed_tree_new(&next, pl_buf_slice(&note), clock->wall_us(clock));
    notary->signed_at_ns = clock->mono_ns(clock);
    publish(notary);
    return pl_ok();
}

static int64_t due_ns(const struct notary *notary)
{
    return notary->current == NULL
               ? 0
               : notary->signed_at_ns + (int64_t)notary->options.interval_ms * 1000000;
}

static bool may_sign(const struct notary *notary)
{
    return notary->signer[0] != NULL && !notary->silent && notary->why_read_only[0] == '\0' &&
           !atomic_load_explicit(&notary->silenced, memory_order_acquire);
}

/* The tree has more than the newest checkpoint says. */
static bool is_behind(const struct notary *notary)
{
    uint64_t size = tree_size(notary->tree);
    return size != 0 && (notary->current == NULL || size > notary->current->checkpoint.size);
}

static struct pl_status turn(struct notary *notary)
{
    bool wanted = atomic_exchange_explicit(&notary->wanted, false, memory_order_acq_rel);
    struct view *view = pl_slot_take(notary->options.views);
    if (view != NULL) {
        uint64_t size = view_get_log(view)->size;
        view_unref(view);
        if (size > notary->options.size)
            notary->options.size = size;
    }
    if (notary->why_read_only[0] != '\0')
        return pl_ok();
    PL_TRY(follow(notary, notary->options.size));
    if (notary->untold)
        PL_TRY(tell_what_was_signed(notary));
    struct pl_clock *clock = notary->options.clock;
    if (!may_sign(notary) || !is_behind(notary))
        return pl_ok();
    return wanted || clock->mono_ns(clock) >= due_ns(notary) ? sign(notary) : pl_ok();
}

/* What goes wrong is told in the log once, and tried again. */
static struct pl_status take_turn(struct notary *notary)
{
    struct pl_status status = turn(notary);
    struct pl_clock *clock = notary->options.clock;
    if (!pl_is_ok(status) && !notary->in_trouble)
        pl_log_status(PL_LOG_ERROR, "notary", "cannot sign checkpoints now", status);
    if (pl_is_ok(status) && notary->in_trouble)
        pl_log_warning("notary", "checkpoints are signed again", "size=%" PRIu64,
                       tree_size(notary->tree));
    notary->in_trouble = !pl_is_ok(status);
    notary->retry_at_ns = pl_is_ok(status) ? 0 : clock->mono_ns(clock) + TROUBLE_MS * 1000000LL;
    atomic_store_explicit(&notary->signs, may_sign(notary) && pl_is_ok(status),
                          memory_order_release);
    return status;
}

struct pl_status notary_turn(struct notary *notary)
{
    return take_turn(notary);
}

/* --- the thread --- */

static int wait_ms(const struct notary *notary)
{
    struct pl_clock *clock = notary->options.clock;
    int64_t until_ns = notary->retry_at_ns != 0 ? notary->retry_at_ns : due_ns(notary);
    if (notary->retry_at_ns == 0 && (!may_sign(notary) || !is_behind(notary)))
        return -1;
    int64_t left_ns = until_ns - clock->mono_ns(clock);
    return left_ns <= 0 ? 0 : (int)((left_ns + 999999) / 1000000);
}

static void *run(void *arg)
{
    struct notary *notary = arg;
    struct pollfd fds[] = {{.fd = notary->stop_fd, .events = POLLIN},
                           {.fd = pl_bell_fd(notary->want_bell), .events = POLLIN},
                           {.fd = pl_bell_fd(notary->options.bell), .events = POLLIN}};
    (void)pthread_setname_np(pthread_self(), "notary");
    for (;;) {
        /* armed before the look at what they announce */
        pl_bell_arm(notary->want_bell);
        pl_bell_arm(notary->options.bell);
        (void)take_turn(notary);
        int failed = poll(fds, PL_COUNT(fds), wait_ms(notary));
        PL_ASSERT(failed >= 0 || errno == EINTR);
        /* a busy writer rings once a batch: let some of them gather while nobody waits */
        if ((fds[0].revents & POLLIN) == 0 && (fds[1].revents & POLLIN) == 0)
            failed = poll(fds, 2, notary->in_trouble ? TROUBLE_MS : REST_MS);
        PL_ASSERT(failed >= 0 || errno == EINTR);
        if ((fds[0].revents & POLLIN) != 0)
            return NULL;
    }
}

/* --- the start --- */

static struct pl_status read_small(struct io *io, const char *path, char *text, size_t size)
{
    int fd = -1;
    uint64_t len = 0;
    PL_TRY(io->open(io, path, false, false, 0, &fd));
    struct pl_status status = io->size(io, fd, &len);
    if (pl_is_ok(status) && len >= size)
        status = pl_fail(CORRUPT, "read a small file: it is too long");
    if (pl_is_ok(status) && len > 0)
        status = io->pread(io, fd, text, (size_t)len, 0);
    text[pl_is_ok(status) ? len : 0] = '\0';
    io->close(io, fd);
    return status;
}

/* A key that is there must be one, and named like the log. */
static struct pl_status load_key(struct notary *notary, size_t place, const char *path,
                                 char *message)
{
    char text[PL_NOTE_KEY_MAX + 2];
    struct pl_status status = read_small(notary->options.io, path, text, sizeof(text));
    if (pl_is_ok(status)) {
        text[strcspn(text, "\r\n")] = '\0';
        status = pl_note_signer_new(text, &notary->signer[place]);
    }
    explicit_bzero(text, sizeof(text));
    if (!pl_is_ok(status)) {
        (void)snprintf(message, 400, "%.300s: %.60s", path,
                       status.code == PL_E_NOT_FOUND ? "there is no such key"
                       : status.sys_errno != 0       ? strerror(status.sys_errno)
                                                     : status.what);
        return status;
    }
    const struct pl_note_key *key = pl_note_signer_key(notary->signer[place]);
    if (key->kind != PL_NOTE_ED25519 || strcmp(key->name, notary->options.origin) != 0) {
        (void)snprintf(message, 400, "%.250s: the key is not one of the log %.100s", path,
                       notary->options.origin);
        return pl_fail(CONFIG, "load a signing key");
    }
    notary->key[notary->key_count++] = *key;
    return pl_ok();
}

static struct pl_status load_keys(struct notary *notary, char *message)
{
    const struct notary_options *options = &notary->options;
    struct pl_status status = load_key(notary, 0, options->key_file, message);
    if (status.code == PL_E_NOT_FOUND) {
        /* what was signed can still be known by the public key */
        pl_log_warning("notary", "the signing key is not there: no checkpoints", "key=%s",
                       PL_QUOTED(options->key_file));
        message[0] = '\0';
        status = pl_note_key_parse(pl_slice_str(options->vkey), &notary->key[0]);
        if (!pl_is_ok(status)) {
            (void)snprintf(message, 400, "%.300s/ledger.vkey is damaged", options->data);
            return status;
        }
        notary->key_count = 1;
    }
    PL_TRY(status);
    if (options->old_key_file != NULL)
        PL_TRY(load_key(notary, 1, options->old_key_file, message));
    return pl_note_key_print(&notary->key[0], notary->vkey);
}

/* What one memory says was signed. NOT_FOUND: nothing. */
static struct pl_status recall(const struct notary *notary, const char *path,
                               struct pl_checkpoint *ret, char note[NOTE_BYTES])
{
    PL_TRY(read_small(notary->options.io, path, note, NOTE_BYTES));
    struct pl_status status =
        pl_checkpoint_open(pl_slice_str(note), notary->key, notary->key_count, ret, NULL);
    if (!pl_is_ok(status) || strcmp(ret->origin, notary->options.origin) != 0)
        return pl_fail(CORRUPT, "read what was signed");
    return pl_ok();
}

/* The last leaves of the tree are those of the log: a log that was exchanged under its tree has
 * other ones. */
struct last_leaves {
    struct tree *tree;
    bool differ;
};

static struct pl_status compare_leaf(void *arg, uint64_t seq, struct pl_slice entry)
{
    struct last_leaves *last = arg;
    struct pl_merkle_hash of_log, of_tree;
    pl_merkle_leaf(entry, &of_log);
    PL_TRY(tree_read(last->tree, 0, seq - 1, 1, &of_tree));
    last->differ = last->differ || !pl_merkle_eq(&of_log, &of_tree);
    return pl_ok();
}

static struct pl_status check_last_leaves(struct notary *notary, bool *ret_fine)
{
    uint64_t size = tree_size(notary->tree);
    struct last_leaves last = {.tree = notary->tree};
    *ret_fine = size <= notary->options.size;
    if (size == 0 || !*ret_fine)
        return pl_ok();
    uint64_t from = size > CHECKED_AT_START ? size - CHECKED_AT_START + 1 : 1;
    PL_TRY(open_log(notary));
    PL_TRY(store_reader_read(notary->log, from, size, compare_leaf, &last));
    *ret_fine = !last.differ;
    return pl_ok();
}

static struct pl_status rebuild(struct notary *notary)
{
    pl_log_warning("notary", "the tree is made again from the log", "entries=%" PRIu64,
                   notary->options.size);
    PL_TRY(tree_clear(notary->tree));
    notary->synced = 0;
    return follow(notary, notary->options.size);
}

static void stay_read_only(struct notary *notary, const char *what, uint64_t signed_size)
{
    (void)snprintf(notary->why_read_only, sizeof(notary->why_read_only),
                   "%s: it has %" PRIu64 " entries, a checkpoint over %" PRIu64
                   " was signed; restore a newer backup, or catch up from a mirror",
                   what, notary->options.size, signed_size);
}

/* Does the log extend what this memory says? The tree may be at fault: it is made again once. */
static struct pl_status compare(struct notary *notary, const struct pl_checkpoint *memory,
                                bool *rebuilt)
{
    if (memory->size > notary->options.size) {
        stay_read_only(notary, "this ledger is older than what was signed", memory->size);
        return pl_ok();
    }
    struct pl_merkle_hash root;
    struct pl_status status = tree_root_at(notary->tree, memory->size, &root);
    bool fits = pl_is_ok(status) && pl_merkle_eq(&root, &memory->root);
    if (!fits && !*rebuilt) {
        *rebuilt = true;
        PL_TRY(rebuild(notary));
        status = tree_root_at(notary->tree, memory->size, &root);
        fits = pl_is_ok(status) && pl_merkle_eq(&root, &memory->root);
    }
    PL_TRY(status); /* what cannot be read is no other log */
    if (!fits)
        stay_read_only(notary, "this ledger is not the one that was signed", memory->size);
    return pl_ok();
}

static void keep_newest(struct notary *notary, const struct pl_checkpoint *memory, const char *note)
{
    if (notary->current != NULL && notary->current->checkpoint.size >= memory->size)
        return;
    signed_tree_unref(notary->current);
    struct pl_clock *clock = notary->options.clock;
    notary->current = signed_tree_new(memory, pl_slice_str(note), clock->wall_us(clock));
}

static void free_text(char **text)
{
    free(*text);
}

static struct pl_status compare_memory(struct notary *notary, const char *path, bool *rebuilt)
{
    char *note PL_CLEANUP(free_text) = malloc(NOTE_BYTES);
    PL_ASSERT(note != NULL);
    struct pl_checkpoint memory;
    struct pl_status status = recall(notary, path, &memory, note);
    if (status.code == PL_E_NOT_FOUND)
        return pl_ok();
    if (!pl_is_ok(status) && status.code != PL_E_CORRUPT)
        return status; /* nobody knows what it says: not for this start to judge */
    if (!pl_is_ok(status)) {
        (void)snprintf(notary->why_read_only, sizeof(notary->why_read_only),
                       "%.200s is damaged or signed by an unknown key: put it right, or name the "
                       "old key",
                       path);
        return pl_ok();
    }
    PL_TRY(compare(notary, &memory, rebuilt));
    if (notary->why_read_only[0] == '\0')
        keep_newest(notary, &memory, note);
    return pl_ok();
}

static struct pl_status compare_memories(struct notary *notary)
{
    bool rebuilt = false;
    for (int memory = 0; memory < MEMORY_COUNT && notary->why_read_only[0] == '\0'; memory++) {
        char path[PATH_BYTES];
        if (memory_path(notary, (enum memory)memory, path))
            PL_TRY(compare_memory(notary, path, &rebuilt));
    }
    if (notary->why_read_only[0] == '\0')
        return pl_ok();
    pl_log_error("notary", "nothing is signed, the ledger is read-only", "why=%s",
                 PL_QUOTED(notary->why_read_only));
    signed_tree_unref(notary->current);
    notary->current = NULL;
    return pl_ok();
}

static struct pl_status catch_up(struct notary *notary)
{
    bool fine = false;
    PL_TRY(tree_open(notary->options.io, notary->options.data, &notary->tree));
    notary->synced = tree_size(notary->tree);
    PL_TRY(check_last_leaves(notary, &fine));
    PL_TRY(fine ? follow(notary, notary->options.size) : rebuild(notary));
    return compare_memories(notary);
}

static void tell_at_start(struct notary *notary)
{
    struct pl_status status = tell_what_was_signed(notary);
    if (!pl_is_ok(status))
        pl_log_status(PL_LOG_ERROR, "notary", "the newest checkpoint is told later", status);
}

static struct pl_status make_bells(struct notary *notary)
{
    PL_TRY(pl_bell_new(&notary->want_bell));
    notary->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (notary->stop_fd < 0)
        return pl_fail_errno(UNAVAILABLE, "make an event descriptor");
    for (size_t i = 0; i < notary->options.readers; i++)
        PL_TRY(pl_bell_new(&notary->reader[i].bell));
    return pl_ok();
}

struct pl_status notary_new(const struct notary_options *options, char *message,
                            struct notary **ret)
{
    struct notary *notary = calloc(1, sizeof(*notary));
    PL_ASSERT(notary != NULL);
    notary->options = *options;
    notary->stop_fd = -1;
    notary->leaf = calloc(TREE_APPEND_MAX, sizeof(*notary->leaf));
    notary->reader = calloc(options->readers, sizeof(*notary->reader));
    PL_ASSERT(notary->leaf != NULL && (notary->reader != NULL || options->readers == 0));
    message[0] = '\0';
    struct pl_status status = make_bells(notary);
    if (pl_is_ok(status))
        status = load_keys(notary, message);
    if (pl_is_ok(status))
        status = catch_up(notary);
    if (!pl_is_ok(status)) {
        notary_free(notary);
        return status;
    }
    tell_at_start(notary);
    atomic_store(&notary->signs, may_sign(notary));
    *ret = notary;
    return pl_ok();
}

const char *notary_why_read_only(const struct notary *notary)
{
    return notary->why_read_only[0] != '\0' ? notary->why_read_only : NULL;
}

const char *notary_vkey(const struct notary *notary)
{
    return notary->vkey;
}

struct pl_status notary_start(struct notary *notary, bool silent)
{
    notary->silent = silent;
    atomic_store(&notary->signs, may_sign(notary));
    if (pthread_create(&notary->thread, NULL, run, notary) != 0)
        return pl_fail(UNAVAILABLE, "start the notary's thread");
    notary->running = true;
    return pl_ok();
}

void notary_stop(struct notary *notary)
{
    if (notary == NULL || !notary->running)
        return;
    const uint64_t one = 1;
    ssize_t written = write(notary->stop_fd, &one, sizeof(one));
    PL_ASSERT(written == sizeof(one));
    int failed = pthread_join(notary->thread, NULL);
    PL_ASSERT(failed == 0);
    notary->running = false;
    /* the last entries of this run get their checkpoint too */
    atomic_store(&notary->wanted, true);
    (void)take_turn(notary);
    struct pl_status status = sync_tree(notary);
    if (!pl_is_ok(status))
        pl_log_status(PL_LOG_WARNING, "notary", "the tree is made again at the next start", status);
}

void notary_free(struct notary *notary)
{
    if (notary == NULL)
        return;
    for (size_t i = 0; i < notary->options.readers; i++) {
        signed_tree_unref(pl_slot_take(&notary->reader[i].slot));
        pl_bell_free(notary->reader[i].bell);
    }
    pl_bell_free(notary->want_bell);
    if (notary->stop_fd >= 0)
        (void)close(notary->stop_fd);
    signed_tree_unref(notary->current);
    store_reader_close(notary->log);
    tree_close(notary->tree);
    for (size_t i = 0; i < PL_COUNT(notary->signer); i++)
        pl_note_signer_free(notary->signer[i]);
    free(notary->leaf);
    free(notary->reader);
    free(notary);
}

/* --- readers --- */

struct pl_slot *notary_slot(struct notary *notary, size_t reader)
{
    PL_ASSERT(reader < notary->options.readers);
    return &notary->reader[reader].slot;
}

struct pl_bell *notary_bell(struct notary *notary, size_t reader)
{
    PL_ASSERT(reader < notary->options.readers);
    return notary->reader[reader].bell;
}

void notary_want(struct notary *notary)
{
    atomic_store_explicit(&notary->wanted, true, memory_order_release);
    pl_bell_ring(notary->want_bell);
}

bool notary_signs(const struct notary *notary)
{
    return atomic_load_explicit(&notary->signs, memory_order_acquire);
}

void notary_silence(struct notary *notary, bool silent)
{
    atomic_store_explicit(&notary->silenced, silent, memory_order_release);
    notary_want(notary); /* so that notary_signs tells it soon */
}

struct tree *notary_tree(struct notary *notary)
{
    return notary->tree;
}

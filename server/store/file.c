/* SPDX-License-Identifier: Apache-2.0
 *
 * file: see file.h. Threads: the owner (writer), one that writes and syncs batches, one that
 * prepares the next segment. They exchange jobs through mailboxes only.
 *
 * Happy path: append -> job to the I/O thread (or done right here when nobody else waits) ->
 * pwrite, fdatasync -> completion mail -> store_dispatch on the owner.
 * Failure: a write or sync that fails once begun ends the process (G1): the page cache can no
 * longer be trusted, and a retry could report success for data that is gone. But a disk that has
 * no room to copy what is overwritten (copy-on-write, a quota on it) says so before anything is
 * synced: where all that was written of the batch can be made zero again, and that is synced, the
 * batch is NO_SPACE, and none is taken until zeros are. One that says so at a sync (a thin volume)
 * ends the process like any other.
 * A file that is open takes writes whatever happens to its name. So after the sync it is asked
 * whether the name still leads to it; if not, the batch is UNKNOWN: it is in a file that no start
 * would find, until somebody puts the directory back. The process does not end then, as what is
 * deleted can be had from its descriptors alone.
 */
#include "server/store/file.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/check.h"
#include "common/mailbox.h"
#include "server/store/file_private.h"
#include "server/store/segment.h"

enum { NEXT_RESERVE_BYTES = 16 << 20 }; /* left free on the disk for everything else */
enum { OLDER_A_LOOK = 8 };              /* segments before the newest one that a look takes in */
enum { INLINE_BYTES_MOST = 64 << 10 }; /* of a batch that is synced on the thread that appends it */

enum job_kind { JOB_APPEND, JOB_PREPARE, JOB_STOP };
struct job {
    struct pl_mail mail; /* first member */
    enum job_kind kind;
};

struct file_store {
    struct store store; /* first member */
    struct file_options options;
    char *dir;
    int dir_fd; /* so that no new file has to be opened to sync a name; -1: read only */
    struct store_head head;
    struct file_shelf shelf;  /* all segments; owns */
    struct file_part *looked; /* the next older one to look for; NULL: the first */
    /* the newest segment */
    int fd;                      /* the shelf's; -1: none */
    uint64_t offset, file_bytes; /* where the next record goes */
    uint32_t min_reader;         /* that it says; never less than a segment before it */
    bool rolled; /* the newest segment is called rolled_from until its first batch is written */
    bool full;   /* an append found no room inside a segment; nobody has since */
    char segment_name[32], rolled_from[32];
    /* the prepared one */
    int next_fd; /* -1: none */
    char next_name[32];
    unsigned next_number;
    bool preparing;
    int prepared_fd; /* result, read after the mail came back, as is the next */
    struct pl_status prepared;
    struct pl_status room; /* why there is no prepared one */
    /* the append in flight: sealed, and made a record, by the thread that writes it */
    struct store_batch batch;
    struct store_head after;
    uint8_t *record; /* owns */
    size_t record_cap;
    uint64_t record_bytes;
    uint8_t synced[STORE_HASH_BYTES]; /* the last one that is whole and on the disk */
    store_append_fn done;
    void *done_arg;
    enum store_outcome outcome;
    bool written; /* this append put something into the log */
    bool here;    /* it is over, on the owner's thread: the next dispatch completes it */
    struct job append_job, prepare_job, stop_jobs[2];
    struct pl_mailbox *to_io, *to_prepare, *completed;
    pthread_t io_thread, prepare_thread;
    bool threads;
};

static struct file_store *of(struct store *store)
{
    return (struct file_store *)store; /* first member */
}

static void path_of(const struct file_store *file, const char *name, char out[FILE_PATH_BYTES])
{
    (void)snprintf(out, FILE_PATH_BYTES, "%s/%s", file->dir, name);
}

/* --- the I/O thread's work --- */

static void die(struct pl_status status)
{
    (void)fprintf(stderr,
                  "pledged: the log cannot be written: %s: %s. The process ends: what was not "
                  "acknowledged may or may not be on the disk; start again to find out.\n",
                  status.what, strerror(status.sys_errno));
    _exit(pl_code_exit(PL_E_IO));
}

static void must(struct pl_status status)
{
    if (!pl_is_ok(status))
        die(status);
}

/* The hash goes into the head that this append makes. */
static void encode(struct file_store *file)
{
    if (file->record_bytes > file->record_cap) {
        file->record = realloc(file->record, (size_t)file->record_bytes);
        PL_ASSERT(file->record != NULL);
        file->record_cap = (size_t)file->record_bytes;
    }
    store_batch_seal(&file->batch);
    segment_record_encode(&file->batch, file->record);
    store_head_advance(&file->after, &file->batch);
}

static bool is_called(const struct file_store *file, const char *name)
{
    char path[FILE_PATH_BYTES];
    path_of(file, name, path);
    return file->options.io->is_at(file->options.io, file->fd, path);
}

/* What failed is the directory's not being there any more, or the end. */
static bool must_at(const struct file_store *file, struct pl_status status, const char *name)
{
    if (pl_is_ok(status))
        return true;
    if (is_called(file, name))
        die(status);
    return false;
}

/* The new segment's name, and durable. Begins where an earlier try ended. Looks first: in a
 * directory that took the place of ours, a file of the old name is somebody else's. */
static bool name_segment(struct file_store *file)
{
    struct io *io = file->options.io;
    char from[FILE_PATH_BYTES], to[FILE_PATH_BYTES];
    path_of(file, file->rolled_from, from);
    path_of(file, file->segment_name, to);
    if (!is_called(file, file->segment_name) &&
        (!is_called(file, file->rolled_from) ||
         !must_at(file, io->rename(io, from, to), file->rolled_from)))
        return false;
    if (!must_at(file, io->sync(io, file->dir_fd), file->segment_name))
        return false;
    file->rolled = false;
    return true;
}

/* Nothing of it was synced; what was written of it is made zero, as it was before. The pages that
 * took it take zeros as well, and behind them there is nothing to take back: whether that is so is
 * looked at. Durable, so that no start finds what is told as not recorded. */
static void take_back(struct file_store *file, struct pl_status why)
{
    struct io *io = file->options.io;
    size_t len = (size_t)file->record_bytes;
    (void)io_zero(io, file->fd, file->offset, len).code;
    must(io->datasync(io, file->fd));
    if (!pl_is_ok(io->pread(io, file->fd, file->record, len, file->offset)) ||
        !segment_is_zero(file->record, len))
        die(why);
}

/* Batch and, for a new segment, its name: all of it durable when this returns, and where a start
 * finds it, or UNKNOWN, or NO_SPACE and nothing of it anywhere. Hashed here and not where it was
 * asked for: the writer has better things to do. */
static void write_record(struct file_store *file)
{
    struct io *io = file->options.io;
    encode(file);
    /* resubmitted, it is there: readers may have seen it, and it is not to be taken back */
    if (memcmp(file->synced, file->after.hash, STORE_HASH_BYTES) != 0) {
        struct pl_status status =
            io->pwrite(io, file->fd, file->record, (size_t)file->record_bytes, file->offset);
        if (status.code == PL_E_NO_SPACE) {
            take_back(file, status);
            file->outcome = STORE_NO_SPACE;
            return;
        }
        must(status);
        must(io->datasync(io, file->fd));
        memcpy(file->synced, file->after.hash, STORE_HASH_BYTES);
    }
    if ((file->rolled && !name_segment(file)) || !is_called(file, file->segment_name))
        file->outcome = STORE_UNKNOWN;
}

/* Not while an append is in flight: that one tells. */
static bool is_there(const struct file_store *file)
{
    return file->done != NULL || file->fd < 0 || is_called(file, file->segment_name) ||
           (file->rolled && is_called(file, file->rolled_from));
}

static struct pl_status prepare_segment(struct file_store *file, int *ret_fd)
{
    struct io *io = file->options.io;
    char path[FILE_PATH_BYTES];
    int fd = -1;
    path_of(file, file->next_name, path);
    struct pl_status status = io->remove(io, path);
    if (!pl_is_ok(status) && status.code != PL_E_NOT_FOUND)
        return status;
    PL_TRY(io->open(io, path, true, true, 0600, &fd));
    status = io_zero(io, fd, 0, file->options.segment_bytes);
    if (pl_is_ok(status))
        status = io->sync(io, fd);
    if (pl_is_ok(status)) {
        *ret_fd = fd;
        return status;
    }
    io->close(io, fd);
    (void)io->remove(io, path).code;
    return status;
}

static void wait_for(struct pl_mailbox *box)
{
    struct pollfd fd = {.fd = pl_mailbox_fd(box), .events = POLLIN};
    int ready = poll(&fd, 1, -1);
    PL_ASSERT(ready > 0 || errno == EINTR);
}

static void give_back(struct file_store *file, struct job *job)
{
    bool posted = pl_mailbox_post(file->completed, &job->mail);
    PL_ASSERT(posted); /* no limit there; one job of a kind at a time */
}

/* Does the jobs of a box, in order, until it is told to stop. */
static void serve(struct file_store *file, struct pl_mailbox *box,
                  void (*work)(struct file_store *file))
{
    for (;;) {
        wait_for(box);
        struct pl_mail *mail = pl_mailbox_take(box);
        while (mail != NULL) {
            struct job *job = (struct job *)mail;
            mail = mail->next; /* the job is not ours once it is given back */
            if (job->kind == JOB_STOP)
                return; /* the last one */
            work(file);
            give_back(file, job);
        }
    }
}

static void *io_main(void *arg)
{
    struct file_store *file = arg;
    (void)pthread_setname_np(pthread_self(), "store");
    serve(file, file->to_io, write_record);
    return NULL;
}

static void prepare(struct file_store *file)
{
    int fd = -1;
    file->prepared = prepare_segment(file, &fd); /* has_room tells, and tries again */
    file->prepared_fd = fd;
}

static void *prepare_main(void *arg)
{
    struct file_store *file = arg;
    (void)pthread_setname_np(pthread_self(), "prepare");
    serve(file, file->to_prepare, prepare);
    return NULL;
}

/* --- owner --- */

static bool post(struct pl_mailbox *box, struct job *job, enum job_kind kind)
{
    job->kind = kind;
    return pl_mailbox_post(box, &job->mail);
}

/* Has the next segment prepared, unless it is or the disk plainly has no room for it. A directory
 * that took the place of ours is somebody else's. */
static void want_next(struct file_store *file)
{
    if (file->next_fd >= 0 || file->preparing || file->options.read_only)
        return;
    if (!is_there(file)) {
        file->room = pl_fail(UNAVAILABLE, "find the log's directory");
        return;
    }
    uint64_t room = 0;
    struct io *io = file->options.io;
    if (pl_is_ok(io->free_bytes(io, file->dir, &room)) &&
        room < file->options.segment_bytes + NEXT_RESERVE_BYTES) {
        file->room = pl_fail(NO_SPACE, "find room for the log's next segment");
        return;
    }
    (void)snprintf(file->next_name, sizeof(file->next_name), FILE_NEXT_FORMAT,
                   file->next_number++ % FILE_NEXT_NAMES);
    file->preparing = true;
    bool posted = post(file->to_prepare, &file->prepare_job, JOB_PREPARE);
    PL_ASSERT(posted);
}

static void got_next(struct file_store *file)
{
    file->preparing = false;
    file->next_fd = file->prepared_fd;
    file->room = file->prepared;
}

static bool half_used(const struct file_store *file)
{
    return file->fd < 0 || file->offset - SEGMENT_HEADER_BYTES > file->file_bytes / 2;
}

/* The oldest reader that may read a log with such a batch. */
static uint32_t reader_for(size_t body_bytes, uint32_t entries)
{
    uint32_t least = body_bytes > STORE_BATCH_BYTES_V1 ? 2 : 1;
    return entries > least ? entries : least;
}

static bool fits(const struct file_store *file, size_t body_bytes, uint32_t min_reader)
{
    uint64_t in_flight = file->done != NULL && file->written ? file->record_bytes : 0;
    return file->fd >= 0 && reader_for(body_bytes, min_reader) <= file->min_reader &&
           segment_record_bytes(body_bytes) <= file->file_bytes - file->offset - in_flight;
}

/* A segment that has begun, and no batch is in it yet. */
static bool begins(const struct file_store *file)
{
    return file->done == NULL && file->rolled;
}

/* It is on its way and worth waiting for. Completions are for store_dispatch: one that comes
 * meanwhile goes back into the box. */
static void wait_for_next(struct file_store *file)
{
    bool held = false;
    while (file->preparing) {
        wait_for(file->completed);
        struct pl_mail *mail = pl_mailbox_take(file->completed);
        for (; mail != NULL; mail = mail->next) {
            if (((struct job *)mail)->kind == JOB_PREPARE)
                got_next(file);
            else
                held = true;
        }
    }
    if (held)
        give_back(file, &file->append_job);
}

/* Zeros where there are zeros: a disk that has no room for copies takes none. */
static struct pl_status try_zeros(const struct file_store *file, int fd, uint64_t from, uint64_t to)
{
    struct io *io = file->options.io;
    PL_TRY(io_zero(io, fd, from, to - from));
    must(io->datasync(io, fd));
    return pl_ok();
}

/* Where the next batch goes, be it a small one or one that needs another segment. */
static struct pl_status try_room(struct file_store *file, size_t body_bytes, uint32_t min_reader)
{
    uint64_t len = segment_record_bytes(body_bytes), most = file->options.segment_bytes;
    PL_ASSERT(file->done == NULL || !file->written);
    if (file->fd >= 0)
        PL_TRY(try_zeros(file, file->fd, file->offset,
                         len < file->file_bytes - file->offset ? file->offset + len
                                                               : file->file_bytes));
    if (file->next_fd >= 0 && !fits(file, body_bytes, min_reader))
        PL_TRY(try_zeros(file, file->next_fd, 0, len < most ? len : most));
    file->full = false;
    return pl_ok();
}

static struct pl_status has_room(struct file_store *file, size_t body_bytes, uint32_t min_reader)
{
    if (file->full)
        PL_TRY(try_room(file, body_bytes, min_reader));
    if (fits(file, body_bytes, min_reader) || begins(file) || file->next_fd >= 0)
        return pl_ok();
    want_next(file);
    wait_for_next(file);
    return file->room;
}

static struct pl_status file_has_room(struct store *store, size_t body_bytes)
{
    return has_room(of(store), body_bytes, 0);
}

/* Some of the older segments, so that all come round without a look at thousands of names. One that
 * is missing is looked for until it is back. */
static bool are_older_there(struct file_store *file)
{
    struct io *io = file->options.io;
    char name[32], path[FILE_PATH_BYTES];
    for (int i = 0; i < OLDER_A_LOOK; i++) {
        struct file_part *part = file->looked;
        if (part == NULL)
            part = atomic_load_explicit(&file->shelf.first, memory_order_relaxed);
        if (part == file->shelf.last) { /* the newest, or none at all */
            file->looked = NULL;
            return true;
        }
        (void)snprintf(name, sizeof(name), FILE_SEGMENT_FORMAT, part->first_batch);
        path_of(file, name, path);
        file->looked = part;
        if (!io->is_at(io, part->fd, path))
            return false;
        file->looked = atomic_load_explicit(&part->next, memory_order_relaxed);
    }
    return true;
}

static bool file_is_there(struct store *store)
{
    struct file_store *file = of(store);
    return is_there(file) && (file->done != NULL || are_older_there(file));
}

static void shelve(struct file_store *file, int fd, uint64_t first_batch)
{
    struct file_shelf *shelf = &file->shelf;
    struct file_part *part = calloc(1, sizeof(*part));
    PL_ASSERT(part != NULL);
    part->fd = fd;
    part->first_batch = first_batch;
    atomic_store_explicit(shelf->last != NULL ? &shelf->last->next : &shelf->first, part,
                          memory_order_release);
    shelf->last = part;
}

static void empty_shelf(struct file_store *file)
{
    struct file_part *part = atomic_load_explicit(&file->shelf.first, memory_order_relaxed);
    while (part != NULL) {
        struct file_part *next = atomic_load_explicit(&part->next, memory_order_relaxed);
        file->options.io->close(file->options.io, part->fd);
        free(part);
        part = next;
    }
}

/* The prepared file becomes the newest segment: its header page goes in front of the record. One
 * that has begun without a batch may need another header. False: there is no room for it, and the
 * file stays the prepared one. */
static bool roll(struct file_store *file, const struct store_batch *batch)
{
    uint32_t reader = reader_for(batch->body.len, batch->min_reader);
    PL_ASSERT(reader <= SEGMENT_FORMAT);
    if (reader < file->min_reader)
        reader = file->min_reader;
    struct segment_header header = {
        .format = reader,
        .min_reader = reader,
        .first_batch = batch->number,
        .first_seq = batch->first_seq,
        .created_us = batch->time_us,
    };
    uint8_t page[SEGMENT_HEADER_BYTES];
    memcpy(header.ledger_id, file->options.ledger_id, sizeof(header.ledger_id));
    memcpy(header.prev, batch->prev, sizeof(header.prev));
    segment_header_encode(&header, page);
    struct io *io = file->options.io;
    struct pl_status status =
        io->pwrite(io, file->rolled ? file->fd : file->next_fd, page, sizeof(page), 0);
    if (status.code == PL_E_NO_SPACE && !file->rolled)
        return false;
    must(status);
    file->min_reader = reader;
    if (file->rolled)
        return true;
    file->fd = file->next_fd;
    file->next_fd = -1;
    file->file_bytes = file->options.segment_bytes;
    file->offset = SEGMENT_HEADER_BYTES;
    file->rolled = true;
    (void)snprintf(file->segment_name, sizeof(file->segment_name), FILE_SEGMENT_FORMAT,
                   batch->number);
    memcpy(file->rolled_from, file->next_name, sizeof(file->rolled_from));
    shelve(file, file->fd, batch->number);
    return true;
}

uint64_t file_batch_max(uint64_t segment_bytes)
{
    /* a body is padded to eight bytes */
    uint64_t most = (segment_bytes - SEGMENT_HEADER_BYTES - segment_record_bytes(0)) & ~7ull;
    return most < STORE_BATCH_BYTES_MAX ? most : STORE_BATCH_BYTES_MAX;
}

/* DURABLE: to be written, or (the head itself, resubmitted) in the log already. */
static enum store_outcome judge(struct file_store *file, const struct store_batch *batch)
{
    if (batch->body.len > STORE_BATCH_BYTES_MAX ||
        segment_record_bytes(batch->body.len) + SEGMENT_HEADER_BYTES > file->options.segment_bytes)
        return STORE_TOO_BIG;
    if (store_is_head(&file->head, batch))
        return STORE_DURABLE;
    if (batch->epoch < file->head.epoch)
        return STORE_FENCED;
    if (!store_follows_head(&file->head, batch))
        return STORE_CONFLICT;
    struct pl_status room = has_room(file, batch->body.len, batch->min_reader);
    if (pl_is_ok(room))
        return STORE_DURABLE;
    if (!is_there(file))
        return STORE_UNKNOWN;
    return room.code == PL_E_NO_SPACE ? STORE_NO_SPACE : STORE_UNAVAILABLE;
}

static void file_append(struct store *store, const struct store_batch *batch, bool idle,
                        store_append_fn done, void *arg)
{
    struct file_store *file = of(store);
    PL_ASSERT(file->done == NULL && !file->options.read_only);
    file->outcome = judge(file, batch);
    file->written = file->outcome == STORE_DURABLE && batch->number != file->head.batch;
    if (file->written && !fits(file, batch->body.len, batch->min_reader) && !roll(file, batch)) {
        file->outcome = STORE_NO_SPACE;
        file->written = false;
        file->full = true;
    }
    file->done = done;
    file->done_arg = arg;
    file->append_job.kind = JOB_APPEND;
    if (file->written) {
        file->batch = *batch;
        file->record_bytes = segment_record_bytes(batch->body.len);
        /* a large batch is no single client's: while it is written, the next one may come */
        if (!idle || batch->body.len > INLINE_BYTES_MOST) {
            bool posted = post(file->to_io, &file->append_job, JOB_APPEND);
            PL_ASSERT(posted);
            return;
        }
        write_record(file);
    }
    file->here = idle;
    if (!idle)
        give_back(file, &file->append_job);
}

static void complete(struct file_store *file)
{
    store_append_fn done = file->done;
    PL_ASSERT(done != NULL);
    file->done = NULL;
    if (file->written && file->outcome == STORE_DURABLE) {
        file->head = file->after;
        file->offset += file->record_bytes;
        if (half_used(file))
            want_next(file);
    }
    file->full = file->full || (file->written && file->outcome == STORE_NO_SPACE);
    done(file->done_arg, file->outcome);
}

static void file_dispatch(struct store *store)
{
    struct file_store *file = of(store);
    bool here = file->here;
    file->here = false;
    if (here)
        complete(file);
    struct pl_mail *mail = pl_mailbox_take(file->completed);
    while (mail != NULL) {
        struct pl_mail *next = mail->next;
        if (((struct job *)mail)->kind == JOB_PREPARE)
            got_next(file);
        else
            complete(file);
        mail = next;
    }
}

static void file_head(struct store *store, struct store_head *ret)
{
    *ret = of(store)->head;
}

static int file_fd(struct store *store)
{
    return pl_mailbox_fd(of(store)->completed);
}

static struct pl_status file_trim(struct store *store, uint64_t upto_batch)
{
    (void)store;
    (void)upto_batch;
    return pl_fail(UNIMPLEMENTED, "the embedded engine keeps the whole log");
}

static struct pl_status file_read(struct store *store, uint64_t from_batch, store_batch_fn fn,
                                  void *arg)
{
    struct file_store *file = of(store);
    return file_walk(file->options.io, file->dir, from_batch, file->head.batch, fn, arg);
}

static struct pl_status file_open_reader(struct store *store, struct store_reader **ret)
{
    struct file_store *file = of(store);
    *ret = file_reader_new(file->options.io, &file->shelf);
    return pl_ok();
}

static void stop_thread(struct pl_mailbox *box, struct job *job, pthread_t thread)
{
    bool posted = post(box, job, JOB_STOP);
    PL_ASSERT(posted);
    int failed = pthread_join(thread, NULL);
    PL_ASSERT(failed == 0);
}

static void file_close(struct store *store)
{
    struct file_store *file = of(store);
    PL_ASSERT(file->done == NULL);
    if (file->threads) {
        stop_thread(file->to_io, &file->stop_jobs[0], file->io_thread);
        stop_thread(file->to_prepare, &file->stop_jobs[1], file->prepare_thread);
    }
    if (file->completed != NULL)
        file_dispatch(store); /* a segment that was prepared meanwhile */
    struct io *io = file->options.io;
    empty_shelf(file);
    if (file->next_fd >= 0)
        io->close(io, file->next_fd);
    if (file->dir_fd >= 0)
        io->close(io, file->dir_fd);
    pl_mailbox_free(file->to_io);
    pl_mailbox_free(file->to_prepare);
    pl_mailbox_free(file->completed);
    free(file->record);
    free(file->dir);
    free(file);
}

static const struct store_driver file_driver = {
    .name = "file",
    .append = file_append,
    .read = file_read,
    .head = file_head,
    .has_room = file_has_room,
    .is_there = file_is_there,
    .fd = file_fd,
    .dispatch = file_dispatch,
    .trim = file_trim,
    .reader_open = file_open_reader,
    .close = file_close,
};

/* --- opening --- */

static struct pl_status start_threads(struct file_store *file)
{
    PL_TRY(pl_mailbox_new(0, &file->to_io));
    PL_TRY(pl_mailbox_new(0, &file->to_prepare));
    PL_TRY(pl_mailbox_new(0, &file->completed));
    if (file->options.read_only)
        return pl_ok();
    if (pthread_create(&file->io_thread, NULL, io_main, file) != 0)
        return pl_fail(UNAVAILABLE, "start the log's thread");
    if (pthread_create(&file->prepare_thread, NULL, prepare_main, file) != 0) {
        stop_thread(file->to_io, &file->stop_jobs[0], file->io_thread);
        return pl_fail(UNAVAILABLE, "start the log's second thread");
    }
    file->threads = true;
    return pl_ok();
}

/* The newest one to be written to. */
static struct pl_status open_segments(struct file_store *file)
{
    struct io *io = file->options.io;
    struct file_list list PL_CLEANUP(file_list_fini);
    PL_TRY(file_list_read(io, file->dir, &list));
    for (size_t i = 0; i < list.count; i++) {
        char path[FILE_PATH_BYTES];
        bool write_too = i + 1 == list.count && !file->options.read_only;
        int fd = -1;
        (void)snprintf(file->segment_name, sizeof(file->segment_name), FILE_SEGMENT_FORMAT,
                       list.first_batch[i]);
        path_of(file, file->segment_name, path);
        PL_TRY(io->open(io, path, false, write_too, 0, &fd));
        shelve(file, fd, list.first_batch[i]);
        if (write_too)
            file->fd = fd;
    }
    return pl_ok();
}

static struct pl_status continue_segment(struct file_store *file, const struct file_tail *tail)
{
    struct io *io = file->options.io;
    file->head = tail->head;
    file->min_reader = tail->min_reader;
    file->offset = tail->offset;
    PL_TRY(open_segments(file));
    if (!file->options.read_only)
        PL_TRY(io->open_dir(io, file->dir, &file->dir_fd));
    return file->fd < 0 ? pl_ok() : io->size(io, file->fd, &file->file_bytes);
}

/* A prepared segment of the process before us may hold a batch that nobody was told of: never used.
 */
static struct pl_status remove_prepared(struct file_store *file)
{
    for (unsigned i = 0; i < FILE_NEXT_NAMES && !file->options.read_only; i++) {
        char name[32], path[FILE_PATH_BYTES];
        (void)snprintf(name, sizeof(name), FILE_NEXT_FORMAT, i);
        path_of(file, name, path);
        struct pl_status status = file->options.io->remove(file->options.io, path);
        if (!pl_is_ok(status) && status.code != PL_E_NOT_FOUND)
            return status;
    }
    return pl_ok();
}

struct pl_status file_open(const struct file_options *options, struct file_report *ret_report,
                           struct store **ret)
{
    struct file_tail tail = {.head = {.next_seq = 1}};
    memset(ret_report, 0, sizeof(*ret_report));
    PL_TRY(file_scan(options, ret_report, &tail));
    struct file_store *file = calloc(1, sizeof(*file));
    PL_ASSERT(file != NULL);
    file->store.driver = &file_driver;
    file->options = *options;
    file->fd = file->next_fd = file->prepared_fd = file->dir_fd = -1;
    file->room = pl_fail(UNAVAILABLE, "write to a log that is open for reading");
    file->dir = strdup(options->dir);
    PL_ASSERT(file->dir != NULL);
    struct pl_status status = continue_segment(file, &tail);
    if (pl_is_ok(status))
        status = remove_prepared(file);
    if (pl_is_ok(status))
        status = start_threads(file);
    if (!pl_is_ok(status)) {
        file_close(&file->store);
        return status;
    }
    if (half_used(file))
        want_next(file);
    *ret = &file->store;
    return pl_ok();
}

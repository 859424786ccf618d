/* SPDX-License-Identifier: Apache-2.0
 *
 * snapshot: see snapshot.h. The file, little-endian:
 *
 *   0     "PLEDGSNP"                      8
 *   8     format u32, min_reader u32      8     2, 2; 1 was written once and is still read
 *   16    ledger id                       16
 *   32    batch u64, seq u64, time i64    24
 *   56    batch hash                      32
 *   88    payload bytes u64               8
 *   96    sum of the last piece, zero     32    format 1: SHA-256 of the payload
 *   128   XXH3-64 of bytes 0..127         8
 *   136   zero                            24
 *   160   payload in pieces of 256 KiB, the last one shorter; its sum behind each (format 1: none)
 *
 * The sum of a piece is XXH3-64, seeded with the sum of the piece before it, the first one with
 * that of header bytes 16..87. So each piece is known to be right when it is in memory, before any
 * of it is handed out, and pieces of another snapshot, or in another order, are not taken for it.
 * A snapshot is no evidence, it only has to be safe from accidents.
 */
#include "server/store/snapshot.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/hash.h"
#include "common/mailbox.h"
#include "server/store/io.h"

enum {
    FORMAT = 2,
    FORMAT_OLD = 1,
    HEADER_BYTES = 160,
    META_AT = 16,
    META_END = 88,
    SUM_AT = 128,
    SUM_BYTES = 8,
    PIECE_BYTES = 1 << 18,
    PATH_BYTES = 4096,
    PIECES_AHEAD = 4,
    PAGES_BYTES = 1 << 19, /* made at once: as long as others wait for a piece, at most */
};

static const char magic[8] = "PLEDGSNP";

static void encode_meta(const struct snapshot_meta *meta, uint8_t out[HEADER_BYTES])
{
    memset(out, 0, HEADER_BYTES);
    memcpy(out, magic, sizeof(magic));
    pl_put_le32(out + 8, FORMAT);
    pl_put_le32(out + 12, FORMAT);
    memcpy(out + META_AT, meta->ledger_id, 16);
    pl_put_le64(out + 32, meta->batch);
    pl_put_le64(out + 40, meta->seq);
    pl_put_le64(out + 48, (uint64_t)meta->time_us);
    memcpy(out + 56, meta->batch_hash, 32);
}

static uint64_t first_sum(const uint8_t header[HEADER_BYTES])
{
    return pl_xxh3(pl_slice(header + META_AT, META_END - META_AT), 0);
}

/* --- writing --- */

struct snapshot_writer {
    struct io *io;
    char *dir;
    struct snapshot_meta meta;
    int fd;
    uint64_t payload_bytes, file_bytes;
    uint64_t sum; /* of the last piece */
    uint8_t *piece;
    size_t piece_bytes;
};

static void temporary_path(const struct snapshot_writer *writer, char out[PATH_BYTES])
{
    (void)snprintf(out, PATH_BYTES, "%s/snapshot.tmp", writer->dir);
}

static void writer_free(struct snapshot_writer *writer)
{
    if (writer->fd >= 0)
        writer->io->close(writer->io, writer->fd);
    free(writer->piece);
    free(writer->dir);
    free(writer);
}

struct pl_status snapshot_create(struct io *io, const char *dir, const struct snapshot_meta *meta,
                                 struct snapshot_writer **ret)
{
    char path[PATH_BYTES];
    uint8_t header[HEADER_BYTES];
    struct snapshot_writer *writer = calloc(1, sizeof(*writer));
    PL_ASSERT(writer != NULL);
    writer->io = io;
    writer->dir = strdup(dir);
    PL_ASSERT(writer->dir != NULL);
    writer->meta = *meta;
    writer->fd = -1;
    writer->file_bytes = HEADER_BYTES;
    writer->piece = malloc(PIECE_BYTES + SUM_BYTES);
    PL_ASSERT(writer->piece != NULL);
    encode_meta(meta, header);
    writer->sum = first_sum(header);
    temporary_path(writer, path);
    struct pl_status status = io->remove(io, path); /* the rest of one that did not finish */
    if (pl_is_ok(status) || status.code == PL_E_NOT_FOUND)
        status = io->open(io, path, true, true, 0600, &writer->fd);
    if (!pl_is_ok(status)) {
        writer_free(writer);
        return status;
    }
    *ret = writer;
    return pl_ok();
}

static struct pl_status flush(struct snapshot_writer *writer)
{
    size_t len = writer->piece_bytes;
    if (len == 0)
        return pl_ok();
    writer->sum = pl_xxh3(pl_slice(writer->piece, len), writer->sum);
    pl_put_le64(writer->piece + len, writer->sum);
    PL_TRY(writer->io->pwrite(writer->io, writer->fd, writer->piece, len + SUM_BYTES,
                              writer->file_bytes));
    writer->payload_bytes += len;
    writer->file_bytes += len + SUM_BYTES;
    writer->piece_bytes = 0;
    return pl_ok();
}

struct pl_status snapshot_write(struct snapshot_writer *writer, struct pl_slice piece)
{
    while (piece.len > 0) {
        size_t room = PIECE_BYTES - writer->piece_bytes;
        size_t part = piece.len < room ? piece.len : room;
        memcpy(writer->piece + writer->piece_bytes, piece.data, part);
        writer->piece_bytes += part;
        piece = pl_slice(piece.data + part, piece.len - part);
        if (writer->piece_bytes == PIECE_BYTES)
            PL_TRY(flush(writer));
    }
    return pl_ok();
}

static void encode_header(const struct snapshot_writer *writer, uint8_t out[HEADER_BYTES])
{
    encode_meta(&writer->meta, out);
    pl_put_le64(out + 88, writer->payload_bytes);
    pl_put_le64(out + 96, writer->sum);
    pl_put_le64(out + SUM_AT, pl_xxh3(pl_slice(out, SUM_AT), 0));
}

static struct pl_status commit(struct snapshot_writer *writer)
{
    struct io *io = writer->io;
    uint8_t header[HEADER_BYTES];
    char from[PATH_BYTES], to[PATH_BYTES];
    PL_TRY(flush(writer));
    encode_header(writer, header);
    PL_TRY(io->pwrite(io, writer->fd, header, sizeof(header), 0));
    PL_TRY(io->sync(io, writer->fd));
    temporary_path(writer, from);
    (void)snprintf(to, sizeof(to), "%s/%016" PRIx64 ".snap", writer->dir, writer->meta.batch);
    PL_TRY(io->rename(io, from, to));
    return io->sync_dir(io, writer->dir);
}

struct pl_status snapshot_commit(struct snapshot_writer *writer)
{
    struct pl_status status = commit(writer);
    writer_free(writer);
    return status;
}

void snapshot_abandon(struct snapshot_writer *writer)
{
    char path[PATH_BYTES];
    temporary_path(writer, path);
    (void)writer->io->remove(writer->io, path).code; /* the next one removes it as well */
    writer_free(writer);
}

/* --- finding --- */

struct names {
    char (*name)[24]; /* owns; "<16 hex>.snap" */
    size_t count, cap;
};

static void add_name(void *arg, const char *name)
{
    struct names *names = arg;
    size_t len = strlen(name);
    if (len != 21 || strcmp(name + 16, ".snap") != 0)
        return;
    if (names->count == names->cap) {
        names->cap = names->cap != 0 ? names->cap * 2 : 8;
        names->name = reallocarray(names->name, names->cap, sizeof(*names->name));
        PL_ASSERT(names->name != NULL);
    }
    memcpy(names->name[names->count++], name, len + 1);
}

static int newest_first(const void *a, const void *b)
{
    return strcmp(b, a);
}

static void names_fini(struct names *names)
{
    free(names->name);
}

static struct pl_status names_read(struct io *io, const char *dir, struct names *ret)
{
    PL_TRY(io->list(io, dir, add_name, ret));
    if (ret->count != 0)
        qsort(ret->name, ret->count, sizeof(*ret->name), newest_first);
    return pl_ok();
}

/* --- reading --- */

struct piece {
    struct pl_mail mail; /* first member */
    struct pl_status status;
    size_t len;
    uint8_t *bytes; /* owns; checked (format 2) */
};

/* Memory whose pages are wanted, whole ones. */
struct pages {
    uintptr_t from;
    size_t left; /* bytes */
};

struct snapshot {
    struct io *io;
    int fd;
    uint32_t format;
    struct snapshot_meta meta;
    uint64_t payload_bytes, handed_out;
    struct pl_status wrong;        /* what was, with the first piece that could not be had */
    uint8_t last[PL_SHA256_BYTES]; /* what the header says of the end */
    struct piece *piece;           /* what is handed out of now; NULL: none yet */
    size_t at;                     /* of it, what was not handed out yet */
    struct piece *waiting;         /* full ones after it, linked by mail.next */
    struct piece pieces[PIECES_AHEAD];
    /* of the thread that reads ahead, while there is one: */
    uint64_t payload_read, file_offset;
    uint64_t sum;                    /* of the piece read last */
    struct pl_sha256_stream *sha256; /* owns; of a format 1, over what was read */
    /* the thread; all of them NULL and false without one */
    bool ahead;
    _Atomic bool stop;
    pthread_t thread;
    struct pl_mail wake;
    struct pl_mailbox *full, *emptied;
    struct pl_slot expected; /* struct pages, newest one; owns */
    struct pages pages;      /* of the thread: what is still to be made */
};

static uint64_t file_bytes_of(const struct snapshot *snapshot)
{
    uint64_t pieces = snapshot->payload_bytes / PIECE_BYTES +
                      (snapshot->payload_bytes % PIECE_BYTES != 0 ? 1 : 0);
    return HEADER_BYTES + snapshot->payload_bytes +
           (snapshot->format == FORMAT_OLD ? 0 : pieces * SUM_BYTES);
}

static bool rest_is_zero(const uint8_t *header, uint32_t format)
{
    size_t from = format == FORMAT_OLD ? SUM_AT : 104;
    for (size_t i = from; i < HEADER_BYTES; i++) {
        if ((i < SUM_AT || i >= SUM_AT + SUM_BYTES) && header[i] != 0)
            return false;
    }
    return true;
}

static struct pl_status decode_header(struct snapshot *snapshot, const uint8_t *header,
                                      uint64_t file_bytes)
{
    if (memcmp(header, magic, sizeof(magic)) != 0 ||
        pl_get_le64(header + SUM_AT) != pl_xxh3(pl_slice(header, SUM_AT), 0))
        return pl_fail(CORRUPT, "a snapshot's header is damaged");
    if (pl_get_le32(header + 12) > FORMAT)
        return pl_fail(UNIMPLEMENTED, "a newer version wrote this snapshot");
    snapshot->format = pl_get_le32(header + 8);
    if (snapshot->format < FORMAT_OLD ||
        (snapshot->format <= FORMAT && !rest_is_zero(header, snapshot->format)))
        return pl_fail(CORRUPT, "a snapshot's header is damaged");
    memcpy(snapshot->meta.ledger_id, header + META_AT, 16);
    snapshot->meta.batch = pl_get_le64(header + 32);
    snapshot->meta.seq = pl_get_le64(header + 40);
    snapshot->meta.time_us = (int64_t)pl_get_le64(header + 48);
    memcpy(snapshot->meta.batch_hash, header + 56, 32);
    snapshot->payload_bytes = pl_get_le64(header + 88);
    memcpy(snapshot->last, header + 96, sizeof(snapshot->last));
    snapshot->sum = first_sum(header);
    snapshot->file_offset = HEADER_BYTES;
    if (snapshot->payload_bytes > file_bytes || file_bytes_of(snapshot) != file_bytes)
        return pl_fail(CORRUPT, "a snapshot has another length than its header says");
    return pl_ok();
}

/* The next one of the file. */
static struct pl_status read_piece(struct snapshot *snapshot, struct piece *piece)
{
    uint64_t left = snapshot->payload_bytes - snapshot->payload_read;
    size_t len = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
    size_t behind = snapshot->format == FORMAT_OLD ? 0 : SUM_BYTES;
    if (len == 0)
        return pl_fail(CORRUPT, "a snapshot ends too early");
    PL_TRY(snapshot->io->pread(snapshot->io, snapshot->fd, piece->bytes, len + behind,
                               snapshot->file_offset));
    struct pl_slice bytes = pl_slice(piece->bytes, len);
    if (snapshot->format == FORMAT_OLD)
        pl_sha256_update(snapshot->sha256, bytes);
    else
        snapshot->sum = pl_xxh3(bytes, snapshot->sum);
    if (behind != 0 && pl_get_le64(piece->bytes + len) != snapshot->sum)
        return pl_fail(CORRUPT, "a snapshot's payload is damaged");
    snapshot->payload_read += len;
    snapshot->file_offset += len + behind;
    piece->len = len;
    return pl_ok();
}

/* --- reading ahead --- */

static void post(struct pl_mailbox *box, struct pl_mail *mail)
{
    bool posted = pl_mailbox_post(box, mail);
    PL_ASSERT(posted); /* no limit there */
}

void snapshot_expect(struct snapshot *snapshot, void *memory, size_t len)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = ((uintptr_t)memory + page - 1) / page * page;
    uintptr_t to = ((uintptr_t)memory + len) / page * page;
    if (!snapshot->ahead || from >= to)
        return;
    struct pages *pages = malloc(sizeof(*pages));
    PL_ASSERT(pages != NULL);
    *pages = (struct pages){.from = from, .left = to - from};
    free(pl_slot_put(&snapshot->expected, pages));
}

/* Some of the pages that were expected. A kernel that cannot (before 5.14), and memory that is not
 * there any more, are the same: nothing is made ahead. False: none are expected. */
static bool make_pages(struct snapshot *snapshot)
{
    struct pages *newer = pl_slot_take(&snapshot->expected), *pages = &snapshot->pages;
    if (newer != NULL)
        *pages = *newer;
    free(newer);
    size_t len = pages->left < PAGES_BYTES ? pages->left : PAGES_BYTES;
    if (len != 0)
        (void)madvise((void *)pages->from, len, MADV_POPULATE_WRITE); /* changes no byte */
    pages->from += len;
    pages->left -= len;
    return len != 0;
}

/* What is empty; until there is something, pages are made. */
static struct pl_mail *next_emptied(struct snapshot *snapshot)
{
    struct pl_mail *mail = pl_mailbox_take(snapshot->emptied);
    while (mail == NULL && make_pages(snapshot))
        mail = pl_mailbox_take(snapshot->emptied);
    return mail != NULL ? mail : pl_mailbox_wait(snapshot->emptied);
}

/* Fills what is empty, up to the end, to a piece that is wrong, or until it is told to stop. */
static void *read_ahead(void *arg)
{
    struct snapshot *snapshot = arg;
    for (;;) {
        struct pl_mail *mail = next_emptied(snapshot);
        while (mail != NULL) {
            if (atomic_load_explicit(&snapshot->stop, memory_order_acquire))
                return NULL;
            struct piece *piece = (struct piece *)mail;
            mail = mail->next; /* the piece is not ours once it is full */
            struct pl_status status = piece->status = read_piece(snapshot, piece);
            post(snapshot->full, &piece->mail);
            if (!pl_is_ok(status))
                return NULL;
        }
    }
}

void snapshot_read_ahead(struct snapshot *snapshot)
{
    PL_ASSERT(snapshot->piece == NULL && !snapshot->ahead);
    struct pl_status status = pl_mailbox_new(0, &snapshot->full);
    if (pl_is_ok(status))
        status = pl_mailbox_new(0, &snapshot->emptied);
    if (!pl_is_ok(status))
        return;
    for (size_t i = 0; i < PIECES_AHEAD; i++) {
        struct piece *piece = &snapshot->pieces[i];
        if (piece->bytes == NULL)
            piece->bytes = malloc(PIECE_BYTES + SUM_BYTES);
        PL_ASSERT(piece->bytes != NULL);
        post(snapshot->emptied, &piece->mail);
    }
    snapshot->ahead = pthread_create(&snapshot->thread, NULL, read_ahead, snapshot) == 0;
}

/* What the thread had is the caller's again. */
static void stop_ahead(struct snapshot *snapshot)
{
    if (!snapshot->ahead)
        return;
    atomic_store_explicit(&snapshot->stop, true, memory_order_release);
    post(snapshot->emptied, &snapshot->wake);
    int failed = pthread_join(snapshot->thread, NULL);
    PL_ASSERT(failed == 0);
    snapshot->ahead = false;
}

/* Waits for the next full piece, after giving the one before it back. */
static struct pl_status next_ahead(struct snapshot *snapshot)
{
    if (snapshot->piece != NULL)
        post(snapshot->emptied, &snapshot->piece->mail);
    if (snapshot->waiting == NULL)
        snapshot->waiting = (struct piece *)pl_mailbox_wait(snapshot->full);
    struct piece *piece = snapshot->waiting;
    snapshot->waiting = (struct piece *)piece->mail.next;
    snapshot->piece = piece;
    return piece->status;
}

static struct pl_status next_piece(struct snapshot *snapshot)
{
    if (pl_is_ok(snapshot->wrong) && snapshot->handed_out == snapshot->payload_bytes)
        return pl_fail(CORRUPT, "a snapshot ends too early");
    if (pl_is_ok(snapshot->wrong) && snapshot->ahead) {
        snapshot->wrong = next_ahead(snapshot);
    } else if (pl_is_ok(snapshot->wrong)) {
        snapshot->piece = &snapshot->pieces[0];
        snapshot->wrong = read_piece(snapshot, snapshot->piece);
    }
    snapshot->at = 0;
    if (!pl_is_ok(snapshot->wrong) && snapshot->piece != NULL)
        snapshot->piece->len = 0; /* nothing of it is handed out, however often it is asked for */
    return snapshot->wrong;
}

struct pl_status snapshot_finish(struct snapshot *snapshot)
{
    uint8_t last[PL_SHA256_BYTES] = {0};
    if (snapshot->handed_out != snapshot->payload_bytes)
        return pl_fail(CORRUPT, "a snapshot holds more than a state");
    stop_ahead(snapshot);
    if (snapshot->format == FORMAT_OLD)
        pl_sha256_final(snapshot->sha256, last);
    else
        pl_put_le64(last, snapshot->sum);
    if (memcmp(last, snapshot->last, sizeof(last)) != 0)
        return pl_fail(CORRUPT, "a snapshot's payload is damaged");
    return pl_ok();
}

static struct pl_status open_one(struct snapshot *snapshot, const char *path,
                                 const uint8_t ledger_id[16])
{
    uint8_t header[HEADER_BYTES];
    uint64_t bytes = 0;
    PL_TRY(snapshot->io->open(snapshot->io, path, false, false, 0, &snapshot->fd));
    PL_TRY(snapshot->io->size(snapshot->io, snapshot->fd, &bytes));
    PL_TRY(snapshot->io->pread(snapshot->io, snapshot->fd, header, sizeof(header), 0));
    PL_TRY(decode_header(snapshot, header, bytes));
    if (memcmp(snapshot->meta.ledger_id, ledger_id, 16) != 0)
        return pl_fail(CORRUPT, "a snapshot belongs to another ledger");
    return pl_ok();
}

/* Nothing is known of the payload yet. */
static struct pl_status open_path(struct io *io, const char *path, const uint8_t ledger_id[16],
                                  struct snapshot **ret)
{
    struct snapshot *snapshot = calloc(1, sizeof(*snapshot));
    PL_ASSERT(snapshot != NULL);
    snapshot->io = io;
    snapshot->fd = -1;
    snapshot->wrong = pl_ok();
    snapshot->sha256 = pl_sha256_new();
    snapshot->pieces[0].bytes = malloc(PIECE_BYTES + SUM_BYTES);
    PL_ASSERT(snapshot->pieces[0].bytes != NULL);
    struct pl_status status = open_one(snapshot, path, ledger_id);
    if (!pl_is_ok(status)) {
        snapshot_close(snapshot);
        return status;
    }
    *ret = snapshot;
    return status;
}

struct pl_status snapshot_open_before(struct io *io, const char *dir, const uint8_t ledger_id[16],
                                      uint64_t batch, struct snapshot **ret)
{
    struct names names PL_CLEANUP(names_fini) = {.count = 0};
    PL_TRY(names_read(io, dir, &names));
    for (size_t i = 0; i < names.count; i++) {
        char path[PATH_BYTES];
        (void)snprintf(path, sizeof(path), "%s/%s", dir, names.name[i]);
        struct snapshot *snapshot = NULL;
        if (!pl_is_ok(open_path(io, path, ledger_id, &snapshot)))
            continue; /* derived data: an older one, or the log, tells the same */
        if (snapshot->meta.batch < batch) {
            *ret = snapshot;
            return pl_ok();
        }
        snapshot_close(snapshot);
    }
    return pl_fail(NOT_FOUND, "there is no usable snapshot");
}

const struct snapshot_meta *snapshot_get_meta(const struct snapshot *snapshot)
{
    return &snapshot->meta;
}

struct pl_status snapshot_read(struct snapshot *snapshot, uint8_t *into, size_t len)
{
    while (len > 0) {
        if (snapshot->piece == NULL || snapshot->at == snapshot->piece->len)
            PL_TRY(next_piece(snapshot));
        size_t have = snapshot->piece->len - snapshot->at;
        size_t part = len < have ? len : have;
        memcpy(into, snapshot->piece->bytes + snapshot->at, part);
        snapshot->at += part;
        snapshot->handed_out += part;
        into += part;
        len -= part;
    }
    return pl_ok();
}

void snapshot_close(struct snapshot *snapshot)
{
    if (snapshot == NULL)
        return;
    stop_ahead(snapshot);
    while (snapshot->full != NULL && pl_mailbox_take(snapshot->full) != NULL)
        ;
    while (snapshot->emptied != NULL && pl_mailbox_take(snapshot->emptied) != NULL)
        ;
    pl_mailbox_free(snapshot->full);
    pl_mailbox_free(snapshot->emptied);
    if (snapshot->fd >= 0)
        snapshot->io->close(snapshot->io, snapshot->fd);
    free(pl_slot_take(&snapshot->expected));
    pl_sha256_free(snapshot->sha256);
    for (size_t i = 0; i < PIECES_AHEAD; i++)
        free(snapshot->pieces[i].bytes);
    free(snapshot);
}

struct pl_status snapshot_prune(struct io *io, const char *dir, size_t keep)
{
    struct names names PL_CLEANUP(names_fini) = {.count = 0};
    PL_TRY(names_read(io, dir, &names));
    for (size_t i = keep; i < names.count; i++) {
        char path[PATH_BYTES];
        (void)snprintf(path, sizeof(path), "%s/%s", dir, names.name[i]);
        PL_TRY(io->remove(io, path));
    }
    return pl_ok();
}

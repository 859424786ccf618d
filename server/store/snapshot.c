/* SPDX-License-Identifier: Apache-2.0
 *
 * snapshot: see snapshot.h. The file, little-endian:
 *
 *   0     "PLEDGSNP"                      8
 *   8     format u32, min_reader u32      8
 *   16    ledger id                       16
 *   32    batch u64, seq u64, time i64    24
 *   56    batch hash                      32
 *   88    payload bytes u64               8
 *   96    SHA-256 of the payload          32
 *   128   XXH3-64 of bytes 0..127         8
 *   136   zero                            24
 *   160   payload
 */
#include "server/store/snapshot.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/hash.h"
#include "server/store/io.h"

enum { FORMAT = 1, HEADER_BYTES = 160, SUM_AT = 128, PIECE_BYTES = 1 << 18, PATH_BYTES = 4096 };

static const char magic[8] = "PLEDGSNP";

/* --- writing --- */

struct snapshot_writer {
    struct io *io;
    char *dir;
    struct snapshot_meta meta;
    int fd;
    uint64_t payload_bytes;
    struct pl_sha256_stream *sha256;
    struct pl_buf pending; /* small pieces are gathered */
};

static void temporary_path(const struct snapshot_writer *writer, char out[PATH_BYTES])
{
    (void)snprintf(out, PATH_BYTES, "%s/snapshot.tmp", writer->dir);
}

static void writer_free(struct snapshot_writer *writer)
{
    if (writer->fd >= 0)
        writer->io->close(writer->io, writer->fd);
    pl_sha256_free(writer->sha256);
    pl_buf_fini(&writer->pending);
    free(writer->dir);
    free(writer);
}

struct pl_status snapshot_create(struct io *io, const char *dir, const struct snapshot_meta *meta,
                                 struct snapshot_writer **ret)
{
    char path[PATH_BYTES];
    struct snapshot_writer *writer = calloc(1, sizeof(*writer));
    PL_ASSERT(writer != NULL);
    writer->io = io;
    writer->dir = strdup(dir);
    PL_ASSERT(writer->dir != NULL);
    writer->meta = *meta;
    writer->fd = -1;
    writer->sha256 = pl_sha256_new();
    pl_buf_init(&writer->pending, 2 * PIECE_BYTES);
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
    struct pl_slice bytes = pl_buf_slice(&writer->pending);
    PL_TRY(writer->io->pwrite(writer->io, writer->fd, bytes.data, bytes.len,
                              HEADER_BYTES + writer->payload_bytes));
    pl_sha256_update(writer->sha256, bytes);
    writer->payload_bytes += bytes.len;
    pl_buf_clear(&writer->pending);
    return pl_ok();
}

struct pl_status snapshot_write(struct snapshot_writer *writer, struct pl_slice piece)
{
    while (piece.len > 0) {
        size_t part = piece.len < PIECE_BYTES ? piece.len : PIECE_BYTES;
        PL_TRY(pl_buf_append(&writer->pending, piece.data, part));
        piece.data += part;
        piece.len -= part;
        if (pl_buf_len(&writer->pending) >= PIECE_BYTES)
            PL_TRY(flush(writer));
    }
    return pl_ok();
}

static void encode_header(const struct snapshot_writer *writer, uint8_t out[HEADER_BYTES])
{
    memset(out, 0, HEADER_BYTES);
    memcpy(out, magic, sizeof(magic));
    pl_put_le32(out + 8, FORMAT);
    pl_put_le32(out + 12, FORMAT);
    memcpy(out + 16, writer->meta.ledger_id, 16);
    pl_put_le64(out + 32, writer->meta.batch);
    pl_put_le64(out + 40, writer->meta.seq);
    pl_put_le64(out + 48, (uint64_t)writer->meta.time_us);
    memcpy(out + 56, writer->meta.batch_hash, 32);
    pl_put_le64(out + 88, writer->payload_bytes);
    pl_sha256_final(writer->sha256, out + 96);
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

struct snapshot {
    struct io *io;
    int fd;
    struct snapshot_meta meta;
    uint64_t payload_bytes, handed_out;
    uint8_t sha256[PL_SHA256_BYTES];
    struct pl_buf ahead;
    uint64_t read_ahead;             /* payload bytes read into `ahead` so far */
    struct pl_sha256_stream *stream; /* owns; over what was read ahead in this pass */
};

static struct pl_status decode_header(struct snapshot *snapshot, const uint8_t *header,
                                      uint64_t file_bytes)
{
    if (memcmp(header, magic, sizeof(magic)) != 0 ||
        pl_get_le64(header + SUM_AT) != pl_xxh3(pl_slice(header, SUM_AT), 0))
        return pl_fail(CORRUPT, "a snapshot's header is damaged");
    if (pl_get_le32(header + 12) > FORMAT)
        return pl_fail(UNIMPLEMENTED, "a newer version wrote this snapshot");
    for (size_t i = SUM_AT + 8; i < HEADER_BYTES && pl_get_le32(header + 8) <= FORMAT; i++) {
        if (header[i] != 0)
            return pl_fail(CORRUPT, "a snapshot's header is damaged");
    }
    memcpy(snapshot->meta.ledger_id, header + 16, 16);
    snapshot->meta.batch = pl_get_le64(header + 32);
    snapshot->meta.seq = pl_get_le64(header + 40);
    snapshot->meta.time_us = (int64_t)pl_get_le64(header + 48);
    memcpy(snapshot->meta.batch_hash, header + 56, 32);
    snapshot->payload_bytes = pl_get_le64(header + 88);
    memcpy(snapshot->sha256, header + 96, sizeof(snapshot->sha256));
    if (snapshot->payload_bytes != file_bytes - HEADER_BYTES)
        return pl_fail(CORRUPT, "a snapshot has another length than its header says");
    return pl_ok();
}

static struct pl_status read_ahead(struct snapshot *snapshot)
{
    uint64_t left = snapshot->payload_bytes - snapshot->read_ahead;
    size_t piece = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
    uint8_t *into = NULL;
    if (piece == 0)
        return pl_fail(CORRUPT, "a snapshot ends too early");
    PL_TRY(pl_buf_reserve(&snapshot->ahead, piece, &into));
    PL_TRY(snapshot->io->pread(snapshot->io, snapshot->fd, into, piece,
                               HEADER_BYTES + snapshot->read_ahead));
    pl_buf_commit(&snapshot->ahead, piece);
    pl_sha256_update(snapshot->stream, pl_slice(into, piece));
    snapshot->read_ahead += piece;
    return pl_ok();
}

/* Ends a pass over the payload and begins another one. */
static struct pl_status check_pass(struct snapshot *snapshot)
{
    uint8_t sha256[PL_SHA256_BYTES];
    pl_sha256_final(snapshot->stream, sha256);
    pl_sha256_free(snapshot->stream);
    snapshot->stream = pl_sha256_new();
    snapshot->read_ahead = 0;
    if (memcmp(sha256, snapshot->sha256, sizeof(sha256)) != 0)
        return pl_fail(CORRUPT, "a snapshot's payload is damaged");
    return pl_ok();
}

/* The payload's hash is checked before any of it is believed. */
static struct pl_status check_payload(struct snapshot *snapshot)
{
    while (snapshot->read_ahead < snapshot->payload_bytes) {
        PL_TRY(read_ahead(snapshot));
        pl_buf_clear(&snapshot->ahead);
    }
    return check_pass(snapshot);
}

struct pl_status snapshot_finish(struct snapshot *snapshot)
{
    if (snapshot->read_ahead != snapshot->payload_bytes || pl_buf_len(&snapshot->ahead) != 0)
        return pl_fail(CORRUPT, "a snapshot holds more than a state");
    return check_pass(snapshot);
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
    return check_payload(snapshot);
}

struct pl_status snapshot_open_latest(struct io *io, const char *dir, const uint8_t ledger_id[16],
                                      struct snapshot **ret)
{
    struct names names PL_CLEANUP(names_fini) = {.count = 0};
    PL_TRY(names_read(io, dir, &names));
    for (size_t i = 0; i < names.count; i++) {
        char path[PATH_BYTES];
        struct snapshot *snapshot = calloc(1, sizeof(*snapshot));
        PL_ASSERT(snapshot != NULL);
        snapshot->io = io;
        snapshot->fd = -1;
        snapshot->stream = pl_sha256_new();
        pl_buf_init(&snapshot->ahead, 2 * PIECE_BYTES);
        (void)snprintf(path, sizeof(path), "%s/%s", dir, names.name[i]);
        if (pl_is_ok(open_one(snapshot, path, ledger_id))) {
            *ret = snapshot;
            return pl_ok();
        }
        snapshot_close(snapshot); /* derived data: an older one, or the log, tells the same */
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
        if (pl_buf_len(&snapshot->ahead) == 0)
            PL_TRY(read_ahead(snapshot));
        struct pl_slice have = pl_buf_slice(&snapshot->ahead);
        size_t part = len < have.len ? len : have.len;
        memcpy(into, have.data, part);
        pl_buf_consume(&snapshot->ahead, part);
        into += part;
        len -= part;
    }
    return pl_ok();
}

void snapshot_close(struct snapshot *snapshot)
{
    if (snapshot == NULL)
        return;
    if (snapshot->fd >= 0)
        snapshot->io->close(snapshot->io, snapshot->fd);
    pl_buf_fini(&snapshot->ahead);
    pl_sha256_free(snapshot->stream);
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

/* SPDX-License-Identifier: Apache-2.0
 *
 * manifest: see manifest.h. Reading is strict: every line in its place, every number in bounds,
 * only names that a backup has, so that no name leads out of the directory.
 */
#include "server/manifest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/date.h"
#include "common/hash.h"
#include "server/store/io.h"

enum { MESSAGE_BYTES = 400, PATH_BYTES = 4096, TEXT_BYTES_MAX = 16 << 20, FILES_MAX = 16384 };
#define FILE_BYTES_MAX ((uint64_t)1 << 40)

/* --- names --- */

static bool numbered(const char *name, const char *before, const char *after)
{
    size_t len = strlen(before);
    return strncmp(name, before, len) == 0 && strspn(name + len, "0123456789abcdef") == 16 &&
           strcmp(name + len + 16, after) == 0;
}

static bool name_fits(const char *name)
{
    return strcmp(name, "ledger.id") == 0 || strcmp(name, "ledger.vkey") == 0 ||
           strcmp(name, "ledger.key") == 0 || numbered(name, "log/", ".seg") ||
           numbered(name, "snapshot/", ".snap") || numbered(name, "persons/", ".db");
}

void manifest_fini(struct manifest *manifest)
{
    free(manifest->file);
    memset(manifest, 0, sizeof(*manifest));
}

struct manifest_file *manifest_add(struct manifest *manifest, const char *name)
{
    if (!name_fits(name) || manifest->count == FILES_MAX)
        return NULL;
    if (manifest->count == manifest->cap) {
        manifest->cap = manifest->cap != 0 ? 2 * manifest->cap : 16;
        manifest->file = reallocarray(manifest->file, manifest->cap, sizeof(*manifest->file));
        PL_ASSERT(manifest->file != NULL);
    }
    struct manifest_file *file = &manifest->file[manifest->count++];
    memset(file, 0, sizeof(*file));
    (void)snprintf(file->name, sizeof(file->name), "%s", name);
    return file;
}

const struct manifest_file *manifest_find(const struct manifest *manifest, const char *name)
{
    for (size_t i = 0; i < manifest->count; i++) {
        if (strcmp(manifest->file[i].name, name) == 0)
            return &manifest->file[i];
    }
    return NULL;
}

/* --- the files themselves --- */

static void free_stream(struct pl_sha256_stream **stream)
{
    pl_sha256_free(*stream);
}

static struct pl_status copy_pieces(int from, int to, uint64_t bytes, uint8_t ret_sha256[32])
{
    static const size_t piece_bytes = 1 << 20;
    struct io *io = io_system();
    struct pl_sha256_stream *sha PL_CLEANUP(free_stream) = pl_sha256_new();
    struct pl_buf piece PL_CLEANUP(pl_buf_fini);
    uint8_t *into = NULL;
    pl_buf_init(&piece, piece_bytes);
    PL_TRY(pl_buf_reserve(&piece, piece_bytes, &into));
    for (uint64_t at = 0; at < bytes;) {
        size_t len = bytes - at < piece_bytes ? (size_t)(bytes - at) : piece_bytes;
        PL_TRY(io->pread(io, from, into, len, at));
        pl_sha256_update(sha, pl_slice(into, len));
        if (to >= 0)
            PL_TRY(io->pwrite(io, to, into, len, at));
        at += len;
    }
    pl_sha256_final(sha, ret_sha256);
    return pl_ok();
}

static struct pl_status copy_into(int from, const char *to, uint64_t bytes, uint64_t whole_bytes,
                                  uint8_t ret_sha256[32])
{
    struct io *io = io_system();
    int fd = -1;
    PL_TRY(io->open(io, to, true, true, 0600, &fd));
    struct pl_status status = copy_pieces(from, fd, bytes, ret_sha256);
    if (pl_is_ok(status) && whole_bytes > bytes)
        status = io_zero(io, fd, bytes, whole_bytes - bytes);
    if (pl_is_ok(status))
        status = io->sync(io, fd);
    io->close(io, fd);
    return status;
}

struct pl_status manifest_copy(const char *from, const char *to, uint64_t bytes,
                               uint64_t whole_bytes, uint8_t ret_sha256[32])
{
    struct io *io = io_system();
    int fd = -1;
    PL_TRY(io->open(io, from, false, false, 0, &fd));
    struct pl_status status = to != NULL ? copy_into(fd, to, bytes, whole_bytes, ret_sha256)
                                         : copy_pieces(fd, -1, bytes, ret_sha256);
    io->close(io, fd);
    return status;
}

/* --- writing --- */

static struct pl_status put_hex(struct pl_buf *text, const char *word, const uint8_t *bytes,
                                size_t len, const char *after)
{
    char hex[2 * PL_SHA256_BYTES + 1];
    pl_hex(pl_slice(bytes, len), hex);
    return pl_buf_printf(text, "%s %s%s", word, hex, after);
}

static struct pl_status print(const struct manifest *manifest, struct pl_buf *text)
{
    char time[28];
    PL_TRY(pl_buf_printf(text, "pledged-backup 1\norigin %s\n", manifest->origin));
    PL_TRY(put_hex(text, "ledger", manifest->ledger_id, 16, "\n"));
    PL_TRY(pl_buf_printf(text, "made %s\nentries %" PRIu64 "\nbatches %" PRIu64 "\n",
                         pl_time_format(manifest->made_us, time), manifest->entries,
                         manifest->batches));
    PL_TRY(put_hex(text, "head", manifest->head, 32, "\n"));
    PL_TRY(put_hex(text, "state", manifest->state, 32, "\n"));
    for (size_t i = 0; i < manifest->count; i++) {
        const struct manifest_file *file = &manifest->file[i];
        PL_TRY(put_hex(text, "file", file->sha256, 32, " "));
        PL_TRY(pl_buf_printf(text, "%" PRIu64 " %" PRIu64 " %s\n", file->bytes, file->whole_bytes,
                             file->name));
    }
    uint8_t sha256[PL_SHA256_BYTES];
    pl_sha256(pl_buf_slice(text), sha256);
    return put_hex(text, "end", sha256, 32, "\n");
}

struct pl_status manifest_save(const struct manifest *manifest, const char *dir)
{
    char path[PATH_BYTES];
    struct pl_buf text PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&text, TEXT_BYTES_MAX);
    PL_TRY(print(manifest, &text));
    (void)snprintf(path, sizeof(path), "%s/MANIFEST", dir);
    return io_write_file(io_system(), path, pl_buf_slice(&text), 0600);
}

/* --- reading --- */

struct reader {
    const char *at; /* the rest, NUL-terminated */
    bool wrong;
};

/* The next word, which ends at `end` (a blank or the line's end); "" and wrong if it does not. */
static void take(struct reader *reader, char end, char *word, size_t size)
{
    size_t len = strcspn(reader->at, " \n");
    word[0] = '\0';
    if (reader->wrong || len == 0 || len >= size || reader->at[len] != end) {
        reader->wrong = true;
        return;
    }
    memcpy(word, reader->at, len);
    word[len] = '\0';
    reader->at += len + 1;
}

static void take_this(struct reader *reader, const char *word, char end)
{
    char found[32];
    take(reader, end, found, sizeof(found));
    reader->wrong = reader->wrong || strcmp(found, word) != 0;
}

static void take_hex(struct reader *reader, char end, uint8_t *bytes, size_t len)
{
    char word[2 * PL_SHA256_BYTES + 1];
    take(reader, end, word, sizeof(word));
    if (reader->wrong || strlen(word) != 2 * len || !pl_is_ok(pl_unhex(word, bytes, len)))
        reader->wrong = true;
}

static uint64_t take_number(struct reader *reader, char end, uint64_t most)
{
    char word[24];
    uint64_t number = 0;
    take(reader, end, word, sizeof(word));
    for (const char *at = word; *at != '\0' && !reader->wrong; at++) {
        unsigned digit = (unsigned)(*at - '0');
        if (digit > 9 || number > (most - digit) / 10)
            reader->wrong = true;
        else
            number = number * 10 + digit;
    }
    return number;
}

static void take_file(struct reader *reader, struct manifest *manifest)
{
    struct manifest_file file = {.bytes = 0};
    take_hex(reader, ' ', file.sha256, sizeof(file.sha256));
    file.whole_bytes = FILE_BYTES_MAX;
    file.bytes = take_number(reader, ' ', FILE_BYTES_MAX);
    file.whole_bytes = take_number(reader, ' ', FILE_BYTES_MAX);
    take(reader, '\n', file.name, sizeof(file.name));
    if (reader->wrong || file.whole_bytes < file.bytes ||
        manifest_find(manifest, file.name) != NULL) {
        reader->wrong = true;
        return;
    }
    struct manifest_file *added = manifest_add(manifest, file.name);
    if (added == NULL)
        reader->wrong = true;
    else
        *added = file;
}

static bool parse(const char *text, struct manifest *manifest)
{
    struct reader reader = {.at = text};
    char time[32];
    uint8_t said[PL_SHA256_BYTES], found[PL_SHA256_BYTES];
    take_this(&reader, "pledged-backup", ' ');
    take_this(&reader, "1", '\n');
    take_this(&reader, "origin", ' ');
    take(&reader, '\n', manifest->origin, sizeof(manifest->origin));
    take_this(&reader, "ledger", ' ');
    take_hex(&reader, '\n', manifest->ledger_id, sizeof(manifest->ledger_id));
    take_this(&reader, "made", ' ');
    take(&reader, '\n', time, sizeof(time));
    take_this(&reader, "entries", ' ');
    manifest->entries = take_number(&reader, '\n', UINT64_MAX / 2);
    take_this(&reader, "batches", ' ');
    manifest->batches = take_number(&reader, '\n', UINT64_MAX / 2);
    take_this(&reader, "head", ' ');
    take_hex(&reader, '\n', manifest->head, sizeof(manifest->head));
    take_this(&reader, "state", ' ');
    take_hex(&reader, '\n', manifest->state, sizeof(manifest->state));
    while (!reader.wrong && strncmp(reader.at, "file ", 5) == 0) {
        reader.at += 5;
        take_file(&reader, manifest);
    }
    size_t len = (size_t)(reader.at - text);
    take_this(&reader, "end", ' ');
    take_hex(&reader, '\n', said, sizeof(said));
    if (reader.wrong || *reader.at != '\0' || !pl_is_ok(pl_time_parse(time, &manifest->made_us)))
        return false;
    pl_sha256(pl_slice(text, len), found);
    return memcmp(said, found, sizeof(said)) == 0;
}

static void close_file(FILE **file)
{
    if (*file != NULL)
        (void)fclose(*file);
}

static struct pl_status read_all(FILE *file, struct pl_buf *text)
{
    uint8_t *into = NULL;
    size_t got;
    do {
        PL_TRY(pl_buf_reserve(text, 65536, &into));
        got = fread(into, 1, 65536, file);
        pl_buf_commit(text, got);
    } while (got != 0);
    return ferror(file) != 0 ? pl_fail_errno(IO, "read a manifest")
                             : pl_buf_append(text, "", 1); /* its NUL */
}

struct pl_status manifest_load(const char *dir, char *message, struct manifest *ret)
{
    char path[PATH_BYTES];
    memset(ret, 0, sizeof(*ret));
    (void)snprintf(path, sizeof(path), "%s/MANIFEST", dir);
    FILE *file PL_CLEANUP(close_file) = fopen(path, "re");
    if (file == NULL) {
        struct pl_status status = pl_fail_errno(NO_INPUT, "open a manifest");
        (void)snprintf(message, MESSAGE_BYTES, "%.300s: %s", path, strerror(status.sys_errno));
        return status;
    }
    struct pl_buf text PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&text, TEXT_BYTES_MAX);
    struct pl_status status = read_all(file, &text);
    const char *words = (const char *)pl_buf_slice(&text).data;
    if (pl_is_ok(status) && strlen(words) + 1 == pl_buf_len(&text) && parse(words, ret))
        return pl_ok();
    manifest_fini(ret);
    (void)snprintf(message, MESSAGE_BYTES, "%.300s is damaged, or no manifest of a backup", path);
    return pl_fail(CORRUPT, "read a manifest");
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * verify_source: a dump is read from front to back; a mirror bundle by bundle, each beside the tile
 * with the hashes of the same entries. What stands where an entry belongs is given out as that
 * entry: what it says of itself is for others to judge.
 */
#include "client/verify_source.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/dump.h"
#include "client/text.h"
#include "common/check.h"
#include "common/scan.h"
#include "common/tlog.h"

enum {
    READ_BYTES = 64 << 10,
    FRAME_HEAD_BYTES = 5,
    TRAILER_BYTES_MAX = 1 << 20,
    CHECKPOINT_BYTES_MAX = 64 << 10,
    BUNDLE_BYTES_MAX = VERIFY_TILE_HASHES * (VERIFY_ENTRY_BYTES_MAX + 2),
    MISSING_MOST = 4096, /* bundles in a row: a checkpoint may name any number of entries */
};

struct verify_source {
    int fd; /* dump: the file; mirror: the directory */
    bool mirror;
    bool ended;
    uint64_t next_seq; /* of the entry that belongs to the next place */
    uint64_t done_bytes, whole_bytes;
    struct pl_buf bytes; /* dump: read ahead; mirror: one file */
    struct pl_buf checkpoint;
    struct pl_arena arena; /* of the trailer */
    const Pledged__V1__DumpTrailer *trailer;
    uint64_t size; /* mirror: entries to look for */
};

/* --- opening --- */

static struct pl_status read_some(struct verify_source *source, size_t *ret)
{
    uint8_t *place = NULL;
    PL_TRY(pl_buf_reserve(&source->bytes, READ_BYTES, &place));
    ssize_t got;
    do {
        got = read(source->fd, place, READ_BYTES);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return pl_fail_errno(IO, "read a dump");
    pl_buf_commit(&source->bytes, (size_t)got);
    source->done_bytes += (size_t)got;
    *ret = (size_t)got;
    return pl_ok();
}

/* Makes `len` bytes ready at the front of the buffer; fewer only at the end of the file. */
static struct pl_status fill(struct verify_source *source, size_t len)
{
    while (pl_buf_len(&source->bytes) < len) {
        size_t got = 0;
        PL_TRY(read_some(source, &got));
        if (got == 0)
            return pl_ok();
    }
    return pl_ok();
}

/* A whole file below the mirror. NOT_FOUND if it is not there. */
static struct pl_status read_file(struct verify_source *source, const char *name, size_t most,
                                  struct pl_buf *ret)
{
    pl_buf_clear(ret);
    int fd = openat(source->fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe is no tile */
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? pl_fail(NOT_FOUND, "open a file of the mirror")
                                                   : pl_fail_errno(IO, "open a file of the mirror");
    struct pl_status status = pl_buf_read(ret, fd, most);
    if (status.code == PL_E_IO)
        status.what = "read a file of the mirror";
    (void)close(fd);
    return status;
}

static struct pl_status open_mirror(struct verify_source *source)
{
    struct pl_status status =
        read_file(source, "checkpoint", CHECKPOINT_BYTES_MAX, &source->checkpoint);
    source->mirror = true;
    if (status.code == PL_E_NOT_FOUND)
        return pl_fail(INVALID, "a directory without checkpoint is no mirror");
    return status;
}

static struct pl_status open_dump(struct verify_source *source)
{
    PL_TRY(fill(source, sizeof(DUMP_MAGIC) - 1));
    struct pl_slice begin = pl_buf_slice(&source->bytes);
    if (begin.len < sizeof(DUMP_MAGIC) - 1 ||
        memcmp(begin.data, DUMP_MAGIC, sizeof(DUMP_MAGIC) - 1) != 0)
        return pl_fail(INVALID, "the file is no dump");
    pl_buf_consume(&source->bytes, sizeof(DUMP_MAGIC) - 1);
    return pl_ok();
}

static struct pl_status open_path(struct verify_source *source, const char *path)
{
    struct stat about;
    if (strcmp(path, "-") == 0)
        source->fd = dup(STDIN_FILENO);
    else
        source->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (source->fd < 0 || fstat(source->fd, &about) != 0)
        return pl_fail_errno(NO_INPUT, "open what is to be verified");
    if (S_ISDIR(about.st_mode))
        return open_mirror(source);
    if (S_ISREG(about.st_mode))
        source->whole_bytes = (uint64_t)about.st_size;
    return open_dump(source);
}

struct pl_status verify_source_open(const char *path, struct verify_source **ret)
{
    struct verify_source *source = calloc(1, sizeof(*source));
    PL_ASSERT(source != NULL);
    source->next_seq = 1;
    pl_buf_init(&source->bytes, BUNDLE_BYTES_MAX + 2ul * READ_BYTES);
    pl_buf_init(&source->checkpoint, CHECKPOINT_BYTES_MAX + 2ul * READ_BYTES);
    pl_arena_init(&source->arena, 4ul * TRAILER_BYTES_MAX);
    struct pl_status status = open_path(source, path);
    if (pl_is_ok(status))
        *ret = source;
    else
        verify_source_close(source);
    return status;
}

void verify_source_close(struct verify_source *source)
{
    if (source == NULL)
        return;
    if (source->fd >= 0)
        (void)close(source->fd);
    pl_buf_fini(&source->bytes);
    pl_buf_fini(&source->checkpoint);
    pl_arena_fini(&source->arena);
    free(source);
}

bool verify_source_is_mirror(const struct verify_source *source)
{
    return source->mirror;
}

struct pl_slice verify_source_checkpoint(const struct verify_source *source)
{
    return pl_buf_slice(&source->checkpoint);
}

const Pledged__V1__DumpTrailer *verify_source_trailer(const struct verify_source *source)
{
    return source->trailer;
}

void verify_source_expect(struct verify_source *source, uint64_t size)
{
    source->size = size;
    source->whole_bytes = size;
}

void verify_source_progress(const struct verify_source *source, uint64_t *ret_done,
                            uint64_t *ret_whole)
{
    *ret_done = source->mirror ? source->next_seq - 1 : source->done_bytes;
    *ret_whole = source->whole_bytes;
}

/* --- dumps --- */

struct frame {
    char type;            /* 0: the file ends here */
    struct pl_slice body; /* borrowed until the next frame */
};

static size_t most_of(char type)
{
    switch (type) {
    case 'E':
        return VERIFY_ENTRY_BYTES_MAX;
    case 'L':
        return VERIFY_TILE_BYTES;
    case 'T':
        return TRAILER_BYTES_MAX;
    default:
        return 0;
    }
}

static void breaks_off(struct verify_source *source, uint64_t seq, struct verify_report *report)
{
    source->ended = true;
    verify_fail(report, VERIFY_COMPLETENESS, seq,
                _("the dump breaks off where entry %" PRIu64 " or its end should stand"), seq);
}

static void is_garbled(struct verify_source *source, uint64_t seq, struct verify_report *report)
{
    source->ended = true;
    verify_fail(report, VERIFY_INTEGRITY, seq,
                _("what stands where entry %" PRIu64 " belongs is no part of a dump"), seq);
}

/* The type of the frame that comes, without taking it; 0 at the end of the file. */
static struct pl_status peek(struct verify_source *source, char *ret)
{
    PL_TRY(fill(source, 1));
    *ret = pl_buf_len(&source->bytes) == 0 ? 0 : (char)pl_buf_slice(&source->bytes).data[0];
    return pl_ok();
}

/* Takes a frame. `seq`: the entry whose place this is. type 0: the dump ends, which is told. */
static struct pl_status take_frame(struct verify_source *source, uint64_t seq, size_t *taken,
                                   struct frame *ret, struct verify_report *report)
{
    ret->type = 0;
    pl_buf_consume(&source->bytes, *taken);
    *taken = 0;
    PL_TRY(fill(source, FRAME_HEAD_BYTES));
    struct pl_slice head = pl_buf_slice(&source->bytes);
    if (head.len < FRAME_HEAD_BYTES) {
        breaks_off(source, seq, report);
        return pl_ok();
    }
    size_t len = pl_get_le32(head.data + 1), most = most_of((char)head.data[0]);
    if (len == 0 || len > most) {
        is_garbled(source, seq, report);
        return pl_ok();
    }
    PL_TRY(fill(source, FRAME_HEAD_BYTES + len));
    head = pl_buf_slice(&source->bytes);
    if (head.len < FRAME_HEAD_BYTES + len) {
        breaks_off(source, seq, report);
        return pl_ok();
    }
    *ret = (struct frame){(char)head.data[0], pl_slice(head.data + FRAME_HEAD_BYTES, len)};
    *taken = FRAME_HEAD_BYTES + len;
    return pl_ok();
}

static struct pl_status take_trailer(struct verify_source *source, struct pl_slice body,
                                     struct verify_report *report)
{
    struct pl_scan_error error;
    ProtobufCMessage *message = NULL;
    size_t taken = FRAME_HEAD_BYTES + body.len;
    source->ended = true;
    if (!pl_is_ok(pl_unpack(&pledged__v1__dump_trailer__descriptor, body, 1024, &source->arena,
                            &message, &error))) {
        verify_fail(report, VERIFY_INTEGRITY, 0, "%s", _("the end of the dump cannot be read"));
        return pl_ok();
    }
    source->trailer = (const void *)message;
    PL_TRY(pl_buf_append_str(&source->checkpoint, source->trailer->checkpoint));
    pl_buf_consume(&source->bytes, taken);
    PL_TRY(fill(source, 1));
    if (pl_buf_len(&source->bytes) != 0)
        verify_fail(report, VERIFY_INTEGRITY, 0, "%s", _("something stands after the dump's end"));
    return pl_ok();
}

static bool take_list(struct verify_block *block, struct pl_slice body)
{
    if (body.len % PL_SHA256_BYTES != 0)
        return false;
    block->listed = body.len / PL_SHA256_BYTES;
    memcpy(block->list, body.data, body.len);
    return true;
}

/* Blocks end where the dump lists the hashes of what came before, or when they are full. */
static struct pl_status dump_next(struct verify_source *source, struct verify_block *block,
                                  struct verify_report *report)
{
    size_t taken = 0;
    while (!source->ended) {
        struct frame frame;
        uint64_t seq = block->first_seq + block->count;
        if (block->count == VERIFY_TILE_HASHES) {
            char next = 0;
            pl_buf_consume(&source->bytes, taken);
            taken = 0;
            PL_TRY(peek(source, &next));
            if (next != 'L')
                break;
        }
        PL_TRY(take_frame(source, seq, &taken, &frame, report));
        if (frame.type == 'E') {
            PL_TRY(verify_block_add(block, frame.body));
        } else if (frame.type == 'L') {
            if (block->count > 0 && take_list(block, frame.body))
                break;
            is_garbled(source, seq, report);
        } else if (frame.type == 'T') {
            PL_TRY(take_trailer(source, frame.body, report));
            taken = 0;
        }
    }
    pl_buf_consume(&source->bytes, taken);
    return pl_ok();
}

/* --- mirrors --- */

/* A partial tile may have given way to the whole one. */
static struct pl_status read_tile(struct verify_source *source, struct pl_tile tile, size_t most,
                                  char name[PL_TILE_PATH_MAX], struct pl_buf *ret)
{
    char whole[PL_TILE_PATH_MAX];
    pl_tile_path(&tile, name);
    struct pl_status status = read_file(source, name, most, ret);
    if (status.code != PL_E_NOT_FOUND || tile.width == PL_MERKLE_TILE_WIDTH)
        return status;
    tile.width = PL_MERKLE_TILE_WIDTH;
    pl_tile_path(&tile, whole);
    status = read_file(source, whole, most, ret);
    if (pl_is_ok(status))
        memcpy(name, whole, sizeof(whole));
    return status;
}

static bool is_whole(const char *name)
{
    return strstr(name, ".p/") == NULL;
}

/* Entries of a bundle: two bytes length, then the entry. */
static struct pl_status take_bundle(struct verify_block *block, const struct pl_buf *bytes,
                                    unsigned width, const char *name, struct verify_report *report)
{
    struct pl_slice rest = pl_buf_slice(bytes);
    while (block->count < width) {
        size_t len = rest.len < 2 ? 0 : (size_t)rest.data[0] << 8 | rest.data[1];
        if (rest.len < 2 || rest.len < 2 + len) {
            verify_fail(report, VERIFY_COMPLETENESS, block->first_seq + block->count,
                        _("%s breaks off in or before this entry"), name);
            return pl_ok();
        }
        if (len == 0) {
            verify_fail(report, VERIFY_INTEGRITY, block->first_seq + block->count,
                        _("%s holds an entry without any bytes"), name);
            return pl_ok();
        }
        PL_TRY(verify_block_add(block, pl_slice(rest.data + 2, len)));
        rest = pl_slice(rest.data + 2 + len, rest.len - 2 - len);
    }
    if (rest.len > 0 && (width == VERIFY_TILE_HASHES || !is_whole(name)))
        verify_fail(report, VERIFY_INTEGRITY, block->first_seq + block->count - 1,
                    _("%s goes on after its last entry"), name);
    return pl_ok();
}

/* What is wrong with the size of a tile file, if anything. */
static bool tile_fits(const struct pl_buf *bytes, unsigned width, const char *name, uint64_t seq,
                      struct verify_report *report)
{
    size_t len = pl_buf_len(bytes), wanted = (size_t)width * PL_SHA256_BYTES;
    if (len < wanted) {
        verify_fail(report, VERIFY_COMPLETENESS, seq, _("%s is too short"), name);
        return false;
    }
    if (len == wanted || (is_whole(name) && len == VERIFY_TILE_BYTES))
        return true;
    verify_fail(report, VERIFY_INTEGRITY, seq, _("%s is too long"), name);
    return false;
}

static struct pl_status mirror_next(struct verify_source *source, struct verify_block *block,
                                    struct verify_report *report)
{
    char name[PL_TILE_PATH_MAX];
    for (unsigned missing = 0; source->next_seq <= source->size && block->count == 0; missing++) {
        if (missing == MISSING_MOST) /* the first of them is told */
            return pl_ok();
        uint64_t number = (source->next_seq - 1) / VERIFY_TILE_HASHES;
        uint64_t left = source->size - number * VERIFY_TILE_HASHES;
        unsigned width = left < VERIFY_TILE_HASHES ? (unsigned)left : VERIFY_TILE_HASHES;
        const struct pl_tile bundle = {.entries = true, .index = number, .width = width};
        const struct pl_tile hashes = {.index = number, .width = width};
        block->first_seq = source->next_seq;
        source->next_seq += width;
        struct pl_status status = read_tile(source, bundle, BUNDLE_BYTES_MAX, name, &source->bytes);
        if (status.code == PL_E_NOT_FOUND) {
            verify_fail(report, VERIFY_COMPLETENESS, block->first_seq, _("%s is missing"), name);
            continue;
        }
        PL_TRY(status);
        PL_TRY(take_bundle(block, &source->bytes, width, name, report));
        status = read_tile(source, hashes, VERIFY_TILE_BYTES, name, &source->bytes);
        if (status.code == PL_E_NOT_FOUND) {
            verify_fail(report, VERIFY_COMPLETENESS, block->first_seq, _("%s is missing"), name);
            continue;
        }
        PL_TRY(status);
        if (tile_fits(&source->bytes, width, name, block->first_seq, report)) {
            block->listed = width;
            memcpy(block->list, pl_buf_slice(&source->bytes).data, (size_t)width * PL_SHA256_BYTES);
        }
    }
    return pl_ok();
}

void verify_source_tile(struct verify_source *source, unsigned level, uint64_t number,
                        struct pl_slice hashes, struct verify_report *report)
{
    char name[PL_TILE_PATH_MAX];
    unsigned width = (unsigned)(hashes.len / PL_SHA256_BYTES);
    uint64_t seq = (number << (8 * (level + 1))) + 1;
    const struct pl_tile tile = {.level = level, .index = number, .width = width};
    struct pl_status status = read_tile(source, tile, VERIFY_TILE_BYTES, name, &source->bytes);
    if (!pl_is_ok(status)) {
        verify_fail(report, VERIFY_COMPLETENESS, seq, _("%s is missing"), name);
        return;
    }
    if (tile_fits(&source->bytes, width, name, seq, report) &&
        memcmp(pl_buf_slice(&source->bytes).data, hashes.data, hashes.len) != 0)
        verify_fail(report, VERIFY_INTEGRITY, seq,
                    _("%s does not hold the hashes of the entries below it"), name);
}

/* --- both --- */

struct pl_status verify_source_next(struct verify_source *source, struct verify_block *block,
                                    struct verify_report *report)
{
    PL_ASSERT(block->count == 0);
    block->first_seq = source->next_seq;
    if (source->mirror)
        return mirror_next(source, block, report);
    PL_TRY(dump_next(source, block, report));
    source->next_seq += block->listed > block->count ? block->listed : block->count;
    return pl_ok();
}

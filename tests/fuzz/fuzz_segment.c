/* SPDX-License-Identifier: Apache-2.0
 *
 * segment: a file of the log, opened and replayed as at a start. First byte odd: checksums and
 * hashes are put right first, so that what is behind them is reached: a file that somebody forged.
 * Without leave to write, nothing may change.
 */
#include "common/hash.h"
#include "fuzz.h"
#include "server/ledger/ledger.h"
#include "server/recover.h"
#include "server/store/file.h"
#include "server/store/segment.h"

enum { BODY_SUM_AT = 144, RECORD_SUM_AT = 152, FILE_SUM_AT = 88, HASH_AT = 112, PREV_AT = 80 };

static const uint8_t log_id[16] = {0};

static void put_right_header(uint8_t *bytes)
{
    memcpy(bytes, "PLEDGSEG\1\0\0\0\1\0\0\0", 16);
    memcpy(bytes + 16, log_id, sizeof(log_id));
    pl_put_le64(bytes + FILE_SUM_AT, pl_xxh3(pl_slice(bytes, FILE_SUM_AT), 0));
}

/* One record; returns its length, 0: there is none. `prev` is the hash it must name. */
static size_t put_right_record(uint8_t *bytes, size_t room, uint8_t prev[STORE_HASH_BYTES])
{
    if (room < segment_record_bytes(0))
        return 0;
    uint64_t body = pl_get_le64(bytes + 8);
    if (body > room - segment_record_bytes(0))
        return 0;
    size_t whole = (size_t)segment_record_bytes((size_t)body);
    if (whole > room)
        return 0;
    memcpy(bytes, "PLB1\xa0\0\0\0", 8);
    struct store_batch batch = {
        .number = pl_get_le64(bytes + 16),
        .first_seq = pl_get_le64(bytes + 24),
        .count = pl_get_le32(bytes + 32),
        .epoch = pl_get_le64(bytes + 40),
        .acked = pl_get_le64(bytes + 48),
        .time_us = (int64_t)pl_get_le64(bytes + 56),
        .body = pl_slice(bytes + SEGMENT_RECORD_HEADER_BYTES, (size_t)body),
    };
    memcpy(batch.writer, bytes + 64, sizeof(batch.writer));
    memcpy(batch.prev, prev, sizeof(batch.prev));
    store_batch_seal(&batch);
    memcpy(bytes + PREV_AT, batch.prev, sizeof(batch.prev));
    memcpy(bytes + HASH_AT, batch.hash, sizeof(batch.hash));
    memcpy(prev, batch.hash, sizeof(batch.hash));
    pl_put_le64(bytes + BODY_SUM_AT, pl_xxh3(batch.body, batch.number));
    pl_put_le64(bytes + RECORD_SUM_AT, pl_xxh3(pl_slice(bytes, RECORD_SUM_AT), 0));
    size_t end = SEGMENT_RECORD_HEADER_BYTES + (size_t)body;
    memset(bytes + end, 0, whole - SEGMENT_RECORD_TRAILER_BYTES - end);
    memcpy(bytes + whole - SEGMENT_RECORD_TRAILER_BYTES, "PLB1END\n", 8);
    return whole;
}

static void put_right(uint8_t *bytes, size_t len)
{
    if (len < SEGMENT_HEADER_BYTES)
        return;
    put_right_header(bytes);
    uint8_t prev[STORE_HASH_BYTES];
    memcpy(prev, bytes + 48, sizeof(prev));
    size_t at = SEGMENT_HEADER_BYTES, step = 1;
    while (step != 0) {
        step = put_right_record(bytes + at, len - at, prev);
        at += step;
    }
}

static void replay(const char *dir, bool read_only)
{
    const struct file_options options = {
        .dir = dir, .io = io_system(), .segment_bytes = 2 << 20, .read_only = read_only};
    struct file_report report = {0};
    struct store *store = NULL;
    if (!pl_is_ok(file_open(&options, &report, &store)))
        return;
    struct ledger *ledger = ledger_new();
    struct recover_report replayed = {0};
    struct pl_status status = recover_replay(store, 1, ledger, &replayed);
    FUZZ_HOLDS(!pl_is_ok(status) || ledger_size(ledger) == replayed.replayed);
    ledger_free(ledger);
    store_close(store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char path[FUZZ_PATH_BYTES];
    if (len < 1 || len > 65536)
        return 0;
    /* inputs leave out the zeros of the header page: the records follow byte 96 */
    size_t head = len - 1 < 96 ? len - 1 : 96;
    size_t whole = SEGMENT_HEADER_BYTES + (len - 1 - head);
    uint8_t *bytes = calloc(1, whole);
    PL_ASSERT(bytes != NULL);
    memcpy(bytes, data + 1, head);
    memcpy(bytes + SEGMENT_HEADER_BYTES, data + 1 + head, len - 1 - head);
    if ((data[0] & 1) != 0)
        put_right(bytes, whole);
    fuzz_file("0000000000000001.seg", pl_slice(bytes, whole), path);
    replay(fuzz_dir(), true);
    struct stat after;
    FUZZ_HOLDS(stat(path, &after) == 0 && (size_t)after.st_size == whole);
    free(bytes);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * snapshot: a snapshot file, and the state in it. First byte odd: the header is made to fit, so
 * that the state itself is reached. A state that was taken must be saved as the same bytes.
 */
#include "common/buf.h"
#include "common/hash.h"
#include "fuzz.h"
#include "server/ledger/ledger.h"
#include "server/store/io.h"
#include "server/store/snapshot.h"

enum { HEADER_BYTES = 160, SUM_AT = 128, PIECE_BYTES = 1 << 18, SUM_BYTES = 8 };

static const uint8_t log_id[16] = {0};

static struct pl_status take(void *arg, uint8_t *into, size_t len)
{
    return snapshot_read(arg, into, len);
}

struct compare {
    struct pl_slice rest;
};

static struct pl_status same(void *arg, struct pl_slice piece)
{
    struct compare *compare = arg;
    FUZZ_HOLDS(piece.len <= compare->rest.len);
    FUZZ_HOLDS(pl_slice_eq(piece, pl_slice(compare->rest.data, piece.len)));
    compare->rest = pl_slice(compare->rest.data + piece.len, compare->rest.len - piece.len);
    return pl_ok();
}

/* Of one piece. */
static void put_right(uint8_t *bytes, size_t len)
{
    size_t payload = len - HEADER_BYTES - SUM_BYTES;
    uint8_t *behind = bytes + len - SUM_BYTES;
    memcpy(bytes, "PLEDGSNP\2\0\0\0\2\0\0\0", 16);
    memcpy(bytes + 16, log_id, sizeof(log_id));
    pl_put_le64(bytes + 88, payload);
    uint64_t seed = pl_xxh3(pl_slice(bytes + 16, 72), 0);
    pl_put_le64(behind, pl_xxh3(pl_slice(bytes + HEADER_BYTES, payload), seed));
    memset(bytes + 96, 0, HEADER_BYTES - 96);
    memcpy(bytes + 96, behind, SUM_BYTES);
    pl_put_le64(bytes + SUM_AT, pl_xxh3(pl_slice(bytes, SUM_AT), 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char path[FUZZ_PATH_BYTES];
    if (len < 2 + HEADER_BYTES + SUM_BYTES || len > 1 + HEADER_BYTES + PIECE_BYTES + SUM_BYTES)
        return 0;
    size_t whole = len - 1;
    uint8_t *bytes = malloc(whole);
    PL_ASSERT(bytes != NULL);
    memcpy(bytes, data + 1, whole);
    if ((data[0] & 1) != 0)
        put_right(bytes, whole);
    fuzz_file("0000000000000001.snap", pl_slice(bytes, whole), path);
    struct snapshot *snapshot = NULL;
    if (pl_is_ok(snapshot_open_before(io_system(), fuzz_dir(), log_id, UINT64_MAX, &snapshot))) {
        struct ledger *ledger = NULL;
        if (pl_is_ok(ledger_load(take, snapshot, &ledger))) {
            struct compare compare = {
                pl_slice(bytes + HEADER_BYTES, whole - HEADER_BYTES - SUM_BYTES)};
            FUZZ_HOLDS(pl_is_ok(ledger_save(ledger, same, &compare)));
            ledger_free(ledger);
        }
        snapshot_close(snapshot);
    }
    free(bytes);
    return 0;
}

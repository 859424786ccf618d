/* SPDX-License-Identifier: Apache-2.0
 *
 * intake: the bytes of a saved state (save.c), as they are taken in order: little-endian numbers,
 * currencies, days, the rows of one kind block by block, and large maps slot by slot.
 *
 * Memory follows what was read, never what a count promises: who damages a length gets a refusal,
 * not the machine. What a number means is the business of who takes it (load.c and its parts).
 *
 * One thread. Failure modes: CORRUPT for what no save writes; else what the reader of bytes says.
 */
#ifndef LEDGER_INTAKE_H
#define LEDGER_INTAKE_H

#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/map.h"
#include "server/ledger/ledger.h"

enum { INTAKE_CODE_BYTES = 3 /* of a currency */ };

struct intake {
    ledger_read_fn read;
    const struct ledger_help *help; /* borrowed; NULL: there is none */
    void *arg;                      /* of both */
    /* for intake.c */
    uint8_t *rows; /* owns; rows of one kind, there are millions of some */
    size_t at, row_end, end;
    size_t row_bytes, rows_left;      /* not in `rows` yet */
    char code[INTAKE_CODE_BYTES + 1]; /* the currency seen last */
    int16_t code_index;
};

/* Borrows `help` (may be NULL) and `arg` until intake_fini. */
void intake_init(struct intake *in, ledger_read_fn read, const struct ledger_help *help, void *arg);
void intake_fini(struct intake *in);

/* What a part of a saved state is refused with. */
PL_MUST_CHECK struct pl_status intake_bad(void);

/* --- rows of one kind --- */

/* So many rows come next, of so many bytes (at most 32 KiB), each is begun with intake_next_row. */
void intake_begin_rows(struct intake *in, size_t row_bytes, size_t count);
/* For the functions below. */
PL_MUST_CHECK struct pl_status intake_more_rows(struct intake *in);
void *intake_more_room(const struct intake *in, void *array, size_t index, size_t count,
                       size_t *cap, size_t element);
bool intake_find_currency(struct intake *in, const uint8_t bytes[INTAKE_CODE_BYTES]);

/* What is taken next, up to row_bytes of it, comes out of this row. */
static inline struct pl_status intake_next_row(struct intake *in)
{
    PL_ASSERT(in->at == in->row_end);
    if (in->at == in->end)
        PL_TRY(intake_more_rows(in));
    in->row_end = in->at + in->row_bytes;
    return pl_ok();
}

/* Out of a row that was begun: nothing of this fails. */
static inline void intake_row(struct intake *in, void *into, size_t len)
{
    PL_ASSERT(len <= in->row_end - in->at);
    memcpy(into, in->rows + in->at, len);
    in->at += len;
}

static inline uint64_t intake_row_u64(struct intake *in)
{
    uint8_t bytes[8];
    intake_row(in, bytes, sizeof(bytes));
    return pl_get_le64(bytes);
}

static inline int64_t intake_row_i64(struct intake *in)
{
    return (int64_t)intake_row_u64(in);
}

static inline uint32_t intake_row_u32(struct intake *in)
{
    uint8_t bytes[4];
    intake_row(in, bytes, sizeof(bytes));
    return pl_get_le32(bytes);
}

/* Where row `index` of `count` has room: `array`, or what it moved to when it grew to *cap. */
static inline void *intake_room(const struct intake *in, void *array, size_t index, size_t count,
                                size_t *cap, size_t element)
{
    return index < *cap ? array : intake_more_room(in, array, index, count, cap, element);
}

/* --- one after another, out of a row or between rows --- */

/* Fails only between rows. */
static inline struct pl_status intake_take(struct intake *in, void *into, size_t len)
{
    if (in->at == in->row_end)
        return in->read(in->arg, into, len);
    PL_ASSERT(len <= in->row_end - in->at); /* a row is taken to its end */
    memcpy(into, in->rows + in->at, len);
    in->at += len;
    return pl_ok();
}

static inline struct pl_status intake_u64(struct intake *in, uint64_t *ret)
{
    uint8_t bytes[8];
    PL_TRY(intake_take(in, bytes, sizeof(bytes)));
    *ret = pl_get_le64(bytes);
    return pl_ok();
}

static inline struct pl_status intake_i64(struct intake *in, int64_t *ret)
{
    uint64_t value = 0;
    PL_TRY(intake_u64(in, &value));
    *ret = (int64_t)value;
    return pl_ok();
}

static inline struct pl_status intake_u32(struct intake *in, uint32_t *ret)
{
    uint8_t bytes[4];
    PL_TRY(intake_take(in, bytes, sizeof(bytes)));
    *ret = pl_get_le32(bytes);
    return pl_ok();
}

/* -1 for "---", which is none; false: there is none of this code. */
static inline bool intake_currency_of(struct intake *in, const uint8_t bytes[INTAKE_CODE_BYTES],
                                      int16_t *ret)
{
    if (memcmp(bytes, in->code, INTAKE_CODE_BYTES) != 0 && !intake_find_currency(in, bytes))
        return false; /* mostly it is the one before */
    *ret = in->code_index;
    return true;
}

static inline struct pl_status intake_currency(struct intake *in, int16_t *ret)
{
    uint8_t code[INTAKE_CODE_BYTES];
    PL_TRY(intake_take(in, code, sizeof(code)));
    return intake_currency_of(in, code, ret) ? pl_ok() : intake_bad();
}

/* A number of things, or of bytes: at most `most`. */
PL_MUST_CHECK struct pl_status intake_count(struct intake *in, uint64_t most, size_t *ret);
/* Days since 1970 that can be written as a date, more or less. */
PL_MUST_CHECK struct pl_status intake_day(struct intake *in, int32_t *ret);

/* --- large maps --- */

/* A map that ledger_new made, as save_table wrote it. Its values number `rows` rows, from `least`.
 * Whether its keys are found where they are is still to be asked (pl_map_settled). */
PL_MUST_CHECK struct pl_status intake_table(struct intake *in, struct pl_map *map, uint64_t least,
                                            uint64_t rows);

#endif

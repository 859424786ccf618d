/* SPDX-License-Identifier: Apache-2.0
 *
 * intake: see intake.h.
 */
#include "server/ledger/intake.h"

#include "common/money.h"

enum {
    ROWS_BYTES = 1 << 15, /* read at once */
    ROOM_ROWS = 1 << 14,
};

void intake_init(struct intake *in, ledger_read_fn read, const struct ledger_help *help, void *arg)
{
    *in = (struct intake){.read = read,
                          .help = help,
                          .arg = arg,
                          .rows = calloc(1, ROWS_BYTES),
                          .code = "---",
                          .code_index = -1};
    PL_ASSERT(in->rows != NULL);
}

void intake_fini(struct intake *in)
{
    free(in->rows);
}

struct pl_status intake_bad(void)
{
    return pl_fail(CORRUPT, "a saved state does not add up");
}

void intake_begin_rows(struct intake *in, size_t row_bytes, size_t count)
{
    PL_ASSERT(in->at == in->end && in->rows_left == 0 && row_bytes <= ROWS_BYTES);
    in->row_bytes = row_bytes;
    in->rows_left = count;
}

struct pl_status intake_more_rows(struct intake *in)
{
    size_t rows = ROWS_BYTES / in->row_bytes;
    if (rows > in->rows_left)
        rows = in->rows_left;
    PL_ASSERT(rows != 0);
    PL_TRY(in->read(in->arg, in->rows, rows * in->row_bytes));
    in->rows_left -= rows;
    in->at = in->row_end = 0;
    in->end = rows * in->row_bytes;
    return pl_ok();
}

void *intake_more_room(const struct intake *in, void *array, size_t index, size_t count,
                       size_t *cap, size_t element)
{
    size_t larger = *cap != 0 ? *cap * 4 : ROOM_ROWS;
    if (larger > count)
        larger = count;
    uint8_t *grown = reallocarray(array, larger, element);
    PL_ASSERT(grown != NULL);
    *cap = larger;
    if (in->help != NULL)
        in->help->expect(in->arg, grown + index * element, (larger - index) * element);
    return grown;
}

struct pl_status intake_count(struct intake *in, uint64_t most, size_t *ret)
{
    uint64_t value = 0;
    PL_TRY(intake_u64(in, &value));
    if (value > most)
        return intake_bad();
    *ret = (size_t)value;
    return pl_ok();
}

bool intake_find_currency(struct intake *in, const uint8_t bytes[INTAKE_CODE_BYTES])
{
    char code[INTAKE_CODE_BYTES + 1] = "";
    memcpy(code, bytes, INTAKE_CODE_BYTES);
    int index = pl_currency_index(code);
    if (index < 0 && strcmp(code, "---") != 0)
        return false;
    memcpy(in->code, code, sizeof(code));
    in->code_index = (int16_t)index;
    return true;
}

struct pl_status intake_day(struct intake *in, int32_t *ret)
{
    uint32_t day = 0;
    PL_TRY(intake_u32(in, &day));
    *ret = (int32_t)day;
    return *ret > -40000 && *ret < 400000 ? pl_ok() : intake_bad();
}

/* Which slots are full, a bit each; memory follows what was read. */
static struct pl_status load_full(struct intake *in, size_t cap, uint64_t **ret)
{
    size_t words = (cap + 63) / 64, room = 0;
    intake_begin_rows(in, sizeof(uint64_t), words);
    for (size_t i = 0; i < words; i++) {
        *ret = intake_room(in, *ret, i, words, &room, sizeof(**ret));
        PL_TRY(intake_next_row(in));
        (*ret)[i] = intake_row_u64(in);
    }
    return pl_ok();
}

/* A pair into its slot. The sizes are told where they are known, so that nothing is called. */
static inline bool take_pair(const uint8_t *row, uint8_t *slot, size_t key_size, bool large,
                             uint64_t least, uint64_t rows)
{
    uint64_t value = large ? pl_get_le64(row + key_size) : pl_get_le32(row + key_size);
    uint32_t small = (uint32_t)value;
    memcpy(slot, row, key_size);
    if (large)
        memcpy(slot + key_size, &value, sizeof(value));
    else
        memcpy(slot + key_size, &small, sizeof(small));
    return value >= least && value - least < rows;
}

/* Pairs into the slots of one word of `full`. */
static inline struct pl_status load_word(struct intake *in, struct pl_map *map, size_t word,
                                         uint64_t least, uint64_t rows)
{
    size_t key_size = map->key_size;
    bool large = map->value_size == sizeof(uint64_t);
    for (uint64_t left = map->full[word]; left != 0; left &= left - 1) {
        PL_TRY(intake_next_row(in));
        const uint8_t *row = in->rows + in->at;
        uint8_t *slot = pl_map_slot(map, word * 64 + (size_t)__builtin_ctzll(left));
        bool fine = key_size == 16 && large ? take_pair(row, slot, 16, true, least, rows)
                                            : take_pair(row, slot, key_size, large, least, rows);
        if (!fine)
            return intake_bad();
        in->at = in->row_end;
    }
    return pl_ok();
}

static struct pl_status load_pairs(struct intake *in, struct pl_map *map, uint64_t least,
                                   uint64_t rows)
{
    intake_begin_rows(in, map->key_size + map->value_size, map->count);
    for (size_t word = 0; word < (map->cap + 63) / 64; word++)
        PL_TRY(load_word(in, map, word, least, rows));
    return pl_ok();
}

struct pl_status intake_table(struct intake *in, struct pl_map *map, uint64_t least, uint64_t rows)
{
    uint64_t cap = 0;
    uint64_t *full = NULL;
    PL_TRY(intake_u64(in, &cap));
    if ((cap & (cap - 1)) != 0 || cap > (uint64_t)1 << 40)
        return intake_bad();
    struct pl_status status = load_full(in, (size_t)cap, &full);
    if (!pl_is_ok(status)) {
        free(full);
        return status;
    }
    if (!pl_map_shape(map, full, (size_t)cap))
        return intake_bad();
    if (in->help != NULL && cap != 0)
        in->help->expect(in->arg, map->slots, (size_t)cap * (map->key_size + map->value_size));
    return load_pairs(in, map, least, rows);
}

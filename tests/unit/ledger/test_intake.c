/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: what comes in is what was written, across blocks; no length makes memory grow beyond what
 * follows it; what no save writes is refused where it stands.
 */
#include <cmocka.h>
#include <stdio.h>

#include "server/ledger/intake.h"

/* Bytes that end. */
struct source {
    struct pl_buf bytes;
    size_t at, calls;
    struct intake in;
};

static struct pl_status take(void *arg, uint8_t *into, size_t len)
{
    struct source *source = arg;
    struct pl_slice all = pl_buf_slice(&source->bytes);
    source->calls++;
    if (len > all.len - source->at)
        return pl_fail(IO, "the bytes end");
    memcpy(into, all.data + source->at, len);
    source->at += len;
    return pl_ok();
}

static int set_up(void **state)
{
    struct source *source = calloc(1, sizeof(*source));
    assert_non_null(source);
    pl_buf_init(&source->bytes, 1 << 22);
    intake_init(&source->in, take, NULL, source);
    *state = source;
    return 0;
}

static int tear_down(void **state)
{
    struct source *source = *state;
    intake_fini(&source->in);
    pl_buf_fini(&source->bytes);
    free(source);
    return 0;
}

static void add(struct source *source, const void *data, size_t len)
{
    assert_true(pl_is_ok(pl_buf_append(&source->bytes, data, len)));
}

static void add_u64(struct source *source, uint64_t value)
{
    uint8_t bytes[8];
    pl_put_le64(bytes, value);
    add(source, bytes, sizeof(bytes));
}

static void add_u32(struct source *source, uint32_t value)
{
    uint8_t bytes[4];
    pl_put_le32(bytes, value);
    add(source, bytes, sizeof(bytes));
}

static void numbers_as_they_were_written(void **state)
{
    struct source *source = *state;
    struct intake *in = &source->in;
    uint64_t u64 = 0;
    int64_t i64 = 0;
    uint32_t u32 = 0;
    uint8_t bytes[2];
    add(source, "\x01\x02\x03\x04\x05\x06\x07\x08", 8);
    add(source, "\xfe\xff\xff\xff\xff\xff\xff\xff", 8);
    add(source, "\x01\x02\x03\x84", 4);
    add(source, "xy", 2);
    assert_true(pl_is_ok(intake_u64(in, &u64)));
    assert_int_equal(u64, 0x0807060504030201);
    assert_true(pl_is_ok(intake_i64(in, &i64)));
    assert_int_equal(i64, -2);
    assert_true(pl_is_ok(intake_u32(in, &u32)));
    assert_int_equal(u32, 0x84030201);
    assert_true(pl_is_ok(intake_take(in, bytes, sizeof(bytes))));
    assert_memory_equal(bytes, "xy", 2);
    /* what the reader of bytes says is told as it is */
    assert_int_equal(intake_u64(in, &u64).code, PL_E_IO);
    assert_int_equal(intake_u32(in, &u32).code, PL_E_IO);
    assert_int_equal(intake_take(in, bytes, 1).code, PL_E_IO);
}

static void counts_and_days_have_their_bounds(void **state)
{
    struct source *source = *state;
    struct intake *in = &source->in;
    static const int32_t days[] = {-39999, 0, 399999}, wrong[] = {-40000, 400000, INT32_MIN};
    size_t count = 0;
    int32_t day = 0;
    add_u64(source, 7);
    add_u64(source, 8);
    add_u64(source, UINT64_MAX);
    assert_true(pl_is_ok(intake_count(in, 7, &count)));
    assert_int_equal(count, 7);
    assert_int_equal(intake_count(in, 7, &count).code, PL_E_CORRUPT);
    assert_int_equal(intake_count(in, UINT32_MAX, &count).code, PL_E_CORRUPT);
    for (size_t i = 0; i < PL_COUNT(days); i++) {
        add_u32(source, (uint32_t)days[i]);
        assert_true(pl_is_ok(intake_day(in, &day)));
        assert_int_equal(day, days[i]);
    }
    for (size_t i = 0; i < PL_COUNT(wrong); i++) {
        add_u32(source, (uint32_t)wrong[i]);
        assert_int_equal(intake_day(in, &day).code, PL_E_CORRUPT);
    }
}

static void currencies_by_their_code(void **state)
{
    struct source *source = *state;
    struct intake *in = &source->in;
    int16_t franc = -2, again = -2, euro = -2, none = -2;
    add(source, "CHFCHFEUR---", 12);
    assert_true(pl_is_ok(intake_currency(in, &franc)));
    assert_true(pl_is_ok(intake_currency(in, &again)));
    assert_true(pl_is_ok(intake_currency(in, &euro)));
    assert_true(pl_is_ok(intake_currency(in, &none)));
    assert_true(franc >= 0 && euro >= 0 && franc != euro);
    assert_int_equal(again, franc);
    assert_int_equal(none, -1);
    static const char *const wrong[] = {"chf", "XYZ", "--", "CH\xff"};
    for (size_t i = 0; i < PL_COUNT(wrong); i++) {
        char code[4] = "";
        (void)snprintf(code, sizeof(code), "%s", wrong[i]);
        add(source, code, 3);
        assert_int_equal(intake_currency(in, &franc).code, PL_E_CORRUPT);
        /* and the one before is still known by its own code alone */
        add(source, "---", 3);
        assert_true(pl_is_ok(intake_currency(in, &none)));
        assert_int_equal(none, -1);
    }
}

/* Rows of a size that no block is a multiple of. */
static void rows_come_block_by_block(void **state)
{
    struct source *source = *state;
    struct intake *in = &source->in;
    enum { ROW_BYTES = 8 + 4 + 3 + 2, ROWS = 10000 };
    uint8_t two[2];
    int16_t currency = -2;
    for (uint32_t i = 0; i < ROWS; i++) {
        add_u64(source, i * 1000003ULL);
        add_u32(source, ~i);
        add(source, i % 2 == 0 ? "CHF" : "---", 3);
        add(source, "ab", 2);
    }
    add_u64(source, 42);
    intake_begin_rows(in, ROW_BYTES, ROWS);
    for (uint32_t i = 0; i < ROWS; i++) {
        assert_true(pl_is_ok(intake_next_row(in)));
        assert_int_equal(intake_row_i64(in), i * 1000003LL);
        assert_int_equal(intake_row_u32(in), ~i);
        assert_true(pl_is_ok(intake_currency(in, &currency))); /* out of the row, too */
        assert_int_equal(currency < 0, i % 2);
        intake_row(in, two, sizeof(two));
        assert_memory_equal(two, "ab", 2);
    }
    assert_true(source->calls < 10); /* blocks, not rows */
    /* what stands behind the rows was left there */
    uint64_t behind = 0;
    assert_true(pl_is_ok(intake_u64(in, &behind)));
    assert_int_equal(behind, 42);
    intake_begin_rows(in, ROW_BYTES, 1);
    assert_int_equal(intake_next_row(in).code, PL_E_IO);
}

static size_t expected;

static void expect(void *arg, void *memory, size_t len)
{
    (void)arg;
    memset(memory, 0xa5, len);
    expected += len;
}

static void room_follows_what_was_read(void **state)
{
    struct source *source = *state;
    const struct ledger_help help = {.expect = expect};
    uint64_t *array = NULL;
    size_t cap = 0, count = (size_t)1 << 40;
    expected = 0;
    source->in.help = &help;
    for (size_t i = 0; i < 100000; i++) {
        array = intake_room(&source->in, array, i, count, &cap, sizeof(*array));
        assert_true(i < cap && cap <= 4 * i + (1 << 14));
        array[i] = i;
    }
    for (size_t i = 0; i < 100000; i++)
        assert_int_equal(array[i], i); /* growing moves them as they are */
    assert_true(expected > 100000 * sizeof(*array));
    free(array);
    /* and not beyond the count */
    array = NULL;
    cap = 0;
    array = intake_room(&source->in, array, 0, 5, &cap, sizeof(*array));
    assert_int_equal(cap, 5);
    free(array);
}

/* --- large maps --- */

static void add_table(struct source *source, const struct pl_map *map)
{
    add_u64(source, map->cap);
    add(source, map->full, (map->cap + 63) / 64 * 8);
    for (size_t i = 0; i < map->cap; i++) {
        if (pl_map_is_full(map, i))
            add(source, pl_map_slot(map, i), map->key_size + map->value_size);
    }
}

/* Of `count` rows that are numbered from `least`. */
static void fill(struct pl_map *map, uint64_t least, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        uint8_t key[16] = {0};
        uint64_t value = least + i;
        uint32_t small = (uint32_t)value;
        pl_put_le64(key, i * 0x9e3779b97f4a7c15ULL);
        if (map->value_size == sizeof(value))
            pl_map_put(map, key, &value);
        else
            pl_map_put(map, key, &small);
    }
}

static void maps_come_back_slot_by_slot(void **state)
{
    struct source *source = *state;
    static const struct {
        size_t key_size, value_size, count;
        uint64_t least;
    } rows[] = {{16, 8, 5000, 1}, {16, 4, 5000, 0}, {8, 4, 300, 0}, {16, 8, 3, 1}, {16, 4, 0, 0}};
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        struct pl_map map, back;
        pl_map_init(&map, rows[i].key_size, rows[i].value_size, 0);
        pl_map_init(&back, rows[i].key_size, rows[i].value_size, 0);
        fill(&map, rows[i].least, rows[i].count);
        add_table(source, &map);
        assert_true(pl_is_ok(intake_table(&source->in, &back, rows[i].least, rows[i].count)));
        assert_int_equal(back.cap, map.cap);
        assert_int_equal(back.count, rows[i].count);
        assert_true(pl_map_settled(&back));
        for (size_t slot = 0; slot < map.cap; slot++) {
            assert_int_equal(pl_map_is_full(&back, slot), pl_map_is_full(&map, slot));
            if (pl_map_is_full(&map, slot))
                assert_memory_equal(pl_map_slot(&back, slot), pl_map_slot(&map, slot),
                                    map.key_size + map.value_size);
        }
        pl_map_fini(&map);
        pl_map_fini(&back);
    }
}

static void maps_of_rows_that_are_not_there(void **state)
{
    struct source *source = *state;
    static const struct {
        size_t value_size;
        uint64_t least, rows; /* of which the map knows 1..200 or 0..199 */
        bool fine;
    } rows[] = {{8, 1, 200, true},  {8, 1, 199, false}, {8, 2, 200, false}, {4, 0, 200, true},
                {4, 0, 199, false}, {4, 1, 200, false}, {8, 1, 0, false}};
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        struct pl_map map, back;
        pl_map_init(&map, 16, rows[i].value_size, 0);
        pl_map_init(&back, 16, rows[i].value_size, 0);
        fill(&map, rows[i].value_size == 8 ? 1 : 0, 200);
        pl_buf_clear(&source->bytes);
        source->at = 0;
        intake_fini(&source->in);
        intake_init(&source->in, take, NULL, source);
        add_table(source, &map);
        struct pl_status status = intake_table(&source->in, &back, rows[i].least, rows[i].rows);
        assert_int_equal(status.code, rows[i].fine ? PL_E_OK : PL_E_CORRUPT);
        pl_map_fini(&map);
        pl_map_fini(&back);
    }
}

static void sizes_of_maps_that_no_map_has(void **state)
{
    struct source *source = *state;
    static const uint64_t wrong[] = {3, 65, (1ULL << 40) + 1, 1ULL << 41, UINT64_MAX};
    struct pl_map back;
    pl_map_init(&back, 16, 4, 0);
    for (size_t i = 0; i < PL_COUNT(wrong); i++) {
        add_u64(source, wrong[i]);
        assert_int_equal(intake_table(&source->in, &back, 0, 100).code, PL_E_CORRUPT);
    }
    /* more are full than a map lets be */
    add_u64(source, 64);
    add_u64(source, UINT64_MAX);
    assert_int_equal(intake_table(&source->in, &back, 0, 100).code, PL_E_CORRUPT);
    /* a size of a terabyte, behind which nothing comes */
    add_u64(source, 1ULL << 40);
    assert_int_equal(intake_table(&source->in, &back, 0, 100).code, PL_E_IO);
    pl_map_fini(&back);
}

#define CASE(name_) cmocka_unit_test_setup_teardown(name_, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(numbers_as_they_were_written),    CASE(counts_and_days_have_their_bounds),
        CASE(currencies_by_their_code),        CASE(rows_come_block_by_block),
        CASE(room_follows_what_was_read),      CASE(maps_come_back_slot_by_slot),
        CASE(maps_of_rows_that_are_not_there), CASE(sizes_of_maps_that_no_map_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

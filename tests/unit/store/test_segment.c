/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: the table in segment.h, row by row, on bytes in memory: every place of a segment gets the
 * one verdict that is safe.
 */
#include "fixture.h"

enum { BYTES = 32 * 1024 };

/* --- a segment in memory: three records, the head after each --- */

struct image {
    struct io io; /* first member */
    uint8_t byte[BYTES];
    uint64_t len;
    uint64_t at[4];            /* of each record; [3]: where the next would go */
    struct store_head head[4]; /* before each record */
};

static struct pl_status image_pread(struct io *io, int fd, void *into, size_t len, uint64_t offset)
{
    const struct image *image = (const struct image *)io;
    (void)fd;
    assert_true(offset + len <= image->len);
    memcpy(into, image->byte + offset, len);
    return pl_ok();
}

static void make_batch(const struct store_head *head, struct pl_slice body, uint32_t count,
                       struct store_batch *ret)
{
    *ret = (struct store_batch){.number = head->batch + 1,
                                .first_seq = head->next_seq,
                                .count = count,
                                .epoch = 3,
                                .acked = head->batch,
                                .writer = "writer",
                                .time_us = 1770000000000000,
                                .body = body};
    memcpy(ret->prev, head->hash, STORE_HASH_BYTES);
    store_batch_seal(ret);
}

static void add_record(struct image *image, int n, size_t body_bytes)
{
    uint8_t body[8192];
    struct store_batch batch;
    for (size_t i = 0; i < body_bytes; i++)
        body[i] = (uint8_t)(1 + i % 255);
    make_batch(&image->head[n], pl_slice(body, body_bytes), 1, &batch);
    segment_record_encode(&batch, image->byte + image->at[n]);
    image->at[n + 1] = image->at[n] + segment_record_bytes(body_bytes);
    image->head[n + 1] = image->head[n];
    store_head_advance(&image->head[n + 1], &batch);
}

/* Two records, and a last one whose body has this many bytes. */
static void image_make(struct image *image, size_t last_body)
{
    memset(image, 0, sizeof(*image));
    image->io.pread = image_pread;
    image->len = BYTES;
    image->at[0] = SEGMENT_HEADER_BYTES;
    image->head[0] = (struct store_head){.batch = 41, .next_seq = 100, .epoch = 3};
    memset(image->head[0].hash, 0x42, STORE_HASH_BYTES);
    add_record(image, 0, 50);
    add_record(image, 1, 1471); /* whole sectors of it can be missing */
    add_record(image, 2, last_body);
}

static enum segment_found look_at(struct image *image, uint64_t offset,
                                  const struct store_head *expected, struct store_batch *ret,
                                  uint64_t *ret_torn_end)
{
    struct segment_window window;
    enum segment_found found = SEGMENT_END;
    segment_window_init(&window, &image->io, -1, image->len);
    assert_true(pl_is_ok(segment_look(&window, offset, expected, &found, ret, ret_torn_end)));
    segment_window_fini(&window);
    return found;
}

static enum segment_found look(struct image *image, int n)
{
    struct store_batch batch;
    uint64_t torn_end = 0;
    enum segment_found found = look_at(image, image->at[n], &image->head[n], &batch, &torn_end);
    if (found == SEGMENT_TORN)
        assert_true(torn_end > image->at[n] && torn_end <= image->len);
    return found;
}

/* --- layout --- */

static void test_the_header_is_where_it_is_drawn(void **state)
{
    (void)state;
    uint8_t page[SEGMENT_HEADER_BYTES];
    struct segment_header header = {.format = 1,
                                    .min_reader = 1,
                                    .first_batch = 0x1122334455667788,
                                    .first_seq = 9,
                                    .created_us = -1},
                          back;
    memcpy(header.ledger_id, test_ledger_id, 16);
    memset(header.prev, 0xab, sizeof(header.prev));
    segment_header_encode(&header, page);
    assert_memory_equal(page, "PLEDGSEG\1\0\0\0\1\0\0\0", 16);
    assert_memory_equal(page + 16, test_ledger_id, 16);
    assert_memory_equal(page + 32, "\x88\x77\x66\x55\x44\x33\x22\x11\x09\0\0\0\0\0\0\0\xab", 17);
    assert_memory_equal(page + 79, "\xab\xff\xff\xff\xff\xff\xff\xff\xff", 9);
    assert_true(pl_is_ok(segment_header_decode(page, &back)));
    assert_true(back.first_batch == header.first_batch && back.first_seq == 9);
    assert_true(back.created_us == -1 && back.format == 1 && back.min_reader == 1);
    assert_memory_equal(back.prev, header.prev, sizeof(back.prev));
    assert_memory_equal(back.ledger_id, header.ledger_id, 16);
    for (size_t bit = 0; bit < sizeof(page) * 8; bit++) {
        page[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_int_equal(segment_header_decode(page, &back).code, PL_E_CORRUPT);
        page[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
}

static void test_versions(void **state)
{
    (void)state;
    uint8_t page[SEGMENT_HEADER_BYTES];
    struct segment_header header = {.format = SEGMENT_FORMAT + 1, .min_reader = SEGMENT_FORMAT + 1};
    struct segment_header back;
    segment_header_encode(&header, page);
    struct pl_status status = segment_header_decode(page, &back);
    assert_int_equal(status.code, PL_E_UNIMPLEMENTED);
    assert_non_null(strstr(status.what, "newer version"));
    header.min_reader = SEGMENT_FORMAT; /* newer, but made for us too */
    segment_header_encode(&header, page);
    assert_true(pl_is_ok(segment_header_decode(page, &back)));
    assert_int_equal(back.format, SEGMENT_FORMAT + 1);
}

static void test_a_record_is_where_it_is_drawn(void **state)
{
    (void)state;
    struct image image;
    image_make(&image, 13);
    const uint8_t *record = image.byte + image.at[2];
    assert_int_equal(segment_record_bytes(13), 160 + 16 + 8);
    assert_int_equal(image.at[3] - image.at[2], 160 + 16 + 8);
    assert_memory_equal(record, "PLB1\xa0\0\0\0\x0d\0\0\0\0\0\0\0", 16);
    assert_int_equal(pl_get_le64(record + 16), 44);
    assert_int_equal(pl_get_le64(record + 24), 102);
    assert_int_equal(pl_get_le32(record + 32), 1);
    assert_int_equal(pl_get_le64(record + 40), 3);
    assert_int_equal(pl_get_le64(record + 48), 43);
    assert_true(pl_get_le64(record + 56) == 1770000000000000);
    assert_memory_equal(record + 64, "writer", 7);
    assert_memory_equal(record + 80, image.head[2].hash, STORE_HASH_BYTES);
    assert_memory_equal(record + 112, image.head[3].hash, STORE_HASH_BYTES);
    assert_memory_equal(record + 160, "\1\2\3", 3);
    assert_memory_equal(record + 173, "\0\0\0PLB1END\n", 11);
    for (size_t len = 0; len < 100; len++)
        assert_int_equal(segment_record_bytes(len) % 8, 0);
}

/* --- the table --- */

static void test_row_record(void **state)
{
    (void)state;
    struct image image;
    struct store_batch batch;
    uint64_t torn_end;
    image_make(&image, 600);
    for (int n = 0; n < 3; n++)
        assert_int_equal(look(&image, n), SEGMENT_RECORD);
    static const struct store_head any = {.batch = UINT64_MAX};
    assert_int_equal(look_at(&image, image.at[1], &any, &batch, &torn_end), SEGMENT_RECORD);
    assert_int_equal(batch.number, 43);
}

static void test_row_does_not_follow(void **state)
{
    (void)state;
    struct image image;
    struct store_batch batch;
    uint64_t torn_end;
    image_make(&image, 600);
    for (int field = 0; field < 4; field++) {
        struct store_head head = image.head[2];
        head.batch += field == 0;
        head.hash[7] ^= field == 1;
        head.next_seq += field == 2;
        head.epoch = field == 3 ? 4 : head.epoch;
        assert_int_equal(look_at(&image, image.at[2], &head, &batch, &torn_end), SEGMENT_DAMAGE);
        /* nor is it one when its end is missing: the header says enough */
        struct image cut = image;
        memset(cut.byte + cut.at[3] - 100, 0, 100);
        assert_int_equal(look(&cut, 2), SEGMENT_TORN);
        assert_int_equal(look_at(&cut, cut.at[2], &head, &batch, &torn_end), SEGMENT_DAMAGE);
    }
}

static void test_row_zeros_up_to_the_end(void **state)
{
    (void)state;
    struct image image;
    image_make(&image, 600);
    assert_int_equal(look(&image, 3), SEGMENT_END);
    for (uint64_t left = 0; left < 200; left += 8) { /* also where no header fits any more */
        image.len = image.at[3] + left;
        assert_int_equal(look(&image, 3), SEGMENT_END);
    }
}

static void test_row_the_log_went_on(void **state)
{
    (void)state;
    struct image image, whole;
    image_make(&whole, 3000);
    image = whole;
    memset(image.byte + image.at[1], 0, image.at[2] - image.at[1]); /* a hole */
    assert_int_equal(look(&image, 1), SEGMENT_DAMAGE);
    image = whole;
    /* half a header is gone, and sectors after it */
    memset(image.byte + image.at[1] + 100, 0, 1200);
    assert_int_equal(look(&image, 1), SEGMENT_DAMAGE);
    static const struct store_head any = {.batch = UINT64_MAX};
    struct store_batch batch;
    uint64_t torn_end;
    assert_int_equal(look_at(&image, image.at[1], &any, &batch, &torn_end), SEGMENT_DAMAGE);
    /* the one after it is damaged too: its header says enough */
    image.byte[image.at[2] + 500] ^= 1;
    assert_int_equal(look(&image, 1), SEGMENT_DAMAGE);
    image = whole; /* the header is right */
    memset(image.byte + image.at[1] + 200, 0, image.at[2] - image.at[1] - 200);
    assert_int_equal(look(&image, 1), SEGMENT_DAMAGE);
}

/* What looks like a header inside a torn batch is an entry, unless its number could be true. */
static void test_row_only_plausible_headers_count(void **state)
{
    (void)state;
    struct image image;
    uint8_t body[400];
    struct store_batch inner;
    struct store_head far = {.batch = 1000, .next_seq = 7};
    for (int plausible = 0; plausible < 2; plausible++) {
        image_make(&image, 3000);
        memset(body, 1, sizeof(body));
        if (plausible)
            far = (struct store_head){.batch = 44, .next_seq = 7};
        make_batch(&far, pl_slice(body, 100), 1, &inner);
        uint64_t place = image.at[2] + 160 + 1000;
        place -= place % 8;
        segment_record_encode(&inner, image.byte + place);
        memset(image.byte + image.at[2], 0, 700); /* the header never came */
        assert_int_equal(look(&image, 2), plausible ? SEGMENT_DAMAGE : SEGMENT_TORN);
    }
}

static void test_a_changed_byte_is_noticed_before_it_is_written(void **state)
{
    (void)state;
    struct image image;
    image_make(&image, 1473);
    uint8_t *record = image.byte + image.at[2];
    size_t len = (size_t)(image.at[3] - image.at[2]);
    assert_true(segment_record_intact(record, len));
    for (size_t i = 0; i < len; i++) {
        record[i] ^= 0x10;
        assert_false(segment_record_intact(record, len));
        record[i] ^= 0x10;
    }
    assert_true(segment_record_intact(record, len));
    assert_false(segment_record_intact(record, len - 8)); /* of another length than it says */
    assert_false(segment_record_intact(record, len + 8));
    assert_false(segment_record_intact(record, 100));
}

static void test_row_more_bytes_than_a_record(void **state)
{
    (void)state;
    struct image image;
    image_make(&image, 2000);
    memset(image.byte + image.at[2] + 600, 0, 1100); /* torn, if it were alone */
    assert_int_equal(look(&image, 2), SEGMENT_TORN);
    image.byte[image.at[3] + 900] =
        1; /* nothing is ever written there before this one is durable */
    assert_int_equal(look(&image, 2), SEGMENT_DAMAGE);
}

static void test_row_the_end_is_missing(void **state)
{
    (void)state;
    struct image whole, image;
    image_make(&whole, 1500);
    for (uint64_t cut = whole.at[2]; cut < whole.at[3]; cut++) {
        image = whole;
        memset(image.byte + cut, 0, image.at[3] - cut); /* zeros from here on */
        assert_int_equal(look(&image, 2), cut == image.at[2] ? SEGMENT_END : SEGMENT_TORN);
        image = whole;
        image.len = cut; /* no file from here on */
        assert_int_equal(look(&image, 2), cut == image.at[2] ? SEGMENT_END : SEGMENT_TORN);
    }
}

static void test_row_sectors_are_missing(void **state)
{
    (void)state;
    struct image whole, image;
    image_make(&whole, 3000);
    uint64_t first = whole.at[2] / SEGMENT_SECTOR_BYTES;
    uint64_t last = (whole.at[3] - 1) / SEGMENT_SECTOR_BYTES;
    unsigned sectors = (unsigned)(last - first + 1);
    assert_in_range(sectors, 6, 9);
    for (unsigned lost = 1; lost < (1u << sectors); lost++) { /* any set of them never came */
        image = whole;
        for (unsigned i = 0; i < sectors; i++) {
            uint64_t from = (first + i) * SEGMENT_SECTOR_BYTES, to = from + SEGMENT_SECTOR_BYTES;
            if (from < image.at[2])
                from = image.at[2]; /* what the sector held before is there */
            if ((lost >> i & 1) != 0)
                memset(image.byte + from, 0, to - from);
        }
        bool all = lost == (1u << sectors) - 1;
        assert_int_equal(look(&image, 2), all ? SEGMENT_END : SEGMENT_TORN);
    }
}

static void test_row_whole_but_wrong(void **state)
{
    (void)state;
    struct image image;
    image_make(&image, 333);
    for (int n = 0; n < 3; n++) { /* the last one, too, is damaged and never cut */
        for (uint64_t bit = image.at[n] * 8; bit < image.at[n + 1] * 8; bit++) {
            image.byte[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            assert_int_equal(look(&image, n), SEGMENT_DAMAGE);
            image.byte[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        }
    }
}

static void test_a_body_larger_than_any_is_no_header(void **state)
{
    (void)state;
    struct image image;
    struct store_batch batch;
    uint64_t body_bytes, body_sum;
    uint8_t *header = image.byte + SEGMENT_HEADER_BYTES;
    image_make(&image, 10);
    assert_true(segment_record_header(header, &batch, &body_bytes, &body_sum));
    static const uint64_t sizes[] = {STORE_BATCH_BYTES_MAX + 1, UINT64_MAX, UINT64_MAX - 200};
    for (size_t i = 0; i < PL_COUNT(sizes); i++) {
        pl_put_le64(header + 8, sizes[i]);
        pl_put_le64(header + 152, pl_xxh3(pl_slice(header, 152), 0));
        assert_false(segment_record_header(header, &batch, &body_bytes, &body_sum));
        assert_int_equal(look(&image, 0), SEGMENT_DAMAGE);
    }
}

static void test_a_window_shows_the_file(void **state)
{
    (void)state;
    struct image image;
    struct segment_window window;
    const uint8_t *bytes = NULL;
    image_make(&image, 8000);
    segment_window_init(&window, &image.io, -1, image.len);
    for (uint64_t i = 0; i < 20000; i++) { /* forwards, backwards, all lengths */
        uint64_t offset = i * 7919 % BYTES;
        size_t len = (size_t)(i % 5000);
        if (offset + len > BYTES) {
            assert_int_equal(segment_window_get(&window, offset, len, &bytes).code, PL_E_CORRUPT);
            continue;
        }
        assert_true(pl_is_ok(segment_window_get(&window, offset, len, &bytes)));
        assert_memory_equal(bytes, image.byte + offset, len);
    }
    assert_int_equal(segment_window_get(&window, UINT64_MAX - 3, 8, &bytes).code, PL_E_CORRUPT);
    segment_window_fini(&window);
}

/* --- a disk that fails while a place is judged --- */

struct failing_image {
    struct image image; /* first member, and its io first in it */
    unsigned reads, fail_at;
};

static struct pl_status failing_pread(struct io *io, int fd, void *into, size_t len,
                                      uint64_t offset)
{
    struct failing_image *failing = (struct failing_image *)io;
    const struct image *image = &failing->image;
    assert_true(fd == -1 && offset + len <= image->len);
    if (++failing->reads == failing->fail_at)
        return pl_fail(IO, "the n-th");
    memset(into, 0, len); /* all that is behind the image's bytes */
    if (offset < BYTES)
        memcpy(into, image->byte + offset, len < BYTES - offset ? len : BYTES - offset);
    return pl_ok();
}

/* A segment that no window holds at once: each step of the verdict reads the disk again. */
static void test_a_read_that_fails_anywhere_is_no_verdict(void **state)
{
    (void)state;
    static struct failing_image failing;
    for (int wreck = 0; wreck < 3; wreck++) {
        bool failed = true;
        unsigned n = 0;
        image_make(&failing.image, 8000);
        failing.image.io.pread = failing_pread;
        failing.image.len = 2 << 20;
        if (wreck == 0) /* its end is missing */
            memset(failing.image.byte + failing.image.at[3] - 2000, 0, 2000);
        else if (wreck == 1) /* its header is, and its last sectors are there */
            memset(failing.image.byte + failing.image.at[2], 0, 1000);
        else /* a bit */
            failing.image.byte[failing.image.at[2] + 3000] ^= 1;
        while (failed) {
            struct segment_window window;
            struct store_batch batch;
            enum segment_found found = SEGMENT_END;
            uint64_t torn_end = 0;
            failing.reads = 0;
            failing.fail_at = ++n;
            segment_window_init(&window, &failing.image.io, -1, failing.image.len);
            struct pl_status status = segment_look(
                &window, failing.image.at[2], &failing.image.head[2], &found, &batch, &torn_end);
            segment_window_fini(&window);
            failed = failing.reads >= failing.fail_at;
            assert_int_equal(status.code, failed ? PL_E_IO : PL_E_OK);
            if (!failed)
                assert_int_equal(found, wreck == 2 ? SEGMENT_DAMAGE : SEGMENT_TORN);
        }
        assert_true(n > 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_header_is_where_it_is_drawn),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_a_record_is_where_it_is_drawn),
        cmocka_unit_test(test_row_record),
        cmocka_unit_test(test_row_does_not_follow),
        cmocka_unit_test(test_row_zeros_up_to_the_end),
        cmocka_unit_test(test_row_the_log_went_on),
        cmocka_unit_test(test_row_only_plausible_headers_count),
        cmocka_unit_test(test_a_changed_byte_is_noticed_before_it_is_written),
        cmocka_unit_test(test_row_more_bytes_than_a_record),
        cmocka_unit_test(test_row_the_end_is_missing),
        cmocka_unit_test(test_row_sectors_are_missing),
        cmocka_unit_test(test_row_whole_but_wrong),
        cmocka_unit_test(test_a_body_larger_than_any_is_no_header),
        cmocka_unit_test(test_a_window_shows_the_file),
        cmocka_unit_test(test_a_read_that_fails_anywhere_is_no_verdict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

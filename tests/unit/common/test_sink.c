/* SPDX-License-Identifier: Apache-2.0
 *
 * sink: numbers of every length as a reader of varints has them, and no byte before the room.
 */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka needs the C headers before it */
#include <cmocka.h>
// clang-format on

#include "common/check.h"
#include "common/sink.h"

static uint64_t read_back(const uint8_t *bytes, size_t len)
{
    uint64_t value = 0;
    for (size_t i = 0; i < len; i++) {
        value |= (uint64_t)(bytes[i] & 0x7F) << (7 * i);
        assert_true((bytes[i] & 0x80) != 0 || i + 1 == len); /* it ends where it ends */
    }
    assert_false((bytes[len - 1] & 0x80) != 0);
    return value;
}

static void test_numbers_of_every_length(void **state)
{
    (void)state;
    for (size_t bits = 0; bits <= 64; bits++) {
        for (uint64_t less = 0; less < 2; less++) {
            uint64_t value = (bits == 64 ? 0 : 1ull << bits) - less;
            size_t len = 1;
            while (len < 10 && value >> (7 * len) != 0)
                len++;
            uint8_t room[32];
            struct pl_sink sink = {.begin = room, .at = room + sizeof(room)};
            pl_sink_varint(&sink, value);
            assert_false(sink.failed);
            assert_int_equal(room + sizeof(room) - sink.at, len);
            assert_int_equal(read_back(sink.at, len), value);
        }
    }
}

static void test_a_room_that_is_too_small(void **state)
{
    (void)state;
    static const uint64_t values[] = {0, 127, 128, 16384, UINT64_MAX};
    static const size_t lens[] = {1, 1, 2, 3, 10};
    for (size_t i = 0; i < PL_COUNT(values); i++) {
        for (size_t room = 0; room <= 10; room++) {
            uint8_t bytes[12];
            memset(bytes, 0xEE, sizeof(bytes));
            struct pl_sink sink = {.begin = bytes + 1, .at = bytes + 1 + room};
            pl_sink_varint(&sink, values[i]);
            assert_int_equal(sink.failed, room < lens[i]);
            assert_int_equal(bytes[0], 0xEE);
            assert_int_equal(bytes[1 + room], 0xEE);
        }
    }
}

static void test_values_and_their_lengths(void **state)
{
    (void)state;
    uint8_t room[4];
    struct pl_sink sink = {.begin = room, .at = room + sizeof(room)};
    const uint8_t *end = sink.at;
    pl_sink_put(&sink, "ab", 2);
    pl_sink_length(&sink, end);
    pl_sink_put(&sink, NULL, 0);
    assert_false(sink.failed);
    assert_memory_equal(sink.at,
                        "\x02"
                        "ab",
                        3);
    pl_sink_put(&sink, "cd", 2);
    assert_true(sink.failed);
    assert_ptr_equal(sink.at, room + 1); /* nothing of it */
}

/* Short ones are not copied by the library: each length as it is, and not a byte beside it. */
static void test_values_of_every_length(void **state)
{
    (void)state;
    enum { LONGEST = 80 };
    uint8_t value[LONGEST];
    for (size_t i = 0; i < LONGEST; i++)
        value[i] = (uint8_t)(i + 1);
    for (size_t len = 0; len <= LONGEST; len++) {
        uint8_t room[LONGEST + 2];
        memset(room, 0xEE, sizeof(room));
        struct pl_sink sink = {.begin = room + 1, .at = room + 1 + len};
        pl_sink_put(&sink, value, len);
        assert_false(sink.failed);
        assert_ptr_equal(sink.at, room + 1);
        assert_memory_equal(room + 1, value, len);
        assert_int_equal(room[0], 0xEE);
        assert_int_equal(room[1 + len], 0xEE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_of_every_length),
        cmocka_unit_test(test_a_room_that_is_too_small),
        cmocka_unit_test(test_values_and_their_lengths),
        cmocka_unit_test(test_values_of_every_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

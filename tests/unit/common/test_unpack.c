/* SPDX-License-Identifier: Apache-2.0
 *
 * unpack: random messages come back as they were; whatever a random change makes of their bytes, it
 * is read as protobuf-c reads it, or left to it.
 */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka needs the C headers before it */
#include <cmocka.h>
// clang-format on

#include <stdlib.h>

#include "common/pack.h"
#include "common/unpack.h"
#include "tests/lib/random_message.h"

static void test_messages_come_back(void **state)
{
    (void)state;
    struct dice dice = {.state = 17};
    struct pl_arena copies;
    size_t read = 0;
    pl_arena_init(&dice.arena, 64 << 20);
    pl_arena_init(&copies, 64 << 20);
    for (int round = 0; round < 3000; round++) {
        const ProtobufCMessageDescriptor *type = types[round % TYPES];
        pl_arena_reset(&dice.arena);
        pl_arena_reset(&copies);
        struct pl_slice want = packed_by_library(random_message(&dice, type, 0), &dice.arena);
        uint8_t *exact = malloc(want.len + 1); /* a sanitizer sees what is beside */
        memcpy(exact, want.data, want.len);
        ProtobufCMessage *got = pl_unpack_plain(type, pl_slice(exact, want.len), &copies);
        free(exact); /* nothing may be borrowed */
        read += got != NULL;
        if (got != NULL)
            assert_true(pl_slice_eq(packed_by_library(got, &copies), want));
    }
    assert_true(read > 2500); /* lists of packed numbers are protobuf-c's: hardly any */
    pl_arena_fini(&copies);
    pl_arena_fini(&dice.arena);
}

static void spoil(struct dice *dice, uint8_t *bytes, size_t *len)
{
    for (uint32_t changes = roll(dice, 3); changes > 0; changes--)
        bytes[roll(dice, (uint32_t)*len)] = (uint8_t)roll(dice, 256);
    if (roll(dice, 6) == 0)
        *len = roll(dice, (uint32_t)*len);
}

static void test_what_it_reads_is_what_protobuf_c_reads(void **state)
{
    (void)state;
    struct dice dice = {.state = 23};
    struct pl_arena copies;
    pl_arena_init(&dice.arena, 64 << 20);
    pl_arena_init(&copies, 64 << 20);
    size_t read = 0, left = 0;
    for (int round = 0; round < 20000; round++) {
        const ProtobufCMessageDescriptor *type = types[round % TYPES];
        pl_arena_reset(&dice.arena);
        pl_arena_reset(&copies);
        struct pl_slice good = packed_by_library(random_message(&dice, type, 2), &dice.arena);
        if (good.len == 0)
            continue;
        size_t len = good.len;
        uint8_t *bytes = malloc(len);
        memcpy(bytes, good.data, len);
        spoil(&dice, bytes, &len);
        ProtobufCMessage *ours = pl_unpack_plain(type, pl_slice(bytes, len), &copies);
        if (ours != NULL) {
            ProtobufCMessage *theirs = protobuf_c_message_unpack(type, NULL, len, bytes);
            assert_non_null(theirs); /* it never reads what protobuf-c refuses */
            assert_true(
                pl_slice_eq(packed_by_library(ours, &copies), packed_by_library(theirs, &copies)));
            protobuf_c_message_free_unpacked(theirs, NULL);
        }
        read += ours != NULL;
        left += ours == NULL;
        free(bytes);
    }
    assert_true(read > 5000 && left > 1000);
    pl_arena_fini(&copies);
    pl_arena_fini(&dice.arena);
}

static void test_a_budget_that_is_spent(void **state)
{
    (void)state;
    struct dice dice = {.state = 6};
    pl_arena_init(&dice.arena, 64 << 20);
    struct pl_slice bytes = packed_by_library(random_message(&dice, types[1], 0), &dice.arena);
    assert_true(bytes.len > 200);
    bool whole = false;
    for (size_t budget = 0; !whole && budget < 1 << 20; budget += 16) {
        struct pl_arena small;
        pl_arena_init(&small, budget);
        whole = pl_unpack_plain(types[1], bytes, &small) != NULL;
        assert_false(whole && budget < 200);
        pl_arena_fini(&small);
    }
    assert_true(whole);
    pl_arena_fini(&dice.arena);
}

static void test_what_it_leaves_to_protobuf_c(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        const char *bytes;
        size_t len;
    } cases[] = {
        {"an unknown field", "\x98\x06\x01", 3},
        {"a number where text belongs", "\x10\x01", 2},
        {"text where a number belongs", "\x0a\x01x", 3},
        {"fixed width", "\x09\0\0\0\0\0\0\0\0", 9},
        {"a group", "\x0b\x0c", 2},
        {"a tag without end", "\x88", 1},
        {"eleven bytes of a number", "\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 12},
        {"a tenth byte too large", "\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02", 11},
        {"text longer than the message", "\x12\x05xy", 4},
        {"field 0", "\x00\x01", 2},
    };
    struct pl_arena arena;
    pl_arena_init(&arena, 1 << 16);
    const ProtobufCMessageDescriptor *money = &pledged__v1__money__descriptor;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pl_slice bytes = pl_slice((const uint8_t *)cases[i].bytes, cases[i].len);
        if (pl_unpack_plain(money, bytes, &arena) != NULL)
            fail_msg("%s was read", cases[i].what);
    }
    const char most[] = "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x12\x03"
                        "CHF";
    Pledged__V1__Money *read = (Pledged__V1__Money *)pl_unpack_plain(
        money, pl_slice((const uint8_t *)most, sizeof(most) - 1), &arena);
    assert_non_null(read);
    assert_int_equal(read->minor, -1);
    assert_string_equal(read->currency, "CHF");
    read = (Pledged__V1__Money *)pl_unpack_plain(money, pl_slice(NULL, 0), &arena);
    assert_string_equal(read->currency, "");
    pl_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_come_back),
        cmocka_unit_test(test_what_it_reads_is_what_protobuf_c_reads),
        cmocka_unit_test(test_a_budget_that_is_spent),
        cmocka_unit_test(test_what_it_leaves_to_protobuf_c),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

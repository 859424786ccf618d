/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: what the scan lets through is what protobuf-c reads, and everything that protobuf-c would
 * read wrongly, partly or slowly is refused with the path of the first wrong field.
 */
#include <stdio.h>

#include "common/check.h"
#include "common/plan.h"
#include "common/scan.h"
#include "pledged/v1/command.pb-c.h"
#include "pledged/v1/entry.pb-c.h"
#include "pledged/v1/service.pb-c.h"

/* cmocka.h needs the four headers before it */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

enum { WIRE_MAX = 4096, ELEMENTS = 100 };

/* Wire bytes made by hand, so that they can be wrong. */
struct wire {
    uint8_t bytes[WIRE_MAX];
    size_t len;
};

static void put_raw(struct wire *wire, const void *bytes, size_t len)
{
    assert_true(len <= sizeof(wire->bytes) - wire->len);
    memcpy(wire->bytes + wire->len, bytes, len);
    wire->len += len;
}

static void put_varint(struct wire *wire, uint64_t value)
{
    do {
        uint8_t byte = (uint8_t)((value & 0x7F) | (value > 0x7F ? 0x80 : 0));
        put_raw(wire, &byte, 1);
        value >>= 7;
    } while (value != 0);
}

static void put_int(struct wire *wire, uint32_t field, uint64_t value)
{
    put_varint(wire, (uint64_t)field << 3);
    put_varint(wire, value);
}

static void put_bytes(struct wire *wire, uint32_t field, const void *bytes, size_t len)
{
    put_varint(wire, (uint64_t)field << 3 | 2);
    put_varint(wire, len);
    put_raw(wire, bytes, len);
}

static void put_str(struct wire *wire, uint32_t field, const char *text)
{
    put_bytes(wire, field, text, strlen(text));
}

static void put_message(struct wire *wire, uint32_t field, const struct wire *inner)
{
    put_bytes(wire, field, inner->bytes, inner->len);
}

static struct pl_slice slice_of(const struct wire *wire)
{
    return pl_slice(wire->bytes, wire->len);
}

#define COMMAND      (&pledged__v1__command__descriptor)
#define SUBMIT_FIELD 23u
#define HOLD_FIELD   20u
#define CHF_MINOR    15000000u

static struct wire money(void)
{
    struct wire wire = {.len = 0};
    put_int(&wire, 1, CHF_MINOR);
    put_str(&wire, 2, "CHF");
    return wire;
}

static struct wire submit_command(void)
{
    struct wire command = {.len = 0}, submit = {.len = 0}, amount = money(), document = {.len = 0};
    put_bytes(&document, 1, "0123456789abcdef0123456789abcdef", 32);
    put_str(&document, 3, "letter");
    put_bytes(&command, 1, "0123456789abcdef", 16);
    put_str(&command, 3, "as agreed in Gen\xC3\xA8ve");
    put_message(&command, 4, &document);
    put_message(&command, 4, &document);
    put_str(&submit, 2, "C000017");
    put_str(&submit, 3, "platine");
    put_message(&submit, 5, &amount);
    put_int(&submit, 6, PLEDGED__V1__PLEDGE_KIND__PLEDGE_KIND_IN_KIND);
    put_message(&command, SUBMIT_FIELD, &submit);
    return command;
}

static void assert_refused(const ProtobufCMessageDescriptor *type, const struct wire *wire,
                           const char *path, const char *what)
{
    struct pl_scan_error error;
    struct pl_status status = pl_scan(type, slice_of(wire), ELEMENTS, &error);
    assert_int_equal(status.code, PL_E_INVALID);
    assert_string_equal(error.path, path);
    assert_string_equal(error.what, what);
    assert_int_equal(error.unknown_field, strcmp(what, "no field has this number") == 0);
    assert_int_equal(error.not_utf8, strncmp(what, "not UTF-8", 9) == 0);
}

static void assert_accepted(const ProtobufCMessageDescriptor *type, const struct wire *wire)
{
    struct pl_scan_error error;
    struct pl_status status = pl_scan(type, slice_of(wire), ELEMENTS, &error);
    if (!pl_is_ok(status))
        print_error("%s: %s\n", error.path, error.what);
    assert_int_equal(status.code, PL_E_OK);
}

/* --- what passes --- */

static void test_good_message_is_read(void **state)
{
    (void)state;
    struct wire wire = submit_command();
    struct pl_arena arena PL_CLEANUP(pl_arena_fini);
    pl_arena_init(&arena, 1 << 16);
    struct pl_scan_error error;
    ProtobufCMessage *message = NULL;
    struct pl_status status =
        pl_unpack(COMMAND, slice_of(&wire), ELEMENTS, &arena, &message, &error);
    assert_int_equal(status.code, PL_E_OK);
    const Pledged__V1__Command *command = (const Pledged__V1__Command *)message;
    assert_int_equal(command->command_case, PLEDGED__V1__COMMAND__COMMAND_SUBMIT);
    assert_string_equal(command->submit->tier, "platine");
    assert_true(command->submit->amount->minor == CHF_MINOR);
    assert_int_equal(command->submit->kind, PLEDGED__V1__PLEDGE_KIND__PLEDGE_KIND_IN_KIND);
    assert_int_equal(command->n_evidence, 2);
}

static void test_empty_message_is_fine(void **state)
{
    (void)state;
    struct wire wire = {.len = 0};
    assert_accepted(COMMAND, &wire);
    struct pl_scan_error error;
    struct pl_arena arena PL_CLEANUP(pl_arena_fini);
    pl_arena_init(&arena, 4096);
    ProtobufCMessage *message = NULL;
    struct pl_status status = pl_unpack(COMMAND, pl_slice(NULL, 0), 0, &arena, &message, &error);
    assert_int_equal(status.code, PL_E_OK);
    assert_string_equal(((Pledged__V1__Command *)message)->reason, "");
}

static void test_pack_and_unpack(void **state)
{
    (void)state;
    struct pl_arena arena PL_CLEANUP(pl_arena_fini);
    pl_arena_init(&arena, 4096);
    Pledged__V1__Money made = PLEDGED__V1__MONEY__INIT;
    made.minor = -5;
    made.currency = (char *)(uintptr_t) "JPY";
    struct pl_slice bytes = pl_pack(&made.base, &arena);
    assert_non_null(bytes.data);
    ProtobufCMessage *message = NULL;
    struct pl_status status =
        pl_unpack_trusted(&pledged__v1__money__descriptor, bytes, &arena, &message);
    assert_int_equal(status.code, PL_E_OK);
    assert_true(((Pledged__V1__Money *)message)->minor == -5);
    Pledged__V1__Money nothing = PLEDGED__V1__MONEY__INIT;
    bytes = pl_pack(&nothing.base, &arena);
    assert_non_null(bytes.data); /* no bytes is not the same as no budget */
    assert_int_equal(bytes.len, 0);
    struct pl_arena small PL_CLEANUP(pl_arena_fini);
    pl_arena_init(&small, 8);
    assert_null(pl_pack(&made.base, &small).data);
}

static void test_packed_and_plain_elements(void **state)
{
    (void)state;
    struct wire packed = {.len = 0}, inner = {.len = 0};
    put_varint(&inner, PLEDGED__V1__STAGE__STAGE_HELD);
    put_varint(&inner, PLEDGED__V1__STAGE__STAGE_CANCELLED);
    put_message(&packed, 2, &inner);
    put_int(&packed, 2, PLEDGED__V1__STAGE__STAGE_WAITING);
    put_bytes(&packed, 2, "", 0); /* no elements at all */
    const ProtobufCMessageDescriptor *type = &pledged__v1__list_pledges_request__descriptor;
    assert_accepted(type, &packed);
    struct pl_arena arena PL_CLEANUP(pl_arena_fini);
    pl_arena_init(&arena, 4096);
    struct pl_scan_error error;
    ProtobufCMessage *message = NULL;
    struct pl_status status = pl_unpack(type, slice_of(&packed), 3, &arena, &message, &error);
    assert_int_equal(status.code, PL_E_OK);
    const Pledged__V1__ListPledgesRequest *request =
        (const Pledged__V1__ListPledgesRequest *)message;
    assert_int_equal(request->n_stage, 3);
    assert_int_equal(request->stage[1], PLEDGED__V1__STAGE__STAGE_CANCELLED);
    assert_int_equal(request->stage[2], PLEDGED__V1__STAGE__STAGE_WAITING);
    assert_int_equal(pl_scan(type, slice_of(&packed), 2, &error).code, PL_E_INVALID);
}

/* --- what does not --- */

static void test_unknown_fields(void **state)
{
    (void)state;
    static const uint32_t numbers[] = {7, 11, 98, 99, 536870911};
    for (size_t i = 0; i < PL_COUNT(numbers); i++) {
        struct wire wire = submit_command();
        char name[24];
        put_int(&wire, numbers[i], 1);
        (void)snprintf(name, sizeof(name), "#%u", numbers[i]);
        assert_refused(COMMAND, &wire, name, "no field has this number");
    }
    struct wire command = {.len = 0}, hold = {.len = 0};
    put_str(&hold, 1, "or");
    put_str(&hold, 9, "later");
    put_message(&command, HOLD_FIELD, &hold);
    assert_refused(COMMAND, &command, "hold.#9", "no field has this number");
}

static void test_wrong_wire_types(void **state)
{
    (void)state;
    struct wire wire = {.len = 0};
    put_int(&wire, 1, 5); /* bytes as a number */
    assert_refused(COMMAND, &wire, "request_id", "another type than the field has");
    wire.len = 0;
    put_bytes(&wire, 5, "\x01", 1); /* a singular number in packed form */
    assert_refused(COMMAND, &wire, "dry_run", "another type than the field has");
    wire.len = 0;
    put_varint(&wire, 5 << 3 | 5); /* bool as 32 bits */
    put_raw(&wire, "\x01\x00\x00\x00", 4);
    assert_refused(COMMAND, &wire, "dry_run", "another type than the field has");
    wire.len = 0;
    put_varint(&wire, 5 << 3 | 1); /* and as 64 bits */
    put_raw(&wire, "\x01\x00\x00\x00\x00\x00\x00\x00", 8);
    assert_refused(COMMAND, &wire, "dry_run", "another type than the field has");
}

static void test_given_twice(void **state)
{
    (void)state;
    struct wire wire = submit_command();
    put_str(&wire, 3, "another reason");
    assert_refused(COMMAND, &wire, "reason", "given twice");
    struct wire hold = {.len = 0}, two = submit_command();
    put_message(&two, HOLD_FIELD, &hold);
    assert_refused(COMMAND, &two, "hold", "given twice"); /* another member of the same oneof */
    struct wire same = submit_command(), empty = {.len = 0};
    put_message(&same, SUBMIT_FIELD, &empty);
    assert_refused(COMMAND, &same, "submit", "given twice");
    /* two oneofs of one message do not disturb each other, nor does a zero value hide a member */
    struct wire extend = {.len = 0}, command = {.len = 0};
    put_int(&extend, 2, 0);
    put_int(&extend, 3, 0);
    put_message(&command, 21, &extend);
    assert_refused(COMMAND, &command, "extend.until_us", "given twice");
}

/* A sub-message repeated n times is merged by protobuf-c with n copies of what came before. */
static void test_quadratic_merge_is_refused_at_once(void **state)
{
    (void)state;
    enum { TIMES = 200000 };
    struct pl_arena arena PL_CLEANUP(pl_arena_fini);
    pl_arena_init(&arena, TIMES * 16);
    uint8_t *bytes = pl_arena_alloc(&arena, TIMES * 3);
    for (size_t i = 0; i < TIMES; i++)
        memcpy(bytes + 3 * i, "\xBA\x01\x00", 3); /* submit, empty */
    struct pl_scan_error error;
    ProtobufCMessage *message = NULL;
    struct pl_status status =
        pl_unpack(COMMAND, pl_slice(bytes, TIMES * 3), SIZE_MAX, &arena, &message, &error);
    assert_int_equal(status.code, PL_E_INVALID);
    assert_string_equal(error.path, "submit");
    assert_null(message);
}

static void test_texts(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        bool fine;
    } rows[] = {
        {"", 0, true},
        {"plain", 5, true},
        {"\xC3\xA9", 2, true},
        {"\xE2\x82\xAC", 3, true},
        {"\xF0\x9F\x98\x80", 4, true},
        {"\xF4\x8F\xBF\xBF", 4, true}, /* U+10FFFF */
        {"\xEF\xBF\xBE", 3, true},     /* a noncharacter is still well-formed */
        {"\xEF\xBB\xBFx", 4, true},    /* byte order mark */
        {"a\0b", 3, false},            /* NUL inside */
        {"ab\0", 3, false},            /* NUL at the end */
        {"\0", 1, false},
        {"\xC0\x80", 2, false},         /* overlong NUL */
        {"\xC1\xBF", 2, false},         /* overlong */
        {"\xE0\x80\xAF", 3, false},     /* overlong */
        {"\xF0\x80\x80\xAF", 4, false}, /* overlong */
        {"\xED\xA0\x80", 3, false},     /* surrogate */
        {"\xED\xBF\xBF", 3, false},     /* surrogate */
        {"\xF4\x90\x80\x80", 4, false}, /* above U+10FFFF */
        {"\xF5\x80\x80\x80", 4, false},
        {"\xF8\x88\x80\x80\x80", 5, false}, /* five bytes */
        {"\x80", 1, false},                 /* continuation alone */
        {"\xC3", 1, false},                 /* cut short */
        {"\xE2\x82", 2, false},
        {"caf\xE9", 4, false}, /* Latin-1 */
        {"\xFE\xFF", 2, false},
    };
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        assert_int_equal(pl_utf8_valid(pl_slice(rows[i].bytes, rows[i].len)), rows[i].fine);
        struct wire wire = {.len = 0};
        put_bytes(&wire, 3, rows[i].bytes, rows[i].len);
        if (rows[i].fine)
            assert_accepted(COMMAND, &wire);
        else
            assert_refused(COMMAND, &wire, "reason", "not UTF-8, or with a zero byte");
        wire.len = 0;
        put_bytes(&wire, 1, rows[i].bytes, rows[i].len); /* bytes may hold anything */
        assert_accepted(COMMAND, &wire);
    }
}

static void test_what_steers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool fine, with_lines, with_turns;
    } rows[] = {{"", true, true, true},         {"Zürich\u00A0\u202F\u2065", true, true, true},
                {"a\nb", false, true, false},   {"a\tb", false, false, false},
                {"\x7F", false, false, false},  {"a\xC2\x9B", false, false, true},
                {"\u202E", false, false, true}, {"a\u2066\n", false, false, false}};
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        assert_int_equal(pl_utf8_is_steady(rows[i].text, 0), rows[i].fine);
        assert_int_equal(pl_utf8_is_steady(rows[i].text, PL_TEXT_LINES), rows[i].with_lines);
        assert_int_equal(pl_utf8_is_steady(rows[i].text, PL_TEXT_TURNS), rows[i].with_turns);
    }
    assert_true(pl_utf8_is_steady("a\u2066\n", PL_TEXT_LINES | PL_TEXT_TURNS));
}

static void test_what_nobody_sees(void **state)
{
    (void)state;
    static const char *const unseen[] = {
        "",       " ",      "\u00A0", "\u00AD", "\u034F", "\u061C",        "\u115F",
        "\u1160", "\u1680", "\u17B4", "\u180E", "\u2000", "\u200B",        "\u200F",
        "\u2028", "\u202F", "\u205F", "\u2060", "\u206F", "\u2800",        "\u3000",
        "\u3164", "\uFE00", "\uFE0F", "\uFEFF", "\uFFA0", " \u3000\u200D "};
    static const char *const seen[] = {
        "x",      "\t",     "\u00A1", "\u00AC",     "\u00AE",  "\u1161",       "\u1FFF",
        "\u2010", "\u2027", "\u2030", "\u205E",     "\u2070",  "\u2801",       "\u2FFF",
        "\u3001", "\uFE10", "\uFF00", "\U0001F600", "\u00A0x", " \u200D\u00E9"};
    for (size_t i = 0; i < PL_COUNT(unseen); i++)
        if (!pl_utf8_is_blank(unseen[i]))
            fail_msg("%zu is taken for something", i);
    for (size_t i = 0; i < PL_COUNT(seen); i++)
        if (pl_utf8_is_blank(seen[i]))
            fail_msg("%zu is taken for nothing", i);
}

/* Eight bytes are looked at together: what is wrong is found at each place of each length. */
static void test_utf8_at_every_place(void **state)
{
    (void)state;
    enum { LONGEST = 40 };
    for (size_t len = 1; len <= LONGEST; len++) {
        for (size_t at = 0; at < len; at++) {
            char text[LONGEST];
            memset(text, at % 2 == 0 ? 0x01 : 'x', len);
            assert_true(pl_utf8_valid(pl_slice(text, len)));
            text[at] = '\0';
            assert_false(pl_utf8_valid(pl_slice(text, len)));
            text[at] = (char)0x80;
            assert_false(pl_utf8_valid(pl_slice(text, len)));
            text[at] = (char)0xC3;
            assert_false(pl_utf8_valid(pl_slice(text, len)));
            if (at + 1 == len)
                continue;
            text[at + 1] = (char)0xA9;
            assert_true(pl_utf8_valid(pl_slice(text, len)));
        }
    }
}

static void test_enum_numbers(void **state)
{
    (void)state;
    static const uint64_t bad[] = {
        4, 1000, UINT64_MAX, INT32_MAX, (uint64_t)INT32_MAX + 1, (1ull << 32) + 1};
    for (size_t i = 0; i <= PL_COUNT(bad); i++) {
        struct wire command = {.len = 0}, submit = {.len = 0};
        put_int(&submit, 9, i < PL_COUNT(bad) ? bad[i] : PLEDGED__V1__PUBLISH__PUBLISH_AFTER);
        put_message(&command, SUBMIT_FIELD, &submit);
        if (i < PL_COUNT(bad))
            assert_refused(COMMAND, &command, "submit.publish",
                           "a number without a name in its enum");
        else
            assert_accepted(COMMAND, &command);
    }
    struct wire list = {.len = 0}, packed = {.len = 0};
    put_varint(&packed, 1);
    put_varint(&packed, 77);
    put_message(&list, 2, &packed);
    assert_refused(&pledged__v1__list_pledges_request__descriptor, &list, "stage[1]",
                   "a number without a name in its enum");
}

static void test_truth_values(void **state)
{
    (void)state;
    for (uint64_t value = 0; value < 4; value++) {
        struct wire wire = {.len = 0};
        put_int(&wire, 5, value);
        if (value <= 1)
            assert_accepted(COMMAND, &wire);
        else
            assert_refused(COMMAND, &wire, "dry_run", "not a truth value");
    }
}

static void test_elements_are_counted_everywhere(void **state)
{
    (void)state;
    struct wire wire = {.len = 0}, submit = {.len = 0}, empty = {.len = 0};
    for (int i = 0; i < 3; i++)
        put_message(&wire, 4, &empty);
    for (int i = 0; i < 2; i++)
        put_message(&submit, 10, &empty);
    put_message(&wire, SUBMIT_FIELD, &submit);
    struct pl_scan_error error;
    assert_int_equal(pl_scan(COMMAND, slice_of(&wire), 5, &error).code, PL_E_OK);
    assert_int_equal(pl_scan(COMMAND, slice_of(&wire), 4, &error).code, PL_E_INVALID);
    assert_string_equal(error.path, "submit.external_ref");
    assert_string_equal(error.what, "too many elements");
    assert_int_equal(pl_scan(COMMAND, slice_of(&wire), 0, &error).code, PL_E_INVALID);
    assert_string_equal(error.path, "evidence");
}

static void test_paths_name_the_element(void **state)
{
    (void)state;
    struct wire batch = {.len = 0}, good = submit_command(), bad = {.len = 0}, hold = {.len = 0};
    put_str(&hold, 1, "\xFF");
    put_message(&bad, HOLD_FIELD, &hold);
    for (int i = 0; i < 3; i++)
        put_message(&batch, 1, &good);
    put_message(&batch, 1, &bad);
    assert_refused(&pledged__v1__execute_batch_request__descriptor, &batch, "command[3].hold.tier",
                   "not UTF-8, or with a zero byte");
    struct wire tier = {.len = 0};
    put_str(&tier, 2, "fine");
    put_str(&tier, 2, "\xFF");
    assert_refused(&pledged__v1__tier__descriptor, &tier, "alias[1]",
                   "not UTF-8, or with a zero byte");
}

static void test_damaged_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = {
        {"\x80", 1},     /* a tag that does not end */
        {"\x00\x00", 2}, /* field number 0 */
        {"\x0A", 1},     /* no length */
        {"\x0A\x05"
         "abcd",
         6},                                                      /* too short */
        {"\x0A\xFF\xFF\xFF\xFF\x0F", 6},                          /* 4 GiB that are not there */
        {"\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 11},     /* 2^64 - 1 of them */
        {"\x28", 1},                                              /* no value */
        {"\x28\x80", 2},                                          /* a varint that does not end */
        {"\x28\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 12}, /* eleven bytes */
        {"\x28\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02", 11},     /* more than 64 bits */
        {"\x2B", 1},                                              /* a group begins */
        {"\x2C", 1},                                              /* a group ends */
        {"\x2E\x01", 2},                                          /* wire type 6 */
        {"\x2F\x01", 2},                                          /* wire type 7 */
        {"\x8D\x80\x80\x80\x80\x01", 6},                          /* a tag above 32 bits */
        {"\x8A\x80\x80\x80\x80\x00\x00", 7},                      /* a tag of six bytes */
        {"\x0A\x81\x80\x80\x80\x80\x00"
         "a",
         8},                     /* a length of six bytes */
        {"\x29\x01\x02\x03", 4}, /* half of a fixed 64 */
        {"\x2D\x01\x02", 3},     /* half of a fixed 32 */
    };
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        struct wire wire = {.len = 0};
        put_raw(&wire, rows[i].bytes, rows[i].len);
        assert_refused(COMMAND, &wire, "", "damaged bytes");
    }
    struct wire list = {.len = 0};
    put_bytes(&list, 2, "\x01\x80", 2);
    assert_refused(&pledged__v1__list_pledges_request__descriptor, &list, "stage", "damaged bytes");
}

/* --- nesting: no message of ours nests so deep, so one is made by hand --- */

struct node {
    ProtobufCMessage base;
    struct node *child;
};
static const ProtobufCMessageDescriptor node_descriptor;
static const ProtobufCFieldDescriptor node_fields[] = {{
    .name = "child",
    .id = 1,
    .label = PROTOBUF_C_LABEL_NONE,
    .type = PROTOBUF_C_TYPE_MESSAGE,
    .offset = offsetof(struct node, child),
    .descriptor = &node_descriptor,
}};
static const ProtobufCIntRange node_ranges[] = {{1, 0}, {0, 1}};
static const ProtobufCMessageDescriptor node_descriptor = {
    .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
    .name = "node",
    .sizeof_message = sizeof(struct node),
    .n_fields = 1,
    .fields = node_fields,
    .n_field_ranges = 1,
    .field_ranges = node_ranges,
};

static void test_nesting_ends_at_sixteen(void **state)
{
    (void)state;
    struct wire wire = {.len = 0};
    for (int depth = 1; depth <= 40; depth++) {
        struct wire outer = {.len = 0};
        put_message(&outer, 1, &wire);
        wire = outer;
        struct pl_scan_error error;
        struct pl_status status = pl_scan(&node_descriptor, slice_of(&wire), 0, &error);
        assert_int_equal(status.code, depth <= 16 ? PL_E_OK : PL_E_INVALID);
        if (depth > 16) {
            assert_string_equal(error.what, "nested too deep");
            assert_int_equal(strncmp(error.path, "child.child.", 12), 0);
            assert_true(strlen(error.path) < sizeof(error.path));
        }
    }
}

/* --- the budget --- */

static void test_every_budget_ends_well(void **state)
{
    (void)state;
    struct wire wire = submit_command();
    bool enough = false;
    for (size_t budget = 0; budget < 4096 && !enough; budget += 16) {
        struct pl_arena arena PL_CLEANUP(pl_arena_fini);
        pl_arena_init(&arena, budget);
        struct pl_scan_error error;
        ProtobufCMessage *message = NULL;
        struct pl_status status =
            pl_unpack(COMMAND, slice_of(&wire), ELEMENTS, &arena, &message, &error);
        enough = pl_is_ok(status);
        assert_int_equal(status.code, enough ? PL_E_OK : PL_E_TOO_BIG);
        assert_int_equal(message != NULL, enough);
        pl_arena_reset(&arena);
        status = pl_unpack_trusted(COMMAND, slice_of(&wire), &arena, &message);
        assert_int_equal(status.code, enough ? PL_E_OK : PL_E_TOO_BIG);
    }
    assert_true(enough);
}

static void test_trusted_bytes_that_do_not_parse(void **state)
{
    (void)state;
    struct pl_arena arena PL_CLEANUP(pl_arena_fini);
    pl_arena_init(&arena, 4096);
    ProtobufCMessage *message = NULL;
    struct pl_status status = pl_unpack_trusted(COMMAND,
                                                pl_slice("\x0A\x05"
                                                         "abcd",
                                                         6),
                                                &arena, &message);
    assert_int_equal(status.code, PL_E_CORRUPT);
    assert_null(message);
}

static uint32_t number_of(const ProtobufCMessageDescriptor *type, const char *field)
{
    const ProtobufCFieldDescriptor *found =
        protobuf_c_message_descriptor_get_field_by_name(type, field);
    assert_non_null(found);
    return found->id;
}

/* Known fields are read whatever the way; unknown ones are told at every depth. */
static void test_what_has_to_be_known_whole(void **state)
{
    (void)state;
    struct pl_arena arena PL_CLEANUP(pl_arena_fini);
    pl_arena_init(&arena, 1 << 16);
    ProtobufCMessage *message = NULL;
    struct wire good = submit_command();
    assert_true(pl_is_ok(pl_unpack_known(COMMAND, slice_of(&good), &arena, &message)));
    assert_non_null(((Pledged__V1__Command *)message)->submit);
    put_bytes(&good, 1, "0123456789abcdef", 16); /* twice: left to protobuf-c, and known */
    assert_true(pl_is_ok(pl_unpack_known(COMMAND, slice_of(&good), &arena, &message)));
    for (int depth = 0; depth < 3; depth++) {
        struct wire money = {.len = 0}, submit = {.len = 0}, command = {.len = 0};
        put_int(&money, depth == 2 ? 900 : 1, 7);
        put_message(&submit, number_of(&pledged__v1__submit__descriptor, "amount"), &money);
        if (depth == 1)
            put_int(&submit, 900, 7);
        put_message(&command, number_of(COMMAND, "submit"), &submit);
        if (depth == 0)
            put_int(&command, 900, 7);
        assert_true(pl_is_ok(pl_unpack_trusted(COMMAND, slice_of(&command), &arena, &message)));
        struct pl_status status = pl_unpack_known(COMMAND, slice_of(&command), &arena, &message);
        assert_int_equal(status.code, PL_E_UNIMPLEMENTED);
    }
    struct pl_status status =
        pl_unpack_known(COMMAND, pl_slice("\x0A\x05xyz", 5), &arena, &message);
    assert_int_equal(status.code, PL_E_CORRUPT);
    struct pl_arena small PL_CLEANUP(pl_arena_fini);
    pl_arena_init(&small, 8);
    assert_int_equal(pl_unpack_known(COMMAND, slice_of(&good), &small, &message).code,
                     PL_E_TOO_BIG);
}

static int code_of_known(const ProtobufCMessageDescriptor *type, const struct wire *wire)
{
    struct pl_arena arena PL_CLEANUP(pl_arena_fini);
    pl_arena_init(&arena, 1 << 16);
    ProtobufCMessage *message = NULL;
    return pl_unpack_known(type, slice_of(wire), &arena, &message).code;
}

/* So are an enum's numbers: alone, in a list, in a packed list, in a message, and in the gaps that
 * an enum has. */
static void test_numbers_that_have_to_be_known(void **state)
{
    (void)state;
    const ProtobufCMessageDescriptor *policy = &pledged__v1__policy_adopted__descriptor;
    const ProtobufCMessageDescriptor *actor = &pledged__v1__actor__descriptor;
    const ProtobufCMessageDescriptor *entry = &pledged__v1__entry__descriptor;
    const ProtobufCMessageDescriptor *refused = &pledged__v1__command_refused__descriptor;
    const struct {
        uint64_t class, role, reason;
        bool known;
    } rows[] = {{1, 1, 25, true},
                {11, 7, 152, true},
                {99, 99, 23, false},
                {12, 8, 9999, false},
                {1ull << 32, 1ull << 40, 1ull << 32 | 25, false},
                {1000, UINT64_MAX, UINT64_MAX, false}};
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        const int want = rows[i].known ? PL_E_OK : PL_E_UNIMPLEMENTED;
        struct wire single = {.len = 0}, list = {.len = 0}, packed = {.len = 0}, deep = {.len = 0};
        struct wire reason = {.len = 0}, numbers = {.len = 0};
        put_int(&single, number_of(actor, "role"), rows[i].role);
        assert_int_equal(code_of_known(actor, &single), want);
        put_message(&deep, number_of(entry, "actor"), &single);
        assert_int_equal(code_of_known(entry, &deep), want);
        put_int(&list, number_of(policy, "four_eyes"), 1);
        put_int(&list, number_of(policy, "four_eyes"), rows[i].class);
        assert_int_equal(code_of_known(policy, &list), want);
        put_varint(&numbers, 1);
        put_varint(&numbers, rows[i].class);
        put_message(&packed, number_of(policy, "four_eyes"), &numbers);
        assert_int_equal(code_of_known(policy, &packed), want);
        put_int(&reason, number_of(refused, "reason"), rows[i].reason);
        assert_int_equal(code_of_known(refused, &reason), want);
    }
}

/* Whatever a random change makes of good bytes: either the scan refuses it, or protobuf-c reads it
 * and what it packs again passes the scan too. */
static void test_scan_and_protobuf_agree(void **state)
{
    (void)state;
    const struct wire good = submit_command();
    struct pl_arena arena PL_CLEANUP(pl_arena_fini);
    pl_arena_init(&arena, 1 << 16);
    uint64_t random = 7;
    size_t accepted = 0, refused = 0;
    for (int round = 0; round < 200000; round++) {
        struct wire wire = good;
        for (int change = 0; change <= round % 3; change++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            wire.bytes[(random >> 33) % wire.len] = (uint8_t)(random >> 20);
        }
        wire.len -= (random >> 50) % 8 == 0 ? (random >> 40) % wire.len : 0;
        pl_arena_reset(&arena);
        struct pl_scan_error error;
        ProtobufCMessage *message = NULL;
        struct pl_status status =
            pl_unpack(COMMAND, slice_of(&wire), ELEMENTS, &arena, &message, &error);
        if (!pl_is_ok(status)) {
            assert_int_equal(status.code, PL_E_INVALID);
            assert_true(error.what[0] != '\0'); /* refused by the scan, not by protobuf-c */
            refused++;
            continue;
        }
        accepted++;
        struct pl_slice again = pl_pack(message, &arena);
        assert_non_null(again.data);
        assert_int_equal(pl_scan(COMMAND, again, ELEMENTS, &error).code, PL_E_OK);
    }
    assert_true(accepted > 1000 && refused > 1000);
}

/* --- finding commands in a batch --- */

static void test_wire_next(void **state)
{
    (void)state;
    struct wire batch = {.len = 0}, command = submit_command();
    put_message(&batch, 1, &command);
    put_int(&batch, 7, 300);
    put_str(&batch, 2, "other");
    put_bytes(&batch, 1, "", 0);
    put_varint(&batch, 8 << 3 | 5);
    put_raw(&batch, "\x01\x02\x03\x04", 4);
    put_str(&batch, 1, "last");
    size_t cursor = 0;
    struct pl_slice found;
    assert_true(pl_wire_next(slice_of(&batch), 1, &cursor, &found));
    assert_true(pl_slice_eq(found, slice_of(&command)));
    assert_true(pl_wire_next(slice_of(&batch), 1, &cursor, &found));
    assert_int_equal(found.len, 0);
    assert_true(pl_wire_next(slice_of(&batch), 1, &cursor, &found));
    assert_true(pl_slice_eq_str(found, "last"));
    assert_false(pl_wire_next(slice_of(&batch), 1, &cursor, &found));
    assert_false(pl_wire_next(slice_of(&batch), 1, &cursor, &found)); /* stays at the end */
    cursor = 0;
    assert_false(pl_wire_next(pl_slice(NULL, 0), 1, &cursor, &found));
}

static void test_wire_number(void **state)
{
    (void)state;
    struct wire bytes = {.len = 0};
    uint64_t number = 99;
    assert_true(pl_wire_number(slice_of(&bytes), 7, &number));
    assert_int_equal(number, 0);
    put_str(&bytes, 2, "other");
    put_int(&bytes, 7, 300);
    put_str(&bytes, 9, "last");
    assert_true(pl_wire_number(slice_of(&bytes), 7, &number));
    assert_int_equal(number, 300);
    assert_false(pl_wire_number(slice_of(&bytes), 2, &number)); /* text */
    for (size_t cut = 1; cut < 6; cut++) /* damage after the field counts too */
        assert_false(pl_wire_number(pl_slice(bytes.bytes, bytes.len - cut), 7, &number));
}

/* --- the schema keeps what the scan and the JSON reader rely on --- */

enum { TYPES_ON_A_WAY = 16 };

struct way {
    const ProtobufCMessageDescriptor *type[TYPES_ON_A_WAY];
    size_t depth;
};

static void check_type(const ProtobufCMessageDescriptor *type, struct way *way)
{
    for (size_t i = 0; i < way->depth; i++) {
        if (way->type[i] == type)
            fail_msg("%s contains itself", type->name);
    }
    assert_true(way->depth < TYPES_ON_A_WAY);
    way->type[way->depth++] = type;
    assert_true(type->n_fields <= PL_PLAN_FIELDS_MAX); /* one bit a field when it is read */
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        bool one_of_labels =
            field->label == PROTOBUF_C_LABEL_NONE || field->label == PROTOBUF_C_LABEL_REPEATED;
        if (!one_of_labels && field->type != PROTOBUF_C_TYPE_MESSAGE &&
            (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0)
            fail_msg("%s.%s is optional or required", type->name, field->name);
        if (field->type == PROTOBUF_C_TYPE_FLOAT || field->type == PROTOBUF_C_TYPE_DOUBLE)
            fail_msg("%s.%s is a floating point number", type->name, field->name);
        if (field->type == PROTOBUF_C_TYPE_MESSAGE)
            check_type(field->descriptor, way);
    }
    way->depth--;
}

static void test_no_message_contains_itself(void **state)
{
    (void)state;
    struct way way = {.depth = 0};
    const ProtobufCServiceDescriptor *service = &pledged__v1__ledger_service__descriptor;
    assert_true(service->n_methods > 0);
    for (unsigned i = 0; i < service->n_methods; i++) {
        check_type(service->methods[i].input, &way);
        check_type(service->methods[i].output, &way);
    }
    /* messages that travel as bytes or as an error's detail */
    check_type(&pledged__v1__entry__descriptor, &way);
    check_type(&pledged__v1__catalogue__descriptor, &way);
    check_type(&pledged__v1__refusal__descriptor, &way);
    assert_int_equal(way.depth, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_message_is_read),
        cmocka_unit_test(test_empty_message_is_fine),
        cmocka_unit_test(test_pack_and_unpack),
        cmocka_unit_test(test_packed_and_plain_elements),
        cmocka_unit_test(test_unknown_fields),
        cmocka_unit_test(test_wrong_wire_types),
        cmocka_unit_test(test_given_twice),
        cmocka_unit_test(test_quadratic_merge_is_refused_at_once),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_what_steers),
        cmocka_unit_test(test_what_nobody_sees),
        cmocka_unit_test(test_utf8_at_every_place),
        cmocka_unit_test(test_enum_numbers),
        cmocka_unit_test(test_truth_values),
        cmocka_unit_test(test_elements_are_counted_everywhere),
        cmocka_unit_test(test_paths_name_the_element),
        cmocka_unit_test(test_damaged_bytes),
        cmocka_unit_test(test_nesting_ends_at_sixteen),
        cmocka_unit_test(test_every_budget_ends_well),
        cmocka_unit_test(test_trusted_bytes_that_do_not_parse),
        cmocka_unit_test(test_what_has_to_be_known_whole),
        cmocka_unit_test(test_numbers_that_have_to_be_known),
        cmocka_unit_test(test_scan_and_protobuf_agree),
        cmocka_unit_test(test_wire_next),
        cmocka_unit_test(test_wire_number),
        cmocka_unit_test(test_no_message_contains_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

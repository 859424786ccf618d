/* SPDX-License-Identifier: Apache-2.0
 *
 * codec: requests in both encodings, the exact bytes that get recorded, and refusals that name the
 * field.
 */
#include "common/check.h"
#include "pledged/v1/command.pb-c.h"
#include "server/net/codec.h"
#include "unit.h"

struct decoded {
    struct pl_arena arena;
    struct pl_status status;
    ProtobufCMessage *message;
    struct pl_slice bytes;
    Pledged__V1__Refusal *why;
};

static void decode(struct decoded *d, enum codec codec, struct pl_slice bytes, size_t budget)
{
    const struct codec_request request = {codec, &pledged__v1__command__descriptor, bytes, 100};
    *d = (struct decoded){0};
    pl_arena_init(&d->arena, budget);
    d->status = codec_decode(&request, &d->arena, &d->message, &d->bytes, &d->why);
}

#define DECODE(d_, codec_, literal_)                                                               \
    decode((d_), (codec_), pl_slice((literal_), sizeof(literal_) - 1), 65536)

/* request_id = "id"; withdraw { pledge: "P1" } */
static const char good[] = "\x0a\x02id\xda\x01\x04\x0a\x02P1";

static void test_proto_keeps_the_exact_bytes(void **state)
{
    (void)state;
    struct decoded d;
    DECODE(&d, CODEC_PROTO, good);
    assert_true(pl_is_ok(d.status));
    const Pledged__V1__Command *command = (const void *)d.message;
    assert_int_equal(command->command_case, PLEDGED__V1__COMMAND__COMMAND_WITHDRAW);
    assert_string_equal(command->withdraw->pledge, "P1");
    assert_ptr_equal(d.bytes.data, good);
    assert_int_equal(d.bytes.len, sizeof(good) - 1);
    pl_arena_fini(&d.arena);
}

static void test_json_is_packed_once(void **state)
{
    (void)state;
    struct decoded d;
    DECODE(&d, CODEC_JSON, "{\"requestId\":\"aWQ\",\"withdraw\":{\"pledge\":\"P1\"}}");
    assert_true(pl_is_ok(d.status));
    assert_int_equal(d.bytes.len, sizeof(good) - 1);
    assert_memory_equal(d.bytes.data, good, sizeof(good) - 1);
    pl_arena_fini(&d.arena);
}

static void test_an_empty_message_is_a_message(void **state)
{
    (void)state;
    struct decoded d;
    decode(&d, CODEC_PROTO, pl_slice(NULL, 0), 65536);
    assert_true(pl_is_ok(d.status));
    pl_arena_fini(&d.arena);
    DECODE(&d, CODEC_JSON, "{}");
    assert_true(pl_is_ok(d.status));
    assert_int_equal(d.bytes.len, 0);
    pl_arena_fini(&d.arena);
}

static void refused(struct decoded *d, Pledged__V1__Reason reason, const char *field)
{
    assert_int_equal(d->status.code, PL_E_INVALID);
    assert_non_null(d->why);
    assert_int_equal(d->why->reason, reason);
    assert_string_equal(d->why->field, field);
    assert_true(strlen(d->why->message) > strlen(field));
    pl_arena_fini(&d->arena);
}

static void test_wrong_fields_are_named(void **state)
{
    (void)state;
    struct decoded d;
    DECODE(&d, CODEC_PROTO, "\xda\x01\x04\x0a\x02\xff\xff");
    refused(&d, PLEDGED__V1__REASON__REASON_NOT_UTF8, "withdraw.pledge");
    DECODE(&d, CODEC_PROTO, "\xda\x01\x02\x08\x01");
    refused(&d, PLEDGED__V1__REASON__REASON_FIELD_INVALID, "withdraw.pledge");
    DECODE(&d, CODEC_PROTO, "\xda\x01\x03\xfa\x3f\x00");
    assert_int_equal(d.why->reason, PLEDGED__V1__REASON__REASON_UNKNOWN_FIELD);
    pl_arena_fini(&d.arena);
    DECODE(&d, CODEC_JSON, "{\"withdraw\":{\"plegde\":\"P1\"}}");
    refused(&d, PLEDGED__V1__REASON__REASON_UNKNOWN_FIELD, "withdraw.plegde");
    DECODE(&d, CODEC_JSON, "{\"withdraw\":{\"pledge\":7}}");
    refused(&d, PLEDGED__V1__REASON__REASON_FIELD_INVALID, "withdraw.pledge");
    DECODE(&d, CODEC_JSON, "{");
    assert_int_equal(d.status.code, PL_E_INVALID);
    assert_non_null(d.why);
    pl_arena_fini(&d.arena);
}

static void test_the_arena_bounds_a_request(void **state)
{
    (void)state;
    struct decoded d;
    decode(&d, CODEC_PROTO, pl_slice(good, sizeof(good) - 1), 64);
    assert_int_equal(d.status.code, PL_E_TOO_BIG);
    pl_arena_fini(&d.arena);
    const char json[] = "{\"withdraw\":{\"pledge\":\"P1\"}}";
    for (size_t budget = 16; budget < 2048; budget += 16) { /* never half a message */
        decode(&d, CODEC_JSON, pl_slice_str(json), budget);
        assert_true(pl_is_ok(d.status) || d.status.code == PL_E_TOO_BIG);
        pl_arena_fini(&d.arena);
    }
}

static void test_encoding(void **state)
{
    (void)state;
    struct pl_buf out;
    Pledged__V1__Money money = PLEDGED__V1__MONEY__INIT;
    money.minor = 15000000;
    money.currency = (char *)(uintptr_t) "CHF";
    pl_buf_init(&out, 1000);
    assert_true(pl_is_ok(codec_encode(CODEC_JSON, &money.base, &out)));
    assert_true(
        pl_slice_eq_str(pl_buf_slice(&out), "{\"minor\":\"15000000\",\"currency\":\"CHF\"}"));
    pl_buf_clear(&out);
    assert_true(pl_is_ok(codec_encode(CODEC_PROTO, &money.base, &out)));
    assert_int_equal(pl_buf_len(&out), 10);
    pl_buf_clear(&out);
    out.ceiling = 5;
    assert_int_equal(codec_encode(CODEC_PROTO, &money.base, &out).code, PL_E_TOO_BIG);
    pl_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_proto_keeps_the_exact_bytes),
        cmocka_unit_test(test_json_is_packed_once),
        cmocka_unit_test(test_an_empty_message_is_a_message),
        cmocka_unit_test(test_wrong_fields_are_named),
        cmocka_unit_test(test_the_arena_bounds_a_request),
        cmocka_unit_test(test_encoding),
    };
    return cmocka_run_group_tests_name("codec", tests, NULL, NULL);
}

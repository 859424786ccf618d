/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: a write is repeated with the same bytes until there is an answer, and what cannot be known
 * is called unknown; refusals keep every word that the daemon said.
 */
#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "client/session.h"
#include "common/clock.h"
#include "common/scan.h"
#include "fake_server.h"

static struct fake_pki pki;

enum { STEPS_MAX = 4 };
struct play { /* how the server answers the first requests; the last step goes on for ever */
    enum fake_way way[STEPS_MAX];
    int grpc[STEPS_MAX];
    Pledged__V1__Reason reason[STEPS_MAX];
    unsigned steps;
    uint8_t seen[8][64]; /* requests as they came */
    size_t seen_len[8];
};

static void pack_into(struct fake_reply *reply, const ProtobufCMessage *message)
{
    uint8_t bytes[512];
    PL_ASSERT(protobuf_c_message_get_packed_size(message) <= sizeof(bytes));
    fake_add_message(reply, bytes, protobuf_c_message_pack(message, bytes));
}

static void act(void *arg, unsigned n, const char *path, struct pl_slice request,
                struct fake_reply *reply)
{
    struct play *play = arg;
    if (n < 8 && request.len <= 64) {
        memcpy(play->seen[n], request.data, request.len);
        play->seen_len[n] = request.len;
    }
    unsigned step = n < play->steps ? n : play->steps - 1;
    reply->way = play->way[step];
    reply->grpc_status = play->grpc[step];
    if (strstr(path, "GetStatus") != NULL) {
        Pledged__V1__GetStatusResponse status = PLEDGED__V1__GET_STATUS_RESPONSE__INIT;
        status.size = 43;
        pack_into(reply, &status.base);
    } else if (play->reason[step] != 0) {
        Pledged__V1__Refusal refusal = PLEDGED__V1__REFUSAL__INIT;
        uint8_t bytes[256];
        refusal.reason = play->reason[step];
        refusal.field = (char *)(uintptr_t) "hold.tier";
        refusal.seq = 15;
        refusal.deciding_seq = 12;
        refusal.retryable = play->grpc[step] == 8 || play->grpc[step] == 14;
        fake_set_details(reply, "type.googleapis.com/pledged.v1.Refusal", bytes,
                         protobuf_c_message_pack(&refusal.base, bytes));
    } else if (reply->grpc_status == 0) {
        Pledged__V1__Receipt receipt = PLEDGED__V1__RECEIPT__INIT;
        receipt.seq = 42;
        receipt.kind = PLEDGED__V1__RECEIPT_KIND__RECEIPT_KIND_NEW;
        pack_into(reply, &receipt.base);
    }
}

struct rig {
    struct fake_server server;
    struct config config;
    struct pl_arena arena;
    struct failure failure;
    struct session *session;
};

static void rig_init(struct rig *rig, struct play *play, int64_t timeout_ms)
{
    *rig = (struct rig){.server = {.pki = &pki, .handler = act, .arg = play}};
    fake_start(&rig->server);
    pl_arena_init(&rig->arena, 1 << 20);
    rig->config = (struct config){.host = "localhost",
                                  .port = rig->server.port,
                                  .ca = pki.ca,
                                  .cert = pki.client_cert,
                                  .key = pki.client_key,
                                  .timeout_ms = timeout_ms};
    assert_true(pl_is_ok(session_open(&rig->config, &rig->arena, &rig->failure, &rig->session)));
}

static void rig_fini(struct rig *rig)
{
    session_close(rig->session);
    pl_arena_fini(&rig->arena);
    fake_stop(&rig->server);
}

static struct pl_status execute(struct rig *rig, Pledged__V1__Receipt **ret)
{
    return session_execute(rig->session, pl_slice_str("the same bytes"), ret);
}

static void test_a_lost_reply_is_asked_for_again_with_the_same_bytes(void **state)
{
    (void)state;
    struct play play = {.way = {FAKE_DROP, FAKE_RESET_INTERNAL, FAKE_ANSWER}, .steps = 3};
    struct rig rig;
    Pledged__V1__Receipt *receipt = NULL;
    rig_init(&rig, &play, 10000);
    assert_true(pl_is_ok(execute(&rig, &receipt)));
    assert_int_equal(receipt->seq, 42);
    assert_int_equal(rig.server.requests, 3);
    for (int i = 0; i < 3; i++)
        assert_true(pl_slice_eq_str(pl_slice(play.seen[i], play.seen_len[i]), "the same bytes"));
    rig_fini(&rig);
}

static void test_what_stays_unknown_is_called_unknown(void **state)
{
    (void)state;
    struct play play = {.way = {FAKE_DROP}, .steps = 1};
    struct rig rig;
    Pledged__V1__Receipt *receipt = NULL;
    rig_init(&rig, &play, 4000);
    assert_int_equal(execute(&rig, &receipt).code, PL_E_UNKNOWN_OUTCOME);
    assert_true(rig.failure.uncertain);
    assert_null(receipt);
    assert_true(rig.server.requests >= 2);
    rig_fini(&rig);
}

static void test_a_busy_daemon_did_nothing(void **state)
{
    (void)state;
    struct play play = {.grpc = {8}, .reason = {PLEDGED__V1__REASON__REASON_BUSY}, .steps = 1};
    struct rig rig;
    Pledged__V1__Receipt *receipt = NULL;
    rig_init(&rig, &play, 4000);
    assert_int_equal(execute(&rig, &receipt).code, PL_E_BUSY);
    assert_false(rig.failure.uncertain);
    assert_true(rig.failure.retryable);
    rig_fini(&rig);
}

/* A deadline that passes while a command is on its way says nothing about it; one that passed
 * before it was taken up does. */
static void test_a_deadline_says_which(void **state)
{
    (void)state;
    const Pledged__V1__Reason reasons[] = {PLEDGED__V1__REASON__REASON_OUTCOME_UNKNOWN,
                                           PLEDGED__V1__REASON__REASON_DEADLINE};
    for (int i = 0; i < 2; i++) {
        struct play play = {.grpc = {4}, .reason = {reasons[i]}, .steps = 1};
        struct rig rig;
        Pledged__V1__Receipt *receipt = NULL;
        rig_init(&rig, &play, 2000);
        assert_int_equal(execute(&rig, &receipt).code,
                         i == 0 ? PL_E_UNKNOWN_OUTCOME : PL_E_TIMEOUT);
        assert_int_equal(rig.failure.uncertain, i == 0);
        rig_fini(&rig);
    }
}

static void test_busy_after_a_lost_reply_is_still_unknown(void **state)
{
    (void)state;
    struct play play = {.way = {FAKE_DROP, FAKE_ANSWER},
                        .grpc = {0, 8},
                        .reason = {0, PLEDGED__V1__REASON__REASON_BUSY},
                        .steps = 2};
    struct rig rig;
    Pledged__V1__Receipt *receipt = NULL;
    rig_init(&rig, &play, 4000);
    assert_int_equal(execute(&rig, &receipt).code, PL_E_UNKNOWN_OUTCOME);
    rig_fini(&rig);
}

static void test_a_refusal_after_a_lost_reply_is_the_answer(void **state)
{
    (void)state;
    struct play play = {.way = {FAKE_DROP, FAKE_ANSWER},
                        .grpc = {0, 9},
                        .reason = {0, PLEDGED__V1__REASON__REASON_TIER_SOLD_OUT},
                        .steps = 2};
    struct rig rig;
    Pledged__V1__Receipt *receipt = NULL;
    rig_init(&rig, &play, 5000);
    assert_int_equal(execute(&rig, &receipt).code, PL_E_REFUSED);
    assert_false(rig.failure.uncertain);
    assert_int_equal(rig.failure.seq, 15);
    assert_int_equal(rig.failure.deciding_seq, 12);
    assert_string_equal(rig.failure.field, "hold.tier");
    assert_string_equal(failure_reason(&rig.failure), "TIER_SOLD_OUT");
    assert_int_equal(rig.server.requests, 2);
    rig_fini(&rig);
}

static void test_a_rule_is_not_asked_twice(void **state)
{
    (void)state;
    static const struct {
        int grpc;
        Pledged__V1__Reason reason;
        enum pl_code code;
        int exit_code;
    } cases[] = {
        {3, PLEDGED__V1__REASON__REASON_TIER_UNKNOWN, PL_E_INVALID, 65},
        {5, PLEDGED__V1__REASON__REASON_PLEDGE_UNKNOWN, PL_E_NOT_FOUND, 11},
        {9, PLEDGED__V1__REASON__REASON_STATE_WRONG, PL_E_REFUSED, 10},
        {10, PLEDGED__V1__REASON__REASON_REQUEST_ID_REUSED, PL_E_STALE, 12},
        {7, PLEDGED__V1__REASON__REASON_PERMISSION_DENIED, PL_E_DENIED, 77},
        {16, PLEDGED__V1__REASON__REASON_UNAUTHENTICATED, PL_E_UNAUTHENTICATED, 77},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct play play = {.grpc = {cases[i].grpc}, .reason = {cases[i].reason}, .steps = 1};
        struct rig rig;
        Pledged__V1__Receipt *receipt = NULL;
        rig_init(&rig, &play, 5000);
        struct pl_status status = execute(&rig, &receipt);
        assert_int_equal(status.code, cases[i].code);
        assert_int_equal(pl_code_exit(status.code), cases[i].exit_code);
        assert_int_equal(rig.failure.reason, cases[i].reason);
        assert_int_equal(rig.server.requests, 1);
        rig_fini(&rig);
    }
}

/* The time may run out in the middle of the last try, which is then open, whatever the ones before
 * it said: one run of five must end between two tries. */
static void test_a_request_the_server_never_took_is_certain(void **state)
{
    (void)state;
    bool certain = false;
    for (int round = 0; !certain && round < 5; round++) {
        struct play play = {.way = {FAKE_RESET_REFUSED}, .steps = 1};
        struct rig rig;
        Pledged__V1__Receipt *receipt = NULL;
        rig_init(&rig, &play, 2000);
        enum pl_code code = execute(&rig, &receipt).code;
        certain = code == PL_E_UNAVAILABLE || code == PL_E_TIMEOUT;
        assert_int_equal(rig.failure.uncertain, !certain);
        rig_fini(&rig);
    }
    assert_true(certain);
}

static void test_no_server_is_a_failure_within_the_time(void **state)
{
    (void)state;
    struct play play = {.steps = 1};
    struct rig rig;
    Pledged__V1__Receipt *receipt = NULL;
    struct pl_clock *clock = pl_clock_system();
    rig_init(&rig, &play, 600);
    rig.config.port = 1; /* nobody listens there */
    int64_t before = clock->mono_ns(clock);
    assert_int_equal(execute(&rig, &receipt).code, PL_E_UNAVAILABLE);
    assert_true(clock->mono_ns(clock) - before < 5000000000);
    assert_true(rig.failure.retryable);
    rig_fini(&rig);
}

static void test_a_server_that_cannot_be_verified_is_not_tried_again(void **state)
{
    (void)state;
    struct play play = {.steps = 1};
    struct rig rig;
    Pledged__V1__Receipt *receipt = NULL;
    rig_init(&rig, &play, 10000);
    rig.config.ca = pki.other_ca;
    assert_int_equal(execute(&rig, &receipt).code, PL_E_UNAVAILABLE);
    assert_false(rig.failure.retryable);
    assert_int_equal(rig.server.connections, 1);
    assert_int_equal(rig.server.requests, 0);
    rig_fini(&rig);
}

static void test_codes_of_statuses(void **state)
{
    (void)state;
    Pledged__V1__Refusal refusal = PLEDGED__V1__REFUSAL__INIT;
    assert_int_equal(session_code(8, NULL), PL_E_BUSY);
    assert_int_equal(session_code(14, NULL), PL_E_UNAVAILABLE);
    assert_int_equal(session_code(2, NULL), PL_E_UNKNOWN_OUTCOME);
    assert_int_equal(session_code(13, NULL), PL_E_INTERNAL);
    assert_int_equal(session_code(12, NULL), PL_E_UNIMPLEMENTED);
    assert_int_equal(session_code(99, NULL), PL_E_INTERNAL);
    refusal.reason = PLEDGED__V1__REASON__REASON_TOO_BIG;
    assert_int_equal(session_code(8, &refusal), PL_E_TOO_BIG);
    refusal.reason = PLEDGED__V1__REASON__REASON_NO_SPACE;
    assert_int_equal(session_code(14, &refusal), PL_E_NO_SPACE);
}

static struct pl_status glance(struct rig *rig, ProtobufCMessage **ret)
{
    Pledged__V1__GetStatusRequest request = PLEDGED__V1__GET_STATUS_REQUEST__INIT;
    return session_glance(rig->session, "GetStatus", &request.base,
                          &pledged__v1__get_status_response__descriptor, ret);
}

/* What is already answered or refused is neither delayed nor forgotten by a look aside. */
static void test_a_glance_asks_once_and_leaves_the_failure(void **state)
{
    (void)state;
    struct play play = {.way = {FAKE_ANSWER, FAKE_ANSWER, FAKE_DROP, FAKE_ANSWER},
                        .grpc = {9},
                        .reason = {PLEDGED__V1__REASON__REASON_TIER_SOLD_OUT},
                        .steps = 4};
    struct rig rig;
    Pledged__V1__Receipt *receipt = NULL;
    ProtobufCMessage *message = NULL;
    rig_init(&rig, &play, 10000);
    assert_int_equal(glance(&rig, &message).code, PL_E_UNAVAILABLE); /* makes no connection */
    assert_int_equal(rig.server.requests, 0);
    assert_int_equal(execute(&rig, &receipt).code, PL_E_REFUSED);
    struct failure before = rig.failure;
    assert_true(pl_is_ok(glance(&rig, &message)));
    assert_int_equal(((const Pledged__V1__GetStatusResponse *)message)->size, 43);
    assert_false(pl_is_ok(glance(&rig, &message))); /* dropped: not tried again */
    assert_int_equal(rig.server.requests, 3);
    assert_false(pl_is_ok(glance(&rig, &message))); /* nor is a new connection made */
    assert_int_equal(rig.server.requests, 3);
    assert_string_equal(rig.failure.message, before.message);
    assert_int_equal(rig.failure.reason, before.reason);
    assert_ptr_equal(rig.failure.refusal, before.refusal);
    rig_fini(&rig);
}

struct nested {
    struct rig *rig;
    enum pl_code code;
};

static struct pl_status look_aside(void *arg, struct pl_slice message)
{
    struct nested *nested = arg;
    ProtobufCMessage *got = NULL;
    (void)message;
    nested->code = glance(nested->rig, &got).code;
    return pl_ok();
}

static void test_no_glance_while_a_stream_is_read(void **state)
{
    (void)state;
    struct play play = {.way = {FAKE_ANSWER}, .steps = 1};
    struct rig rig;
    Pledged__V1__WatchRequest request = PLEDGED__V1__WATCH_REQUEST__INIT;
    struct nested nested = {.rig = &rig};
    ProtobufCMessage *message = NULL;
    rig_init(&rig, &play, 10000);
    assert_true(pl_is_ok(session_stream(rig.session, "Watch", &request.base, look_aside, &nested)));
    assert_int_equal(nested.code, PL_E_UNAVAILABLE);
    assert_int_equal(rig.server.requests, 1);
    assert_true(pl_is_ok(glance(&rig, &message)));
    rig_fini(&rig);
}

static void test_without_a_server_name_nothing_is_opened(void **state)
{
    (void)state;
    struct config config = {.timeout_ms = 1000};
    struct failure failure = {0};
    struct session *session = NULL;
    assert_int_equal(session_open(&config, NULL, &failure, &session).code, PL_E_CONFIG);
    assert_null(session);
}

static int make_pki(void **state)
{
    (void)state;
    text_use(TEXT_ENGLISH);
    fake_pki_init(&pki);
    return 0;
}

static int drop_pki(void **state)
{
    (void)state;
    fake_pki_fini(&pki);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_lost_reply_is_asked_for_again_with_the_same_bytes),
        cmocka_unit_test(test_what_stays_unknown_is_called_unknown),
        cmocka_unit_test(test_a_busy_daemon_did_nothing),
        cmocka_unit_test(test_a_deadline_says_which),
        cmocka_unit_test(test_busy_after_a_lost_reply_is_still_unknown),
        cmocka_unit_test(test_a_refusal_after_a_lost_reply_is_the_answer),
        cmocka_unit_test(test_a_rule_is_not_asked_twice),
        cmocka_unit_test(test_a_request_the_server_never_took_is_certain),
        cmocka_unit_test(test_no_server_is_a_failure_within_the_time),
        cmocka_unit_test(test_a_server_that_cannot_be_verified_is_not_tried_again),
        cmocka_unit_test(test_codes_of_statuses),
        cmocka_unit_test(test_a_glance_asks_once_and_leaves_the_failure),
        cmocka_unit_test(test_no_glance_while_a_stream_is_read),
        cmocka_unit_test(test_without_a_server_name_nothing_is_opened),
    };
    return cmocka_run_group_tests(tests, make_pki, drop_pki);
}

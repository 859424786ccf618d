/* SPDX-License-Identifier: Apache-2.0
 *
 * health: Check and Watch over a real connection, while the state behind them changes.
 */
#include "../net/fixture.h"
#include "server/health.h"
#include "server/ledger/ledger.h"

#define HEALTH_CHECK "/grpc.health.v1.Health/Check"
#define HEALTH_WATCH "/grpc.health.v1.Health/Watch"
enum { SERVING = 1, NOT_SERVING = 2, SERVICE_UNKNOWN = 3 };

struct world {
    struct fixture fx;
    struct service service;
    struct pl_slot slot;
    struct ledger *ledger;
    struct client *client;
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    const struct fixture_wish wish = {
        .methods = health_methods,
        .method_count = health_method_count,
        .user = &w->service,
    };
    w->service.slot = &w->slot;
    w->ledger = ledger_new();
    fixture_init_as(&w->fx, &wish);
    w->service.health = health_new(w->fx.base, &w->service);
    w->client = client_new(&w->fx, w->fx.clerk);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    if (w->client != NULL)
        client_free(w->client);
    net_close_all(w->fx.net); /* watchers find that they are gone */
    health_free(w->service.health);
    fixture_fini(&w->fx);
    view_unref(w->service.view);
    view_unref(pl_slot_take(&w->slot));
    ledger_free(w->ledger);
    free(w);
    return 0;
}

static void publish(struct world *w, bool writable)
{
    struct view_log log = {0};
    struct view *view = view_new(w->ledger, &log, writable, "the disk is full", false, NULL);
    view_unref(pl_slot_put(&w->slot, view));
}

static struct exchange *ask(struct world *w, const char *path, const char *service)
{
    uint8_t body[100], message[64] = {0x0a, (uint8_t)strlen(service)};
    memcpy(message + 2, service, strlen(service));
    const struct request r = {.path = path,
                              .type = "application/grpc",
                              .body = body,
                              .body_len = grpc_frame(body, message, strlen(service) + 2)};
    struct exchange *e = client_send(w->client, &r);
    PUMP_UNTIL(&w->fx, w->client, e->closed || body_len(e) > 0 || w->client->ended);
    return e;
}

/* The last status of an answer; 0: there is none. */
static int last(const struct exchange *e)
{
    struct pl_slice body = pl_buf_slice(&e->body);
    size_t whole = body.len - body.len % 7; /* 5 of frame, 08, status */
    return whole == 0 ? 0 : body.data[whole - 1];
}

static int check(struct world *w, const char *service)
{
    struct exchange *e = ask(w, HEALTH_CHECK, service);
    PUMP_UNTIL(&w->fx, w->client, e->closed);
    assert_string_equal(field_of(e, "grpc-status"), "0");
    return last(e);
}

static void test_check_tells_the_state(void **state)
{
    struct world *w = *state;
    assert_int_equal(check(w, ""), NOT_SERVING); /* starting */
    assert_int_equal(check(w, "pledged.v1.LedgerService"), NOT_SERVING);
    publish(w, true);
    assert_int_equal(check(w, ""), SERVING);
    assert_int_equal(check(w, "pledged.v1.LedgerService"), SERVING);
    publish(w, false); /* reads go on */
    assert_int_equal(check(w, ""), SERVING);
    assert_int_equal(check(w, "pledged.v1.LedgerService"), NOT_SERVING);
    publish(w, true);
    w->service.draining = true;
    assert_int_equal(check(w, ""), NOT_SERVING);
    assert_int_equal(check(w, "pledged.v1.LedgerService"), NOT_SERVING);
}

static void test_check_of_what_is_not_there(void **state)
{
    static const char *const names[] = {"pledged.v1.LedgerServic", "pledged.v1.LedgerServicee",
                                        "pledged", " "};
    struct world *w = *state;
    publish(w, true);
    for (size_t i = 0; i < PL_COUNT(names); i++) {
        struct exchange *e = ask(w, HEALTH_CHECK, names[i]);
        PUMP_UNTIL(&w->fx, w->client, e->closed);
        assert_string_equal(field_of(e, "grpc-status"), "5");
        assert_string_not_equal(field_of(e, "grpc-status-details-bin"), "");
    }
}

static void test_check_in_json(void **state)
{
    struct world *w = *state;
    publish(w, true);
    struct exchange *e = client_call(w->client, &(struct request){.path = HEALTH_CHECK,
                                                                  .type = "application/json",
                                                                  .body = "{}",
                                                                  .body_len = 2});
    assert_string_equal(field_of(e, ":status"), "200");
    assert_non_null(strstr(body_text(e), "\"status\":\"SERVING\""));
}

static void test_watch_tells_the_state_and_its_changes(void **state)
{
    struct world *w = *state;
    struct exchange *whole = ask(w, HEALTH_WATCH, ""),
                    *ledger = ask(w, HEALTH_WATCH, "pledged.v1.LedgerService"),
                    *nobody = ask(w, HEALTH_WATCH, "nobody");
    assert_int_equal(last(whole), NOT_SERVING);
    assert_int_equal(last(ledger), NOT_SERVING);
    assert_int_equal(last(nobody), SERVICE_UNKNOWN);
    publish(w, true);
    PUMP_UNTIL(&w->fx, w->client, last(whole) == SERVING && last(ledger) == SERVING);
    publish(w, false);
    PUMP_UNTIL(&w->fx, w->client, last(ledger) == NOT_SERVING);
    pump_for(&w->fx, w->client, 500); /* what did not change is not told again */
    assert_int_equal(body_len(whole), 2 * 7);
    assert_int_equal(body_len(ledger), 3 * 7);
    assert_int_equal(body_len(nobody), 7);
    assert_false(whole->closed || ledger->closed || nobody->closed);
}

static void test_watchers_come_and_go(void **state)
{
    struct world *w = *state;
    publish(w, true);
    struct exchange *first = ask(w, HEALTH_WATCH, ""), *second = ask(w, HEALTH_WATCH, "");
    nghttp2_submit_rst_stream(w->client->session, 0, first->id, NGHTTP2_CANCEL);
    PUMP_UNTIL(&w->fx, w->client, first->closed);
    publish(w, false);
    w->service.draining = true;
    PUMP_UNTIL(&w->fx, w->client, last(second) == NOT_SERVING);
    nghttp2_submit_rst_stream(w->client->session, 0, second->id, NGHTTP2_CANCEL);
    PUMP_UNTIL(&w->fx, w->client, second->closed);
    w->service.draining = false;
    struct exchange *third = ask(w, HEALTH_WATCH, "");
    assert_int_equal(last(third), SERVING);
    client_free(w->client); /* with one that watches */
    w->client = NULL;
    PUMP_UNTIL(&w->fx, NULL, net_idle(w->fx.net));
}

static void test_a_drain_is_told_before_the_end(void **state)
{
    struct world *w = *state;
    publish(w, true);
    struct exchange *e = ask(w, HEALTH_WATCH, "");
    assert_int_equal(last(e), SERVING);
    w->service.draining = true;
    health_look(w->service.health);
    net_drain(w->fx.net);
    PUMP_UNTIL(&w->fx, w->client, e->closed);
    assert_int_equal(last(e), NOT_SERVING);
    assert_int_equal(body_len(e), 2 * 7);
    assert_string_equal(field_of(e, "grpc-status"), "14"); /* watch again, elsewhere */
}

#define ROW(test_) cmocka_unit_test_setup_teardown(test_, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(test_check_tells_the_state), ROW(test_check_of_what_is_not_there),
        ROW(test_check_in_json),         ROW(test_watch_tells_the_state_and_its_changes),
        ROW(test_watchers_come_and_go),  ROW(test_a_drain_is_told_before_the_end),
    };
    return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}

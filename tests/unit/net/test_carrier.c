/* SPDX-License-Identifier: Apache-2.0
 *
 * carrier: every function reaches the one behind it with what it was given.
 */
#include <stdio.h>
#include <stdlib.h>

#include "server/net/carrier.h"
#include "unit.h"

struct fake {
    struct carrier carrier; /* first */
    char called[256];
};

static void note(const struct carrier *carrier, const char *what)
{
    struct fake *fake = (struct fake *)carrier;
    size_t len = strlen(fake->called);
    snprintf(fake->called + len, sizeof(fake->called) - len, "%s ", what);
}

static struct pl_status fake_recv(struct carrier *carrier, struct pl_slice bytes)
{
    note(carrier, (const char *)bytes.data);
    return pl_fail(INVALID, "no");
}
static size_t fake_fill(struct carrier *carrier, uint8_t *out, size_t room)
{
    note(carrier, "fill");
    out[0] = 'x';
    return room - 1;
}
static void fake_run(struct carrier *carrier)
{
    note(carrier, "run");
}
static void fake_look(const struct carrier *carrier, struct carrier_state *ret)
{
    note(carrier, "look");
    ret->streams = 7;
}
static void fake_on_time(struct carrier *carrier, int64_t late_ns, int64_t stuck_ns)
{
    note(carrier, late_ns == 9 && stuck_ns == 10 ? "times" : "");
}
static void fake_ask(struct carrier *carrier)
{
    note(carrier, "ask");
}
static void fake_announce(struct carrier *carrier)
{
    note(carrier, "announce");
}
static void fake_cut(struct carrier *carrier, enum pl_code code)
{
    note(carrier, code == PL_E_BUSY ? "cut" : "");
}
static void fake_drain_notice(struct carrier *carrier)
{
    note(carrier, "notice");
}
static void fake_drain(struct carrier *carrier, const char *why)
{
    note(carrier, why);
}
static void fake_dismiss(struct carrier *carrier, uint32_t code, const char *why)
{
    note(carrier, code == CARRIER_CALM_DOWN ? why : "");
}
static void fake_close_streams(struct carrier *carrier)
{
    note(carrier, "close");
}
static void fake_free(struct carrier *carrier)
{
    note(carrier, "free");
}

static void test_everything_arrives(void **state)
{
    static const struct carrier_ops ops = {
        .recv = fake_recv,
        .fill = fake_fill,
        .run = fake_run,
        .look = fake_look,
        .on_time = fake_on_time,
        .ask = fake_ask,
        .announce = fake_announce,
        .cut = fake_cut,
        .drain_notice = fake_drain_notice,
        .drain = fake_drain,
        .dismiss = fake_dismiss,
        .close_streams = fake_close_streams,
        .free = fake_free,
    };
    struct fake fake = {.carrier = {&ops}};
    uint8_t out[4];
    (void)state;
    assert_int_equal(carrier_recv(&fake.carrier, pl_slice_str("bytes")).code, PL_E_INVALID);
    assert_int_equal(carrier_fill(&fake.carrier, out, sizeof(out)), 3);
    carrier_run(&fake.carrier);
    struct carrier_state seen = carrier_look(&fake.carrier);
    assert_int_equal(seen.streams, 7);
    assert_false(seen.over);
    carrier_on_time(&fake.carrier, 9, 10);
    carrier_ask(&fake.carrier);
    carrier_announce(&fake.carrier);
    carrier_cut(&fake.carrier, PL_E_BUSY);
    carrier_drain_notice(&fake.carrier);
    carrier_drain(&fake.carrier, "drained");
    carrier_dismiss(&fake.carrier, CARRIER_CALM_DOWN, "dismissed");
    carrier_close_streams(&fake.carrier);
    carrier_free(&fake.carrier);
    carrier_free(NULL);
    assert_string_equal(
        fake.called,
        "bytes fill run look times ask announce cut notice drained dismissed close free ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_everything_arrives)};
    return cmocka_run_group_tests_name("carrier", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * watch: what the daemon streams becomes lines; what is missing or out of order is noticed.
 */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka needs the C headers before it */
#include <cmocka.h>
// clang-format on

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/watch.h"
#include "common/check.h"
#include "pledged/v1/service.pb-c.h"

struct rig {
    struct watch watch;
    FILE *file;
    char text[8192];
};

static void rig_init(struct rig *rig, const char *tier)
{
    rig->file = tmpfile();
    assert_non_null(rig->file);
    watch_init(&rig->watch, fileno(rig->file), tier);
}

static void rig_fini(struct rig *rig)
{
    watch_fini(&rig->watch);
    fclose(rig->file);
}

static const char *written(struct rig *rig)
{
    ssize_t len = pread(fileno(rig->file), rig->text, sizeof(rig->text) - 1, 0);
    assert_true(len >= 0);
    rig->text[len] = '\0';
    return rig->text;
}

static enum pl_code take(struct rig *rig, const Pledged__V1__WatchResponse *message)
{
    uint8_t bytes[4096];
    size_t len = protobuf_c_message_get_packed_size(&message->base);
    assert_true(len <= sizeof(bytes));
    protobuf_c_message_pack(&message->base, bytes);
    return watch_take(&rig->watch, pl_slice(bytes, len)).code;
}

static ProtobufCBinaryData entry_bytes(uint64_t seq, uint8_t out[256])
{
    Pledged__V1__Entry entry = PLEDGED__V1__ENTRY__INIT;
    Pledged__V1__HoldExpired fact = PLEDGED__V1__HOLD_EXPIRED__INIT;
    fact.pledge = (char *)"P000001";
    entry.seq = seq;
    entry.time_us = 1000000 * (int64_t)seq;
    entry.fact_case = PLEDGED__V1__ENTRY__FACT_HOLD_EXPIRED;
    entry.hold_expired = &fact;
    return (ProtobufCBinaryData){pledged__v1__entry__pack(&entry, out), out};
}

static void test_entries_become_lines(void **state)
{
    struct rig rig;
    uint8_t one[256], two[256];
    ProtobufCBinaryData entries[] = {entry_bytes(7, one), entry_bytes(8, two)};
    Pledged__V1__WatchResponse message = PLEDGED__V1__WATCH_RESPONSE__INIT;
    (void)state;
    rig_init(&rig, NULL);
    message.seq = 8;
    message.first_seq = 7;
    message.n_entry = 2;
    message.entry = entries;
    assert_int_equal(take(&rig, &message), PL_E_OK);
    const char *text = written(&rig);
    assert_non_null(strstr(text, "{\"seq\": 7, \"time\": \"1970-01-01T00:00:07.000000Z\""));
    assert_non_null(strstr(text, "\n{\"seq\": 8, "));
    assert_non_null(strstr(text, "holdExpired"));
    assert_int_equal(rig.watch.next_seq, 9);
    assert_true(rig.watch.told);
    rig_fini(&rig);
}

static void test_gaps_and_doubles_are_noticed(void **state)
{
    struct rig rig;
    uint8_t bytes[256];
    ProtobufCBinaryData entry = entry_bytes(9, bytes);
    Pledged__V1__WatchResponse message = PLEDGED__V1__WATCH_RESPONSE__INIT;
    (void)state;
    message.seq = message.first_seq = 9;
    message.n_entry = 1;
    message.entry = &entry;
    for (uint64_t next = 8; next <= 10; next++) {
        rig_init(&rig, NULL);
        rig.watch.next_seq = next;
        assert_int_equal(take(&rig, &message), next == 9 ? PL_E_OK : PL_E_CORRUPT);
        rig_fini(&rig);
    }
    rig_init(&rig, NULL);
    message.first_seq = message.seq = 10; /* not what the entry says of itself */
    assert_int_equal(take(&rig, &message), PL_E_CORRUPT);
    message.first_seq = 9;
    assert_int_equal(take(&rig, &message), PL_E_CORRUPT);
    assert_string_equal(written(&rig), "");
    rig_fini(&rig);
    rig_init(&rig, NULL);
    assert_int_equal(watch_take(&rig.watch, pl_slice("\xff\xff", 2)).code == PL_E_OK, false);
    rig_fini(&rig);
}

static void slots(Pledged__V1__WatchResponse *message, Pledged__V1__TierStatus *tiers,
                  Pledged__V1__TierStatus **list)
{
    *message = (Pledged__V1__WatchResponse)PLEDGED__V1__WATCH_RESPONSE__INIT;
    for (int i = 0; i < 2; i++) {
        tiers[i] = (Pledged__V1__TierStatus)PLEDGED__V1__TIER_STATUS__INIT;
        tiers[i].code = (char *)(i == 0 ? "platine" : "or");
        list[i] = &tiers[i];
    }
    message->seq = 12;
    message->n_tier = 2;
    message->tier = list;
}

static void test_slots_and_totals(void **state)
{
    struct rig rig;
    Pledged__V1__TierStatus tiers[2], *list[2];
    Pledged__V1__TotalsLine line = PLEDGED__V1__TOTALS_LINE__INIT, *lines[1] = {&line};
    Pledged__V1__WatchResponse message;
    (void)state;
    slots(&message, tiers, list);
    line.currency = (char *)"CHF";
    message.n_totals = 1;
    message.totals = lines;
    rig_init(&rig, NULL);
    assert_int_equal(take(&rig, &message), PL_E_OK);
    const char *text = written(&rig);
    assert_non_null(strstr(text, "\"tiers\": [{"));
    assert_non_null(strstr(text, "\"or\""));
    assert_non_null(strstr(text, "\n{\"seq\": 12, "));
    assert_non_null(strstr(text, "\"totals\": [{"));
    assert_int_equal(rig.watch.next_seq, 13);
    rig_fini(&rig);
}

static void test_one_tier_alone(void **state)
{
    struct rig rig;
    uint8_t bytes[256];
    ProtobufCBinaryData entry = entry_bytes(12, bytes);
    Pledged__V1__TierStatus tiers[2], *list[2];
    Pledged__V1__WatchResponse message;
    (void)state;
    slots(&message, tiers, list);
    message.first_seq = 12;
    message.n_entry = 1;
    message.entry = &entry;
    rig_init(&rig, "or");
    assert_int_equal(take(&rig, &message), PL_E_OK);
    const char *text = written(&rig);
    assert_non_null(strstr(text, "\"or\""));
    assert_null(strstr(text, "platine"));
    assert_null(strstr(text, "holdExpired"));
    message.n_tier = 1; /* platine alone */
    message.first_seq = message.seq = 13;
    entry = entry_bytes(13, bytes);
    size_t before = strlen(text);
    assert_int_equal(take(&rig, &message), PL_E_OK);
    assert_int_equal(strlen(written(&rig)), before);
    assert_int_equal(rig.watch.next_seq, 14); /* seen all the same */
    rig_fini(&rig);
}

static void test_heartbeats_are_silent(void **state)
{
    struct rig rig;
    Pledged__V1__WatchResponse message = PLEDGED__V1__WATCH_RESPONSE__INIT;
    (void)state;
    rig_init(&rig, NULL);
    message.seq = 5;
    message.heartbeat = true;
    assert_int_equal(take(&rig, &message), PL_E_OK);
    assert_string_equal(written(&rig), "");
    assert_int_equal(rig.watch.next_seq, 6);
    rig_fini(&rig);
}

static void test_a_line_that_cannot_be_written_ends_it(void **state)
{
    struct watch watch;
    Pledged__V1__TierStatus tiers[2], *list[2];
    Pledged__V1__WatchResponse message;
    uint8_t bytes[1024];
    (void)state;
    slots(&message, tiers, list);
    watch_init(&watch, -1, NULL);
    size_t len = protobuf_c_message_pack(&message.base, bytes);
    assert_int_equal(watch_take(&watch, pl_slice(bytes, len)).code, PL_E_IO);
    assert_int_equal(watch.next_seq, 0); /* nothing was told */
    watch_fini(&watch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries_become_lines),
        cmocka_unit_test(test_gaps_and_doubles_are_noticed),
        cmocka_unit_test(test_slots_and_totals),
        cmocka_unit_test(test_one_tier_alone),
        cmocka_unit_test(test_heartbeats_are_silent),
        cmocka_unit_test(test_a_line_that_cannot_be_written_ends_it),
    };
    return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: a dump holds the exact bytes and is only called whole when it is.
 */
#include <cmocka.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/dump.h"
#include "client/text.h"
#include "common/check.h"
#include "common/scan.h"
#include "common/tlog.h"
#include "pledged/v1/command.pb-c.h"

static char path[] = "/tmp/pledge-dump-XXXXXX";
static int fd = -1;
static struct dump dump;

enum { BYTES = 1 << 16 };
static uint8_t entry_bytes[16][512];
static size_t entry_len[16];

static size_t pack_entry(uint64_t seq, uint8_t *into)
{
    static uint8_t id[16] = {1, 2, 3};
    uint8_t command[128];
    Pledged__V1__Command sent = PLEDGED__V1__COMMAND__INIT;
    Pledged__V1__Entry entry = PLEDGED__V1__ENTRY__INIT;
    Pledged__V1__Actor actor = PLEDGED__V1__ACTOR__INIT;
    Pledged__V1__Withdrawn fact = PLEDGED__V1__WITHDRAWN__INIT;
    sent.reason = (char *)(uintptr_t) "no \"budget\", sorry";
    actor.person = (char *)(uintptr_t) "anna";
    actor.role = PLEDGED__V1__ROLE__ROLE_CLERK;
    fact.pledge = (char *)(uintptr_t) "P000001";
    entry.seq = seq;
    entry.time_us = (int64_t)seq * 1000000;
    entry.actor = &actor;
    entry.request_id = (ProtobufCBinaryData){16, id};
    entry.command = (ProtobufCBinaryData){protobuf_c_message_pack(&sent.base, command), command};
    entry.fact_case = PLEDGED__V1__ENTRY__FACT_WITHDRAWN;
    entry.withdrawn = &fact;
    return protobuf_c_message_pack(&entry.base, into);
}

/* One DumpResponse with entries first..last, and a trailer if `to` is not 0. */
static struct pl_status take(uint64_t first, uint64_t last, uint64_t to)
{
    static uint8_t bytes[BYTES];
    ProtobufCBinaryData entries[16];
    Pledged__V1__DumpResponse part = PLEDGED__V1__DUMP_RESPONSE__INIT;
    Pledged__V1__DumpTrailer trailer = PLEDGED__V1__DUMP_TRAILER__INIT;
    for (uint64_t seq = first; seq <= last; seq++) {
        entry_len[seq] = pack_entry(seq, entry_bytes[seq]);
        entries[part.n_entry++] = (ProtobufCBinaryData){entry_len[seq], entry_bytes[seq]};
    }
    part.entry = entries;
    part.first_seq = first;
    trailer.from_seq = 1;
    trailer.to_seq = to;
    trailer.origin = (char *)(uintptr_t) "test";
    if (to != 0)
        part.trailer = &trailer;
    return dump_take(&dump, pl_slice(bytes, protobuf_c_message_pack(&part.base, bytes)));
}

/* The end alone, with a checkpoint over the entries 1 to `size`; `twist` changes its root. */
static struct pl_status take_end(uint64_t to, uint64_t size, bool twist)
{
    static struct verify_tree tree;
    static uint8_t bytes[BYTES];
    struct pl_checkpoint checkpoint = {.origin = "test", .size = size};
    struct pl_buf text;
    verify_tree_init(&tree, NULL, NULL);
    for (uint64_t seq = 1; seq <= size; seq++) {
        uint8_t leaf[1][32];
        verify_tree_leaf(pl_slice(entry_bytes[seq], pack_entry(seq, entry_bytes[seq])), leaf[0]);
        assert_true(pl_is_ok(verify_tree_add(&tree, leaf, 1, NULL)));
    }
    verify_tree_root(&tree, checkpoint.root.bytes);
    checkpoint.root.bytes[31] ^= twist;
    pl_buf_init(&text, 4096);
    assert_true(pl_is_ok(pl_checkpoint_print(&checkpoint, &text)));
    assert_true(pl_is_ok(pl_buf_append_str(&text, "\n\xE2\x80\x94 test AAAAAAAAAAAA\n")));
    assert_true(pl_is_ok(pl_buf_append(&text, "", 1)));
    Pledged__V1__DumpResponse part = PLEDGED__V1__DUMP_RESPONSE__INIT;
    Pledged__V1__DumpTrailer trailer = PLEDGED__V1__DUMP_TRAILER__INIT;
    trailer.to_seq = to;
    trailer.origin = (char *)(uintptr_t) "test";
    trailer.checkpoint = (char *)(uintptr_t)pl_buf_slice(&text).data;
    part.trailer = &trailer;
    struct pl_status status =
        dump_take(&dump, pl_slice(bytes, protobuf_c_message_pack(&part.base, bytes)));
    pl_buf_fini(&text);
    return status;
}

static size_t written(uint8_t out[BYTES])
{
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    ssize_t len = read(fd, out, BYTES);
    assert_true(len >= 0);
    return (size_t)len;
}

static void start(enum dump_form form, uint64_t from)
{
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    const struct dump_options options = {.form = form, .fd = fd, .from_seq = from};
    dump_init(&dump, &options);
}

static void test_the_binary_form_holds_the_exact_bytes(void **state)
{
    (void)state;
    uint8_t got[BYTES];
    start(DUMP_BIN, 0);
    assert_true(pl_is_ok(take(1, 2, 0)));
    assert_true(pl_is_ok(take(3, 3, 3)));
    assert_true(pl_is_ok(dump_finish(&dump)));
    size_t len = written(got), at = 8;
    assert_memory_equal(got, DUMP_MAGIC, 8);
    for (uint64_t seq = 1; seq <= 3; seq++) {
        assert_int_equal(got[at], 'E');
        assert_int_equal(pl_get_le32(got + at + 1), entry_len[seq]);
        assert_memory_equal(got + at + 5, entry_bytes[seq], entry_len[seq]);
        at += 5 + entry_len[seq];
    }
    assert_int_equal(got[at], 'L');
    assert_int_equal(pl_get_le32(got + at + 1), 3 * 32);
    for (uint64_t seq = 1; seq <= 3; seq++) {
        uint8_t leaf[32];
        verify_tree_leaf(pl_slice(entry_bytes[seq], entry_len[seq]), leaf);
        assert_memory_equal(got + at + 5 + 32 * (seq - 1), leaf, 32);
    }
    at += 5 + 3 * 32;
    assert_int_equal(got[at], 'T');
    assert_int_equal(at + 5 + pl_get_le32(got + at + 1), len);
    dump_fini(&dump);
}

static void test_lines_hold_entry_and_command(void **state)
{
    (void)state;
    uint8_t got[BYTES];
    start(DUMP_JSONL, 2);
    assert_true(pl_is_ok(take(2, 3, 3)));
    assert_true(pl_is_ok(dump_finish(&dump)));
    size_t len = written(got);
    const uint8_t *end = memchr(got, '\n', len);
    assert_non_null(end);
    json_t *line = json_loadb((const char *)got, (size_t)(end - got), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(line);
    assert_int_equal(json_integer_value(json_object_get(line, "seq")), 2);
    assert_string_equal(json_string_value(json_object_get(line, "time")),
                        "1970-01-01T00:00:02.000000Z");
    assert_string_equal(json_string_value(json_object_get(line, "person")), "anna");
    assert_string_equal(json_string_value(json_object_get(line, "request_id")),
                        "01020300-0000-0000-0000-000000000000");
    json_t *command = json_object_get(line, "command");
    assert_string_equal(json_string_value(json_object_get(command, "reason")),
                        "no \"budget\", sorry");
    assert_non_null(json_object_get(json_object_get(line, "entry"), "withdrawn"));
    json_decref(line);
    dump_fini(&dump);
}

static void end_of(enum dump_form form, uint64_t from, uint64_t to_seq, uint64_t size, bool twist,
                   enum pl_code code)
{
    start(form, from);
    dump.options.to_seq = to_seq;
    assert_true(pl_is_ok(take(from, 9, 0)));
    assert_int_equal(take_end(9, size, twist).code, code);
    assert_int_equal(dump_finish(&dump).code, code == PL_E_OK ? PL_E_OK : PL_E_UNAVAILABLE);
    dump_fini(&dump);
}

static void test_the_checkpoint_is_that_of_the_entries(void **state)
{
    (void)state;
    for (enum dump_form form = DUMP_BIN; form <= DUMP_CSV; form++) {
        end_of(form, 1, 0, 9, false, PL_E_OK);
        end_of(form, 1, 0, 9, true, PL_E_CORRUPT);
        end_of(form, 1, 0, 10, false, PL_E_CORRUPT);
        end_of(form, 1, 0, 8, false, PL_E_CORRUPT);
        end_of(form, 1, 9, 9, true, PL_E_CORRUPT);
        end_of(form, 1, 9, 10, false, PL_E_OK); /* a part: only the whole has a root */
        end_of(form, 1, 9, 8, false, PL_E_CORRUPT);
        end_of(form, 4, 0, 9, true, PL_E_OK);
        end_of(form, 4, 0, 10, false, PL_E_CORRUPT);
    }
}

static void test_no_more_than_was_asked_for(void **state)
{
    (void)state;
    start(DUMP_JSONL, 1);
    dump.options.to_seq = 3;
    assert_true(pl_is_ok(take(1, 3, 0)));
    assert_int_equal(take(4, 4, 4).code, PL_E_CORRUPT);
    dump_fini(&dump);
}

static void test_csv_has_one_header_and_one_line_an_entry(void **state)
{
    (void)state;
    uint8_t got[BYTES];
    start(DUMP_CSV, 0);
    assert_true(pl_is_ok(take(1, 1, 0)));
    assert_true(pl_is_ok(take(2, 2, 2)));
    assert_true(pl_is_ok(dump_finish(&dump)));
    got[written(got)] = '\0';
    static const char head[] =
        "seq,time,person,role,request_id,fact,pledge,contributor,tier,amount,currency,"
        "effective_date,reason,";
    assert_memory_equal(got, head, sizeof(head) - 1);
    const char *second = strstr((const char *)got, "\r\n") + 2;
    static const char row[] = "1,1970-01-01T00:00:01.000000Z,anna,clerk,01020300-0000-0000-0000-"
                              "000000000000,withdrawn,P000001,,,,,,\"no \"\"budget\"\", sorry\",";
    assert_memory_equal(second, row, sizeof(row) - 1);
    assert_null(strstr(second, "seq,"));
    dump_fini(&dump);
}

static void test_gaps_and_missing_ends_are_found(void **state)
{
    (void)state;
    start(DUMP_BIN, 0);
    assert_true(pl_is_ok(take(1, 2, 0)));
    assert_int_equal(take(4, 4, 4).code, PL_E_CORRUPT); /* 3 is missing */
    dump_fini(&dump);
    start(DUMP_BIN, 0);
    assert_true(pl_is_ok(take(1, 2, 0)));
    assert_int_equal(take(2, 3, 3).code, PL_E_CORRUPT); /* 2 again */
    dump_fini(&dump);
    start(DUMP_BIN, 0);
    assert_int_equal(take(1, 2, 3).code, PL_E_CORRUPT); /* the trailer promises 3 */
    dump_fini(&dump);
    start(DUMP_BIN, 0);
    assert_true(pl_is_ok(take(1, 2, 0)));
    assert_int_equal(dump_finish(&dump).code, PL_E_UNAVAILABLE); /* no trailer */
    dump_fini(&dump);
    start(DUMP_BIN, 0);
    assert_true(pl_is_ok(take(1, 2, 2)));
    assert_int_equal(take(3, 3, 0).code, PL_E_CORRUPT); /* after the end */
    dump_fini(&dump);
    start(DUMP_BIN, 5);
    assert_int_equal(take(1, 2, 2).code, PL_E_CORRUPT); /* not what was asked for */
    dump_fini(&dump);
}

static void test_bytes_that_are_no_message_are_found(void **state)
{
    (void)state;
    start(DUMP_BIN, 0);
    assert_int_equal(dump_take(&dump, pl_slice_str("\xff\xff\xff")).code, PL_E_CORRUPT);
    assert_int_equal(dump_finish(&dump).code, PL_E_UNAVAILABLE);
    uint8_t got[BYTES];
    assert_int_equal(written(got), 0);
    dump_fini(&dump);
    /* a good message with an entry that has its seq but breaks off after it */
    uint8_t entry[] = {0x08, 1, 0x12, 5}, message[64];
    ProtobufCBinaryData list[] = {{sizeof(entry), entry}};
    Pledged__V1__DumpResponse part = PLEDGED__V1__DUMP_RESPONSE__INIT;
    part.n_entry = 1;
    part.entry = list;
    size_t len = pledged__v1__dump_response__pack(&part, message);
    start(DUMP_BIN, 0);
    assert_int_equal(dump_take(&dump, pl_slice(message, len)).code, PL_E_CORRUPT);
    dump_fini(&dump);
}

static void test_a_disk_that_is_full_is_told(void **state)
{
    (void)state;
    const struct dump_options options = {.form = DUMP_BIN, .fd = -1};
    dump_init(&dump, &options);
    assert_true(pl_is_ok(take(1, 2, 2)));
    struct pl_status status = dump_finish(&dump);
    assert_int_equal(status.code, PL_E_IO);
    assert_int_not_equal(status.sys_errno, 0);
    dump_fini(&dump);
}

static int begin(void **state)
{
    (void)state;
    text_use(TEXT_ENGLISH);
    fd = mkstemp(path);
    return fd < 0 ? -1 : 0;
}

static int end(void **state)
{
    (void)state;
    (void)close(fd);
    (void)unlink(path);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_binary_form_holds_the_exact_bytes),
        cmocka_unit_test(test_lines_hold_entry_and_command),
        cmocka_unit_test(test_the_checkpoint_is_that_of_the_entries),
        cmocka_unit_test(test_no_more_than_was_asked_for),
        cmocka_unit_test(test_csv_has_one_header_and_one_line_an_entry),
        cmocka_unit_test(test_gaps_and_missing_ends_are_found),
        cmocka_unit_test(test_bytes_that_are_no_message_are_found),
        cmocka_unit_test(test_a_disk_that_is_full_is_told),
    };
    return cmocka_run_group_tests(tests, begin, end);
}

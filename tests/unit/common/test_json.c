/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: messages come out as canonical ProtoJSON and come back unchanged; text that is not exactly
 * one message is refused with the path of what is wrong.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/check.h"
#include "common/json.h"
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

#define COMMAND            (&pledged__v1__command__descriptor)
#define assert_ok(status_) assert_int_equal((status_).code, PL_E_OK)

enum { BUDGET = 1 << 16 };

static char *literal(const char *text)
{
    return (char *)(uintptr_t)text;
}

static void assert_prints(const void *message, const char *expected)
{
    struct pl_buf out PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&out, BUDGET);
    assert_ok(pl_json_print(message, &out));
    assert_ok(pl_buf_append(&out, "", 1));
    assert_string_equal((const char *)pl_buf_slice(&out).data, expected);
}

/* Reads into an arena that the caller cleans up. */
static const void *must_read(struct pl_arena *arena, const ProtobufCMessageDescriptor *type,
                             const char *text)
{
    struct pl_json_error error;
    ProtobufCMessage *message = NULL;
    struct pl_status status = pl_json_parse(pl_slice_str(text), type, arena, &message, &error);
    if (!pl_is_ok(status))
        print_error("%s\n%s: %s\n", text, error.path, error.what);
    assert_ok(status);
    assert_string_equal(error.path, "");
    return message;
}

static void assert_refused_bytes(const ProtobufCMessageDescriptor *type, struct pl_slice text,
                                 const char *path, const char *part_of_what)
{
    struct pl_arena arena PL_CLEANUP(pl_arena_fini);
    pl_arena_init(&arena, BUDGET);
    struct pl_json_error error;
    ProtobufCMessage *message = NULL;
    struct pl_status status = pl_json_parse(text, type, &arena, &message, &error);
    if (status.code != PL_E_INVALID)
        print_error("%.*s\n", (int)text.len, (const char *)text.data);
    assert_int_equal(status.code, PL_E_INVALID);
    assert_null(message);
    assert_string_equal(error.path, path);
    if (strstr(error.what, part_of_what) == NULL)
        print_error("\"%s\" is not in \"%s\"\n", part_of_what, error.what);
    assert_non_null(strstr(error.what, part_of_what));
    assert_int_equal(error.unknown_field, strcmp(error.what, "there is no such field") == 0);
}

static void assert_refused(const ProtobufCMessageDescriptor *type, const char *text,
                           const char *path, const char *part_of_what)
{
    assert_refused_bytes(type, pl_slice_str(text), path, part_of_what);
}

/* --- printing --- */

static void test_zeros_are_printed(void **state)
{
    (void)state;
    Pledged__V1__Money money = PLEDGED__V1__MONEY__INIT;
    assert_prints(&money, "{\"minor\":\"0\",\"currency\":\"\"}");
    Pledged__V1__Count count = PLEDGED__V1__COUNT__INIT;
    assert_prints(&count, "{}"); /* nothing chosen */
    count.value_case = PLEDGED__V1__COUNT__VALUE_COUNT;
    assert_prints(&count, "{\"count\":\"0\"}"); /* chosen, and zero */
    count.value_case = PLEDGED__V1__COUNT__VALUE_UNLIMITED;
    count.unlimited = true;
    assert_prints(&count, "{\"unlimited\":true}");
    Pledged__V1__GetStatusRequest empty = PLEDGED__V1__GET_STATUS_REQUEST__INIT;
    assert_prints(&empty, "{}");
}

static void test_integers_of_both_widths(void **state)
{
    (void)state;
    Pledged__V1__Warning warning = PLEDGED__V1__WARNING__INIT;
    warning.seq = UINT64_MAX;
    assert_prints(&warning,
                  "{\"kind\":\"WARNING_KIND_UNSPECIFIED\",\"seq\":\"18446744073709551615\"}");
    Pledged__V1__Money money = PLEDGED__V1__MONEY__INIT;
    money.minor = INT64_MIN;
    assert_prints(&money, "{\"minor\":\"-9223372036854775808\",\"currency\":\"\"}");
    Pledged__V1__LedgerCreated created = PLEDGED__V1__LEDGER_CREATED__INIT;
    created.format = UINT32_MAX; /* 32 bits are a number */
    assert_prints(&created, "{\"origin\":\"\",\"ledgerId\":\"\",\"format\":4294967295}");
}

/* What a policy has behind its hash. */
#define POLICY_REST                                                                                \
    "\"rules\":0,\"proposalTtlS\":\"0\",\"differenceLimit\":[],\"unallocatedLimitS\":\"0\","       \
    "\"account\":[],\"timeZone\":\"\"}"

static void test_names_bytes_lists_and_enums(void **state)
{
    (void)state;
    uint8_t hash[] = {0xFB, 0xFF, 0xBE, 0x00};
    Pledged__V1__Document document = PLEDGED__V1__DOCUMENT__INIT;
    document.sha256.data = hash;
    document.sha256.len = sizeof(hash);
    document.filed_as = literal("EUR/2026");
    assert_prints(&document, "{\"sha256\":\"+/++AA==\",\"bytes\":\"0\",\"kind\":\"\","
                             "\"filedAs\":\"EUR/2026\"}");
    Pledged__V1__CommandClass classes[] = {PLEDGED__V1__COMMAND_CLASS__COMMAND_CLASS_REFUND,
                                           (Pledged__V1__CommandClass)99};
    Pledged__V1__PolicyAdopted policy = PLEDGED__V1__POLICY_ADOPTED__INIT;
    assert_prints(&policy,
                  "{\"fourEyes\":[],\"clockJumpLimitS\":\"0\",\"sha256\":\"\"," POLICY_REST);
    policy.n_four_eyes = 2;
    policy.four_eyes = classes;
    assert_prints(&policy, "{\"fourEyes\":[\"COMMAND_CLASS_REFUND\",99],"
                           "\"clockJumpLimitS\":\"0\",\"sha256\":\"\"," POLICY_REST);
    char *aliases[] = {literal("platinum"), literal("")};
    Pledged__V1__Tier tier = PLEDGED__V1__TIER__INIT;
    tier.n_alias = 2;
    tier.alias = aliases;
    assert_prints(&tier, "{\"code\":\"\",\"alias\":[\"platinum\",\"\"],\"group\":\"\",\"label\":[],"
                         "\"stated\":[]}");
}

static void test_nested_and_absent_messages(void **state)
{
    (void)state;
    Pledged__V1__Money amount = PLEDGED__V1__MONEY__INIT;
    amount.minor = 15000000;
    amount.currency = literal("CHF");
    Pledged__V1__Submit submit = PLEDGED__V1__SUBMIT__INIT;
    submit.offer_case = PLEDGED__V1__SUBMIT__OFFER_TIER;
    submit.tier = literal("platine");
    submit.amount = &amount;
    Pledged__V1__Command command = PLEDGED__V1__COMMAND__INIT;
    command.command_case = PLEDGED__V1__COMMAND__COMMAND_SUBMIT;
    command.submit = &submit;
    assert_prints(
        &command,
        "{\"requestId\":\"\",\"effectiveDate\":\"\",\"reason\":\"\",\"evidence\":[],"
        "\"dryRun\":false,\"wantProof\":false,\"submit\":{\"pledge\":\"\",\"contributor\":\"\","
        "\"tier\":\"platine\",\"amount\":{\"minor\":\"15000000\",\"currency\":\"CHF\"},"
        "\"kind\":\"PLEDGE_KIND_UNSPECIFIED\",\"campaign\":\"\",\"agreementRef\":\"\","
        "\"publish\":\"PUBLISH_UNSPECIFIED\",\"externalRef\":[]}}");
    submit.amount = NULL;
    submit.offer_case = PLEDGED__V1__SUBMIT__OFFER__NOT_SET;
    assert_prints(&submit, "{\"pledge\":\"\",\"contributor\":\"\","
                           "\"kind\":\"PLEDGE_KIND_UNSPECIFIED\",\"campaign\":\"\","
                           "\"agreementRef\":\"\",\"publish\":\"PUBLISH_UNSPECIFIED\","
                           "\"externalRef\":[]}");
}

static void test_strings_are_escaped(void **state)
{
    (void)state;
    struct pl_buf out PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&out, 200);
    assert_ok(pl_json_string(&out, "a\"b\\c\nd\te\x01\x1F\x7Fg\xC3\xA8/"));
    assert_true(pl_slice_eq_str(pl_buf_slice(&out),
                                "\"a\\\"b\\\\c\\nd\\u0009e\\u0001\\u001f\\u007fg\xC3\xA8/\""));
    pl_buf_clear(&out);
    assert_ok(pl_json_string(&out, "\xC2\x9B\xC2\xA0\xE2\x80\xAE\xE2\x80\xAF\xE2\x81\xA6\xE2"));
    assert_true(
        pl_slice_eq_str(pl_buf_slice(&out), "\"\\u009b\xC2\xA0\\u202e\xE2\x80\xAF\\u2066\xE2\""));
    pl_buf_clear(&out);
    assert_ok(pl_json_string(&out, ""));
    assert_true(pl_slice_eq_str(pl_buf_slice(&out), "\"\""));
}

static void test_printing_ends_at_the_ceiling(void **state)
{
    (void)state;
    Pledged__V1__Money money = PLEDGED__V1__MONEY__INIT;
    size_t needed = strlen("{\"minor\":\"0\",\"currency\":\"\"}");
    for (size_t ceiling = 0; ceiling <= needed; ceiling++) {
        struct pl_buf out PL_CLEANUP(pl_buf_fini);
        pl_buf_init(&out, ceiling);
        struct pl_status status = pl_json_print(&money.base, &out);
        assert_int_equal(status.code, ceiling < needed ? PL_E_TOO_BIG : PL_E_OK);
    }
}

/* --- reading --- */

static void test_both_spellings_and_any_order(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"requestId\":\"Zm9v\",\"dryRun\":true,\"hold\":{\"tier\":\"or\",\"forS\":\"60\"}}",
        "{\"request_id\":\"Zm9v\",\"dry_run\":true,\"hold\":{\"tier\":\"or\",\"for_s\":60}}",
        " {\n\"hold\" : {\"forS\":60, \"tier\":\"or\"} "
        ",\"dryRun\":true,\t\"requestId\":\"Zm9v\"}\n",
    };
    for (size_t i = 0; i < PL_COUNT(texts); i++) {
        struct pl_arena arena PL_CLEANUP(pl_arena_fini);
        pl_arena_init(&arena, BUDGET);
        const Pledged__V1__Command *command = must_read(&arena, COMMAND, texts[i]);
        assert_int_equal(command->request_id.len, 3);
        assert_memory_equal(command->request_id.data, "foo", 3);
        assert_true(command->dry_run);
        assert_int_equal(command->command_case, PLEDGED__V1__COMMAND__COMMAND_HOLD);
        assert_string_equal(command->hold->tier, "or");
        assert_int_equal(command->hold->until_case, PLEDGED__V1__HOLD__UNTIL_FOR_S);
        assert_true(command->hold->for_s == 60);
    }
}

static void test_null_is_the_default(void **state)
{
    (void)state;
    struct pl_arena arena PL_CLEANUP(pl_arena_fini);
    pl_arena_init(&arena, BUDGET);
    const Pledged__V1__Submit *submit =
        must_read(&arena, &pledged__v1__submit__descriptor,
                  "{\"pledge\":null,\"amount\":null,\"kind\":null,\"tier\":null,\"free\":true,"
                  "\"externalRef\":null}");
    assert_string_equal(submit->pledge, "");
    assert_null(submit->amount);
    assert_int_equal(submit->offer_case, PLEDGED__V1__SUBMIT__OFFER_FREE);
    assert_int_equal(submit->n_external_ref, 0);
    const Pledged__V1__Submit *nothing = must_read(&arena, &pledged__v1__submit__descriptor, "{}");
    assert_int_equal(nothing->offer_case, PLEDGED__V1__SUBMIT__OFFER__NOT_SET);
    assert_string_equal(nothing->campaign, "");
}

static void test_integers_are_exact(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } rows[] = {
        {"0", 0},
        {"\"0\"", 0},
        {"-1", -1},
        {"\"-1\"", -1},
        {"9007199254740993", 9007199254740993}, /* a double would lose this one */
        {"\"9223372036854775807\"", INT64_MAX},
        {"9223372036854775807", INT64_MAX},
        {"\"-9223372036854775808\"", INT64_MIN},
        {"-9223372036854775808", INT64_MIN},
        {"\"-0\"", 0},
    };
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        struct pl_arena arena PL_CLEANUP(pl_arena_fini);
        pl_arena_init(&arena, BUDGET);
        char text[100];
        (void)snprintf(text, sizeof(text), "{\"minor\":%s}", rows[i].text);
        const Pledged__V1__Money *money = must_read(&arena, &pledged__v1__money__descriptor, text);
        assert_true(money->minor == rows[i].value);
    }
    struct pl_arena arena PL_CLEANUP(pl_arena_fini);
    pl_arena_init(&arena, BUDGET);
    const Pledged__V1__Warning *warning =
        must_read(&arena, &pledged__v1__warning__descriptor, "{\"seq\":\"18446744073709551615\"}");
    assert_true(warning->seq == UINT64_MAX);
    const Pledged__V1__LedgerCreated *created =
        must_read(&arena, &pledged__v1__ledger_created__descriptor, "{\"format\":4294967295}");
    assert_true(created->format == UINT32_MAX);
}

static void test_integers_that_are_none(void **state)
{
    (void)state;
    static const char *const wide[] = {
        "\"9223372036854775808\"",
        "\"-9223372036854775809\"",
        "\"99999999999999999999999\"",
        "\"\"",
        "\"-\"",
        "\"+1\"",
        "\" 1\"",
        "\"1 \"",
        "\"1.0\"",
        "\"1e3\"",
        "\"0x10\"",
        "1.0",
        "1e3",
        "1.5",
        "true",
        "[]",
        "{}",
        "\"1\\u0000\"",
        "\"abc\"",
    };
    for (size_t i = 0; i < PL_COUNT(wide); i++) {
        char text[100];
        (void)snprintf(text, sizeof(text), "{\"minor\":%s}", wide[i]);
        assert_refused(&pledged__v1__money__descriptor, text, "minor", "whole number");
    }
    assert_refused(&pledged__v1__money__descriptor, "{\"minor\":9223372036854775808}", "",
                   "integer");
    static const char *const narrow[] = {"4294967296", "\"4294967296\"", "-1", "\"-1\""};
    for (size_t i = 0; i < PL_COUNT(narrow); i++) {
        char text[100];
        (void)snprintf(text, sizeof(text), "{\"format\":%s}", narrow[i]);
        assert_refused(&pledged__v1__ledger_created__descriptor, text, "format", "number");
    }
    assert_refused(&pledged__v1__warning__descriptor, "{\"seq\":\"18446744073709551616\"}", "seq",
                   "whole number");
    assert_refused(&pledged__v1__warning__descriptor, "{\"seq\":-1}", "seq", "whole number");
}

static void test_enums_by_name_and_number(void **state)
{
    (void)state;
    static const char *const good[] = {"\"PUBLISH_AFTER\"", "3"};
    for (size_t i = 0; i < PL_COUNT(good); i++) {
        struct pl_arena arena PL_CLEANUP(pl_arena_fini);
        pl_arena_init(&arena, BUDGET);
        char text[100];
        (void)snprintf(text, sizeof(text), "{\"publish\":%s}", good[i]);
        const Pledged__V1__Submit *submit =
            must_read(&arena, &pledged__v1__submit__descriptor, text);
        assert_int_equal(submit->publish, PLEDGED__V1__PUBLISH__PUBLISH_AFTER);
    }
    static const char *const bad[] = {
        "\"publish_after\"",  "\"AFTER\"", "\"3\"", "4",    "-1",
        "4294967299",         "\"\"",      "3.0",   "true", "\"PUBLISH_AFTER\\u0000\"",
        "\"PUBLISH_AFTER \"", "[3]"};
    for (size_t i = 0; i < PL_COUNT(bad); i++) {
        char text[100];
        (void)snprintf(text, sizeof(text), "{\"publish\":%s}", bad[i]);
        assert_refused(&pledged__v1__submit__descriptor, text, "publish", "not one of");
    }
}

static void test_types_must_match(void **state)
{
    (void)state;
    static const struct {
        const char *text, *path, *what;
    } rows[] = {
        {"{\"reason\":5}", "reason", "text"},
        {"{\"reason\":[\"a\"]}", "reason", "text"},
        {"{\"dryRun\":1}", "dry_run", "true or false"},
        {"{\"dryRun\":\"true\"}", "dry_run", "true or false"},
        {"{\"requestId\":\"Z\"}", "request_id", "base64"},
        {"{\"requestId\":7}", "request_id", "base64"},
        {"{\"requestId\":\"Zm9v\\u0000\"}", "request_id", "base64"},
        {"{\"evidence\":{}}", "evidence", "list"},
        {"{\"evidence\":[{},7]}", "evidence[1]", "object"},
        {"{\"evidence\":[null]}", "evidence[0]", "object"},
        {"{\"hold\":[]}", "hold", "object"},
        {"{\"hold\":\"x\"}", "hold", "object"},
        {"[]", "", "object"},
        {"[{}]", "", "object"},
    };
    for (size_t i = 0; i < PL_COUNT(rows); i++)
        assert_refused(COMMAND, rows[i].text, rows[i].path, rows[i].what);
    assert_refused(&pledged__v1__tier__descriptor, "{\"alias\":[\"a\",null]}", "alias[1]", "text");
}

static void test_texts_must_be_utf8_without_nul(void **state)
{
    (void)state;
    assert_refused(COMMAND, "{\"reason\":\"a\\u0000b\"}", "reason", "zero byte");
    assert_refused(COMMAND, "{\"reason\":\"\\uD800\"}", "", "line 1"); /* half a surrogate pair */
    assert_refused(COMMAND, "{\"reason\":\"\\uDC00x\"}", "", "line 1");
    assert_refused(COMMAND, "{\"reason\":\"\xED\xA0\x80\"}", "", "line 1"); /* encoded surrogate */
    assert_refused(COMMAND, "{\"reason\":\"\xC0\xAF\"}", "", "line 1");     /* overlong */
    assert_refused(COMMAND, "{\"reason\":\"caf\xE9\"}", "", "line 1");      /* Latin-1 */
    assert_refused(COMMAND, "{\"reason\":\"a\nb\"}", "", "line 1"); /* control bytes need escapes */
    struct pl_arena arena PL_CLEANUP(pl_arena_fini);
    pl_arena_init(&arena, BUDGET);
    const Pledged__V1__Command *command =
        must_read(&arena, COMMAND, "{\"reason\":\"\\u00e8\\ud83d\\ude00\\n\\\"\\/\"}");
    assert_string_equal(command->reason, "\xC3\xA8\xF0\x9F\x98\x80\n\"/");
}

static void test_fields_that_do_not_exist(void **state)
{
    (void)state;
    assert_refused(COMMAND, "{\"colour\":1}", "colour", "no such field");
    assert_refused(COMMAND, "{\"colour\":null}", "colour", "no such field");
    assert_refused(COMMAND, "{\"submit\":{\"amount\":{\"major\":1}}}", "submit.amount.major",
                   "no such field");
    assert_refused(COMMAND, "{\"RequestId\":\"\"}", "RequestId", "no such field");
    assert_refused(COMMAND, "{\"request_Id\":\"\"}", "request_Id", "no such field");
    assert_refused(COMMAND, "{\"\":1}", "", "no such field");
    char text[400] = "{\"", path[71] = {0};
    memset(text + 2, 'x', 300);
    memcpy(text + 302, "\":1}", 5);
    memset(path, 'x', 70); /* long names are cut, not overrun */
    assert_refused(COMMAND, text, path, "no such field");
}

static void test_fields_given_twice(void **state)
{
    (void)state;
    assert_refused(COMMAND, "{\"reason\":\"a\",\"reason\":\"b\"}", "", "duplicate");
    assert_refused(COMMAND, "{\"hold\":{\"tier\":\"a\",\"tier\":\"a\"}}", "", "duplicate");
    assert_refused(COMMAND, "{\"dryRun\":true,\"dry_run\":false}", "dry_run", "given twice");
    assert_refused(COMMAND, "{\"dryRun\":null,\"dry_run\":true}", "dry_run", "given twice");
    assert_refused(COMMAND, "{\"hold\":{},\"wait\":{}}", "wait", "only one");
    assert_refused(COMMAND, "{\"submit\":{\"tier\":\"or\",\"free\":true}}", "submit.free",
                   "only one");
}

static void test_paths(void **state)
{
    (void)state;
    assert_refused(COMMAND, "{\"submit\":{\"amount\":{\"minor\":\"x\"}}}", "submit.amount.minor",
                   "whole number");
    assert_refused(&pledged__v1__catalogue__descriptor, "{\"grant\":[{},{},{},{\"tier\":5}]}",
                   "grant[3].tier", "text");
    assert_refused(&pledged__v1__execute_batch_request__descriptor,
                   "{\"command\":[{},{\"evidence\":[{\"filedAs\":1}]}]}",
                   "command[1].evidence[0].filed_as", "text");
}

static void test_text_that_is_not_json(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        " ",
        "{",
        "}",
        "{}}",
        "{} {}",
        "{}x",
        "null",
        "5",
        "\"a\"",
        "{\"reason\"}",
        "{\"reason\":}",
        "{reason:\"a\"}",
        "{'reason':'a'}",
        "{\"reason\":\"a\",}",
        "{\"reason\":\"a}",
        "{\"dryRun\":True}",
        "{\"dryRun\":NaN}",
        "{\"evidence\":[,]}",
        "// {}\n{}",
        "{\"minor\":01}",
        "\xEF\xBB\xBF{}",
    };
    for (size_t i = 0; i < PL_COUNT(texts); i++)
        assert_refused(COMMAND, texts[i], "", "line ");
    assert_refused_bytes(COMMAND, pl_slice("{}\0", 3), "", "line ");
    assert_refused_bytes(COMMAND, pl_slice("{\"rea\0son\":1}", 14), "", "line ");
    assert_refused_bytes(COMMAND, pl_slice(NULL, 0), "", "line ");
}

/* --- nesting: no message of ours nests so deep, so one is made by hand --- */

struct node {
    ProtobufCMessage base;
    struct node *child;
};
static const ProtobufCMessageDescriptor node_descriptor;
static void node_init(ProtobufCMessage *message)
{
    *(struct node *)message = (struct node){{&node_descriptor, 0, NULL}, NULL};
}
static const ProtobufCFieldDescriptor node_fields[] = {{
    .name = "child",
    .id = 1,
    .label = PROTOBUF_C_LABEL_NONE,
    .type = PROTOBUF_C_TYPE_MESSAGE,
    .offset = offsetof(struct node, child),
    .descriptor = &node_descriptor,
}};
static const ProtobufCMessageDescriptor node_descriptor = {
    .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
    .name = "node",
    .sizeof_message = sizeof(struct node),
    .n_fields = 1,
    .fields = node_fields,
    .message_init = node_init,
};

static void nest(struct pl_buf *out, int depth)
{
    pl_buf_clear(out);
    for (int i = 0; i < depth; i++)
        assert_ok(pl_buf_append_str(out, "{\"child\":"));
    assert_ok(pl_buf_append_str(out, "{}"));
    for (int i = 0; i < depth; i++)
        assert_ok(pl_buf_append_str(out, "}"));
}

static void test_nesting_ends_at_thirty_two(void **state)
{
    (void)state;
    static const int depths[] = {0, 1, 32, 33, 100, 2000, 100000};
    for (size_t i = 0; i < PL_COUNT(depths); i++) {
        struct pl_buf text PL_CLEANUP(pl_buf_fini);
        struct pl_arena arena PL_CLEANUP(pl_arena_fini);
        pl_buf_init(&text, 1 << 21);
        pl_arena_init(&arena, BUDGET);
        nest(&text, depths[i]);
        struct pl_json_error error;
        ProtobufCMessage *message = NULL;
        struct pl_status status =
            pl_json_parse(pl_buf_slice(&text), &node_descriptor, &arena, &message, &error);
        assert_int_equal(status.code, depths[i] <= 32 ? PL_E_OK : PL_E_INVALID);
        if (depths[i] > 32)
            assert_true(error.what[0] != '\0');
    }
}

/* --- there and back --- */

static const char full_command[] =
    "{\"requestId\":\"MDEyMzQ1Njc4OWFiY2RlZg==\",\"effectiveDate\":\"2026-03-01\","
    "\"reason\":\"as agreed in Gen\xC3\xA8ve\",\"evidence\":[{\"sha256\":\"AAEC\",\"bytes\":\"12\","
    "\"kind\":\"letter\",\"filedAs\":\"A/1\"},{\"sha256\":\"\",\"bytes\":\"-1\",\"kind\":\"\","
    "\"filedAs\":\"\"}],\"dryRun\":true,\"wantProof\":false,\"submit\":{\"pledge\":\"\","
    "\"contributor\":\"C000017\","
    "\"tier\":\"platine\",\"amount\":{\"minor\":\"15000000\",\"currency\":\"CHF\"},"
    "\"kind\":\"PLEDGE_KIND_CASH\",\"campaign\":\"\",\"agreementRef\":\"\","
    "\"publish\":\"PUBLISH_NO\",\"externalRef\":[{\"system\":\"erp\",\"id\":\"7\"}]}}";

static void test_round_trip_by_json_and_by_wire(void **state)
{
    (void)state;
    struct pl_arena arena PL_CLEANUP(pl_arena_fini);
    pl_arena_init(&arena, BUDGET);
    const ProtobufCMessage *message = must_read(&arena, COMMAND, full_command);
    assert_prints(message, full_command);
    struct pl_scan_error error;
    ProtobufCMessage *again = NULL;
    assert_ok(pl_unpack(COMMAND, pl_pack(message, &arena), 100, &arena, &again, &error));
    assert_prints(again, full_command);
}

static void test_every_budget_ends_well(void **state)
{
    (void)state;
    bool enough = false;
    for (size_t budget = 0; budget < 4096 && !enough; budget += 16) {
        struct pl_arena arena PL_CLEANUP(pl_arena_fini);
        pl_arena_init(&arena, budget);
        struct pl_json_error error;
        ProtobufCMessage *message = NULL;
        struct pl_status status =
            pl_json_parse(pl_slice_str(full_command), COMMAND, &arena, &message, &error);
        enough = pl_is_ok(status);
        assert_int_equal(status.code, enough ? PL_E_OK : PL_E_TOO_BIG);
        assert_int_equal(message != NULL, enough);
    }
    assert_true(enough);
}

/* Whatever a random change makes of good text: it is refused in words, or what was read prints,
 * reads and prints the same, and its bytes pass the scan. */
static void test_changed_texts(void **state)
{
    (void)state;
    static const char marks[] = "{}[]:,\"\\0159-eEtfn_ \x80\xC3\xA8ux";
    uint64_t random = 11;
    size_t accepted = 0, refused = 0;
    for (int round = 0; round < 60000; round++) {
        char text[sizeof(full_command)];
        memcpy(text, full_command, sizeof(text));
        for (int change = 0; change <= round % 2; change++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            text[(random >> 33) % (sizeof(text) - 1)] = marks[(random >> 20) % (sizeof(marks) - 1)];
        }
        struct pl_arena arena PL_CLEANUP(pl_arena_fini);
        pl_arena_init(&arena, BUDGET);
        struct pl_json_error error;
        ProtobufCMessage *message = NULL;
        struct pl_status status =
            pl_json_parse(pl_slice(text, sizeof(text) - 1), COMMAND, &arena, &message, &error);
        if (!pl_is_ok(status)) {
            assert_int_equal(status.code, PL_E_INVALID);
            assert_true(error.what[0] != '\0');
            refused++;
            continue;
        }
        accepted++;
        struct pl_buf out PL_CLEANUP(pl_buf_fini);
        pl_buf_init(&out, BUDGET);
        assert_ok(pl_json_print(message, &out));
        ProtobufCMessage *again = NULL;
        assert_ok(pl_json_parse(pl_buf_slice(&out), COMMAND, &arena, &again, &error));
        struct pl_slice one = pl_pack(message, &arena), two = pl_pack(again, &arena);
        assert_true(one.data != NULL && pl_slice_eq(one, two));
        struct pl_scan_error scan_error;
        assert_ok(pl_scan(COMMAND, one, 100, &scan_error));
    }
    assert_true(accepted > 1000 && refused > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zeros_are_printed),
        cmocka_unit_test(test_integers_of_both_widths),
        cmocka_unit_test(test_names_bytes_lists_and_enums),
        cmocka_unit_test(test_nested_and_absent_messages),
        cmocka_unit_test(test_strings_are_escaped),
        cmocka_unit_test(test_printing_ends_at_the_ceiling),
        cmocka_unit_test(test_both_spellings_and_any_order),
        cmocka_unit_test(test_null_is_the_default),
        cmocka_unit_test(test_integers_are_exact),
        cmocka_unit_test(test_integers_that_are_none),
        cmocka_unit_test(test_enums_by_name_and_number),
        cmocka_unit_test(test_types_must_match),
        cmocka_unit_test(test_texts_must_be_utf8_without_nul),
        cmocka_unit_test(test_fields_that_do_not_exist),
        cmocka_unit_test(test_fields_given_twice),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_text_that_is_not_json),
        cmocka_unit_test(test_nesting_ends_at_thirty_two),
        cmocka_unit_test(test_round_trip_by_json_and_by_wire),
        cmocka_unit_test(test_every_budget_ends_well),
        cmocka_unit_test(test_changed_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: checkpoints, tile paths, bundles, proofs, requests to witnesses and policies are written as
 * C2SP says, read back, and refused when they are anything else. Keys and signatures are those of
 * test_note.
 */
#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/hash.h"
#include "common/tlog.h"

#define FUND_VKEY "example.org/fund+0dcf9afc+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs"
#define W1_VKEY   "witness.example/w1+24b5d9fe+BP0XJDhaoMdbZPt4zWAvodmR/ev3axPFjtcC6sg16fYY"
#define W2_VKEY   "witness.example/w2+0863ad1e+BEOnLnFEAXYt9mtowm373yaCquyfJHTspGE+QkoPuv08"
#define W3_VKEY   "witness.example/w3+3f558bfa+BGa+fjMsekUzMr2dCn99sFX1xe8aBq2mbZizn7aBDEc6"
#define ROOT5     "Tju7H3tHjc/nH7YxYxUZo7yhLJrvyhYSv85ME6hiZNQ="
#define BODY      "example.org/fund\n5\n" ROOT5 "\n"
#define FUND_LINE                                                                                  \
    "\xE2\x80\x94 example.org/fund "                                                               \
    "Dc+a/JI79OgeChxJmu7eZNbfdJsXW0SEAvSPBQzkjJ7ZQWK2znzkpDZMZJMWhMb96o5lVnihFOJDUY//35m1TG7kgwU=" \
    "\n"
#define W1_LINE                                                                                    \
    "\xE2\x80\x94 witness.example/w1 "                                                             \
    "JLXZ/gAAAABo53gA+1r5LeMLXZAwpLmobMu/s2630KAuDuSB0aFMUQMAKPviwbX0EiGIxbzVYMEdgP5GzhMDs/"       \
    "2Jli62V"                                                                                      \
    "571SQqMBg==\n"

static struct pl_note_key key_of(const char *vkey)
{
    struct pl_note_key key;
    assert_true(pl_is_ok(pl_note_key_parse(pl_slice_str(vkey), &key)));
    return key;
}

/* --- checkpoints --- */

static void test_checkpoint(void **state)
{
    (void)state;
    struct pl_checkpoint checkpoint;
    struct pl_buf out;
    pl_buf_init(&out, 1024);
    assert_true(pl_is_ok(pl_checkpoint_parse(pl_slice_str(BODY), &checkpoint)));
    assert_string_equal(checkpoint.origin, "example.org/fund");
    assert_int_equal(checkpoint.size, 5);
    assert_true(pl_is_ok(pl_checkpoint_print(&checkpoint, &out)));
    assert_true(pl_slice_eq_str(pl_buf_slice(&out), BODY));
    pl_buf_fini(&out);
}

static void test_what_is_no_checkpoint(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "example.org/fund\n5\n",
        "example.org/fund\n5\n" ROOT5,
        "\n5\n" ROOT5 "\n",
        "example.org/fund\n05\n" ROOT5 "\n",
        "example.org/fund\n+5\n" ROOT5 "\n",
        "example.org/fund\n\n" ROOT5 "\n",
        "example.org/fund\n9223372036854775808\n" ROOT5 "\n",
        "example.org/fund\n18446744073709551617\n" ROOT5 "\n",
        "example.org/fund\n5\nTju7H3tHjc/nH7YxYxUZo7yhLJrvyhYSv85ME6hiZN==\n",
        "example.org/fund\n5\n" ROOT5 "\nextension\n",
        "example.org/fund\n5\n" ROOT5 "\n\n",
    };
    for (size_t i = 0; i < PL_COUNT(bad); i++) {
        struct pl_checkpoint checkpoint;
        assert_int_equal(pl_checkpoint_parse(pl_slice_str(bad[i]), &checkpoint).code, PL_E_INVALID);
    }
}

static enum pl_code open_with(const char *text, const char *vkey)
{
    struct pl_note_key key = key_of(vkey);
    struct pl_checkpoint checkpoint;
    return pl_checkpoint_open(pl_slice_str(text), &key, 1, &checkpoint, NULL).code;
}

static void test_signed_checkpoint(void **state)
{
    (void)state;
    assert_int_equal(open_with(BODY "\n" FUND_LINE, FUND_VKEY), PL_E_OK);
    assert_int_equal(open_with(BODY "\n" FUND_LINE W1_LINE, FUND_VKEY), PL_E_OK);
    assert_int_equal(open_with(BODY "\n" W1_LINE, FUND_VKEY), PL_E_NOT_FOUND);
    /* a signature of somebody else, though known and right, does not make it the log's */
    assert_int_equal(open_with(BODY "\n" W1_LINE, W1_VKEY), PL_E_NOT_FOUND);
    assert_int_equal(open_with("example.org/fund\n6\n" ROOT5 "\n\n" FUND_LINE, FUND_VKEY),
                     PL_E_INVALID);
}

/* --- tiles --- */

static void test_tile_paths(void **state)
{
    (void)state;
    static const struct {
        struct pl_tile tile;
        const char *path;
    } known[] = {
        {{false, 0, 0, 256}, "tile/0/000"},
        {{false, 0, 999, 256}, "tile/0/999"},
        {{false, 0, 1000, 256}, "tile/0/x001/000"},
        {{false, 0, 1234067, 256}, "tile/0/x001/x234/067"},
        {{false, 63, 1234067, 1}, "tile/63/x001/x234/067.p/1"},
        {{false, 2, 0, 255}, "tile/2/000.p/255"},
        {{true, 0, 273, 112}, "tile/entries/273.p/112"},
        {{true, 0, 1000000, 256}, "tile/entries/x001/x000/000"},
        {{false, 0, 1ull << 62, 256}, "tile/0/x004/x611/x686/x018/x427/x387/904"},
    };
    for (size_t i = 0; i < PL_COUNT(known); i++) {
        char path[PL_TILE_PATH_MAX];
        struct pl_tile tile;
        pl_tile_path(&known[i].tile, path);
        assert_string_equal(path, known[i].path);
        assert_true(pl_is_ok(pl_tile_path_parse(pl_slice_str(path), &tile)));
        assert_int_equal(tile.entries, known[i].tile.entries);
        assert_int_equal(tile.level, known[i].tile.level);
        assert_int_equal(tile.index, known[i].tile.index);
        assert_int_equal(tile.width, known[i].tile.width);
    }
    static const char *const bad[] = {"",
                                      "tile",
                                      "tile/",
                                      "tile/0",
                                      "tile/0/",
                                      "/tile/0/000",
                                      "tile/00/000",
                                      "tile/64/000",
                                      "tile/-1/000",
                                      "tile//000",
                                      "tile/0/0",
                                      "tile/0/0000",
                                      "tile/0/00a",
                                      "tile/0/x000/001",
                                      "tile/0/x001",
                                      "tile/0/x001/",
                                      "tile/0/001/000",
                                      "tile/0/000/",
                                      "tile/0/000.p",
                                      "tile/0/000.p/",
                                      "tile/0/000.p/0",
                                      "tile/0/000.p/256",
                                      "tile/0/000.p/01",
                                      "tile/0/000.p/1/",
                                      "tile/0/000.q/1",
                                      "tile/entries/0/000",
                                      "tile/data/000",
                                      "tile/0/../../etc/passwd",
                                      "tile/0/x999/x999/x999/x999/x999/x999/999",
                                      "tile/0/x001/x000/x000/x000/x000/x000/x000/000"};
    for (size_t i = 0; i < PL_COUNT(bad); i++) {
        struct pl_tile tile;
        assert_int_equal(pl_tile_path_parse(pl_slice_str(bad[i]), &tile).code, PL_E_INVALID);
    }
}

/* The specification's own example: 70,000 entries. */
static void test_tile_widths(void **state)
{
    (void)state;
    assert_int_equal(pl_tile_width(0, 0, 70000), 256);
    assert_int_equal(pl_tile_width(0, 272, 70000), 256);
    assert_int_equal(pl_tile_width(0, 273, 70000), 112);
    assert_int_equal(pl_tile_width(0, 274, 70000), 0);
    assert_int_equal(pl_tile_width(1, 0, 70000), 256);
    assert_int_equal(pl_tile_width(1, 1, 70000), 17);
    assert_int_equal(pl_tile_width(2, 0, 70000), 1);
    assert_int_equal(pl_tile_width(3, 0, 70000), 0);
    assert_int_equal(pl_tile_width(0, 1, 256), 0);
    assert_int_equal(pl_tile_width(0, UINT64_MAX, 70000), 0);
    assert_int_equal(pl_tile_width(63, 0, UINT64_MAX), 0);
    assert_int_equal(pl_tile_hashes(1, 70000), 273);
}

static void test_bundles(void **state)
{
    (void)state;
    struct pl_buf bundle;
    pl_buf_init(&bundle, 1 << 20);
    uint8_t *longest = calloc(1, PL_BUNDLE_ENTRY_MAX + 1);
    assert_true(pl_is_ok(pl_bundle_append(&bundle, pl_slice_str("abc"))));
    assert_true(pl_is_ok(pl_bundle_append(&bundle, pl_slice(NULL, 0))));
    assert_true(pl_is_ok(pl_bundle_append(&bundle, pl_slice(longest, PL_BUNDLE_ENTRY_MAX))));
    assert_int_equal(pl_bundle_append(&bundle, pl_slice(longest, PL_BUNDLE_ENTRY_MAX + 1)).code,
                     PL_E_TOO_BIG);
    free(longest);
    struct pl_slice all = pl_buf_slice(&bundle), entry;
    assert_memory_equal(all.data,
                        "\x00\x03"
                        "abc\x00\x00\xFF\xFF",
                        9);
    size_t cursor = 0;
    bool damaged = true;
    assert_true(pl_bundle_next(all, &cursor, &entry, &damaged) && entry.len == 3);
    assert_true(pl_bundle_next(all, &cursor, &entry, &damaged) && entry.len == 0);
    assert_true(pl_bundle_next(all, &cursor, &entry, &damaged) && entry.len == 65535);
    assert_false(pl_bundle_next(all, &cursor, &entry, &damaged));
    assert_false(damaged);
    for (size_t cut = 1; cut < 5; cut++) { /* within the first entry */
        cursor = 0;
        assert_false(pl_bundle_next(pl_slice(all.data, cut), &cursor, &entry, &damaged));
        assert_true(damaged);
    }
    pl_buf_fini(&bundle);
}

/* --- proofs --- */

#define HASH_A "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define HASH_B "//////////////////////////////////////////8="

static void test_tlog_proof_text(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "c2sp.org/tlog-proof@v1\nextra aGVsbG8=\nindex 73894\n" HASH_A "\n" HASH_B "\n\n" BODY
        "\n" FUND_LINE,
        "c2sp.org/tlog-proof@v1\nindex 0\n\n" BODY "\n" FUND_LINE,
        "c2sp.org/tlog-proof@v1\nextra \nindex 1\n\n" BODY "\n" FUND_LINE,
    };
    for (size_t i = 0; i < PL_COUNT(texts); i++) {
        struct pl_arena arena;
        struct pl_tlog_proof proof;
        struct pl_buf out;
        pl_arena_init(&arena, 4096);
        pl_buf_init(&out, 4096);
        assert_true(pl_is_ok(pl_tlog_proof_parse(pl_slice_str(texts[i]), &arena, &proof)));
        assert_true(pl_slice_eq_str(proof.checkpoint, BODY "\n" FUND_LINE));
        if (i == 0) {
            assert_true(proof.has_extra && pl_slice_eq_str(proof.extra, "hello"));
            assert_int_equal(proof.index, 73894);
            assert_int_equal(proof.proof.count, 2);
            assert_int_equal(proof.proof.hash[1].bytes[31], 0xFF);
        }
        assert_true(pl_is_ok(pl_tlog_proof_print(&proof, &out)));
        assert_true(pl_slice_eq_str(pl_buf_slice(&out), texts[i]));
        pl_buf_fini(&out);
        pl_arena_fini(&arena);
    }
}

static void test_what_is_no_proof(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "c2sp.org/tlog-proof@v1",
        "c2sp.org/tlog-proof@v1\n",
        "c2sp.org/tlog-proof@v2\nindex 0\n\n" BODY,
        "c2sp.org/tlog-proof@v1\nindex 00\n\n" BODY,
        "c2sp.org/tlog-proof@v1\nindex\n\n" BODY,
        "c2sp.org/tlog-proof@v1\nextra aGVsbG8\nindex 0\n\n" BODY,
        "c2sp.org/tlog-proof@v1\nextra aGVsbG8=\n\n" BODY,
        "c2sp.org/tlog-proof@v1\nindex 0\nextra aGVsbG8=\n\n" BODY,
        "c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n\n" BODY,
        "c2sp.org/tlog-proof@v1\nindex 0\n" HASH_A "\n",
    };
    struct pl_tlog_proof proof;
    for (size_t i = 0; i < PL_COUNT(bad); i++) {
        struct pl_arena arena;
        pl_arena_init(&arena, 4096);
        assert_int_equal(pl_tlog_proof_parse(pl_slice_str(bad[i]), &arena, &proof).code,
                         PL_E_INVALID);
        pl_arena_fini(&arena);
    }
    /* as many hashes as there can be, and one more */
    struct pl_buf text;
    pl_buf_init(&text, 1 << 16);
    struct pl_arena arena;
    pl_arena_init(&arena, 4096);
    assert_true(pl_is_ok(pl_buf_append_str(&text, "c2sp.org/tlog-proof@v1\nindex 0\n")));
    for (int i = 0; i < PL_MERKLE_PROOF_MAX + 1; i++)
        assert_true(pl_is_ok(pl_buf_append_str(&text, HASH_A "\n")));
    assert_true(pl_is_ok(pl_buf_append_str(&text, "\n" BODY)));
    assert_int_equal(pl_tlog_proof_parse(pl_buf_slice(&text), &arena, &proof).code, PL_E_INVALID);
    pl_arena_fini(&arena);
    pl_buf_fini(&text);
}

static void test_add_checkpoint(void **state)
{
    (void)state;
    const char *text = "old 20852163\n" HASH_A "\n" HASH_B "\n\n" BODY "\n" FUND_LINE;
    struct pl_add_checkpoint request;
    struct pl_buf out;
    pl_buf_init(&out, 4096);
    assert_true(pl_is_ok(pl_add_checkpoint_parse(pl_slice_str(text), &request)));
    assert_int_equal(request.old_size, 20852163);
    assert_int_equal(request.proof.count, 2);
    assert_true(pl_slice_eq_str(request.checkpoint, BODY "\n" FUND_LINE));
    assert_true(pl_is_ok(pl_add_checkpoint_print(&request, &out)));
    assert_true(pl_slice_eq_str(pl_buf_slice(&out), text));
    pl_buf_fini(&out);
    assert_true(pl_is_ok(pl_add_checkpoint_parse(pl_slice_str("old 0\n\n" BODY), &request)));
    static const char *const bad[] = {"",
                                      "old\n\n" BODY,
                                      "old 01\n\n" BODY,
                                      "old 0\n" HASH_A "\n\n" BODY,
                                      "old 1\n" HASH_A "\n",
                                      "new 1\n\n" BODY};
    for (size_t i = 0; i < PL_COUNT(bad); i++)
        assert_int_equal(pl_add_checkpoint_parse(pl_slice_str(bad[i]), &request).code,
                         PL_E_INVALID);
}

/* --- policies --- */

static enum pl_code parse_policy(const char *text, struct pl_arena *arena, struct pl_policy *policy,
                                 char *message)
{
    pl_arena_init(arena, 1 << 16);
    return pl_policy_parse(pl_slice_str(text), arena, policy, message).code;
}

static bool quorum(const struct pl_policy *policy, bool w1, bool w2, bool w3)
{
    struct pl_note_seen seen[PL_POLICY_WITNESSES_MAX] = {{w1, 1}, {w2, 1}, {w3, 1}};
    return pl_policy_quorum(policy, seen);
}

static void test_policy(void **state)
{
    (void)state;
    struct pl_policy *policy = calloc(1, sizeof(*policy));
    struct pl_arena arena;
    char message[200];
    const char *text = "# who may sign\n"
                       "log " FUND_VKEY " https://fund.example\n"
                       "\t witness one\t" W1_VKEY "  \n\n"
                       "witness two " W2_VKEY " https://two.example/\n"
                       "witness three " W3_VKEY "\n"
                       "group pair 2 one two\n"
                       "group all-of all pair three\n"
                       "quorum all-of\n";
    assert_int_equal(parse_policy(text, &arena, policy, message), PL_E_OK);
    assert_int_equal(policy->log_count, 1);
    assert_string_equal(policy->log_url[0], "https://fund.example");
    assert_int_equal(policy->witness_count, 3);
    assert_string_equal(policy->witness_name[1], "two");
    assert_string_equal(policy->witness_url[1], "https://two.example/");
    assert_null(policy->witness_url[0]);
    assert_true(quorum(policy, true, true, true));
    assert_false(quorum(policy, true, true, false));
    assert_false(quorum(policy, true, false, true));
    pl_arena_fini(&arena);
    text = "witness one " W1_VKEY "\nwitness two " W2_VKEY "\ngroup g any one two\nquorum g\n";
    assert_int_equal(parse_policy(text, &arena, policy, message), PL_E_OK);
    assert_true(quorum(policy, false, true, false));
    assert_false(quorum(policy, false, false, false));
    pl_arena_fini(&arena);
    text = "witness one " W1_VKEY "\nquorum one\n";
    assert_int_equal(parse_policy(text, &arena, policy, message), PL_E_OK);
    assert_true(quorum(policy, true, false, false));
    assert_false(quorum(policy, false, true, true));
    pl_arena_fini(&arena);
    assert_int_equal(parse_policy("quorum none\n", &arena, policy, message), PL_E_OK);
    assert_true(quorum(policy, false, false, false));
    pl_arena_fini(&arena);
    free(policy);
}

static void test_what_is_no_policy(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } bad[] = {
        {"", "line 0: there is no quorum line"},
        {"quorum none", "line 0: the last line has no end"},
        {"quorum none\nquorum none\n", "line 2: there is a quorum line already"},
        {"quorum w\n", "line 1: the quorum's name is not defined above"},
        {"quorum w\nwitness w " W1_VKEY "\n", "line 1: the quorum's name is not defined above"},
        {"log " W1_VKEY "\nquorum none\n", "line 1: not the verifier key of a log"},
        {"witness w " FUND_VKEY "\n", "line 1: not the verifier key of a witness (kind 4)"},
        {"witness none " W1_VKEY "\n", "line 1: the name 'none' has a meaning already"},
        {"witness a " W1_VKEY "\nwitness a " W2_VKEY "\n", "line 2: this name is taken already"},
        {"witness a " W1_VKEY "\nwitness b " W1_VKEY "\n", "line 2: this key is there already"},
        {"group g any\n", "line 1: expected: group <name> <k>|any|all <name>..."},
        {"group g any a\n", "line 1: a member is not defined above"},
        {"witness a " W1_VKEY "\ngroup g 2 a\n",
         "line 2: the threshold is not from 1 to the number of members"},
        {"witness a " W1_VKEY "\ngroup g 0 a\n",
         "line 2: the threshold is not from 1 to the number of members"},
        {"witness a " W1_VKEY "\ngroup g any a a\n",
         "line 2: a member is one already, here or in another group"},
        {"witness a " W1_VKEY "\ngroup g any a\ngroup h any a\n",
         "line 3: a member is one already, here or in another group"},
        {"witness a " W1_VKEY "\ngroup a any a\n", "line 2: this name is taken already"},
        {"wintess a\n", "line 1: expected: log, witness, group or quorum"},
        {"quorum no\x01ne\n", "line 1: a control byte"},
        {"quorum none\r\n", "line 1: a control byte"},
    };
    struct pl_policy *policy = calloc(1, sizeof(*policy));
    for (size_t i = 0; i < PL_COUNT(bad); i++) {
        struct pl_arena arena;
        char message[200];
        assert_int_equal(parse_policy(bad[i].text, &arena, policy, message), PL_E_INVALID);
        assert_string_equal(message, bad[i].message);
        pl_arena_fini(&arena);
    }
    free(policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checkpoint),        cmocka_unit_test(test_what_is_no_checkpoint),
        cmocka_unit_test(test_signed_checkpoint), cmocka_unit_test(test_tile_paths),
        cmocka_unit_test(test_tile_widths),       cmocka_unit_test(test_bundles),
        cmocka_unit_test(test_tlog_proof_text),   cmocka_unit_test(test_what_is_no_proof),
        cmocka_unit_test(test_add_checkpoint),    cmocka_unit_test(test_policy),
        cmocka_unit_test(test_what_is_no_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: keys, notes and cosignatures have the form of C2SP signed-note and tlog-cosignature; what
 * is wrong in them is refused as a whole, what is unknown is ignored. The fixed keys are made from
 * seeds of 32 bytes 0x07 and 0x09, the fixed signatures by Python's hashlib and cryptography from
 * the same formulas; the example note is the specification's own.
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
#include "common/note.h"

#define FIXED_SECRET                                                                               \
    "PRIVATE+KEY+example.org/fund+0dcf9afc+AQcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH"
#define FIXED_VKEY "example.org/fund+0dcf9afc+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs"

static void test_new_keys_belong_together(void **state)
{
    (void)state;
    char secret[PL_NOTE_KEY_MAX], vkey[PL_NOTE_KEY_MAX], again[PL_NOTE_KEY_MAX];
    assert_true(pl_is_ok(pl_note_keygen("example.org/fund", secret, vkey)));
    assert_true(pl_is_ok(pl_note_vkey(secret, again)));
    assert_string_equal(vkey, again);
    assert_int_equal(strncmp(vkey, "example.org/fund+", 17), 0);
    assert_null(strstr(vkey, "PRIVATE"));
}

static void test_known_key(void **state)
{
    (void)state;
    char vkey[PL_NOTE_KEY_MAX];
    assert_true(pl_is_ok(pl_note_vkey(FIXED_SECRET, vkey)));
    assert_string_equal(vkey, FIXED_VKEY);
}

static void test_refuses_what_is_no_key(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "PRIVATE+KEY+", "PRIVATE+KEY+a+00000000+AQ==",
                                      "example.org/fund+00000000+AQcH", "PRIVATE+KEY+a+0+AQ=="};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char vkey[PL_NOTE_KEY_MAX];
        assert_int_equal(pl_note_vkey(bad[i], vkey).code, PL_E_INVALID);
    }
}

/* --- notes --- */

#define EXAMPLE_VKEY "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
#define EXAMPLE_NOTE                                                                               \
    "This is an example message.\n\n"                                                              \
    "\xE2\x80\x94 example.com/foo "                                                                \
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=" \
    "\n"

#define TEXT "example.org/fund\n5\nTju7H3tHjc/nH7YxYxUZo7yhLJrvyhYSv85ME6hiZNQ=\n"
#define FUND_LINE                                                                                  \
    "\xE2\x80\x94 example.org/fund "                                                               \
    "Dc+a/JI79OgeChxJmu7eZNbfdJsXW0SEAvSPBQzkjJ7ZQWK2znzkpDZMZJMWhMb96o5lVnihFOJDUY//35m1TG7kgwU=" \
    "\n"
#define W1_SECRET                                                                                  \
    "PRIVATE+KEY+witness.example/w1+24b5d9fe+BAkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJ"
#define W1_VKEY "witness.example/w1+24b5d9fe+BP0XJDhaoMdbZPt4zWAvodmR/ev3axPFjtcC6sg16fYY"
#define W1_TIME 1760000000
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

static enum pl_code verify(struct pl_slice bytes, const struct pl_note_key *keys, size_t count,
                           struct pl_note_seen *seen)
{
    struct pl_note *note = calloc(1, sizeof(*note));
    struct pl_status status = pl_note_parse(bytes, note);
    if (pl_is_ok(status))
        status = pl_note_verify(note, keys, count, seen);
    free(note);
    return status.code;
}

static enum pl_code verify_text(const char *text, const char *vkey)
{
    struct pl_note_key key = key_of(vkey);
    return verify(pl_slice_str(text), &key, 1, NULL);
}

static void test_the_specifications_example(void **state)
{
    (void)state;
    assert_int_equal(verify_text(EXAMPLE_NOTE, EXAMPLE_VKEY), PL_E_OK);
    assert_int_equal(verify_text(EXAMPLE_NOTE, FIXED_VKEY), PL_E_NOT_FOUND);
}

static void test_keys_read_back(void **state)
{
    (void)state;
    static const char *const keys[] = {EXAMPLE_VKEY, FIXED_VKEY, W1_VKEY};
    for (size_t i = 0; i < PL_COUNT(keys); i++) {
        char again[PL_NOTE_KEY_MAX];
        struct pl_note_key key = key_of(keys[i]);
        assert_true(pl_is_ok(pl_note_key_print(&key, again)));
        assert_string_equal(keys[i], again);
    }
    static const char *const bad[] = {
        "",
        "+",
        "example.org/fund",
        "example.org/fund+0dcf9afc",
        "example.org/fund+0dcf9afc+",
        "example.org/fund+0dcf9afd+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs",
        "example.org/fund+0dcf9afc+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtI=",
        "example.org/fund+0dcf9afc+AupKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs",
        "example.org fund+0dcf9afc+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs",
        "example.org\xC2\xA0g+0dcf9afc+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs",
        "+0dcf9afc+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs",
        FIXED_VKEY "\n",
    };
    for (size_t i = 0; i < PL_COUNT(bad); i++) {
        struct pl_note_key key;
        assert_int_equal(pl_note_key_parse(pl_slice_str(bad[i]), &key).code, PL_E_INVALID);
    }
}

static void test_signatures_are_what_others_make(void **state)
{
    (void)state;
    struct pl_note_signer *signer = NULL;
    struct pl_buf out;
    pl_buf_init(&out, 4096);
    assert_true(pl_is_ok(pl_note_signer_new(FIXED_SECRET, &signer)));
    assert_true(pl_is_ok(pl_note_sign(signer, pl_slice_str(TEXT), &out)));
    assert_true(pl_slice_eq_str(pl_buf_slice(&out), FUND_LINE));
    pl_note_signer_free(signer);
    pl_buf_clear(&out);
    assert_true(pl_is_ok(pl_note_signer_new(W1_SECRET, &signer)));
    assert_int_equal(pl_note_signer_key(signer)->kind, PL_NOTE_COSIGNATURE);
    assert_true(pl_is_ok(pl_note_cosign(signer, W1_TIME, pl_slice_str(TEXT), &out)));
    assert_true(pl_slice_eq_str(pl_buf_slice(&out), W1_LINE));
    pl_note_signer_free(signer);
    pl_buf_fini(&out);
}

static void test_several_signatures(void **state)
{
    (void)state;
    const char *whole = TEXT "\n" FUND_LINE W1_LINE;
    struct pl_note_key keys[] = {key_of(W1_VKEY), key_of(EXAMPLE_VKEY), key_of(FIXED_VKEY)};
    struct pl_note_seen seen[3];
    assert_int_equal(verify(pl_slice_str(whole), keys, 3, seen), PL_E_OK);
    assert_true(seen[0].verified && !seen[1].verified && seen[2].verified);
    assert_int_equal(seen[0].time_s, W1_TIME);
    assert_int_equal(seen[2].time_s, 0);
    /* one whose key is not known is ignored, even if it is rubbish of another kind */
    const char *with_unknown = TEXT "\n" FUND_LINE "\xE2\x80\x94 example.org/fund AAAAAAA=\n";
    assert_int_equal(verify(pl_slice_str(with_unknown), keys, 3, seen), PL_E_OK);
    /* only what a witness answers: lines alone */
    struct pl_note *note = calloc(1, sizeof(*note));
    assert_true(pl_is_ok(pl_note_parse_lines(pl_slice_str(W1_LINE), pl_slice_str(TEXT), note)));
    assert_true(pl_is_ok(pl_note_verify(note, keys, 1, seen)));
    free(note);
}

/* Each byte of a signed note counts: with any one of them different nothing verifies, and what was
 * signed by a known key but is wrong is not merely missing. */
static void test_every_byte_counts(void **state)
{
    (void)state;
    char text[] = TEXT "\n" FUND_LINE W1_LINE;
    struct pl_note_key keys[] = {key_of(FIXED_VKEY), key_of(W1_VKEY)};
    for (size_t i = 0; i + 1 < sizeof(text); i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            struct pl_note_seen seen[2] = {{0}};
            text[i] = (char)(text[i] ^ (1 << bit));
            enum pl_code code = verify(pl_slice(text, sizeof(text) - 1), keys, 2, seen);
            assert_false(code == PL_E_OK && seen[0].verified && seen[1].verified);
            if (i < sizeof(TEXT) - 1)
                assert_int_not_equal(code, PL_E_OK);
            text[i] = (char)(text[i] ^ (1 << bit));
        }
        enum pl_code cut = verify(pl_slice(text, i), keys, 2, NULL);
        assert_true(cut != PL_E_OK || i == sizeof(TEXT "\n" FUND_LINE) - 1);
    }
}

static void test_a_wrong_one_spoils_all(void **state)
{
    (void)state;
    char text[] = TEXT "\n" FUND_LINE W1_LINE;
    struct pl_note_key keys[] = {key_of(FIXED_VKEY), key_of(W1_VKEY)};
    text[sizeof(text) - 30] = text[sizeof(text) - 30] == 'A' ? 'B' : 'A';
    assert_int_equal(verify(pl_slice_str(text), keys, 2, NULL), PL_E_INVALID);
    /* who does not know the witness does not care */
    assert_int_equal(verify(pl_slice_str(text), keys, 1, NULL), PL_E_OK);
}

static void test_what_is_no_note(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "\n",
        "\n\n",
        "text\n",
        "text\n\n",
        TEXT FUND_LINE,
        TEXT "\n" FUND_LINE "\n",
        TEXT "\n" FUND_LINE "x",
        TEXT "\n- example.org/fund Dc+a/JI7\n",
        TEXT "\n\xE2\x80\x94 example.org/fund\n",
        TEXT "\n\xE2\x80\x94 example.org/fund \n",
        TEXT "\n\xE2\x80\x94 example.org/fund AAAA\n",
        TEXT "\n\xE2\x80\x94 example.org/fund AAAAAA==\n",
        TEXT "\n\xE2\x80\x94  AAAAAAA=\n",
        TEXT "\n\xE2\x80\x94 a+b AAAAAAA=\n",
        /* padding in the middle, where long signatures of unknown kinds are read piece by piece */
        TEXT "\n\xE2\x80\x94 example.org/other "
             "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==AAAA\n" FUND_LINE,
        "te\txt\n\n" FUND_LINE,
        "te\xFFxt\n\n" FUND_LINE,
    };
    struct pl_note_key key = key_of(FIXED_VKEY);
    for (size_t i = 0; i < PL_COUNT(bad); i++)
        assert_int_not_equal(verify(pl_slice_str(bad[i]), &key, 1, NULL), PL_E_OK);
    struct pl_buf many;
    pl_buf_init(&many, 1 << 20);
    assert_true(pl_is_ok(pl_buf_append_str(&many, TEXT "\n" FUND_LINE)));
    for (int i = 1; i < PL_NOTE_SIGNATURES_MAX; i++)
        assert_true(pl_is_ok(pl_buf_append_str(&many, W1_LINE)));
    assert_int_equal(verify(pl_buf_slice(&many), &key, 1, NULL), PL_E_OK);
    assert_true(pl_is_ok(pl_buf_append_str(&many, W1_LINE)));
    assert_int_equal(verify(pl_buf_slice(&many), &key, 1, NULL), PL_E_TOO_BIG);
    pl_buf_fini(&many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_keys_belong_together),
        cmocka_unit_test(test_known_key),
        cmocka_unit_test(test_refuses_what_is_no_key),
        cmocka_unit_test(test_the_specifications_example),
        cmocka_unit_test(test_keys_read_back),
        cmocka_unit_test(test_signatures_are_what_others_make),
        cmocka_unit_test(test_several_signatures),
        cmocka_unit_test(test_every_byte_counts),
        cmocka_unit_test(test_a_wrong_one_spoils_all),
        cmocka_unit_test(test_what_is_no_note),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: only a checkpoint that one of our keys signed is opened, and it is read exactly.
 * The checkpoint was signed by Python's cryptography with the key whose seed is 32 bytes 0x07.
 */
#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/verify_checkpoint.h"
#include "common/note.h"

#define VKEY  "example.org/fund+0dcf9afc+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs"
#define OTHER "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
#define BODY  "example.org/fund\n12\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
#define SIGNATURE                                                                                  \
    "\xE2\x80\x94 example.org/fund "                                                               \
    "Dc+a/"                                                                                        \
    "PGWow9cwBPC3qrg2XCN9sWEABtK1pJ7Fl0Ztm6mJkQrhfsxEhOwoC07PmkxAwG1oXkbQ7Sioa6PyLg5Tn2rgw4=\n"
#define STRANGER "\xE2\x80\x94 witness.example AAAAAAAA\n"

static struct verify_checkpoint checkpoint;

static const char *open_text(const char *text, const char *keys)
{
    memset(&checkpoint, 0, sizeof(checkpoint));
    return verify_checkpoint_open(pl_slice_str(text), keys, &checkpoint);
}

static void test_a_good_one(void **state)
{
    (void)state;
    uint8_t root[32];
    assert_null(open_text(BODY "\n" SIGNATURE, VKEY));
    assert_string_equal(checkpoint.origin, "example.org/fund");
    assert_int_equal(checkpoint.size, 12);
    pl_sha256(pl_slice("", 0), root);
    assert_memory_equal(checkpoint.root, root, 32);
}

static void test_others_are_passed_over(void **state)
{
    (void)state;
    assert_null(open_text(BODY "\n" STRANGER SIGNATURE, VKEY));
    assert_null(open_text(BODY "\n" SIGNATURE STRANGER, "\n# mine\r\n" VKEY " \r\n" OTHER));
}

static void test_not_signed_by_us(void **state)
{
    (void)state;
    assert_non_null(open_text(BODY "\n" SIGNATURE, OTHER));
    assert_non_null(open_text(BODY "\n" STRANGER, VKEY));
    assert_non_null(open_text(BODY "\n", VKEY));
    assert_non_null(open_text(BODY "\n" SIGNATURE, ""));
}

static void test_altered(void **state)
{
    (void)state;
    static const char good[] = BODY "\n" SIGNATURE;
    for (size_t at = 0; at + 1 < sizeof(good); at++) {
        for (int bit = 0; bit < 7; bit++) {
            char bad[sizeof(good)];
            memcpy(bad, good, sizeof(good));
            bad[at] = (char)(bad[at] ^ (1 << bit));
            if (verify_checkpoint_open(pl_slice(bad, sizeof(bad) - 1), VKEY, &checkpoint) == NULL)
                fail_msg("byte %zu, bit %d", at, bit);
        }
    }
}

static void test_cut_off(void **state)
{
    (void)state;
    static const char good[] = BODY "\n" SIGNATURE;
    for (size_t len = 0; len + 1 < sizeof(good); len++)
        assert_non_null(verify_checkpoint_open(pl_slice(good, len), VKEY, &checkpoint));
}

static void test_bad_keys(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "example.org/fund",
        "example.org/fund+0dcf9afc+",
        "+0dcf9afc+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs",
        "example.org/fund+0dcf9afd+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs",
        "example.org/fund+0dcf9af+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs",
        "example.org/fund+0dcf9afc+AupKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs",
        "example.org/fund+0dcf9afc+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtI",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_non_null(open_text(BODY "\n" SIGNATURE, bad[i]));
}

/* A witness that signs the checkpoint above, and policies that want it or not. */
static void test_witnesses(void **state)
{
    (void)state;
    char secret[PL_NOTE_KEY_MAX], vkey[PL_NOTE_KEY_MAX], policy[2048];
    struct pl_note_signer *witness = NULL;
    struct pl_buf text;
    assert_true(
        pl_is_ok(pl_note_keygen_kind(PL_NOTE_COSIGNATURE, "witness.example/w", secret, vkey)));
    assert_true(pl_is_ok(pl_note_signer_new(secret, &witness)));
    pl_buf_init(&text, 1 << 16);
    assert_true(pl_is_ok(pl_buf_append_str(&text, BODY "\n" SIGNATURE)));
    assert_true(pl_is_ok(pl_note_cosign(witness, 1700000000, pl_slice_str(BODY), &text)));
    assert_true(pl_is_ok(pl_buf_append(&text, "", 1)));
    const char *cosigned = (const char *)pl_buf_slice(&text).data;
    (void)snprintf(policy, sizeof(policy), "log " VKEY "\nwitness w %s\nquorum w\n", vkey);
    assert_null(open_text(cosigned, policy));
    assert_null(open_text(cosigned, VKEY));
    assert_non_null(strstr(open_text(BODY "\n" SIGNATURE, policy), "fewer witnesses"));
    char *wrong = strdup(cosigned);
    assert_non_null(wrong);
    char *at = strstr(wrong, "witness.example/w ") + 60;
    *at = *at == 'A' ? 'B' : 'A';
    assert_non_null(strstr(open_text(wrong, policy), "witness's signature"));
    free(wrong);
    (void)snprintf(policy, sizeof(policy), "log " OTHER "\nwitness w %s\nquorum w\n", vkey);
    assert_non_null(open_text(cosigned, policy));
    (void)snprintf(policy, sizeof(policy), "log " VKEY "\nwitness w %s\nquorum x\n", vkey);
    assert_non_null(strstr(open_text(cosigned, policy), "policy"));
    pl_buf_fini(&text);
    pl_note_signer_free(witness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_good_one),       cmocka_unit_test(test_others_are_passed_over),
        cmocka_unit_test(test_not_signed_by_us), cmocka_unit_test(test_altered),
        cmocka_unit_test(test_cut_off),          cmocka_unit_test(test_bad_keys),
        cmocka_unit_test(test_witnesses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

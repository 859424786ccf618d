/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: files that are no proofs are told from proofs of something else. Proofs of real entries,
 * whole and damaged: tests/e2e/test_verify.py, test_tamper.py; the paths: tests/unit/common.
 */
#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "client/verify_proof.h"

static void judge(const char *text, const char *words)
{
    struct verify_report report;
    struct verify_options options = {
        .keys = "example.org/fund+0dcf9afc+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs"};
    memset(&report, 0, sizeof(report));
    verify_proof(pl_slice_str(text), &options, &report);
    assert_int_equal(verify_exit(&report), VERIFY_EXIT_INTEGRITY);
    assert_non_null(strstr(report.verdict[VERIFY_INTEGRITY].words, words));
}

static void test_files_that_are_none(void **state)
{
    (void)state;
    judge(VERIFY_PROOF_MAGIC, "breaks off");
    judge(VERIFY_PROOF_MAGIC "index 0\n", "breaks off");
    judge(VERIFY_PROOF_MAGIC "index 0\n\n", "checkpoint");
    judge(VERIFY_PROOF_MAGIC "index 00\n\nx\n", "breaks off");
    judge(VERIFY_PROOF_MAGIC "index -1\n\nx\n", "breaks off");
    judge(VERIFY_PROOF_MAGIC "extra !\nindex 0\n\nx\n", "breaks off");
    judge(VERIFY_PROOF_MAGIC "index 0\nAAAA\n\nx\n", "breaks off");
    judge(VERIFY_PROOF_MAGIC "index 0\n\nx\n", "checkpoint");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

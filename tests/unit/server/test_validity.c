/* SPDX-License-Identifier: Apache-2.0
 *
 * validity: ends are read from the files as openssl wrote them, and warned of in time, each once.
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
#include <time.h>
#include <unistd.h>

#include "server/validity.h"

static void certificate(const char *dir, const char *name, int days)
{
    char command[512];
    snprintf(command, sizeof(command),
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days %d -subj "
             "/CN=%s -keyout %s/key -out %s/%s >/dev/null 2>&1",
             days, name, dir, dir, name);
    assert_int_equal(system(command), 0);
}

static void test_ends_are_read_from_the_files(void **state)
{
    char dir[] = "/tmp/pledged-validity-XXXXXX", cert[64], both[64], none[64];
    (void)state;
    assert_non_null(mkdtemp(dir));
    certificate(dir, "short", 10);
    certificate(dir, "long", 100);
    snprintf(cert, sizeof(cert), "%s/long", dir);
    snprintf(both, sizeof(both), "%s/both", dir);
    snprintf(none, sizeof(none), "%s/none", dir);
    char command[512];
    snprintf(command, sizeof(command), "cat %s/long %s/short > %s/both", dir, dir, dir);
    assert_int_equal(system(command), 0);
    const struct tls_files files = {.cert = cert, .ca = both, .crl = none};
    struct validity validity;
    int64_t now_s = time(NULL);
    validity_read(&files, &validity);
    assert_in_range(validity.server_s - now_s, 100 * 86400 - 600, 100 * 86400 + 600);
    assert_in_range(validity.ca_s - now_s, 10 * 86400 - 600,
                    10 * 86400 + 600); /* the first to end */
    assert_int_equal(validity.crl_next_s, 0);
    const struct tls_files nothing = {.cert = none};
    validity_read(&nothing, &validity);
    assert_int_equal(validity.server_s, 0);
    snprintf(command, sizeof(command), "rm -r %s", dir);
    assert_int_equal(system(command), 0);
}

static void test_warnings_come_in_time_and_once_each(void **state)
{
    char text[VALIDITY_TEXT_BYTES];
    const int64_t now_s = 1000000000;
    struct validity validity = {.server_s = now_s + VALIDITY_WARN_S + 1,
                                .ca_s = now_s + VALIDITY_WARN_S + 1,
                                .crl_next_s = now_s + VALIDITY_WARN_CRL_S + 1};
    (void)state;
    assert_false(validity_warning(&validity, now_s, 0, text));
    validity.ca_s = now_s + 3 * 86400 + 5;
    validity.crl_next_s = now_s - 1;
    assert_true(validity_warning(&validity, now_s, 0, text));
    assert_non_null(strstr(text, "authority ends in 3 days, at 2001-09-12T01:46:45Z"));
    assert_true(validity_warning(&validity, now_s, 1, text));
    assert_string_equal(text, "the revocation list ended at 2001-09-09T01:46:39Z");
    assert_false(validity_warning(&validity, now_s, 2, text));
    validity = (struct validity){.server_s = now_s + VALIDITY_WARN_S};
    assert_true(validity_warning(&validity, now_s, 0, text));
    assert_non_null(strstr(text, "the daemon's certificate ends in 21 days"));
    assert_false(validity_warning(&validity, now_s, 1, text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends_are_read_from_the_files),
        cmocka_unit_test(test_warnings_come_in_time_and_once_each),
    };
    return cmocka_run_group_tests_name("validity", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * metrics: what is counted is told, and as both formats want it. The real daemon's page is judged
 * by promtool in tests/e2e/test_admin.py.
 */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka needs the C headers before it */
#include <cmocka.h>
// clang-format on

#include <string.h>

#include "common/check.h"
#include "server/metrics.h"

static const struct net_method first[] = {{.path = "/pledged.v1.LedgerService/Execute"},
                                          {.path = "/grpc.health.v1.Health/Check"}};
static const struct net_method second[] = {{.path = "/pledged.v1.LedgerService/Execute"},
                                           {.path = "/grpc.health.v1.Health/Check"}};

struct rig {
    struct metrics *metrics;
    struct pl_buf out;
};

static void rig_init(struct rig *rig)
{
    rig->metrics = metrics_new(2);
    metrics_methods(rig->metrics, 0, first, 2);
    metrics_methods(rig->metrics, 1, second, 2);
    pl_buf_init(&rig->out, 1 << 20);
}

static void rig_fini(struct rig *rig)
{
    metrics_free(rig->metrics);
    pl_buf_fini(&rig->out);
}

static const char *render(struct rig *rig, bool open_metrics)
{
    const struct metrics_now now = {.up_s = 1.5, .ready = true, .crl_next_update_s = 99};
    pl_buf_clear(&rig->out);
    assert_true(pl_is_ok(metrics_render(rig->metrics, &now, open_metrics, &rig->out)));
    assert_true(pl_is_ok(pl_buf_append(&rig->out, "", 1)));
    return (const char *)pl_buf_slice(&rig->out).data;
}

static void assert_told(struct rig *rig, const char *line)
{
    const char *text = render(rig, false);
    for (const char *at = strstr(text, line); at != NULL; at = strstr(at + 1, line)) {
        if ((at == text || at[-1] == '\n') && at[strlen(line)] == '\n')
            return;
    }
    fail_msg("not told: %s\n%s", line, text);
}

static void test_calls_are_summed_over_workers(void **state)
{
    struct rig rig;
    (void)state;
    rig_init(&rig);
    metrics_request(rig.metrics, 0, &first[0], PL_E_OK, 60 * 1000);
    metrics_request(rig.metrics, 1, &second[0], PL_E_OK, 40 * 1000);
    metrics_request(rig.metrics, 1, &second[0], PL_E_REFUSED, 20 * 1000000000LL);
    metrics_request(rig.metrics, 1, &second[1], PL_E_NOT_FOUND, 1);
    metrics_request(rig.metrics, 0, NULL, PL_E_OK, 1);
    assert_told(&rig, "pledged_requests_total{method=\"Execute\",code=\"OK\"} 2");
    assert_told(&rig, "pledged_requests_total{method=\"Execute\",code=\"REFUSED\"} 1");
    assert_told(&rig,
                "pledged_requests_total{method=\"grpc.health.v1.Health/Check\",code=\"NOT_FOUND\"} "
                "1");
    assert_told(&rig, "pledged_requests_total{method=\"resource\",code=\"OK\"} 1");
    assert_told(&rig, "pledged_request_seconds_bucket{method=\"Execute\",le=\"5e-05\"} 1");
    assert_told(&rig, "pledged_request_seconds_bucket{method=\"Execute\",le=\"0.0001\"} 2");
    assert_told(&rig, "pledged_request_seconds_bucket{method=\"Execute\",le=\"10\"} 2");
    assert_told(&rig, "pledged_request_seconds_bucket{method=\"Execute\",le=\"+Inf\"} 3");
    assert_told(&rig, "pledged_request_seconds_count{method=\"Execute\"} 3");
    assert_told(&rig, "pledged_request_seconds_sum{method=\"Execute\"} 20.000100000");
    rig_fini(&rig);
}

static void test_commands_and_batches(void **state)
{
    struct rig rig;
    (void)state;
    rig_init(&rig);
    metrics_command(rig.metrics, 0, METRICS_NEW);
    metrics_command(rig.metrics, 1, METRICS_NEW);
    metrics_command(rig.metrics, 1, METRICS_REFUSED);
    metrics_batch(rig.metrics, 1, 300 * 1000);
    metrics_batch(rig.metrics, 3, 100 * 1000);
    metrics_batch(rig.metrics, 8193, 100 * 1000);
    assert_told(&rig, "pledged_commands_total{result=\"new\"} 2");
    assert_told(&rig, "pledged_commands_total{result=\"replay\"} 0");
    assert_told(&rig, "pledged_commands_total{result=\"refused\"} 1");
    assert_told(&rig, "pledged_batch_entries_bucket{le=\"1\"} 1");
    assert_told(&rig, "pledged_batch_entries_bucket{le=\"2\"} 1");
    assert_told(&rig, "pledged_batch_entries_bucket{le=\"4\"} 2");
    assert_told(&rig, "pledged_batch_entries_bucket{le=\"8192\"} 2");
    assert_told(&rig, "pledged_batch_entries_bucket{le=\"+Inf\"} 3");
    assert_told(&rig, "pledged_batch_entries_sum 8197");
    assert_told(&rig, "pledged_fsync_seconds_bucket{le=\"0.0001\"} 2");
    assert_told(&rig, "pledged_fsync_seconds_count 3");
    assert_told(&rig, "pledged_disagreements_total 0");
    metrics_disagreement(rig.metrics);
    assert_told(&rig, "pledged_disagreements_total 1");
    rig_fini(&rig);
}

static void test_gauges(void **state)
{
    struct rig rig;
    const struct net_stats a = {.connections = 3, .accepted = 10}, b = {.connections = 4};
    const struct watch_stats watch = {.watchers = 7, .dropped = 2};
    (void)state;
    rig_init(&rig);
    metrics_worker(rig.metrics, 0, &a, &watch);
    metrics_worker(rig.metrics, 1, &b, &watch);
    metrics_worker(rig.metrics, 1, &b, &watch); /* a picture, not a sum over time */
    assert_told(&rig, "pledged_connections 7");
    assert_told(&rig, "pledged_connections_accepted_total 10");
    assert_told(&rig, "pledged_watchers 14");
    assert_told(&rig, "pledged_watchers_dropped_total 4");
    assert_told(&rig, "pledged_up_seconds 1.500");
    assert_told(&rig, "pledged_ready 1");
    assert_told(&rig, "pledged_crl_next_update_seconds 99");
    assert_null(strstr(render(&rig, false), "pledged_writable")); /* no view yet */
    assert_null(strstr(render(&rig, false), "which=\"server\""));
    rig_fini(&rig);
}

static void test_the_two_formats(void **state)
{
    struct rig rig;
    (void)state;
    rig_init(&rig);
    const char *text = render(&rig, false);
    assert_non_null(strstr(text, "# TYPE pledged_commands_total counter\n"));
    assert_null(strstr(text, "# EOF"));
    text = render(&rig, true);
    assert_non_null(strstr(text, "# TYPE pledged_commands counter\n"));
    assert_non_null(strstr(text, "\npledged_commands_total{result=\"new\"} 0\n"));
    assert_string_equal(text + strlen(text) - 6, "# EOF\n");
    rig_fini(&rig);
}

static void test_a_page_that_does_not_fit_is_a_failure(void **state)
{
    struct metrics *metrics = metrics_new(1);
    const struct metrics_now now = {.up_s = 1};
    struct pl_buf small;
    (void)state;
    pl_buf_init(&small, 100);
    assert_false(pl_is_ok(metrics_render(metrics, &now, false, &small)));
    pl_buf_fini(&small);
    metrics_free(metrics);
    metrics_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls_are_summed_over_workers),
        cmocka_unit_test(test_commands_and_batches),
        cmocka_unit_test(test_gauges),
        cmocka_unit_test(test_the_two_formats),
        cmocka_unit_test(test_a_page_that_does_not_fit_is_a_failure),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: who brings a command that there is no room for is told so before it is taken apart, by
 * every method that brings any. (What the methods do is in e2e/roles and most others.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include <string.h>

#include "common/check.h"
#include "server/limits.h"
#include "server/service.h"

static const struct net_method *method(const char *name)
{
    for (size_t i = 0; i < service_method_count; i++) {
        const char *slash = strrchr(service_methods[i].path, '/');
        if (strcmp(slash + 1, name) == 0)
            return &service_methods[i];
    }
    fail_msg("no method %s", name);
    return NULL;
}

/* Of all methods that write. */
static void expect_room(struct service *service, bool room)
{
    size_t count = 0;
    for (size_t i = 0; i < service_method_count; i++) {
        if (service_methods[i].no_side_effects)
            continue;
        assert_non_null(service_methods[i].has_room);
        assert_int_equal(service_methods[i].has_room(service), room);
        count++;
    }
    assert_int_equal(count, 3);
}

static void test_the_writer_takes_no_more(void **state)
{
    (void)state;
    struct service service = {0};
    struct pl_mail mail[2];
    assert_true(pl_is_ok(pl_mailbox_new(PL_COUNT(mail), &service.inbox)));
    expect_room(&service, true);
    assert_true(pl_mailbox_post(service.inbox, &mail[0]));
    expect_room(&service, true);
    assert_true(pl_mailbox_post(service.inbox, &mail[1]));
    expect_room(&service, false);
    assert_ptr_equal(pl_mailbox_take(service.inbox), &mail[0]);
    expect_room(&service, true);
    pl_mailbox_free(service.inbox);
}

/* Enough batches are on their way: short commands go on. */
static void test_many_long_ones(void **state)
{
    (void)state;
    struct service service = {.long_items = LIMIT_LONG_ITEMS - 1};
    assert_true(pl_is_ok(pl_mailbox_new(1, &service.inbox)));
    expect_room(&service, true);
    service.long_items = LIMIT_LONG_ITEMS;
    assert_true(method("Execute")->has_room(&service));
    assert_true(method("ExecutePrivate")->has_room(&service));
    assert_false(method("ExecuteBatch")->has_room(&service));
    pl_mailbox_free(service.inbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_writer_takes_no_more),
        cmocka_unit_test(test_many_long_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

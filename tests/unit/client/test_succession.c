/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: behind, missing, untold and rewritten are four different things, and each size and root
 * leads to one of them.
 */
#include <cmocka.h>
#include <stddef.h>
#include <string.h>

#include "client/succession.h"
#include "common/check.h"
#include "common/hash.h"

static void each_case(void **state)
{
    (void)state;
    static const uint8_t one[PL_SHA256_BYTES] = {1};
    uint8_t same[PL_SHA256_BYTES] = {1}, other[PL_SHA256_BYTES] = {1};
    other[PL_SHA256_BYTES - 1] = 1;
    const struct {
        struct succession_case given;
        enum succession is;
    } rows[] = {
        {{.held = 0, .came = 0, .held_root = one, .came_root = same}, SUCCESSION_FOLLOWS},
        {{.held = 9, .came = 10, .came_root = same}, SUCCESSION_FOLLOWS},
        {{.held = 9, .came = 9, .came_root = same}, SUCCESSION_FOLLOWS},
        {{.held = 9, .came = 9, .held_root = one, .came_root = same}, SUCCESSION_FOLLOWS},
        {{.held = 9, .came = 9, .held_root = one, .came_root = other, .there = 9},
         SUCCESSION_REWRITTEN},
        {{.held = 9, .came = 8, .held_root = one, .came_root = other, .there = 99},
         SUCCESSION_REWRITTEN},
        {{.held = 9, .came = 8, .held_root = one, .came_root = same, .there = 9},
         SUCCESSION_BEHIND},
        {{.held = 9, .came = 8, .held_root = one, .came_root = same, .there = 8},
         SUCCESSION_MISSING},
        {{.held = 9, .came = 0, .held_root = one, .came_root = same, .there = 0},
         SUCCESSION_MISSING},
        {{.held = 9, .came = 8, .came_root = same, .there = 99}, SUCCESSION_UNTOLD},
    };
    for (size_t i = 0; i < PL_COUNT(rows); i++)
        assert_int_equal(succession_judge(&rows[i].given), rows[i].is);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_case)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

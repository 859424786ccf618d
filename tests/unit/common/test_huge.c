/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: the wish for large pages changes nothing that is in memory, neither of the array nor beside
 * it, and is heard by the kernel for large arrays alone.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/huge.h"

/* cmocka.h needs the four headers before it */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

enum { SMALL = 1 << 20, LARGE = 16 << 20 };

/* Is the mapping that holds this address marked for large pages ("hg" in smaps)? */
static bool is_marked(const void *address)
{
    FILE *file = fopen("/proc/self/smaps", "r");
    char line[512];
    bool inside = false, marked = false;
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        unsigned long from, to;
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            inside = (uintptr_t)address >= from && (uintptr_t)address < to;
        else if (inside && strncmp(line, "VmFlags:", 8) == 0)
            marked = strstr(line, " hg") != NULL;
    }
    fclose(file);
    return marked;
}

static void test_contents_stay(void **state)
{
    (void)state;
    uint8_t *array = malloc(LARGE + 3);
    assert_non_null(array);
    for (size_t i = 0; i < LARGE + 3; i++)
        array[i] = (uint8_t)(i * 31 + 7);
    pl_huge(array + 1, LARGE + 1); /* not at the begin of a page, nor to its end */
    for (size_t i = 0; i < LARGE + 3; i++)
        assert_true(array[i] == (uint8_t)(i * 31 + 7));
    free(array);
}

static void test_large_arrays_alone(void **state)
{
    (void)state;
    uint8_t *small = malloc(SMALL), *large = malloc(LARGE);
    assert_true(small != NULL && large != NULL);
    pl_huge(NULL, 0);
    pl_huge(small, SMALL);
    pl_huge(large, LARGE);
    assert_false(is_marked(small + SMALL / 2));
    if (access("/sys/kernel/mm/transparent_hugepage", F_OK) == 0)
        assert_true(is_marked(large + LARGE / 2));
    free(small);
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contents_stay),
        cmocka_unit_test(test_large_arrays_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

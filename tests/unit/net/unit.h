/* SPDX-License-Identifier: Apache-2.0
 *
 * unit: cmocka, with the headers that it wants to see first.
 */
#ifndef TEST_UNIT_H
#define TEST_UNIT_H

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#endif

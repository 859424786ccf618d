/* SPDX-License-Identifier: Apache-2.0
 *
 * succession: see succession.h. A root says everything about the entries before it and nothing
 * about those after it.
 */
#include "client/succession.h"

#include <stddef.h>
#include <string.h>

#include "common/hash.h"

enum succession succession_judge(const struct succession_case *given)
{
    if (given->came > given->held)
        return SUCCESSION_FOLLOWS;
    if (given->held_root == NULL)
        return given->came == given->held ? SUCCESSION_FOLLOWS : SUCCESSION_UNTOLD;
    if (memcmp(given->held_root, given->came_root, PL_SHA256_BYTES) != 0)
        return SUCCESSION_REWRITTEN;
    if (given->came == given->held)
        return SUCCESSION_FOLLOWS;
    return given->there >= given->held ? SUCCESSION_BEHIND : SUCCESSION_MISSING;
}

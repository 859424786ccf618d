/* SPDX-License-Identifier: Apache-2.0
 *
 * huge: madvise, for whole pages inside of the array only: its neighbours in the heap are not ours.
 */
#include "common/huge.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

enum { WORTH_IT_BYTES = 4 << 20 };

void pl_huge(void *data, size_t bytes)
{
    if (bytes < WORTH_IT_BYTES)
        return;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t before = (page - (uintptr_t)data % page) % page;
    size_t inside = (bytes - before) / page * page;
    (void)madvise((uint8_t *)data + before, inside, MADV_HUGEPAGE); /* slower without, not wrong */
}

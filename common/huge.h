/* SPDX-License-Identifier: Apache-2.0
 *
 * huge: large pages for arrays of millions of rows. Filling one costs a fault for every 4 KiB
 * otherwise, and each look at a row far away a walk through the page tables.
 */
#ifndef PL_HUGE_H
#define PL_HUGE_H

#include <stddef.h>

/* A wish to the kernel about memory from malloc, at any time; what is in it stays. Small arrays are
 * left alone. */
void pl_huge(void *data, size_t bytes);

#endif

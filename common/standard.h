/* SPDX-License-Identifier: Apache-2.0
 *
 * standard: descriptors 0, 1 and 2. Whoever starts us may have closed some of them; the next file
 * or socket that is opened would then be one of them, and what is said to people would be written
 * into it: into the log of a ledger, into a dump, between the records of TLS.
 */
#ifndef PL_STANDARD_H
#define PL_STANDARD_H

#include <stdbool.h>

/* First thing in main: each one that is closed is taken, in a way that reading (0) and writing (1,
 * 2) go on failing with EBADF. False: that cannot be done here, and it is better to end. */
bool pl_standard_take(void);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * private: whether a file that holds a secret is one that nobody else can read.
 *
 * The mode alone does not say so. Where a file has an access list its group bits are the most that
 * any entry of the list grants: systemd (from 254 on) hands a credential over as root's, 0440, with
 * a list that names the service's user and nobody else, which is as private as 0400.
 */
#ifndef PL_PRIVATE_H
#define PL_PRIVATE_H

#include <stdbool.h>

/* Nobody but its owner and who asks has any right to the open file. What cannot be found out counts
 * as no. */
bool pl_private(int fd);

#endif

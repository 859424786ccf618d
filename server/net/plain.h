/* SPDX-License-Identifier: Apache-2.0
 *
 * plain: the transport without TLS: what is read from the socket is what came. For listeners that
 * only this machine can reach (loopback, a unix socket). Nobody proves who they are here.
 *
 * Previous hop: server/net/io. Next hop: the kernel.
 */
#ifndef NET_PLAIN_H
#define NET_PLAIN_H

#include "server/net/io.h"

struct io_transport *plain_new(int fd); /* borrows the connected, non-blocking socket */

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * sockets: the listening sockets of the daemon: one a worker on one port, and one each for the
 * admin and the public listener, bound by us or handed over by systemd (socket activation, by name:
 * pledged, admin, public). All of them are there before anything else starts: a port in use is told
 * before the ledger is touched.
 *
 * Thread: main. Failure: a message that names the address.
 */
#ifndef SERVER_SOCKETS_H
#define SERVER_SOCKETS_H

#include "server/config.h"
#include "server/limits.h"

struct sockets {
    int worker[LIMIT_WORKERS]; /* -1: taken by its worker, or none */
    int admin, public;         /* -1: taken, or none */
    uint16_t port, admin_port, public_port;
    bool has_admin, has_public;
    const char *unlink_path; /* of the admin socket; NULL: not ours */
};

/* `message`: at least 400 bytes, for people. To be ended with sockets_close, also on failure. */
PL_MUST_CHECK struct pl_status sockets_open(const struct config *config, unsigned workers,
                                            char *message, struct sockets *ret);
/* Closes what was not taken, removes the admin socket's file. */
void sockets_close(struct sockets *sockets);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * witness_http: the witness on the network: POST /add-checkpoint, GET /<hex>/checkpoint, nothing
 * else. HTTP/1.1 by libmicrohttpd, with TLS if a certificate is given.
 *
 * One thread, made here, answers everything, one request after the other: checking and persisting
 * cannot be torn apart. From the start to the stop the witness belongs to it. Whoever connects is
 * bounded: bytes of a request, connections (in all and from one address), seconds of silence.
 *
 * Previous hop: the network. Next hop: client/witness.
 */
#ifndef CLIENT_WITNESS_HTTP_H
#define CLIENT_WITNESS_HTTP_H

#include <sys/socket.h>

#include "client/witness.h"

struct witness_http;

struct witness_http_options {
    struct witness *witness; /* borrowed */
    const struct sockaddr *address;
    const char *pem; /* certificate chain and its key, as text; NULL: no TLS. Borrowed until stop */
    /* Told of every answer to add-checkpoint, from the thread. May be NULL. */
    void (*tell)(void *arg, const struct witness_answer *answer);
    void *arg;
};

PL_MUST_CHECK struct pl_status witness_http_start(const struct witness_http_options *options,
                                                  struct witness_http **ret);
uint16_t witness_http_port(const struct witness_http *http);
void witness_http_stop(struct witness_http *http); /* NULL is fine */

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * h1_head: the head of an HTTP/1.1 request, from bytes to names and values, strictly: what two
 * readers could understand differently is refused. No state but its own; never reads past `len`.
 *
 * Refused, among others: bare CR or LF, NUL and other control characters, folded lines, a space
 * before the colon, more than one or an unusable Host, any Transfer-Encoding, more than one
 * Content-Length, a target of another host, a version that is not 1.1.
 *
 * Previous hop: server/net/h1. Next hop: back to it.
 */
#ifndef NET_H1_HEAD_H
#define NET_H1_HEAD_H

#include "server/net/stream.h"

/* --- finding its end, byte by byte --- */

struct h1_scan { /* all zero: nothing came yet */
    uint8_t last;
    bool any;       /* a line began */
    bool skipped;   /* one empty line before the first, as RFC 9112 2.2 wants */
    size_t in_line; /* bytes of the line so far */
};
enum h1_scanned { H1_MORE, H1_SKIP /* not part of the head */, H1_END, H1_BAD };
enum h1_scanned h1_scan(struct h1_scan *scan, uint8_t byte);

/* --- reading it --- */

enum { H1_FIELDS_MAX = 64 };

struct h1_head { /* slices point into the bytes given, but for a target "/" that is not there */
    struct pl_slice method, target /* origin form */, authority;
    struct stream_field field[H1_FIELDS_MAX]; /* names in lower case; without Host */
    size_t field_count;
    bool has_length;
    uint64_t length;      /* of the body; 0 without Content-Length */
    bool expect_continue; /* waits for "100 Continue" */
    bool last;            /* "connection: close" */
};
struct h1_fault {
    const char *status; /* "400"; NULL: the head is good */
    const char *text;   /* a line for people */
    const char *allow;  /* for 405; else NULL */
};
/* `bytes` is everything up to and with the empty line, as h1_scan let it pass; names in it are made
 * lower case. `secure`: the connection has TLS, for targets that begin with "https://". */
struct h1_fault h1_parse(uint8_t *bytes, size_t len, bool secure, struct h1_head *ret);

#endif

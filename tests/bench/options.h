/* SPDX-License-Identifier: Apache-2.0
 *
 * options: the command line of pledge-bench as a struct.
 */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum bench_kind {
    BENCH_TIER,   /* GetTier: what `pledge slots` asks */
    BENCH_SUBMIT, /* Execute(Submit) on one tier */
    BENCH_BATCH,  /* ExecuteBatch of Submits */
    BENCH_GET,    /* a GET of a file: for the peers */
    BENCH_IDLE,   /* connections that are opened and held until standard input ends */
    BENCH_DISK,   /* fdatasync alone, no network */
};

struct bench_options {
    enum bench_kind kind;
    const char *host, *port;
    const char *ca, *cert, *key; /* PEM files; cert and key may be NULL */
    const char *tier;            /* code of the tier that is asked for or taken */
    const char *path;            /* of BENCH_GET; directory of BENCH_DISK */
    unsigned connections;
    unsigned threads;      /* that share the connections, each with its own */
    unsigned streams;      /* calls in flight on each connection, at most */
    unsigned batch;        /* commands in one ExecuteBatch */
    unsigned contributors; /* C000001 to this one make the pledges, in turn */
    uint64_t requests;     /* end after so many; 0: by time */
    double seconds;        /* measured; 0: by requests */
    double warmup;         /* seconds before, which do not count */
    double rate;           /* requests a second, whatever the answers do; 0: closed loop */
    bool fresh;            /* a new connection for each request */
};

/* Prints what is wrong, or the usage, on standard error. */
bool options_parse(int argc, char **argv, struct bench_options *ret);

#endif

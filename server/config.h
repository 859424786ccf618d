/* SPDX-License-Identifier: Apache-2.0
 *
 * config: one INI file to one immutable struct. Unknown sections and keys are refused with the
 * nearest known name, wrong values with what is expected; every message names file and line.
 * deploy/pledged.conf.example documents every key. Read once by main, before any thread starts.
 */
#ifndef SERVER_CONFIG_H
#define SERVER_CONFIG_H

#include "common/arena.h"
#include "common/log.h"
#include "common/status.h"
#include "pledged/v1/entry.pb-c.h"
#include "server/net/net.h"
#include "server/net/tls.h"

struct config {
    struct pl_arena arena; /* owns every string below */
    const char *path;
    /* [daemon] */
    const char *data;
    const char *listen_host;
    uint16_t listen_port;  /* 0: the kernel chooses */
    const char *port_file; /* NULL: none */
    const char *pid_file;  /* NULL: none */
    unsigned workers;      /* 0: one a core */
    enum pl_log_level log_level;
    enum pl_log_format log_format;
    /* [tls] */
    struct tls_files tls;
    /* [ledger] */
    const char *origin;
    int64_t clock_jump_limit_s;
    /* [store] */
    uint64_t segment_bytes;
    uint64_t snapshot_entries; /* 0: never by itself */
    /* [limits] */
    struct net_limits net;
    size_t inbox; /* commands that wait for the writer */
    /* [person NAME], as the ledger will record it; with its hash */
    Pledged__V1__RosterAdopted *roster;
    Pledged__V1__PolicyAdopted *policy;
};

/* CONFIG with one line for people in `message` (at least 400 bytes); NO_INPUT if there is no file.
 */
PL_MUST_CHECK struct pl_status config_load(const char *path, char *message, size_t message_size,
                                           struct config **ret);
void config_free(struct config *config);

#endif

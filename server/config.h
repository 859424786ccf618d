/* SPDX-License-Identifier: Apache-2.0
 *
 * config: one INI file to one immutable struct. Unknown sections and keys are refused with the
 * nearest known name, wrong values with what is expected; every message names file and line.
 * deploy/pledged.conf.example documents every key. Read by main: when it starts, and anew on
 * SIGHUP (server/reload).
 *
 * A path `credential:NAME` stands for $CREDENTIALS_DIRECTORY/NAME, where systemd puts secrets.
 */
#ifndef SERVER_CONFIG_H
#define SERVER_CONFIG_H

#include "common/arena.h"
#include "common/log.h"
#include "common/status.h"
#include "pledged/v1/entry.pb-c.h"
#include "server/net/net.h"
#include "server/net/tls.h"

struct config_address {
    const char *host; /* NULL: none */
    uint16_t port;    /* 0: the kernel chooses */
    bool is_unix;     /* host is the path of a unix socket */
};

enum { CONFIG_HANDED_MAX = 8 }; /* keys that may be credentials */

struct config {
    struct pl_arena arena; /* owns every string below */
    const char *path;
    const char *handed[CONFIG_HANDED_MAX]; /* files that a key names as credential:NAME */
    size_t handed_count;
    unsigned *key_line; /* where each key stands; 0: nowhere; NULL: was not read */
    /* [daemon] */
    const char *data;
    struct config_address listen;
    const char *port_file; /* NULL: none */
    const char *pid_file;  /* NULL: none */
    size_t workers;        /* 0: one a core */
    enum pl_log_level log_level;
    enum pl_log_format log_format;
    bool access_log; /* a line a call */
    /* [tls] */
    struct tls_files tls;
    /* [ledger] */
    const char *origin;
    int64_t clock_jump_limit_s;
    int64_t clock_ahead_limit_s;
    /* [store] */
    uint64_t segment_bytes;
    uint64_t snapshot_entries; /* 0: never by itself */
    /* [checkpoint] */
    size_t checkpoint_interval_ms;
    const char *checkpoint_key;     /* NULL: DATA/ledger.key */
    const char *checkpoint_old_key; /* NULL: none */
    const char *checkpoint_memory;  /* NULL: beside the key */
    const char *checkpoint_policy;  /* of witnesses; NULL: none */
    const char *checkpoint_ca;      /* of their certificates; NULL: the system's */
    /* [limits] */
    struct net_limits net;
    size_t inbox; /* commands that wait for the writer */
    /* [admin]: health and metrics, for this machine only */
    struct config_address admin_listen; /* host NULL: none */
    const char *admin_port_file;        /* NULL: none */
    /* [public]: availability for whoever asks, without certificate */
    struct config_address public_listen; /* host NULL: none */
    const char *public_port_file;        /* NULL: none */
    struct tls_files public_tls;         /* without authority */
    /* [person NAME], as the ledger will record it; with its hash */
    Pledged__V1__RosterAdopted *roster;
    /* [policy], [account NAME], [creditor], likewise */
    Pledged__V1__PolicyAdopted *policy;
};

/* CONFIG with one line for people in `message` (at least 400 bytes); NO_INPUT if there is no file.
 */
PL_MUST_CHECK struct pl_status config_load(const char *path, char *message, size_t message_size,
                                           struct config **ret);
void config_free(struct config *config);

/* Which keys differ that are read at the start only: "[daemon] listen, [store] segment_bytes"; ""
 * if none. Cut at `size`. */
void config_restart_keys(const struct config *now, const struct config *next, char *ret,
                         size_t size);
/* What to look at when the value of a key turns out to be of no use: "FILE:LINE: [daemon] listen",
 * without a line if the key is not set. place: of the member that the key fills, as
 * &config->listen.
 */
void config_where(const struct config *config, const void *place, char *ret, size_t size);
/* Puts that before a message which begins with a file that a key names ("/c: the certificate has
 * expired"); another one stays as it is. */
void config_blame(const struct config *config, char *message, size_t size);
/* The table of keys, for tests: section and key number `index` in it; false at its end. Those of
 * persons, role and identity, are not in it. */
bool config_key(size_t index, const char **ret_section, const char **ret_key);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * config: a table of keys, one setter a kind of value. libinih splits the lines; our reader counts
 * them (for messages) and refuses lines that are too long instead of cutting them.
 */
#include "server/config.h"

#include <errno.h>
#include <ini.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/date.h"
#include "common/hash.h"
#include "common/nearest.h"
#include "common/scan.h"
#include "server/limits.h"
#include "server/net/authz.h"
#include "server/policy.h"

enum { PERSONS_MAX = 256, IDENTITIES_MAX = 8, CONFIG_ARENA_BYTES = 1 << 20 };
enum {
    ROSTER_BYTES_MAX = 60 * 1024 /* with what surrounds it, less than LEDGER_ENTRY_BYTES_MAX */
};
/* libinih silently cuts the name of a section after 49 bytes */
enum { SECTION_NAME_MAX = 49, PERSON_NAME_MAX = SECTION_NAME_MAX - 7 /* "person " */ };

struct loader {
    struct config *config;
    FILE *file;
    unsigned line;
    bool indented;   /* the line that was read last begins with a blank, */
    bool after_pair; /* and a key stands above it in the section */
    unsigned failed_line;
    bool failed;
    char *message;
    size_t message_size;
    Pledged__V1__RosterPerson *person[PERSONS_MAX];
    size_t person_count;
    struct policy_draft *policy; /* in the arena of the configuration */
};

__attribute__((format(printf, 2, 3))) static bool complain(struct loader *loader,
                                                           const char *format, ...)
{
    if (loader->failed)
        return false;
    loader->failed = true;
    loader->failed_line = loader->line;
    int used = snprintf(loader->message, loader->message_size, "%s:%u: ", loader->config->path,
                        loader->line);
    if (used < 0 || (size_t)used >= loader->message_size)
        return false;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(loader->message + used, loader->message_size - (size_t)used, format, args);
    va_end(args);
    return false;
}

/* --- values --- */

static bool parse_u64(const char *text, uint64_t *ret)
{
    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    char *end = NULL;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0')
        return false;
    *ret = value;
    return true;
}

/* What a value is, and where it goes. */
enum kind {
    KIND_TEXT,
    KIND_PATH, /* may be credential:NAME */
    KIND_U64,
    KIND_SIZE,
    KIND_FLAG,
    KIND_MILLIS,
    KIND_SECONDS,
    KIND_ADDRESS,       /* HOST:PORT */
    KIND_LOCAL_ADDRESS, /* loopback, or unix:PATH */
    KIND_LOG_LEVEL,
    KIND_LOG_FORMAT,
    KIND_ORIGIN,
    KIND_POLICY /* of the ledger's policy: server/policy knows it */
};

struct config_key {
    const char *section, *name;
    enum kind kind;
    bool restart; /* read when the daemon starts, not on reload */
    size_t place; /* in struct config */
    uint64_t least, most;
};

#define AT(member_) offsetof(struct config, member_)
static const struct config_key keys[] = {
    {"daemon", "data", KIND_TEXT, true, AT(data), 0, 0},
    {"daemon", "listen", KIND_ADDRESS, true, AT(listen), 0, 0},
    {"daemon", "port_file", KIND_TEXT, true, AT(port_file), 0, 0},
    {"daemon", "pid_file", KIND_TEXT, true, AT(pid_file), 0, 0},
    {"daemon", "workers", KIND_SIZE, true, AT(workers), 0, LIMIT_WORKERS},
    {"daemon", "log_level", KIND_LOG_LEVEL, false, AT(log_level), 0, 0},
    {"daemon", "log_format", KIND_LOG_FORMAT, true, AT(log_format), 0, 0},
    {"daemon", "access_log", KIND_FLAG, false, AT(access_log), 0, 0},
    {"tls", "cert", KIND_PATH, false, AT(tls.cert), 0, 0},
    {"tls", "key", KIND_PATH, false, AT(tls.key), 0, 0},
    {"tls", "ca", KIND_PATH, false, AT(tls.ca), 0, 0},
    {"tls", "crl", KIND_PATH, false, AT(tls.crl), 0, 0},
    {"ledger", "origin", KIND_ORIGIN, true, AT(origin), 0, 0},
    {"ledger", "clock_ahead_limit", KIND_SECONDS, true, AT(clock_ahead_limit_s), 0, 0},
    {"ledger", "clock_jump_limit", KIND_SECONDS, false, AT(clock_jump_limit_s), 0, 0},
    {"policy", "four_eyes", KIND_POLICY, false, 0, 0, 0},
    {"policy", "proposal_ttl", KIND_POLICY, false, 0, 0, 0},
    {"policy", "difference_limit", KIND_POLICY, false, 0, 0, 0},
    {"policy", "time_zone", KIND_POLICY, false, 0, 0, 0},
    {"policy", "unallocated_limit", KIND_POLICY, false, 0, 0, 0},
    {"creditor", "name", KIND_POLICY, false, 0, 0, 0},
    {"creditor", "street", KIND_POLICY, false, 0, 0, 0},
    {"creditor", "number", KIND_POLICY, false, 0, 0, 0},
    {"creditor", "postal_code", KIND_POLICY, false, 0, 0, 0},
    {"creditor", "town", KIND_POLICY, false, 0, 0, 0},
    {"creditor", "country", KIND_POLICY, false, 0, 0, 0},
    {"store", "segment_bytes", KIND_U64, true, AT(segment_bytes), 2u << 20, 1ull << 32},
    {"store", "snapshot_entries", KIND_U64, false, AT(snapshot_entries), 0, UINT64_MAX / 2},
    {"checkpoint", "interval_ms", KIND_SIZE, true, AT(checkpoint_interval_ms), 10, 3600000},
    {"checkpoint", "key", KIND_PATH, true, AT(checkpoint_key), 0, 0},
    {"checkpoint", "old_key", KIND_PATH, true, AT(checkpoint_old_key), 0, 0},
    {"checkpoint", "memory", KIND_TEXT, true, AT(checkpoint_memory), 0, 0},
    {"checkpoint", "policy", KIND_TEXT, true, AT(checkpoint_policy), 0, 0},
    {"checkpoint", "witness_ca", KIND_TEXT, true, AT(checkpoint_ca), 0, 0},
    {"limits", "connections", KIND_SIZE, false, AT(net.connections), 1, 1000000},
    {"limits", "streams", KIND_SIZE, false, AT(net.streams), 1, 10000},
    {"limits", "request_bytes", KIND_SIZE, false, AT(net.request_bytes), 4096,
     LIMIT_BATCH_REQUEST_BYTES},
    {"limits", "header_bytes", KIND_SIZE, false, AT(net.header_bytes), 1024, 65536},
    {"limits", "calls", KIND_SIZE, false, AT(net.calls), 1, 1000000},
    {"limits", "watchers", KIND_SIZE, false, AT(net.watchers), 1, 1000000},
    {"limits", "person_connections", KIND_SIZE, false, AT(net.person_connections), 0, 1000000},
    {"limits", "person_requests_per_s", KIND_SIZE, false, AT(net.person_requests_per_s), 0,
     1000000},
    {"limits", "person_burst", KIND_SIZE, false, AT(net.person_burst), 0, 1000000},
    {"limits", "write_high_bytes", KIND_SIZE, false, AT(net.write_high_bytes), 65536, 16 << 20},
    {"limits", "inbox", KIND_SIZE, true, AT(inbox), 16, 1 << 20},
    {"limits", "handshake", KIND_MILLIS, false, AT(net.handshake_ms), 0, 0},
    {"limits", "preface", KIND_MILLIS, false, AT(net.preface_ms), 0, 0},
    {"limits", "idle", KIND_MILLIS, false, AT(net.idle_ms), 0, 0},
    {"limits", "request", KIND_MILLIS, false, AT(net.request_ms), 0, 0},
    {"limits", "write_stall", KIND_MILLIS, false, AT(net.write_stall_ms), 0, 0},
    {"limits", "keepalive", KIND_MILLIS, false, AT(net.keepalive_ms), 0, 0},
    {"limits", "keepalive_timeout", KIND_MILLIS, false, AT(net.keepalive_timeout_ms), 0, 0},
    {"limits", "max_age", KIND_MILLIS, false, AT(net.max_age_ms), 0, 0},
    {"limits", "max_age_grace", KIND_MILLIS, false, AT(net.max_age_grace_ms), 0, 0},
    {"admin", "listen", KIND_LOCAL_ADDRESS, true, AT(admin_listen), 0, 0},
    {"admin", "port_file", KIND_TEXT, true, AT(admin_port_file), 0, 0},
    {"public", "listen", KIND_ADDRESS, true, AT(public_listen), 0, 0},
    {"public", "port_file", KIND_TEXT, true, AT(public_port_file), 0, 0},
    {"public", "cert", KIND_PATH, false, AT(public_tls.cert), 0, 0},
    {"public", "key", KIND_PATH, false, AT(public_tls.key), 0, 0},
};
#undef AT

static void *place_of(const struct loader *loader, const struct config_key *key)
{
    return (char *)loader->config + key->place;
}

static bool set_number(struct loader *loader, const struct config_key *key, const char *value)
{
    uint64_t number = 0;
    if (!parse_u64(value, &number) || number < key->least || number > key->most)
        return complain(loader, "%s = %s: a whole number from %" PRIu64 " to %" PRIu64 " is needed",
                        key->name, value, key->least, key->most);
    if (key->kind == KIND_U64)
        *(uint64_t *)place_of(loader, key) = number;
    else
        *(size_t *)place_of(loader, key) = (size_t)number;
    return true;
}

static bool set_flag(struct loader *loader, const struct config_key *key, const char *value)
{
    if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
        return complain(loader, "%s = %s: yes or no is needed", key->name, value);
    *(bool *)place_of(loader, key) = strcmp(value, "yes") == 0;
    return true;
}

static bool set_millis(struct loader *loader, const struct config_key *key, const char *value)
{
    int64_t seconds = 0;
    if (!pl_is_ok(pl_duration_parse(value, &seconds)) || seconds < 1 || seconds > 86400)
        return complain(loader, "%s = %s: a time from 1s to 24h is needed, like 30s or 5m",
                        key->name, value);
    *(int *)place_of(loader, key) = (int)(seconds * 1000);
    return true;
}

static bool set_seconds(struct loader *loader, const struct config_key *key, const char *value)
{
    int64_t seconds = 0;
    if (!pl_is_ok(pl_duration_parse(value, &seconds)) || seconds < 1)
        return complain(loader, "%s = %s: a time like 1h is needed", key->name, value);
    *(int64_t *)place_of(loader, key) = seconds;
    return true;
}

static bool set_text(struct loader *loader, const struct config_key *key, const char *value,
                     const char **ret)
{
    if (value[0] == '\0') /* an empty name of a file would be this directory, or the root */
        return complain(loader, "%s is empty: give a value, or take the line out", key->name);
    char *copy = pl_arena_strdup(&loader->config->arena, value);
    if (copy == NULL)
        return complain(loader, "the file is too large");
    *ret = copy;
    return true;
}

static bool set_path(struct loader *loader, const struct config_key *key, const char *value)
{
    static const char prefix[] = "credential:";
    const char **place = place_of(loader, key);
    if (strncmp(value, prefix, sizeof(prefix) - 1) != 0)
        return set_text(loader, key, value, place);
    const char *name = value + sizeof(prefix) - 1, *dir = getenv("CREDENTIALS_DIRECTORY");
    if (name[0] == '\0' || name[0] == '.' || strchr(name, '/') != NULL)
        return complain(loader, "%s = %s: the name of a credential is needed, like %sserver.key",
                        key->name, value, prefix);
    if (dir == NULL || dir[0] == '\0')
        return complain(loader,
                        "%s = %s: CREDENTIALS_DIRECTORY is not set: was this not started by "
                        "systemd with LoadCredential=%s?",
                        key->name, value, name);
    char path[4096];
    if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path))
        return complain(loader, "%s = %s: the path is too long", key->name, value);
    if (!set_text(loader, key, path, place))
        return false;
    struct config *config = loader->config;
    if (config->handed_count == PL_COUNT(config->handed))
        return complain(loader, "%s = %s: too many credentials", key->name, value);
    config->handed[config->handed_count++] = *place;
    return true;
}

static bool is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0 ||
           strcmp(host, "localhost") == 0;
}

static bool set_address(struct loader *loader, const struct config_key *key, const char *value)
{
    struct config_address *address = place_of(loader, key);
    bool local = key->kind == KIND_LOCAL_ADDRESS;
    if (local && strncmp(value, "unix:/", 6) == 0) {
        address->is_unix = true;
        return set_text(loader, key, value + 5, &address->host);
    }
    const char *colon = strrchr(value, ':');
    uint64_t port = 0;
    if (colon == NULL || colon == value || !parse_u64(colon + 1, &port) || port > 65535)
        return complain(loader, "%s = %s: HOST:PORT is needed, like 127.0.0.1:%s", key->name, value,
                        local ? "9443, or unix:/PATH" : "7443");
    size_t host_len = (size_t)(colon - value);
    bool in_brackets = host_len > 2 && value[0] == '[' && value[host_len - 1] == ']';
    if (!in_brackets && memchr(value, '[', host_len) == NULL &&
        memchr(value, ':', host_len) != NULL)
        return complain(loader, "%s = %s: an IPv6 address stands in brackets, like [::1]:%u",
                        key->name, value, (unsigned)port);
    if (!in_brackets && (memchr(value, '[', host_len) || memchr(value, ']', host_len)))
        return complain(loader, "%s = %s: brackets stand around the address alone, like [::1]:%u",
                        key->name, value, (unsigned)port);
    char *host = pl_arena_memdup(&loader->config->arena, value, host_len);
    if (host == NULL)
        return complain(loader, "the file is too large");
    if (in_brackets) {
        host[host_len - 1] = '\0';
        host++;
    }
    if (local && !is_loopback(host))
        return complain(loader,
                        "%s = %s: whoever reaches it needs no certificate: it must be 127.0.0.1, "
                        "[::1] or unix:/PATH",
                        key->name, value);
    *address = (struct config_address){.host = host, .port = (uint16_t)port};
    return true;
}

static bool set_log_level(struct loader *loader, const struct config_key *key, const char *value)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    for (size_t i = 0; i < PL_COUNT(names); i++) {
        if (strcmp(value, names[i]) == 0) {
            loader->config->log_level = (enum pl_log_level)i;
            return true;
        }
    }
    return complain(loader, "%s = %s: debug, info, warning or error is needed", key->name, value);
}

static bool set_log_format(struct loader *loader, const struct config_key *key, const char *value)
{
    static const char *const names[] = {"logfmt", "json", "journal"};
    for (size_t i = 0; i < PL_COUNT(names); i++) {
        if (strcmp(value, names[i]) == 0) {
            loader->config->log_format = (enum pl_log_format)i;
            return true;
        }
    }
    return complain(loader, "%s = %s: logfmt, json or journal is needed", key->name, value);
}

static bool set_origin(struct loader *loader, const struct config_key *key, const char *value)
{
    size_t len = strlen(value);
    if (len == 0 || len > 100 || strpbrk(value, " \t+") != NULL)
        return complain(loader,
                        "origin = %s: a name like example.org/fund is needed, at most 100 bytes, "
                        "without blanks and plus signs",
                        value);
    return set_text(loader, key, value, &loader->config->origin);
}

static bool set_policy(struct loader *loader, const struct config_key *key, const char *value)
{
    const char *wrong = policy_set(loader->policy, &loader->config->arena, key->name, value);
    return wrong == NULL || complain(loader, "%s = %.100s: %s", key->name, value, wrong);
}

static bool set_value(struct loader *loader, const struct config_key *key, const char *value)
{
    switch (key->kind) {
    case KIND_TEXT:
        return set_text(loader, key, value, place_of(loader, key));
    case KIND_PATH:
        return set_path(loader, key, value);
    case KIND_U64:
    case KIND_SIZE:
        return set_number(loader, key, value);
    case KIND_FLAG:
        return set_flag(loader, key, value);
    case KIND_MILLIS:
        return set_millis(loader, key, value);
    case KIND_SECONDS:
        return set_seconds(loader, key, value);
    case KIND_ADDRESS:
    case KIND_LOCAL_ADDRESS:
        return set_address(loader, key, value);
    case KIND_LOG_LEVEL:
        return set_log_level(loader, key, value);
    case KIND_LOG_FORMAT:
        return set_log_format(loader, key, value);
    case KIND_ORIGIN:
        return set_origin(loader, key, value);
    case KIND_POLICY:
        return set_policy(loader, key, value);
    }
    PL_UNREACHABLE();
}

/* --- sections --- */

static bool unknown_key(struct loader *loader, const char *section, const char *key,
                        const char *const *known, size_t count)
{
    const char *near = pl_nearest(key, known, count);
    return complain(loader, "unknown key '%s' in [%s]%s%s%s", key, section,
                    near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
                    near != NULL ? "'?" : "");
}

/* False: there is no such section. */
static bool section_key(struct loader *loader, const char *section, const char *name,
                        const char *value)
{
    const char *known[PL_COUNT(keys)];
    size_t count = 0;
    for (size_t i = 0; i < PL_COUNT(keys); i++) {
        if (strcmp(section, keys[i].section) != 0)
            continue;
        if (strcmp(name, keys[i].name) == 0) {
            loader->config->key_line[i] = loader->line;
            (void)set_value(loader, &keys[i], value);
            return true;
        }
        known[count++] = keys[i].name;
    }
    if (count != 0)
        (void)unknown_key(loader, section, name, known, count);
    return count != 0;
}

static Pledged__V1__RosterPerson *find_person(struct loader *loader, const char *name)
{
    for (size_t i = 0; i < loader->person_count; i++) {
        if (strcmp(loader->person[i]->person, name) == 0)
            return loader->person[i];
    }
    size_t len = strlen(name);
    if (len == 0 || len > PERSON_NAME_MAX ||
        strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-._") != len) {
        complain(loader,
                 "[person %s]: a name of 1 to %d small letters, digits, '-', '.' and '_' is needed",
                 name, PERSON_NAME_MAX);
        return NULL;
    }
    struct pl_arena *arena = &loader->config->arena;
    Pledged__V1__RosterPerson *person = pl_arena_alloc(arena, sizeof(*person));
    if (person == NULL || loader->person_count == PERSONS_MAX) {
        complain(loader, "more than %d persons", PERSONS_MAX);
        return NULL;
    }
    pledged__v1__roster_person__init(person);
    person->person = pl_arena_strdup(arena, name);
    person->identity = pl_arena_alloc(arena, IDENTITIES_MAX * sizeof(*person->identity));
    if (person->person == NULL || person->identity == NULL) {
        complain(loader, "the file is too large");
        return NULL;
    }
    loader->person[loader->person_count++] = person;
    return person;
}

static bool set_role(struct loader *loader, const char *value, Pledged__V1__Role *ret)
{
    static const struct {
        const char *name;
        Pledged__V1__Role role;
    } roles[] = {
        {"public", PLEDGED__V1__ROLE__ROLE_PUBLIC},
        {"reader", PLEDGED__V1__ROLE__ROLE_READER},
        {"clerk", PLEDGED__V1__ROLE__ROLE_CLERK},
        {"approver", PLEDGED__V1__ROLE__ROLE_APPROVER},
        {"auditor", PLEDGED__V1__ROLE__ROLE_AUDITOR},
        {"admin", PLEDGED__V1__ROLE__ROLE_ADMIN},
    };
    for (size_t i = 0; i < PL_COUNT(roles); i++) {
        if (strcmp(value, roles[i].name) == 0) {
            *ret = roles[i].role;
            return true;
        }
    }
    return complain(
        loader, "role = %s: public, reader, clerk, approver, auditor or admin is needed", value);
}

static bool add_identity(struct loader *loader, Pledged__V1__RosterPerson *person,
                         struct pl_slice word, const char *issuer)
{
    struct pl_arena *arena = &loader->config->arena;
    if (person->n_identity == IDENTITIES_MAX)
        return complain(loader, "more than %d identities of one person", IDENTITIES_MAX);
    Pledged__V1__RosterIdentity *identity = pl_arena_alloc(arena, sizeof(*identity));
    if (identity == NULL)
        return complain(loader, "the file is too large");
    pledged__v1__roster_identity__init(identity);
    identity->identity = pl_arena_memdup(arena, word.data, word.len);
    identity->issuer = pl_arena_strdup(arena, issuer);
    if (identity->identity == NULL || identity->issuer == NULL)
        return complain(loader, "the file is too large");
    if (!authz_identity_well_formed(identity->identity))
        return complain(
            loader,
            "identity = %s: uri:, dns:, email:, upn: or spki: is needed, then at most %d "
            "bytes; after spki: the SHA-256 of a key, 64 hexadecimal digits",
            identity->identity, AUTHZ_IDENTITY_MAX);
    for (size_t i = 0; i < loader->person_count; i++) {
        const Pledged__V1__RosterPerson *other = loader->person[i];
        for (size_t k = 0; k < other->n_identity; k++) {
            if (authz_identity_same(other->identity[k]->identity, identity->identity))
                return complain(loader, "identity = %s: it is [person %s]'s already",
                                identity->identity, other->person);
        }
    }
    person->identity[person->n_identity++] = identity;
    return true;
}

static bool person_key(struct loader *loader, const char *name, const char *key, const char *value)
{
    static const char *const known[] = {"role", "identity"};
    Pledged__V1__RosterPerson *person = find_person(loader, name);
    if (person == NULL)
        return false;
    if (strcmp(key, "role") == 0 && person->role != PLEDGED__V1__ROLE__ROLE_UNSPECIFIED)
        return complain(loader, "role = %s: a second role of %s", value, name);
    if (strcmp(key, "role") == 0)
        return set_role(loader, value, &person->role);
    if (strcmp(key, "identity") != 0)
        return unknown_key(loader, "person", key, known, PL_COUNT(known));
    for (const char *at = value; *at != '\0';) {
        size_t blanks = strspn(at, " \t\n");
        at += blanks;
        size_t len = strcspn(at, " \t\n");
        if (len == 0)
            break;
        if (!add_identity(loader, person, pl_slice(at, len), ""))
            return false;
        at += len;
    }
    return true;
}

static bool account_key(struct loader *loader, const char *name, const char *key, const char *value)
{
    static const char *const names[] = {"iban",   "number", "currency", "qr_iban",
                                        "shared", "bank",   "bic"};
    bool known = false;
    const char *wrong =
        policy_account_set(loader->policy, &loader->config->arena, name, key, value, &known);
    if (wrong != NULL)
        return complain(loader, "[account %s] %s = %.100s: %s", name, key, value, wrong);
    return known || unknown_key(loader, "account", key, names, PL_COUNT(names));
}

static int on_pair(void *user, const char *section, const char *key, const char *value)
{
    static const char *const known[] = {"daemon", "tls",        "ledger",   "store",
                                        "limits", "admin",      "public",   "person NAME",
                                        "policy", "checkpoint", "creditor", "account NAME"};
    struct loader *loader = user;
    bool goes_on = loader->indented && loader->after_pair;
    loader->after_pair = true;
    if (loader->failed)
        return 1;
    if (strlen(key) > 64)
        complain(loader, "%.64s...: the key is too long", key);
    else if (!pl_utf8_valid(pl_slice_str(value)))
        complain(loader, "the value of %s is not UTF-8: save the file as UTF-8", key);
    else if (goes_on && (strncmp(section, "person ", 7) != 0 || strcmp(key, "identity") != 0))
        /* it would take the place of what the line above says, not add to it */
        complain(
            loader,
            "the line begins with a blank, as if it went on with '%s' of the line above: begin "
            "it at the left edge; only identity takes more than one line",
            key);
    else if (strncmp(section, "person ", 7) == 0)
        person_key(loader, section + 7, key, value);
    else if (strncmp(section, "account ", 8) == 0)
        account_key(loader, section + 8, key, value);
    else if (!section_key(loader, section, key, value)) {
        const char *near = pl_nearest(section, known, PL_COUNT(known));
        complain(loader, "unknown section [%s]%s%s%s", section, near ? "; did you mean [" : "",
                 near ? near : "", near ? "]?" : "");
    }
    return 1;
}

static char *read_line(char *into, int size, void *user)
{
    struct loader *loader = user;
    errno = 0;
    char *line = fgets(into, size, loader->file);
    if (line == NULL) {
        if (ferror(loader->file) != 0)
            complain(loader, "cannot be read: %s", strerror(errno));
        return NULL;
    }
    loader->line++;
    size_t len = strlen(line);
    if (len == 0 || (len + 1 < (size_t)size && line[len - 1] != '\n' && feof(loader->file) == 0)) {
        complain(loader, "a NUL byte is in the line");
        return NULL;
    }
    if (len + 1 == (size_t)size && line[len - 1] != '\n') {
        complain(loader, "the line is longer than %d bytes", size - 2);
        return NULL;
    }
    const char *name = line + strspn(line, " \t");
    loader->indented = name != line;
    if (*name == '[' && !(loader->indented && loader->after_pair))
        loader->after_pair = false;
    if (*name == '[' && strcspn(name + 1, "]") > SECTION_NAME_MAX)
        complain(loader, "the name of the section is longer than %d bytes", SECTION_NAME_MAX);
    return line;
}

/* --- the whole --- */

static void set_defaults(struct config *config)
{
    config->listen = (struct config_address){.host = "127.0.0.1", .port = 7443};
    config->log_level = PL_LOG_INFO;
    config->clock_jump_limit_s = 3600;
    config->clock_ahead_limit_s = INT64_C(90) * 86400;
    config->segment_bytes = 64u << 20;
    config->snapshot_entries = 100000;
    config->checkpoint_interval_ms = 1000;
    config->inbox = 8192;
    config->net = (struct net_limits){
        .connections = 4096,
        .streams = 256,
        .request_bytes = 256ul << 10,
        .header_bytes = 16ul << 10,
        .arena_bytes = LIMIT_CALL_ARENA_BYTES,
        .calls = 4096,
        .watchers = 4096,
        .write_high_bytes = 256ul << 10,
        .handshake_ms = 10000,
        .preface_ms = 10000,
        .idle_ms = 600000,
        .request_ms = 30000,
        .write_stall_ms = 30000,
        .keepalive_ms = 7200000,
        .keepalive_timeout_ms = 20000,
        .max_age_ms = 86400000,
        .max_age_grace_ms = 3600000,
    };
}

static void hash_message(const ProtobufCMessage *message, struct pl_arena *arena, uint8_t *into)
{
    struct pl_slice packed = pl_pack(message, arena);
    PL_ASSERT(packed.data != NULL || packed.len == 0);
    pl_sha256(packed, into);
}

static bool build_roster(struct loader *loader)
{
    struct config *config = loader->config;
    Pledged__V1__RosterAdopted *roster = pl_arena_alloc(&config->arena, sizeof(*roster));
    uint8_t *sha256 = pl_arena_alloc(&config->arena, PL_SHA256_BYTES);
    PL_ASSERT(roster != NULL && sha256 != NULL);
    pledged__v1__roster_adopted__init(roster);
    roster->person = pl_arena_memdup(&config->arena, loader->person,
                                     loader->person_count * sizeof(loader->person[0]));
    PL_ASSERT(roster->person != NULL);
    roster->n_person = loader->person_count;
    for (size_t i = 0; i < roster->n_person; i++) {
        if (roster->person[i]->role == PLEDGED__V1__ROLE__ROLE_UNSPECIFIED ||
            roster->person[i]->n_identity == 0)
            return complain(loader, "[person %s] needs a role and an identity",
                            roster->person[i]->person);
    }
    size_t bytes = pledged__v1__roster_adopted__get_packed_size(roster);
    if (bytes > ROSTER_BYTES_MAX) /* it has to be one entry of the ledger */
        return complain(loader, "the persons and their identities take %zu bytes, of at most %d",
                        bytes, ROSTER_BYTES_MAX);
    hash_message(&roster->base, &config->arena, sha256);
    roster->sha256 = (ProtobufCBinaryData){PL_SHA256_BYTES, sha256};
    config->roster = roster;
    return true;
}

static bool build_policy(struct loader *loader)
{
    struct config *config = loader->config;
    Pledged__V1__PolicyAdopted *policy = &loader->policy->message;
    uint8_t *sha256 = pl_arena_alloc(&config->arena, PL_SHA256_BYTES);
    const char *missing = policy_complete(loader->policy);
    PL_ASSERT(sha256 != NULL);
    if (missing != NULL)
        return complain(loader, "%s", missing);
    policy->clock_jump_limit_s = config->clock_jump_limit_s;
    hash_message(&policy->base, &config->arena, sha256);
    policy->sha256 = (ProtobufCBinaryData){PL_SHA256_BYTES, sha256};
    config->policy = policy;
    return true;
}

static bool check_complete(struct loader *loader)
{
    struct config *config = loader->config;
    const struct {
        const char *name, *value;
    } needed[] = {
        {"[daemon] data", config->data},     {"[tls] cert", config->tls.cert},
        {"[tls] key", config->tls.key},      {"[tls] ca", config->tls.ca},
        {"[ledger] origin", config->origin},
    };
    for (size_t i = 0; i < PL_COUNT(needed); i++) {
        if (needed[i].value == NULL)
            return complain(loader, "%s is missing", needed[i].name);
    }
    if (config->public_listen.host != NULL &&
        (config->public_tls.cert == NULL || config->public_tls.key == NULL))
        return complain(loader, "[public] needs cert and key");
    return true;
}

static void close_file(FILE **file)
{
    if (*file != NULL)
        (void)fclose(*file);
}

static void free_config(struct config **config)
{
    config_free(*config);
}

struct pl_status config_load(const char *path, char *message, size_t message_size,
                             struct config **ret)
{
    struct config *config PL_CLEANUP(free_config) = calloc(1, sizeof(*config));
    PL_ASSERT(config != NULL);
    pl_arena_init(&config->arena, CONFIG_ARENA_BYTES);
    config->path = pl_arena_strdup(&config->arena, path);
    config->key_line = pl_arena_alloc(&config->arena, PL_COUNT(keys) * sizeof(unsigned));
    PL_ASSERT(config->path != NULL && config->key_line != NULL);
    memset(config->key_line, 0, PL_COUNT(keys) * sizeof(unsigned));
    set_defaults(config);
    FILE *file PL_CLEANUP(close_file) = fopen(path, "re");
    if (file == NULL) {
        struct pl_status status = pl_fail_errno(NO_INPUT, "read configuration");
        (void)snprintf(message, message_size, "%s: %s", path, strerror(status.sys_errno));
        return status;
    }
    struct loader loader = {
        .config = config, .file = file, .message = message, .message_size = message_size};
    loader.policy = pl_arena_alloc(&config->arena, sizeof(*loader.policy));
    PL_ASSERT(loader.policy != NULL);
    policy_init(loader.policy);
    int bad_line = ini_parse_stream(read_line, &loader, on_pair, &loader);
    /* a line that is nothing at all is the reason for whatever was wrong below it */
    if (bad_line > 0 && (!loader.failed || (unsigned)bad_line < loader.failed_line)) {
        loader.failed = false;
        loader.line = (unsigned)bad_line;
        complain(&loader, "neither [section] nor key = value");
    }
    if (loader.failed || !check_complete(&loader) || !build_roster(&loader) ||
        !build_policy(&loader))
        return pl_fail(CONFIG, "read configuration");
    *ret = PL_TAKE(config);
    return pl_ok();
}

void config_free(struct config *config)
{
    if (config == NULL)
        return;
    pl_arena_fini(&config->arena);
    free(config);
}

/* --- the table, for others --- */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_value(const struct config_key *key, const struct config *a, const struct config *b)
{
    const void *left = (const char *)a + key->place, *right = (const char *)b + key->place;
    switch (key->kind) {
    case KIND_TEXT:
    case KIND_PATH:
    case KIND_ORIGIN:
        return same_text(*(const char *const *)left, *(const char *const *)right);
    case KIND_ADDRESS:
    case KIND_LOCAL_ADDRESS: {
        const struct config_address *one = left, *other = right;
        return same_text(one->host, other->host) && one->port == other->port &&
               one->is_unix == other->is_unix;
    }
    case KIND_U64:
    case KIND_SECONDS:
        return memcmp(left, right, sizeof(uint64_t)) == 0;
    case KIND_SIZE:
        return memcmp(left, right, sizeof(size_t)) == 0;
    case KIND_MILLIS:
        return memcmp(left, right, sizeof(int)) == 0;
    case KIND_FLAG:
        return *(const bool *)left == *(const bool *)right;
    case KIND_LOG_LEVEL:
        return a->log_level == b->log_level;
    case KIND_LOG_FORMAT:
        return a->log_format == b->log_format;
    case KIND_POLICY:
        return true;
    }
    PL_UNREACHABLE();
}

void config_restart_keys(const struct config *now, const struct config *next, char *ret,
                         size_t size)
{
    size_t used = 0;
    ret[0] = '\0';
    for (size_t i = 0; i < PL_COUNT(keys) && used < size; i++) {
        if (keys[i].restart && !same_value(&keys[i], now, next)) {
            int len = snprintf(ret + used, size - used, "%s[%s] %s", used != 0 ? ", " : "",
                               keys[i].section, keys[i].name);
            used += len > 0 ? (size_t)len : 0;
        }
    }
}

static unsigned key_line(const struct config *config, size_t i)
{
    return config->key_line != NULL ? config->key_line[i]
                                    : 0; /* NULL: it was not read from a file */
}

void config_where(const struct config *config, const void *place, char *ret, size_t size)
{
    size_t i = 0;
    while (i < PL_COUNT(keys) && (const char *)config + keys[i].place != place)
        i++;
    PL_ASSERT(i < PL_COUNT(keys));
    if (key_line(config, i) != 0)
        (void)snprintf(ret, size, "%s:%u: [%s] %s", config->path, key_line(config, i),
                       keys[i].section, keys[i].name);
    else
        (void)snprintf(ret, size, "%s: [%s] %s, which is not set", config->path, keys[i].section,
                       keys[i].name);
}

/* Does the message begin with this name of a file? */
static bool is_about(const char *message, const char *file)
{
    size_t len = file == NULL ? 0 : strlen(file);
    return len != 0 && strncmp(message, file, len) == 0 && message[len] == ':';
}

void config_blame(const struct config *config, char *message, size_t size)
{
    for (size_t i = 0; i < PL_COUNT(keys); i++) {
        const void *place = (const char *)config + keys[i].place;
        if ((keys[i].kind != KIND_PATH && keys[i].kind != KIND_TEXT) || key_line(config, i) == 0 ||
            !is_about(message, *(const char *const *)place))
            continue;
        char where[512], whole[1024];
        config_where(config, place, where, sizeof(where));
        (void)snprintf(whole, sizeof(whole), "%s: %s", where, message);
        (void)snprintf(message, size, "%s", whole);
        return;
    }
}

bool config_key(size_t index, const char **ret_section, const char **ret_key)
{
    if (index >= PL_COUNT(keys))
        return false;
    *ret_section = keys[index].section;
    *ret_key = keys[index].name;
    return true;
}

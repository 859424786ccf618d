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

enum { PERSONS_MAX = 256, IDENTITIES_MAX = 8, CONFIG_ARENA_BYTES = 1 << 20 };
/* libinih silently cuts the name of a section after 49 bytes */
enum { SECTION_NAME_MAX = 49, PERSON_NAME_MAX = SECTION_NAME_MAX - 7 /* "person " */ };

struct loader {
    struct config *config;
    FILE *file;
    unsigned line;
    bool line_too_long;
    bool failed;
    char *message;
    size_t message_size;
    Pledged__V1__RosterPerson *person[PERSONS_MAX];
    size_t person_count;
};

__attribute__((format(printf, 2, 3))) static bool complain(struct loader *loader,
                                                           const char *format, ...)
{
    if (loader->failed)
        return false;
    loader->failed = true;
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

static bool set_number(struct loader *loader, const char *key, const char *value, uint64_t least,
                       uint64_t most, uint64_t *ret)
{
    uint64_t number = 0;
    if (!parse_u64(value, &number) || number < least || number > most)
        return complain(loader, "%s = %s: a whole number from %" PRIu64 " to %" PRIu64 " is needed",
                        key, value, least, most);
    *ret = number;
    return true;
}

static bool set_size(struct loader *loader, const char *key, const char *value, uint64_t least,
                     uint64_t most, size_t *ret)
{
    uint64_t number = 0;
    if (!set_number(loader, key, value, least, most, &number))
        return false;
    *ret = (size_t)number;
    return true;
}

static bool set_millis(struct loader *loader, const char *key, const char *value, int *ret_ms)
{
    int64_t seconds = 0;
    if (!pl_is_ok(pl_duration_parse(value, &seconds)) || seconds < 1 || seconds > 86400)
        return complain(loader, "%s = %s: a time from 1s to 24h is needed, like 30s or 5m", key,
                        value);
    *ret_ms = (int)(seconds * 1000);
    return true;
}

static bool set_text(struct loader *loader, const char *value, const char **ret)
{
    char *copy = pl_arena_strdup(&loader->config->arena, value);
    if (copy == NULL)
        return complain(loader, "the file is too large");
    *ret = copy;
    return true;
}

static bool set_listen(struct loader *loader, const char *value)
{
    const char *colon = strrchr(value, ':');
    uint64_t port = 0;
    if (colon == NULL || colon == value || !parse_u64(colon + 1, &port) || port > 65535)
        return complain(loader, "listen = %s: HOST:PORT is needed, like 127.0.0.1:7443", value);
    size_t host_len = (size_t)(colon - value);
    char *host = pl_arena_memdup(&loader->config->arena, value, host_len);
    if (host == NULL)
        return complain(loader, "the file is too large");
    if (host_len > 2 && host[0] == '[' && host[host_len - 1] == ']') {
        host[host_len - 1] = '\0';
        host++;
    }
    loader->config->listen_host = host;
    loader->config->listen_port = (uint16_t)port;
    return true;
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

static bool set_log_level(struct loader *loader, const char *value)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    for (size_t i = 0; i < PL_COUNT(names); i++) {
        if (strcmp(value, names[i]) == 0) {
            loader->config->log_level = (enum pl_log_level)i;
            return true;
        }
    }
    return complain(loader, "log_level = %s: debug, info, warning or error is needed", value);
}

static bool daemon_key(struct loader *loader, const char *key, const char *value)
{
    static const char *const known[] = {"data",    "listen",    "port_file", "pid_file",
                                        "workers", "log_level", "log_format"};
    struct config *config = loader->config;
    if (strcmp(key, "data") == 0)
        return set_text(loader, value, &config->data);
    if (strcmp(key, "listen") == 0)
        return set_listen(loader, value);
    if (strcmp(key, "port_file") == 0)
        return set_text(loader, value, &config->port_file);
    if (strcmp(key, "pid_file") == 0)
        return set_text(loader, value, &config->pid_file);
    if (strcmp(key, "log_level") == 0)
        return set_log_level(loader, value);
    if (strcmp(key, "workers") == 0) {
        uint64_t workers = 0;
        bool fine = set_number(loader, key, value, 0, LIMIT_WORKERS, &workers);
        config->workers = (unsigned)workers;
        return fine;
    }
    if (strcmp(key, "log_format") == 0) {
        if (strcmp(value, "logfmt") != 0 && strcmp(value, "json") != 0)
            return complain(loader, "log_format = %s: logfmt or json is needed", value);
        config->log_format = strcmp(value, "json") == 0 ? PL_LOG_JSON : PL_LOG_LOGFMT;
        return true;
    }
    return unknown_key(loader, "daemon", key, known, PL_COUNT(known));
}

static bool tls_key(struct loader *loader, const char *key, const char *value)
{
    static const char *const known[] = {"cert", "key", "ca", "crl"};
    struct tls_files *tls = &loader->config->tls;
    const char **places[] = {&tls->cert, &tls->key, &tls->ca, &tls->crl};
    for (size_t i = 0; i < PL_COUNT(known); i++) {
        if (strcmp(key, known[i]) == 0)
            return set_text(loader, value, places[i]);
    }
    return unknown_key(loader, "tls", key, known, PL_COUNT(known));
}

static bool ledger_key(struct loader *loader, const char *key, const char *value)
{
    static const char *const known[] = {"origin", "clock_jump_limit", "four_eyes"};
    if (strcmp(key, "origin") == 0) {
        size_t len = strlen(value);
        if (len == 0 || len > 100 || strpbrk(value, " \t+") != NULL)
            return complain(loader,
                            "origin = %s: a name like example.org/fund is needed, at most "
                            "100 bytes, without blanks and plus signs",
                            value);
        return set_text(loader, value, &loader->config->origin);
    }
    if (strcmp(key, "clock_jump_limit") == 0) {
        int64_t seconds = 0;
        if (!pl_is_ok(pl_duration_parse(value, &seconds)) || seconds < 1)
            return complain(loader, "clock_jump_limit = %s: a time like 1h is needed", value);
        loader->config->clock_jump_limit_s = seconds;
        return true;
    }
    if (strcmp(key, "four_eyes") == 0) {
        if (value[0] != '\0')
            return complain(loader,
                            "four_eyes = %s: this version decides every command in one "
                            "step; leave it empty",
                            value);
        return true;
    }
    return unknown_key(loader, "ledger", key, known, PL_COUNT(known));
}

static bool store_key(struct loader *loader, const char *key, const char *value)
{
    static const char *const known[] = {"segment_bytes", "snapshot_entries"};
    if (strcmp(key, "segment_bytes") == 0)
        return set_number(loader, key, value, 2u << 20, 1ull << 32, &loader->config->segment_bytes);
    if (strcmp(key, "snapshot_entries") == 0)
        return set_number(loader, key, value, 0, UINT64_MAX / 2, &loader->config->snapshot_entries);
    return unknown_key(loader, "store", key, known, PL_COUNT(known));
}

static bool limits_key(struct loader *loader, const char *key, const char *value)
{
    struct config *config = loader->config;
    const struct {
        const char *key;
        size_t *place;
        uint64_t least, most;
    } sizes[] = {
        {"connections", &config->net.connections, 1, 1000000},
        {"streams", &config->net.streams, 1, 10000},
        {"request_bytes", &config->net.request_bytes, 4096, LIMIT_BATCH_REQUEST_BYTES},
        {"header_bytes", &config->net.header_bytes, 1024, 65536},
        {"calls", &config->net.calls, 1, 1000000},
        {"watchers", &config->net.watchers, 1, 1000000},
        {"person_connections", &config->net.person_connections, 0, 1000000},
        {"person_requests_per_s", &config->net.person_requests_per_s, 0, 1000000},
        {"person_burst", &config->net.person_burst, 0, 1000000},
        {"write_high_bytes", &config->net.write_high_bytes, 65536, 16 << 20},
        {"inbox", &config->inbox, 16, 1 << 20},
    };
    const struct {
        const char *key;
        int *place;
    } times[] = {
        {"handshake", &config->net.handshake_ms},
        {"preface", &config->net.preface_ms},
        {"idle", &config->net.idle_ms},
        {"request", &config->net.request_ms},
        {"write_stall", &config->net.write_stall_ms},
        {"keepalive", &config->net.keepalive_ms},
        {"keepalive_timeout", &config->net.keepalive_timeout_ms},
        {"max_age", &config->net.max_age_ms},
        {"max_age_grace", &config->net.max_age_grace_ms},
    };
    const char *known[PL_COUNT(sizes) + PL_COUNT(times)];
    for (size_t i = 0; i < PL_COUNT(sizes); i++) {
        known[i] = sizes[i].key;
        if (strcmp(key, sizes[i].key) == 0)
            return set_size(loader, key, value, sizes[i].least, sizes[i].most, sizes[i].place);
    }
    for (size_t i = 0; i < PL_COUNT(times); i++) {
        known[PL_COUNT(sizes) + i] = times[i].key;
        if (strcmp(key, times[i].key) == 0)
            return set_millis(loader, key, value, times[i].place);
    }
    return unknown_key(loader, "limits", key, known, PL_COUNT(known));
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
        static const char *const kinds[] = {"uri:", "dns:", "email:", "upn:", "spki:"};
        bool fits = false;
        for (size_t i = 0; i < PL_COUNT(kinds); i++)
            fits = fits || (len > strlen(kinds[i]) && strncmp(at, kinds[i], strlen(kinds[i])) == 0);
        if (!fits)
            return complain(loader,
                            "identity = %s: each must begin with uri:, dns:, email:, upn: "
                            "or spki:",
                            value);
        if (!add_identity(loader, person, pl_slice(at, len), ""))
            return false;
        at += len;
    }
    return true;
}

static int on_pair(void *user, const char *section, const char *key, const char *value)
{
    static const char *const known[] = {"daemon", "tls",    "ledger",
                                        "store",  "limits", "person NAME"};
    struct loader *loader = user;
    if (loader->failed)
        return 1;
    if (strlen(key) > 64 || !pl_utf8_valid(pl_slice_str(value)))
        complain(loader, "the value is not UTF-8, or the key is too long");
    else if (strcmp(section, "daemon") == 0)
        daemon_key(loader, key, value);
    else if (strcmp(section, "tls") == 0)
        tls_key(loader, key, value);
    else if (strcmp(section, "ledger") == 0)
        ledger_key(loader, key, value);
    else if (strcmp(section, "store") == 0)
        store_key(loader, key, value);
    else if (strcmp(section, "limits") == 0)
        limits_key(loader, key, value);
    else if (strncmp(section, "person ", 7) == 0)
        person_key(loader, section + 7, key, value);
    else {
        const char *near = pl_nearest(section, known, PL_COUNT(known));
        complain(loader, "unknown section [%s]%s%s%s", section, near ? "; did you mean [" : "",
                 near ? near : "", near ? "]?" : "");
    }
    return 1;
}

static char *read_line(char *into, int size, void *user)
{
    struct loader *loader = user;
    char *line = fgets(into, size, loader->file);
    if (line == NULL)
        return NULL;
    loader->line++;
    size_t len = strlen(line);
    if (len + 1 == (size_t)size && line[len - 1] != '\n') {
        complain(loader, "the line is longer than %d bytes", size - 2);
        return NULL;
    }
    const char *name = line + strspn(line, " \t");
    if (*name == '[' && strcspn(name + 1, "]") > SECTION_NAME_MAX)
        complain(loader, "the name of the section is longer than %d bytes", SECTION_NAME_MAX);
    return line;
}

/* --- the whole --- */

static void set_defaults(struct config *config)
{
    config->listen_host = "127.0.0.1";
    config->listen_port = 7443;
    config->log_level = PL_LOG_INFO;
    config->clock_jump_limit_s = 3600;
    config->segment_bytes = 64u << 20;
    config->snapshot_entries = 100000;
    config->inbox = 8192;
    config->net = (struct net_limits){
        .connections = 4096,
        .streams = 256,
        .request_bytes = 256 * 1024,
        .header_bytes = 16 * 1024,
        .arena_bytes = LIMIT_CALL_ARENA_BYTES,
        .calls = 4096,
        .watchers = 4096,
        .write_high_bytes = 256 * 1024,
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
    hash_message(&roster->base, &config->arena, sha256);
    roster->sha256 = (ProtobufCBinaryData){PL_SHA256_BYTES, sha256};
    config->roster = roster;
    return true;
}

static void build_policy(struct config *config)
{
    Pledged__V1__PolicyAdopted *policy = pl_arena_alloc(&config->arena, sizeof(*policy));
    uint8_t *sha256 = pl_arena_alloc(&config->arena, PL_SHA256_BYTES);
    PL_ASSERT(policy != NULL && sha256 != NULL);
    pledged__v1__policy_adopted__init(policy);
    policy->clock_jump_limit_s = config->clock_jump_limit_s;
    hash_message(&policy->base, &config->arena, sha256);
    policy->sha256 = (ProtobufCBinaryData){PL_SHA256_BYTES, sha256};
    config->policy = policy;
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
    set_defaults(config);
    FILE *file PL_CLEANUP(close_file) = fopen(path, "re");
    if (file == NULL) {
        struct pl_status status = pl_fail_errno(NO_INPUT, "read configuration");
        (void)snprintf(message, message_size, "%s: %s", path, strerror(status.sys_errno));
        return status;
    }
    struct loader loader = {
        .config = config, .file = file, .message = message, .message_size = message_size};
    int bad_line = ini_parse_stream(read_line, &loader, on_pair, &loader);
    if (!loader.failed && bad_line != 0) {
        loader.line = bad_line > 0 ? (unsigned)bad_line : loader.line;
        complain(&loader, "neither [section] nor key = value");
    }
    if (loader.failed || !check_complete(&loader) || !build_roster(&loader))
        return pl_fail(CONFIG, "read configuration");
    build_policy(config);
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

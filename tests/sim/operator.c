/* SPDX-License-Identifier: Apache-2.0
 *
 * operator: see operator.h.
 */
#include "tests/sim/operator.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/hash.h"
#include "server/config.h"
#include "server/ledger/ledger.h"
#include "server/validity.h"
#include "tests/sim/heap.h"

enum { VERSIONS_MAX = 64, ARENA_BYTES = 1 << 16, CLASSES_MAX = 32, PROPOSAL_TTL_S = 3 };

const char *const operator_name[OPERATOR_PERSONS] = {"anna", "berta", "carla", "dora", "emil"};

struct version {
    Pledged__V1__Role role[OPERATOR_PERSONS]; /* UNSPECIFIED: not on the roster */
    bool revoked[OPERATOR_PERSONS];
    bool renamed[OPERATOR_PERSONS]; /* on the roster, by a certificate that nobody has */
    uint32_t four_eyes;             /* bits of classes */
};
struct file {
    struct config config; /* first member */
    uint64_t version;
};

static struct {
    struct dice *dice;
    struct version version[VERSIONS_MAX]; /* version 1 is [0] */
    uint64_t versions;
    bool spoiled; /* it cannot be read: somebody is in the middle of it */
} o;

/* --- versions --- */

void operator_begin(struct dice *dice, bool wired, uint32_t four_eyes)
{
    o.dice = dice;
    o.spoiled = false;
    o.versions = 1;
    o.version[0] = (struct version){
        .role = {[ANNA] = PLEDGED__V1__ROLE__ROLE_CLERK,
                 [BERTA] = PLEDGED__V1__ROLE__ROLE_APPROVER,
                 [CARLA] = wired ? PLEDGED__V1__ROLE__ROLE_ADMIN : PLEDGED__V1__ROLE__ROLE_APPROVER,
                 [DORA] = PLEDGED__V1__ROLE__ROLE_AUDITOR,
                 [EMIL] = PLEDGED__V1__ROLE__ROLE_CLERK},
        .four_eyes = four_eyes};
}

static struct version *newest(void)
{
    return &o.version[o.versions - 1];
}

static bool add_version(void)
{
    if (o.versions == VERSIONS_MAX)
        return false;
    o.version[o.versions] = *newest();
    o.versions++;
    return true;
}

void operator_edit(void)
{
    static const Pledged__V1__Role roles[] = {
        PLEDGED__V1__ROLE__ROLE_UNSPECIFIED, PLEDGED__V1__ROLE__ROLE_READER,
        PLEDGED__V1__ROLE__ROLE_CLERK,       PLEDGED__V1__ROLE__ROLE_APPROVER,
        PLEDGED__V1__ROLE__ROLE_AUDITOR,     PLEDGED__V1__ROLE__ROLE_ADMIN};
    o.spoiled = dice_below(o.dice, 12) == 0;
    if (o.spoiled || dice_below(o.dice, 8) == 0 || !add_version())
        return; /* as before: it is read again all the same */
    enum operator_person who = (enum operator_person)dice_below(o.dice, OPERATOR_PERSONS);
    struct version *version = newest();
    uint64_t what = dice_below(o.dice, 11);
    if (what == 0)
        version->four_eyes ^= 2u << dice_below(o.dice, 5);
    else if (what == 1)
        version->revoked[who] = !version->revoked[who];
    else if (what == 2)
        version->renamed[who] = !version->renamed[who];
    else if (version->role[who] != o.version[0].role[who] || version->revoked[who] ||
             version->renamed[who])
        version->role[who] = o.version[0].role[who],
        version->revoked[who] = version->renamed[who] = false;
    else
        version->role[who] = roles[dice_below(o.dice, PL_COUNT(roles))];
}

void operator_repair(void)
{
    o.spoiled = false;
    if (!add_version())
        o.versions = VERSIONS_MAX; /* the last one is written over: it is the newest, too */
    uint32_t four_eyes = newest()->four_eyes;
    *newest() = o.version[0];
    newest()->four_eyes = four_eyes;
}

uint64_t operator_version(void)
{
    return o.versions;
}

Pledged__V1__Role operator_role(uint64_t version, enum operator_person person)
{
    const struct version *at = &o.version[version - 1];
    return at->revoked[person] || at->renamed[person] ? PLEDGED__V1__ROLE__ROLE_UNSPECIFIED
                                                      : at->role[person];
}

bool operator_might(uint64_t since, enum operator_person person, unsigned roles)
{
    for (uint64_t version = since; version <= o.versions; version++) {
        if ((roles >> operator_role(version, person) & 1) != 0)
            return true;
    }
    return false;
}

bool operator_might_not(uint64_t since, enum operator_person person, unsigned roles)
{
    Pledged__V1__Role first = operator_role(since, person);
    for (uint64_t version = since; version <= o.versions; version++) {
        Pledged__V1__Role role = operator_role(version, person);
        if ((roles >> role & 1) == 0 || role != first)
            return true;
    }
    return false;
}

/* --- the file, as server/config would have read it --- */

static void *take(struct config *config, size_t size)
{
    void *made = pl_arena_alloc(&config->arena, size);
    PL_ASSERT(made != NULL);
    return made;
}

static char *text(struct config *config, const char *words)
{
    char *made = pl_arena_strdup(&config->arena, words);
    PL_ASSERT(made != NULL);
    return made;
}

static ProtobufCBinaryData hash(struct config *config, const ProtobufCMessage *message)
{
    uint8_t *sum = take(config, PL_SHA256_BYTES);
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *packed = take(config, len + 1);
    (void)protobuf_c_message_pack(message, packed);
    pl_sha256(pl_slice(packed, len), sum);
    return (ProtobufCBinaryData){PL_SHA256_BYTES, sum};
}

static Pledged__V1__RosterPerson *person(struct config *config, const struct version *version,
                                         enum operator_person who)
{
    Pledged__V1__RosterPerson *made = take(config, sizeof(*made));
    Pledged__V1__RosterIdentity *identity = take(config, sizeof(*identity));
    pledged__v1__roster_person__init(made);
    pledged__v1__roster_identity__init(identity);
    identity->identity = pl_arena_printf(&config->arena, "uri:sim:%s%s", operator_name[who],
                                         version->renamed[who] ? "-2" : "");
    PL_ASSERT(identity->identity != NULL);
    made->person = text(config, operator_name[who]);
    made->role = version->role[who];
    made->n_identity = 1;
    made->identity = take(config, sizeof(*made->identity));
    made->identity[0] = identity;
    return made;
}

static void fill_roster(struct config *config, const struct version *version)
{
    Pledged__V1__RosterAdopted *roster = take(config, sizeof(*roster));
    pledged__v1__roster_adopted__init(roster);
    roster->person = take(config, OPERATOR_PERSONS * sizeof(*roster->person));
    for (int i = 0; i < OPERATOR_PERSONS; i++) {
        if (version->role[i] != PLEDGED__V1__ROLE__ROLE_UNSPECIFIED)
            roster->person[roster->n_person++] = person(config, version, (enum operator_person)i);
    }
    roster->sha256 = hash(config, &roster->base);
    config->roster = roster;
}

static Pledged__V1__PolicyAccount *account(struct config *config)
{
    Pledged__V1__PolicyAccount *made = take(config, sizeof(*made));
    pledged__v1__policy_account__init(made);
    made->account = text(config, "CHF01");
    made->iban = text(config, OPERATOR_ACCOUNT);
    made->currency = text(config, "CHF");
    return made;
}

static void fill_policy(struct config *config, const struct version *version)
{
    Pledged__V1__PolicyAdopted *policy = take(config, sizeof(*policy));
    pledged__v1__policy_adopted__init(policy);
    policy->four_eyes = take(config, CLASSES_MAX * sizeof(*policy->four_eyes));
    for (unsigned i = 1; i < CLASSES_MAX; i++) {
        if ((version->four_eyes >> i & 1) != 0)
            policy->four_eyes[policy->n_four_eyes++] = (Pledged__V1__CommandClass)i;
    }
    policy->rules = LEDGER_RULES;
    policy->proposal_ttl_s = PROPOSAL_TTL_S;
    policy->n_account = 1;
    policy->account = take(config, sizeof(*policy->account));
    policy->account[0] = account(config);
    policy->sha256 = hash(config, &policy->base);
    config->policy = policy;
}

struct config *operator_config(void)
{
    struct file *file = calloc(1, sizeof(*file));
    PL_ASSERT(file != NULL && o.versions != 0);
    struct config *config = &file->config;
    file->version = o.versions;
    pl_arena_init(&config->arena, ARENA_BYTES);
    config->path = "sim.conf";
    config->origin = OPERATOR_ORIGIN;
    config->clock_jump_limit_s = 10;
    config->log_level = PL_LOG_ERROR;
    config->net = (struct net_limits){.calls = 32,
                                      .streams = 8,
                                      .handshake_ms = 1000,
                                      .preface_ms = 1000,
                                      .idle_ms = 5000,
                                      .request_ms = 3000,
                                      .write_stall_ms = 2000,
                                      .keepalive_ms = 1500,
                                      .keepalive_timeout_ms = 700};
    fill_roster(config, newest());
    fill_policy(config, newest());
    return config;
}

uint64_t operator_config_version(const struct config *config)
{
    return ((const struct file *)config)->version;
}

bool operator_revokes(const struct tls_files *files, enum operator_person person)
{
    const struct config *config =
        (const struct config *)(const void *)((const char *)files - offsetof(struct config, tls));
    return o.version[operator_config_version(config) - 1].revoked[person];
}

/* --- server/config and server/validity, as server/reload calls them --- */

struct pl_status config_load(const char *path, char *message, size_t message_size,
                             struct config **ret)
{
    (void)path;
    if (o.spoiled) {
        (void)snprintf(message, message_size, "sim.conf: half a line");
        return pl_fail(CONFIG, "read configuration");
    }
    *ret = operator_config();
    return pl_ok();
}

void config_free(struct config *config)
{
    if (config == NULL)
        return;
    pl_arena_fini(&config->arena);
    free(config);
}

void config_restart_keys(const struct config *now, const struct config *next, char *ret,
                         size_t size)
{
    (void)now, (void)next, (void)size;
    ret[0] = '\0';
}

void config_blame(const struct config *config, char *message, size_t size)
{
    (void)config, (void)message, (void)size; /* there is no file here */
}

void validity_read(const struct tls_files *files, struct validity *ret)
{
    (void)files;
    *ret = (struct validity){.server_s = 0};
}

bool validity_warning(const struct validity *validity, int64_t now_s, size_t index, char *ret)
{
    (void)validity, (void)now_s, (void)index, (void)ret;
    return false;
}
